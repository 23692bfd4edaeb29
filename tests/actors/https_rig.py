"""An HTTPS server of its own for a test, and raw connections to it."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from actors.net.exchange import Exchange
from actors.net.https import HttpsBounds, HttpsServer, serve_https
from actors.plan import Security
from actors.security import client_ssl_context, server_ssl_context

CALM = HttpsBounds(head_s=120.0, body_s=120.0, handshake_s=120.0, head_bytes_max=2000)
"""A busy machine may be late with anything: only what a test is about may run out."""


@dataclass
class App:
    """Echoes path and body; ``/watch`` streams until the client or the server goes."""

    disconnects: int = 0

    def __call__(self, exchange: Exchange) -> None:
        if exchange.target == b"/watch":
            exchange.on_gone = self._gone
            exchange.start(200, b"")
            exchange.write(b"ADDED\n")
        elif exchange.oversized:
            exchange.answer(413, b"", b"too large")
        else:
            exchange.answer(200, b"", exchange.target + exchange.body)

    def _gone(self) -> None:
        self.disconnects += 1


async def start(security: Security, app: Any = None, bounds: HttpsBounds = CALM) -> HttpsServer:
    context = server_ssl_context(security)
    return await serve_https(app or App(), "127.0.0.1", 0, context, bounds)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: HttpsServer, security: Security) -> Streams:
    context = client_ssl_context(f"{security.directory}/ca.crt")
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


async def rest(streams: Streams) -> bytes:
    """Everything until the server closes, however it does."""
    reader, writer = streams
    got = b""
    try:
        while piece := await reader.read(65536):
            got += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    writer.transport.abort()
    return got
