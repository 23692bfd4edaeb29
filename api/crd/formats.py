"""The formats of strings that a schema may ask for. An unknown one fits everything.

Source: apiextensions-apiserver/pkg/apiserver/validation/formats.go, kube-openapi/pkg/validation/
strfmt/default.go.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from api.core import JsonObject
from api.names import wrong_with_label, wrong_with_subdomain
from api.times import TimeError, parse_time

_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_MAC = re.compile(
    r"(?i)[0-9a-f]{2}([:-])([0-9a-f]{2}\1){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}"
)
_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_UUIDS = {
    kind: re.compile(rf"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{rest}-?[0-9a-f]{{12}}")
    for kind, rest in (
        ("uuid3", "3[0-9a-f]{3}-?[0-9a-f]{4}"),
        ("uuid4", "4[0-9a-f]{3}-?[89ab][0-9a-f]{3}"),
        ("uuid5", "5[0-9a-f]{3}-?[89ab][0-9a-f]{3}"),
    )
}
_HEX_COLOUR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}", re.ASCII)
_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}
_OF_TEXTS = (
    "bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3",
    "uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor",
    "byte", "password", "date", "duration", "datetime", "k8sshortname", "k8slongname",
)  # fmt: skip
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)


def supported_format(raw: JsonObject) -> str:
    """The format of a schema when it is one that its type may have, else empty."""
    name: str = raw.get("format") or ""
    kind = raw.get("type") or ""
    if raw.get("x-kubernetes-int-or-string"):
        kind = ""
    if kind in ("", "string"):
        return name if name.replace("-", "") in _OF_TEXTS else ""
    return name if name in _OF_NUMBERS.get(kind, ()) else ""


def fits_format(name: str, text: str) -> bool:
    """Whether a text has a format."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)


def _is(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except (TimeError, AddressValueError, ValueError):
            return False
        return True

    return fits


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _network(text: str) -> None:
    if "/" not in text:
        raise ValueError(text)
    ip_network(text, strict=False)


def _uri(text: str) -> None:
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(text)


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "datetime": _is(parse_time),
    "date": _like(_DATE),
    "duration": _like(_DURATION),
    "ipv4": _is(IPv4Address),
    "ipv6": _is(IPv6Address),
    "cidr": _is(_network),
    "mac": _like(_MAC),
    "uuid": _like(_UUID),
    "uri": _is(_uri),
    "hostname": _like(_HOST),
    "email": _like(_EMAIL),
    **{kind: _like(pattern) for kind, pattern in _UUIDS.items()},
    "hexcolor": _like(_HEX_COLOUR),
    "ssn": _like(_SSN),
    "k8sshortname": lambda text: not wrong_with_label(text),
    "k8slongname": lambda text: not wrong_with_subdomain(text),
    "byte": _is(lambda text: b64decode(text, validate=True)),
}
