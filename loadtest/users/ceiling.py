"""What a generator is good for, measured on itself before a run.

A few users in closed loops send small requests to a server in the same thread, by all that a run
does for one: what the server's side costs comes on top, so against a server elsewhere it is more.
Larger answers, and writes with their bodies, make it less.
"""

import datetime
import ipaddress
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from gevent.server import StreamServer

from loadtest.compiled import SCHEDULE_FILE, write_schedule
from loadtest.fields import SECOND_NS
from loadtest.generator_config import GeneratorConfig, write_private
from loadtest.schedule import Arrival

REQUESTS = 400
USERS = 4
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HOST = "127.0.0.1"


class Runs(Protocol):
    def run(self, start_wall_ns: int) -> None: ...


def requests_s_max(config: GeneratorConfig, make: Callable[[GeneratorConfig], Runs]) -> float:
    """``make``: a generator of a configuration."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        certificate = place / "own.pem"
        write_private(certificate, _own_certificate())
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server = StreamServer((HOST, 0), _answer_all, ssl_context=tls)
        server.start()
        write_schedule(tuple(_reads()), place)
        own = replace(
            config,
            servers=[f"https://{HOST}:{server.server_port}"],
            ca_file=str(certificate),
            identity_file="",
            schedule=str(place / SCHEDULE_FILE),
            index=0,
            processes=1,
            samples=str(place / "samples"),
            spans=str(place / "spans"),
            result=str(place / "result"),
        )
        try:
            with redirect_stdout(StringIO()):
                make(own).run(time.time_ns())
        finally:
            server.stop(timeout=0)
        result = json.loads((place / "result").read_text())
        return float(result["counts"]["done"] / result["cpu_s"])


def _reads() -> Iterator[Arrival]:
    for number in range(REQUESTS):
        user = number % USERS
        yield Arrival(
            0, 0, "readers", "get", "pods", "load-0", "of-this-length", (), user, 60 * SECOND_NS
        )


def _answer_all(connection: Any, _: object) -> None:
    while connection.recv(4096):
        connection.sendall(ANSWER)


def _own_certificate() -> str:
    """Key and certificate, of nobody but this server; its key is gone with it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    made = (
        builder.not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(named, critical=False)
        .sign(key, SHA256())
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return (key.private_bytes(pem, pkcs8, plain) + made.public_bytes(pem)).decode()
