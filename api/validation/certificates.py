"""Validation of CertificateSigningRequests: what is asked of whom, who approves, what was signed.

Source: pkg/apis/certificates/validation/validation.go and ValidateSignerName in
pkg/apis/core/validation of Kubernetes 1.36.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import SUBDOMAIN_BYTES, wrong_with_label, wrong_with_subdomain

SECONDS_MIN: Final = 600
LEGACY_SIGNER: Final = "kubernetes.io/legacy-unknown"
USAGES: Final = (
    *("any", "cert sign", "client auth", "code signing", "content commitment", "crl sign"),
    *("data encipherment", "decipher only", "digital signature", "email protection"),
    *("encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement"),
    *("key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth"),
    *("signing", "timestamping"),
)
_SIGNER_BYTES_MAX: Final = 571
_VERDICTS: Final = ("Approved", "Denied")
_TRUE_ONLY: Final = (*_VERDICTS, "Failed")
_STATUSES: Final = ("False", "True", "Unknown")
_CONDITIONS: Final = "status.conditions"
_BLOCK: Final = re.compile(
    rb"^-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)^-----END \1-----[ \t\r]*$",
    re.DOTALL | re.MULTILINE,
)


def check_request(causes: list[Cause], request: JsonObject) -> None:
    """A new CertificateSigningRequest; metadata apart."""
    _check_request(causes, request, None)


def _check_request(causes: list[Cause], request: JsonObject, old: JsonObject | None) -> None:
    """``old``: the last version, whose faults are forgiven; None for a new request."""
    spec = request["spec"]
    wrong = _wrong_with_csr(_bytes(spec.get("request")))
    if wrong:
        causes.append(Cause.invalid("spec.request", spec.get("request"), wrong))
    if old is None:
        # No update reaches the specification, so these are never new faults of one.
        _check_usages(causes, spec.get("usages") or ())
        _check_signer(causes, spec.get("signerName", ""), "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < SECONDS_MIN:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.append(Cause.invalid("spec.expirationSeconds", seconds, text))
    _check_conditions(causes, _conditions(request), [] if old is None else _conditions(old))
    certificate = _certificate(request)
    if certificate and (old is None or certificate != _certificate(old)):
        wrong = _wrong_with_certificate(certificate)
        if wrong:
            causes.append(Cause.invalid("status.certificate", "<certificate data>", wrong))


def _check_usages(causes: list[Cause], usages: Sequence[str]) -> None:
    if not usages:
        causes.append(Cause.required("spec.usages"))
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            causes.append(Cause.not_supported(f"spec.usages[{index}]", usage, USAGES))
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            causes.append(Cause.duplicate(f"spec.usages[{index}]", usage))


def _check_signer(causes: list[Cause], signer: str, field: str) -> None:
    parts = signer.split("/")
    if not signer:
        causes.append(Cause.required(field))
    elif signer == LEGACY_SIGNER:
        text = "the legacy signerName is not allowed via this API version"
        causes.append(Cause.invalid(field, signer, text))
    elif len(parts) != 2:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        causes.append(Cause.invalid(field, signer, text))
    else:
        domain, path = parts
        if len(domain.encode()) > SUBDOMAIN_BYTES:
            causes.append(Cause.too_long(field, SUBDOMAIN_BYTES))
        _check_parts(causes, domain, field, label=True)
        if "." not in domain:
            text = "should be a domain with at least two segments separated by dots"
            causes.append(Cause.invalid(field, domain, text))
        _check_parts(causes, path, field, label=False)
        if len(signer.encode()) > _SIGNER_BYTES_MAX:
            causes.append(Cause.too_long(field, _SIGNER_BYTES_MAX))


def _check_parts(causes: list[Cause], text: str, field: str, *, label: bool) -> None:
    """The first wrong one of the parts between the dots."""
    for part in text.split("."):
        wrong = wrong_with_label(part) if label else wrong_with_subdomain(part)
        for why in wrong:
            causes.append(Cause.invalid(field, text, f'validating label "{part}": {why}'))
        if wrong:
            return


def _check_conditions(
    causes: list[Cause], conditions: Sequence[JsonObject], old: Sequence[JsonObject]
) -> None:
    known = [condition.get("type", "") for condition in old]
    seen: list[str] = []
    for index, condition in enumerate(conditions):
        kind, status = condition.get("type", ""), condition.get("status", "")
        field = f"{_CONDITIONS}[{index}]"
        if not kind and "" not in known:
            causes.append(Cause.required(f"{field}.type"))
        allowed = ("True",) if kind in _TRUE_ONLY else _STATUSES
        if not status:
            causes.append(Cause.required(f"{field}.status"))
        elif status not in allowed:
            causes.append(Cause.not_supported(f"{field}.status", status, allowed))
        rivals = [verdict for verdict in _VERDICTS if verdict != kind and kind in _VERDICTS]
        if any(rival in seen for rival in rivals) and not set(_VERDICTS) <= set(known):
            text = "Approved and Denied conditions are mutually exclusive"
            causes.append(Cause.invalid(f"{field}.type", kind, text))
        if kind in seen and len(set(known)) == len(known):
            causes.append(Cause.duplicate(f"{field}.type", kind))
        seen.append(kind)


def check_request_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The whole object, whose specification and status an update leaves as they were."""
    _check_request(causes, new, old)


