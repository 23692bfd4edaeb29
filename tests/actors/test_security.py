"""What create_security leaves on the disk, and what TLS clients make of it."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from actors.plan import Security
from actors.security import (
    SecurityError,
    TokenUser,
    admin_token,
    client_ssl_context,
    create_security,
    load_security,
    read_tokens,
    server_ssl_context,
    token_of,
    write_kubeconfig,
)
from tests.actors.loopback import run


def test_every_file_is_private_and_every_secret_is_new(tmp_path: Path) -> None:
    first = create_security(str(tmp_path / "a"))
    second = create_security(str(tmp_path / "b"))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        *("apiserver.crt", "apiserver.key", "ca.crt", "ca.key", "cluster.json"),
        *("service-account.key", "tokens.csv"),
    ]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").iterdir()} == {0o600}
    assert first.cluster_id != second.cluster_id
    assert first.frame_token != second.frame_token
    assert read_tokens(first).keys().isdisjoint(read_tokens(second))


def test_a_directory_is_loaded_again_and_damage_is_named(tmp_path: Path) -> None:
    made = create_security(str(tmp_path), cluster_id="fixed")
    assert load_security(str(tmp_path)) == made
    identity = tmp_path / "cluster.json"
    identity.chmod(0o640)
    with pytest.raises(SecurityError, match="0600"):
        load_security(str(tmp_path))
    identity.chmod(0o600)
    identity.write_text(json.dumps({"cluster_id": "fixed"}))
    with pytest.raises(SecurityError, match="damaged"):
        load_security(str(tmp_path))
    with pytest.raises(SecurityError, match="no cluster was set up"):
        load_security(str(tmp_path / "elsewhere"))


def test_tokens_have_the_format_of_kube_apiserver(tmp_path: Path) -> None:
    made = create_security(str(tmp_path))
    tokens = read_tokens(made)
    assert tokens[admin_token(made)] == TokenUser("admin", "0", ("system:masters",))
    assert tokens[token_of(made, "hollowfleet:nodes")].groups == ("system:nodes",)
    with pytest.raises(SecurityError, match="nobody"):
        token_of(made, "nobody")
    (tmp_path / "tokens.csv").write_text('t1,ann,7,"a,b"\nt2,bob,8\n')
    assert read_tokens(made) == {
        "t1": TokenUser("ann", "7", ("a", "b")),
        "t2": TokenUser("bob", "8", ()),
    }
    (tmp_path / "tokens.csv").write_text("only-a-token\n")
    with pytest.raises(SecurityError, match="line 1"):
        read_tokens(made)


def test_the_server_certificate_names_every_way_to_the_server(tmp_path: Path) -> None:
    create_security(str(tmp_path), hosts=("127.0.0.1", "localhost", "10.1.2.3", "api.test"))
    certificate = x509.load_pem_x509_certificate((tmp_path / "apiserver.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns = names.get_values_for_type(x509.DNSName)
    assert {"localhost", "api.test", "kubernetes", "kubernetes.default.svc"} <= set(dns)
    addresses = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "10.1.2.3"]
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(minutes=59)
    assert timedelta(days=364) < certificate.not_valid_after_utc - now <= timedelta(days=365)


def test_a_kubeconfig_stands_alone(tmp_path: Path) -> None:
    made = create_security(str(tmp_path / "security"))
    path = tmp_path / "kubeconfig"
    write_kubeconfig(made, "https://127.0.0.1:6443", str(path))
    document = yaml.safe_load(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert document["current-context"] == "hollowfleet"
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert document["users"][0]["user"]["token"] == admin_token(made)
    assert str(tmp_path) not in path.read_text()


def _handshake(server: Security, ca_file: str, name: str) -> str:
    """Connect with verification; the agreed protocol."""
    seen: list[str] = []

    async def scenario() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        listener = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_ssl_context(server))
        port = listener.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_ssl_context(ca_file), server_hostname=name
            )
            tls = writer.get_extra_info("ssl_object")
            seen.append(f"{tls.version()} {tls.selected_alpn_protocol()}")
            writer.close()
        finally:
            listener.close()

    run(scenario())
    return seen[0]


def test_tls_is_verified_against_the_one_authority_and_the_name(tmp_path: Path) -> None:
    made = create_security(str(tmp_path / "a"))
    other = create_security(str(tmp_path / "b"))
    assert _handshake(made, f"{made.directory}/ca.crt", "127.0.0.1") == "TLSv1.3 http/1.1"
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(made, f"{other.directory}/ca.crt", "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(made, f"{made.directory}/ca.crt", "example.test")
