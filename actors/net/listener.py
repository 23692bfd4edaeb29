"""A listening socket for HTTPS that strangers cannot fill.

Connections are accepted here and not by the loop, so that their sockets are known before TLS has
greeted anybody. When the process has no descriptor left, those that have waited longest without a
request are closed for whoever comes now; otherwise he would wait until their time is up.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from actors.net.connection import Connection

ACCEPTED_MAX: Final = 64
"""Connections accepted in one turn of the loop."""
SHED_MAX: Final = 64
"""Strangers closed at a time, when descriptors are out; never more than half of them."""
PAUSE_S: Final = 0.5
"""How long nobody is accepted when there is no descriptor, unless a connection ends before."""
CLOSING_S: Final = 0.002
"""From the end of a connection to that of its descriptor, about."""
_NO_DESCRIPTOR: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """``port`` is the bound one. ``make`` makes the protocol of a connection."""

    def __init__(
        self, make: Callable[[], Connection], tls: ssl.SSLContext | None, handshake_s: float
    ) -> None:
        self._make = make
        self._tls = tls
        self._handshake_s = handshake_s if tls is not None else None
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._accepted: dict[Connection, socket.socket] = {}
        """In order of their coming."""
        self._greeting: dict[asyncio.Task[None], None] = {}
        self._pause: asyncio.TimerHandle | None = None
        """Until it rings nobody is accepted."""
        self.port = 0
        self.shed = 0
        """Strangers closed so far."""

    async def open(self, host: str, port: int, backlog: int) -> None:
        """OSError."""
        found = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=backlog)
        listening.setblocking(False)
        self._socket = listening
        self.port = listening.getsockname()[1]
        self._loop.add_reader(listening, self._accept)

    async def close(self) -> None:
        """Accept nobody any more, and greet nobody who has not been. Idempotent."""
        listening, self._socket = self._socket, None
        if listening is None:
            return
        if self._pause is None:
            self._loop.remove_reader(listening)
        else:
            self._pause.cancel()
        listening.close()
        greeting = list(self._greeting)
        for task in greeting:
            task.cancel()
        await asyncio.gather(*greeting, return_exceptions=True)

    def ended(self, connection: Connection) -> None:
        """It is closed, and so is its descriptor soon."""
        self._accepted.pop(connection, None)
        soon = self._loop.time() + CLOSING_S
        if self._pause is not None and self._pause.when() > soon:
            self._pause.cancel()
            self._pause = self._loop.call_at(soon, self._go_on)

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(ACCEPTED_MAX):
            try:
                one, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    raise
                self._make_room()
                return
            one.setblocking(False)
            connection = self._make()
            self._accepted[connection] = one
            task = self._loop.create_task(self._greet(connection, one))
            self._greeting[task] = None
            task.add_done_callback(self._greeting.pop)

    async def _greet(self, connection: Connection, one: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, one, ssl=self._tls, ssl_handshake_timeout=self._handshake_s
            )
        except OSError:
            # TLS that failed, took too long or was cut short: the socket is closed by the loop.
            self.ended(connection)

    def _make_room(self) -> None:
        """Close strangers, and accept again when something is closed."""
        assert self._socket is not None
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE_S, self._go_on)
        strangers = [pair for pair in self._accepted.items() if pair[0].strange]
        for connection, one in strangers[: min(SHED_MAX, (len(strangers) + 1) // 2)]:
            self.shed += 1
            if connection.transport is not None:
                connection.abort()
            else:
                # In the middle of TLS only the loop can close it: it reads an end.
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _go_on(self) -> None:
        self._pause = None
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._accept)