def check_request_status(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The signer writes the certificate, once, and gives no verdict."""
    _check_request(causes, new, old)
    _check_kept(causes, new, old)
    for kind in _VERDICTS:
        if _count(new, kind) > _count(old, kind):
            text = f'updates may not add a condition of type "{kind}"'
            causes.append(Cause.forbidden(_CONDITIONS, text))
    if _certificate(old) and _certificate(new) != _certificate(old):
        text = "updates may not modify existing certificate content"
        causes.append(Cause.forbidden("status.certificate", text))


def check_request_approval(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The approver gives a verdict; none is taken back."""
    _check_request(causes, new, old)
    _check_kept(causes, new, old)


def _check_kept(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    for kind in _TRUE_ONLY:
        if _count(new, kind) < _count(old, kind):
            text = f'updates may not remove a condition of type "{kind}"'
            causes.append(Cause.forbidden(_CONDITIONS, text))


def _count(request: JsonObject, kind: str) -> int:
    return sum(condition.get("type") == kind for condition in _conditions(request))


def _conditions(request: JsonObject) -> list[JsonObject]:
    return (request.get("status") or {}).get("conditions") or []


def _certificate(request: JsonObject) -> bytes:
    return _bytes((request.get("status") or {}).get("certificate"))


def _bytes(text: str | None) -> bytes:
    return b64decode(text or "")


def _blocks(pem: bytes) -> list[tuple[str, bytes, bytes]]:
    """Type, headers and content of each PEM block; what cannot be read is passed over, as there."""
    found = []
    for kind, body in _BLOCK.findall(pem):
        head, split, rest = body.partition(b"\n\n")
        headers, content = (head, rest) if split and b":" in head else (b"", body)
        try:
            data = b64decode(b"".join(content.split()), validate=True)
        except Base64Error:
            continue
        found.append((kind.decode("utf-8", "replace"), headers, data))
    return found


def _wrong_with_csr(pem: bytes) -> str:
    blocks = _blocks(pem)
    if not blocks or blocks[0][0] != "CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    # Only here: it takes 0.1 s to load for every program that sees no request.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if x509.load_der_x509_csr(blocks[0][2]).is_signature_valid:
            return ""
    except UnsupportedAlgorithm:
        return "x509: cannot verify signature: algorithm unimplemented"
    except (ValueError, x509.InvalidVersion):
        return "asn1: structure error: not a certificate request"
    return "x509: invalid signature"


def _wrong_with_certificate(pem: bytes) -> str:
    blocks = _blocks(pem)
    from cryptography import x509

    for kind, headers, data in blocks:
        if kind != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind}"'
        if headers:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(data)
        except (ValueError, x509.InvalidVersion):
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"
