"""HTTPS for everyone outside: a raw ASGI application on this loop, by uvicorn's HTTP protocol.

uvicorn parses requests and runs the application; this file owns the listening socket and adds what
uvicorn leaves to a proxy in front (docs/adr/0002-http-server.md): bounds of time and size on a
request's head, on the TLS handshake and on the number of connections.
"""

import asyncio
import errno
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Any, Final

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from actors.net.errors import NetError, PortInUse

DATE_PERIOD_S: Final = 1.0
HEAD_TOO_LARGE: Final = b"request head too large"


@dataclass(frozen=True, slots=True)
class HttpsBounds:
    """What a client may take from us before its request is complete."""

    head_s: float = 10.0
    """From the first byte (or from the connection) to the end of the headers."""
    handshake_s: float = 10.0
    idle_s: float = 120.0
    """A connection without a request."""
    head_bytes_max: int = 64 * 1024
    connections_max: int = 20_000
    backlog: int = 2048


class HttpsServer:
    """A listening HTTPS server. ``port`` is the bound one."""

    def __init__(self, app: ASGI3Application, bounds: HttpsBounds) -> None:
        self.bounds = bounds
        self.port = 0
        self.refused = 0
        self.state = ServerState()
        self.config = Config(
            app,
            lifespan="off",
            interface="asgi3",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=round(bounds.idle_s),
        )
        self.config.load()
        self._loop = asyncio.get_running_loop()
        self._listener: asyncio.Server | None = None
        self._dater: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int, ssl_context: ssl.SSLContext | None) -> None:
        """PortInUse; NetError for an address that cannot be had."""
        try:
            self._listener = await self._loop.create_server(
                partial(_Connection, self),
                host,
                port,
                ssl=ssl_context,
                backlog=self.bounds.backlog,
                ssl_handshake_timeout=self.bounds.handshake_s if ssl_context else None,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"port {port} on {host} is already in use") from error
            raise NetError(f"cannot listen on {host}:{port}: {error}") from error
        self.port = self._listener.sockets[0].getsockname()[1]
        self._date()

    def gauges(self) -> Mapping[str, float]:
        return {
            "https_connections": len(self.state.connections),
            "https_requests_in_flight": len(self.state.tasks),
            "https_requests_total": self.state.total_requests,
            "https_refused_total": self.refused,
        }

    async def stop(self, grace_s: float = 0.5) -> None:
        """Take no more requests, let those in flight finish for ``grace_s``, then disconnect the
        rest: an application that waits in a watch receives ``http.disconnect``. Idempotent."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        if self._dater is not None:
            self._dater.cancel()
        for connection in list(self.state.connections):
            connection.shutdown()
        await self._finish(grace_s)
        for connection in list(self.state.connections):
            connection.transport.abort()
        await self._finish(grace_s)
        for task in list(self.state.tasks):
            task.cancel()
        await self._finish(grace_s)
        await listener.wait_closed()

    async def _finish(self, patience_s: float) -> None:
        if self.state.tasks:
            await asyncio.wait(list(self.state.tasks), timeout=patience_s)

    def _date(self) -> None:
        """The Date header of every answer, renewed once a second."""
        self.state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self._dater = self._loop.call_later(DATE_PERIOD_S, self._date)


async def serve_https(
    app: ASGI3Application,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext | None,
    bounds: HttpsBounds | None = None,
) -> HttpsServer:
    """Serve ``app`` on this loop; port 0 takes a free one. PortInUse, NetError."""
    server = HttpsServer(app, bounds or HttpsBounds())
    await server.listen(host, port, ssl_context)
    return server


class _Connection(HttpToolsProtocol):
    """uvicorn's connection, with a bound on the head of each request."""

    def __init__(self, server: HttpsServer) -> None:
        super().__init__(server.config, server.state, {}, asyncio.get_running_loop())
        self._server = server
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._server.bounds.connections_max:
            self._server.refused += 1
            transport.abort()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        idle = self._idle()
        if idle:
            self._head_bytes += len(data)
        super().data_received(data)
        if idle and self._idle() and not self.transport.is_closing():
            if self._head_bytes > self._server.bounds.head_bytes_max:
                self._refuse_head()
            elif self._head_timer is None:
                self._expect_head()

    def on_headers_complete(self) -> None:
        bound = self._server.bounds.head_bytes_max
        if self._head_bytes > bound and _head_size(self.url, self.headers) > bound:
            # The cycle must exist before the body comes, so the refusal is an application too.
            self._server.refused += 1
            self.app = _head_too_large
        self._head_bytes = 0
        self._forget_head_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head_timer()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._server.bounds.head_s, self._too_slow)

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self._server.refused += 1
        self.transport.abort()

    def _refuse_head(self) -> None:
        self._server.refused += 1
        self._forget_head_timer()
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
            b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n%b"
            % (len(HEAD_TOO_LARGE), HEAD_TOO_LARGE)
        )
        self.transport.close()


def _head_size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers)


async def _head_too_large(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    headers: Any = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(HEAD_TOO_LARGE)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": HEAD_TOO_LARGE, "more_body": False})
