"""A small HTTPS client for the driver's own few requests and watches (standard library only).

The load itself is Locust's; this must not share a process with it.
"""

import http.client
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson

from api.core import JsonObject
from loadtest.tls import client_context

CREATE_ATTEMPTS, CREATE_PAUSE_S = 10, 0.5
"""The store may be away for a moment, as an experiment may have it from the first second on."""


class ServerUnreachable(Exception):
    """No answer from the API server; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is and how to prove who asks."""

    server: str
    ca_file: str
    token: str
    """Empty: by certificate alone."""
    identity_file: str = ""
    """A client certificate and its key, PEM; may be empty."""


class ApiClient:
    """One connection, re-opened when lost. Not for use from several threads."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = 30.0) -> None:
        self._server = endpoint.server
        parts = urlsplit(endpoint.server)
        self._root = parts.path
        context = client_context(endpoint.ca_file, endpoint.identity_file)
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port or 443, timeout=timeout_s, context=context
        )
        self._socket: socket.socket | None = None
        self._headers = {"Accept": "application/json", "User-Agent": "hollowfleet-driver"}
        if endpoint.token:
            self._headers["Authorization"] = f"Bearer {endpoint.token}"

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, JsonObject]:
        """Status code and the parsed answer. Raises ServerUnreachable."""
        with self._open(method, path, body) as response:
            try:
                data = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise self._unreachable(error) from None
        try:
            parsed = orjson.loads(data) if data else {}
        except orjson.JSONDecodeError:
            parsed = {"message": data[:200].decode(errors="replace")}
        return response.status, parsed if isinstance(parsed, dict) else {"message": str(parsed)}

    def watch(self, path: str) -> Iterator[JsonObject]:
        """Events of a watch until the server ends it. Raises ServerUnreachable."""
        try:
            with self._open("GET", path, b"") as response:
                if response.status != 200:
                    yield {"type": "ERROR", "object": {"code": response.status}}
                    return
                rest = b""
                while True:
                    try:
                        data = response.read1(262_144)
                    except (OSError, ValueError, http.client.HTTPException) as error:
                        raise self._unreachable(error) from None
                    if not data:
                        return
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        if line:
                            yield orjson.loads(line)
        finally:
            # What follows a watch that was left early would be the rest of its answer.
            self._connection.close()

    def abort(self) -> None:
        """End whatever another thread waits for, above all a watch; that thread closes."""
        if self._socket is not None:
            try:
                # Not SSLSocket's own: it drops the TLS layer, and the reader would get raw bytes.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self._connection.close()

    def _open(self, method: str, path: str, body: bytes) -> http.client.HTTPResponse:
        headers = dict(self._headers)
        if body:
            headers["Content-Type"] = "application/json"
        for attempt in (1, 2):
            # A kept connection may have been closed by the server meanwhile: once more then.
            reused = self._connection.sock is not None
            try:
                self._connection.request(method, self._root + path, body or None, headers)
                self._socket = self._connection.sock
                return self._connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if attempt == 2 or not reused:
                    raise self._unreachable(error) from None
        raise AssertionError("unreachable")

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServerUnreachable(f"cannot reach {self._server}: {reason}")


def create(client: ApiClient, path: str, body: str) -> None:
    """Create an object; one that exists already is fine. A server that cannot tell whether it did
    (503) is asked again, for some seconds. Raises ServerUnreachable, RuntimeError."""
    for attempt in range(CREATE_ATTEMPTS):
        if attempt:
            time.sleep(CREATE_PAUSE_S)
        code, answer = client.request("POST", path, body.encode())
        if code != HTTPStatus.SERVICE_UNAVAILABLE:
            break
    if code not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT):
        raise RuntimeError(f"POST {path} was answered {code}: {answer.get('message', '')}")
