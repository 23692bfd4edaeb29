"""Keys, certificates and tokens of one cluster: made from the OS's randomness, kept in files.

A security directory (mode 0700) holds, each with mode 0600:

    ca.crt, ca.key                 the cluster's certificate authority
    apiserver.crt, apiserver.key   what its servers show, ECDSA P-256
    tokens.csv                     token,user,uid,"group,group": the format of kube-apiserver's
                                   --token-auth-file
    frames.crt, frames.key         what programs show each other, where frames leave their machine
    service-account.key            signs the tokens of service accounts, 32 bytes
    cluster.json                   cluster_id, frame_token and created_ns
    kubeconfig                     once ``write_kubeconfig`` was called for this path

Errors: SecurityError for a directory that cannot be used, with the reason.
"""

import csv
import io
import ipaddress
import json
import os
import secrets
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from actors.net.tls import FRAMES_NAME
from actors.plan import Security

ADMIN: Final = "admin"
USERS: Final = (
    (ADMIN, ("system:masters",)),
    ("system:kube-scheduler", ()),
    ("system:kube-controller-manager", ()),
    ("hollowfleet:nodes", ("system:nodes",)),
)
"""Users of tokens.csv with their groups; the components are named as Kubernetes names them."""
LOOPBACK: Final = ("127.0.0.1", "localhost")
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVICE_NAMES: Final = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVICE_ACCOUNT_KEY: Final = "service-account.key"
VALID_FROM: Final = timedelta(hours=-1)
VALID_FOR: Final = timedelta(days=365)


class SecurityError(Exception):
    """The security directory is missing, incomplete or readable by others."""


class TokenUser(NamedTuple):
    """Whom a bearer token stands for."""

    user: str
    uid: str
    groups: tuple[str, ...]


def create_security(
    directory: str,
    cluster_id: str | None = None,
    hosts: Sequence[str] = LOOPBACK,
) -> Security:
    """Make a new cluster's secrets in ``directory`` (created, mode 0700). About 5 ms.

    ``hosts``: names and addresses that clients will use, for the server's certificate."""
    home = Path(directory)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    identity = {
        "cluster_id": cluster_id or secrets.token_hex(8),
        "frame_token": secrets.token_urlsafe(32),
    }
    created_ns = time.time_ns()
    authority, authority_key = _authority(identity["cluster_id"])
    _write_private(home / "ca.crt", _pem(authority))
    _write_private(home / "ca.key", _pem_key(authority_key))
    certify_servers(str(home), hosts)
    _write_private(home / "tokens.csv", _tokens_csv())
    _write_private(home / SERVICE_ACCOUNT_KEY, secrets.token_bytes(32))
    _write_private(
        home / "cluster.json", json.dumps({**identity, "created_ns": created_ns}).encode()
    )
    return Security(
        identity["cluster_id"], identity["frame_token"], str(home), created_ns=created_ns
    )


def certify_servers(directory: str, hosts: Sequence[str]) -> None:
    """Make the certificate of the API servers anew, for these names and addresses."""
    home = Path(directory)
    authority, signer = _signer(home)
    identity = _Identity("kube-apiserver", (*hosts, *SERVICE_NAMES), (SERVER,))
    _certify(home, "apiserver", identity, (authority, signer))


def spread(security: Security, hosts: Sequence[str]) -> Security:
    """The same cluster over machines with these addresses: its API servers are known by them, and
    its programs speak TLS to each other."""
    home = Path(security.directory)
    certify_servers(security.directory, (*LOOPBACK, *hosts))
    identity = _Identity("hollowfleet-program", (FRAMES_NAME,), (SERVER, CLIENT))
    _certify(home, "frames", identity, _signer(home))
    return replace(security, encrypted=True)


def load_security(directory: str) -> Security:
    """The secrets that ``create_security`` left in ``directory``."""
    path = Path(directory) / "cluster.json"
    try:
        if path.stat().st_mode & 0o077:
            raise SecurityError(f"{path} is open to other users; its mode must be 0600")
        identity = json.loads(path.read_bytes())
        return Security(**identity, directory=directory)
    except FileNotFoundError:
        raise SecurityError(f"no cluster was set up in {directory}: {path} is missing") from None
    except (ValueError, KeyError, TypeError) as damage:
        raise SecurityError(f"{path} is damaged: {damage}") from damage


