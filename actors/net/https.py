"""HTTPS for everyone outside: the listening socket, its connections and their time-outs.

What a connection does is in ``actors.net.connection``, how it is accepted in
``actors.net.listener``; why they are ours is docs/adr/0010. One sweep over the connections, a few
times a second, ends those whose head, body or next request is overdue.
"""

import asyncio
import contextlib
import errno
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Final

from actors.freed import give_back_freed
from actors.net.connection import Connection
from actors.net.errors import NetError, PortInUse
from actors.net.exchange import Exchange
from actors.net.https_host import HttpsBounds
from actors.net.large_answers import LargeAnswers
from actors.net.listener import Listener

DATE_PERIOD_S: Final = 1.0
__all__ = ["HttpsBounds", "HttpsServer", "serve_https"]
SWEEP_S: Final = 1.0
"""Longest pause between sweeps; a quarter of the shortest bound if that is less."""


class HttpsServer:
    """A listening HTTPS server. ``port`` is the bound one; ``handle`` gets each request."""

    def __init__(self, handle: Callable[[Exchange], None], bounds: HttpsBounds) -> None:
        self.handle = handle
        self.bounds = bounds
        self.port = 0
        self.refused = 0
        self.requests = 0
        self.bulky_bodies = self._bulky_before = self._bulky_given = self._given_back = 0
        self.date = b""
        self.large = LargeAnswers(bounds.owed_bytes_max)
        self.last_chunk = self.last_framed = b""
        self._connections: dict[Connection, None] = {}
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._listener: Listener | None = None
        self._dater: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._all_closed = asyncio.Event()

    async def listen(self, host: str, port: int, ssl_context: ssl.SSLContext | None) -> None:
        """PortInUse; NetError for an address that cannot be had."""
        listener = Listener(lambda: Connection(self), ssl_context, self.bounds.handshake_s)
        try:
            await listener.open(host, port, self.bounds.backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"port {port} on {host} is already in use") from error
            raise NetError(f"cannot listen on {host}:{port}: {error}") from error
        self._listener, self.port = listener, listener.port
        self._renew_date()
        self._sweep()

    def gauges(self) -> Mapping[str, float]:
        return {
            "https_connections": len(self._connections),
            "https_requests_in_flight": sum(one.busy for one in self._connections),
            "https_requests_total": self.requests,
            "https_refused_total": self.refused,
            "https_memory_given_back_total": self._given_back,
            "https_shed_total": self._listener.shed if self._listener is not None else 0,
        }

    def opened(self, connection: Connection) -> bool:
        self._connections[connection] = None
        self._all_closed.clear()
        return len(self._connections) <= self.bounds.connections_max

    def closed(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self.large.owe(connection, 0)
        if self._listener is not None:
            self._listener.ended(connection)
        if not self._connections:
            self._all_closed.set()

    async def stop(self, grace_s: float = 0.5) -> None:
        """Take no more requests, let those in flight finish for ``grace_s``, then disconnect the
        rest: their owners hear that the client is gone. Idempotent."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        await listener.close()
        for timer in (self._dater, self._sweeper):
            if timer is not None:
                timer.cancel()
        for connection in list(self._connections):
            connection.close()
        await self._finish(grace_s)
        for connection in list(self._connections):
            connection.abort()
        await self._finish(grace_s)

    async def _finish(self, patience_s: float) -> None:
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._all_closed.wait()

    def _renew_date(self) -> None:
        self.date = formatdate(time.time(), usegmt=True).encode()
        self._dater = self._loop.call_later(DATE_PERIOD_S, self._renew_date)

    def _sweep(self) -> None:
        """Cut off who is overdue."""
        now = self.time()
        for connection in [one for one in self._connections if one.deadline < now]:
            self.refused += not connection.idle
            connection.abort()
        if self.bulky_bodies != self._bulky_before:
            self._bulky_before = self.bulky_bodies
        elif self.bulky_bodies != self._bulky_given:
            # None since the last sweep: what they took is not needed again at once.
            self._bulky_given = self.bulky_bodies
            self._given_back += 1
            give_back_freed()
        period_s = min(SWEEP_S, self.bounds.head_s / 4, self.bounds.body_s / 4)
        self._sweeper = self._loop.call_later(period_s, self._sweep)


async def serve_https(
    handle: Callable[[Exchange], None],
    host: str,
    port: int,
    ssl_context: ssl.SSLContext | None,
    bounds: HttpsBounds | None = None,
) -> HttpsServer:
    """Serve requests on this loop; port 0 takes a free one. PortInUse, NetError."""
    server = HttpsServer(handle, bounds or HttpsBounds())
    await server.listen(host, port, ssl_context)
    return server