def read_tokens(security: Security) -> dict[str, TokenUser]:
    """Bearer token -> user, from tokens.csv."""
    path = Path(security.directory) / "tokens.csv"
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise SecurityError(f"{path} is missing") from None
    tokens: dict[str, TokenUser] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if len(row) not in (3, 4) or not row[0]:
            raise SecurityError(f'{path} line {number}: expected token,user,uid,"groups"')
        groups = tuple(name for name in row[3].split(",") if name) if len(row) == 4 else ()
        tokens[row[0]] = TokenUser(row[1], row[2], groups)
    return tokens


def service_account_key(security: Security) -> bytes:
    """The key under which the cluster signs the tokens of service accounts."""
    path = Path(security.directory) / SERVICE_ACCOUNT_KEY
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SecurityError(f"{path} is missing") from None


def token_of(security: Security, user: str) -> str:
    """The bearer token of one user."""
    for token, holder in read_tokens(security).items():
        if holder.user == user:
            return token
    raise SecurityError(f"no token for user {user!r} in {security.directory}")


def admin_token(security: Security) -> str:
    """The bearer token of the cluster's administrator."""
    return token_of(security, ADMIN)


def write_kubeconfig(security: Security, server_url: str, path: str) -> None:
    """A kubeconfig for the admin, with the authority inside, so the file works anywhere."""
    authority = (Path(security.directory) / "ca.crt").read_bytes()
    name = "hollowfleet"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server_url,
                    "certificate-authority-data": b64encode(authority).decode(),
                },
            }
        ],
        "users": [{"name": ADMIN, "user": {"token": admin_token(security)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": ADMIN}}],
        "current-context": name,
    }
    _write_private(Path(path), yaml.safe_dump(document, sort_keys=False).encode())


def client_certificate(
    security: Security, user: str, groups: Sequence[str] = (), valid_for: timedelta = VALID_FOR
) -> tuple[bytes, bytes]:
    """A certificate that stands for a user of the cluster, and its key, in PEM."""
    authority, signer = _signer(Path(security.directory))
    key = ec.generate_private_key(ec.SECP256R1())
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in groups]
    name = x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    builder = (
        _certificate(name, authority.subject, key.public_key(), valid_for)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    return _pem(builder.sign(signer, hashes.SHA256())), _pem_key(key)


def server_ssl_context(security: Security, alpn: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
    """What our servers speak: TLS 1.2 or later with the cluster's certificate. A client may show
    one of the cluster's; the handshake fails with any other, and with an expired one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    home = Path(security.directory)
    context.load_cert_chain(home / "apiserver.crt", home / "apiserver.key")
    context.load_verify_locations(home / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_ssl_context(
    ca_file: str = "",
    alpn: Sequence[str] = ("http/1.1",),
    *,
    ca_pem: str = "",
    identity_pem: str = "",
) -> ssl.SSLContext:
    """Verifies the server's name and certificate against this one authority, TLS 1.2 or later.

    The authority is a file, or its PEM text. ``identity_pem``: what we show of ourselves, a
    certificate and its key. ssl.SSLError when that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    context.load_verify_locations(ca_file or None, cadata=ca_pem or None)
    if identity_pem:
        # Only files can be loaded.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(identity_pem)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _authority(cluster_id: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hollowfleet-ca-{cluster_id}")])
    usage = _key_usage(signs_certificates=True)
    builder = (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _signer(home: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority and its key."""
    try:
        authority = x509.load_pem_x509_certificate((home / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((home / "ca.key").read_bytes(), None)
    except FileNotFoundError as missing:
        raise SecurityError(f"{missing.filename} is missing") from None
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return authority, key


class _Identity(NamedTuple):
    """What a certificate says of its holder."""

    common_name: str
    hosts: tuple[str, ...]
    uses: tuple[x509.ObjectIdentifier, ...]


def _certify(
    home: Path,
    name: str,
    identity: _Identity,
    signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
) -> None:
    """NAME.crt, with the authority behind it, and NAME.key."""
    authority, authority_key = signer
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)])
    names = dict.fromkeys(identity.hosts)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        _certificate(subject, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(identity.uses), critical=False)
        .add_extension(x509.SubjectAlternativeName([_san(n) for n in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    certificate = builder.sign(authority_key, hashes.SHA256())
    _write_private(home / f"{name}.crt", _pem(certificate) + _pem(authority))
    _write_private(home / f"{name}.key", _pem_key(key))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    valid_for: timedelta = VALID_FOR,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + VALID_FROM)
        .not_valid_after(now + valid_for)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _san(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _tokens_csv() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, (user, groups) in enumerate(USERS):
        writer.writerow((secrets.token_urlsafe(32), user, str(number), ",".join(groups)))
    return out.getvalue().encode()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_private(path: Path, data: bytes) -> None:
    """Replace the file at once; it never exists with a wider mode or half its content."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.rename(path)
