"""HTTP/1.1 over TLS on gevent, for requests whose answers are counted and not read.

Each greenlet that asks has a connection to itself; what it gives back waits for the next one who
asks. TLS runs in memory beside the socket, so that an answer costs one read of the socket and one
turn of the loop, where a client for everybody (headers as a dict, cookies, redirects, a response
object) costs three times as much; see docs/adr/0009. Nothing is decoded: of an answer its
status code and the size of its body are kept. Answers end by their length or by their last chunk.
"""

import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httptools
from gevent import socket
from gevent.hub import Waiter, get_hub

READ_BYTES = 1 << 16
STALE_S = 0.5
"""Who was idle for longer is asked first whether it is still there."""
DIALS_MAX = 4
"""Connections to one server that are being made."""
READABLE, WRITABLE = 1, 2
"""Of gevent's loops."""


class Gone(Exception):
    """The other side has closed or was too slow, or speaks no HTTP. ``silent``: it closed by itself
    before a byte of an answer came."""

    def __init__(self, silent: bool) -> None:
        super().__init__("the connection is gone")
        self.silent = silent


class Answer(NamedTuple):
    """Status code and size of the body in bytes."""

    code: int
    size: int


@dataclass(slots=True)
class Secrecy:
    """What makes connections to one server secret."""

    context: ssl.SSLContext
    session: ssl.SSLSession | None = None
    """Of an earlier connection: to resume it costs a third of a first handshake."""


class Connection:
    """To one server, for one request at a time. Use it in a ``with``: who leaves by an error, by a
    greenlet's end too, leaves a closed one behind."""

    def __init__(self, address: tuple[str, int], tls: Secrecy, timeout_s: float):
        """Errors: OSError, ssl.SSLError among them."""
        self._socket = socket.create_connection(address, timeout=timeout_s)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=address[0], session=tls.session
        )
        hub = get_hub()
        self._wait: Callable[[Any], None] = hub.wait
        self._readable = hub.loop.io(self._socket.fileno(), READABLE)
        self._timer = hub.loop.timer(timeout_s, timeout_s)
        self._parser = httptools.HttpResponseParser(self)
        self._answers: list[Answer] = []
        self._size = 0
        self._heard = self._late = False
        self.alive = True
        self.used = False
        self.idle_since_s = 0.0
        with self:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._shake_hands()
            self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is not None:
            self.close()

    @property
    def session(self) -> ssl.SSLSession | None:
        """To resume; there is none before the first answer."""
        session = self._tls.session
        return session if session and session.has_ticket else None

    def close(self) -> None:
        """Idempotent."""
        self.alive = False
        self._timer.close()
        self._readable.close()
        self._socket.close()

    def ask(self, request: bytes) -> Answer:
        """Send a whole request, read its whole answer. Errors: Gone, OSError."""
        self._size, self._heard = 0, False
        self._timer.again(self._too_late)
        self._send(request)
        while not self._answers:
            self._wait(self._readable)
            self._read()
        self._timer.stop()
        return self._answers.pop()

    def still_there(self) -> bool:
        """Of an idle connection. What comes unasked may be a ticket of TLS, but no answer."""
        try:
            self._read()
        except BlockingIOError:
            return True
        except (Gone, OSError):
            return False
        return not self._answers

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._size += len(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        code = self._parser.get_status_code()
        if code >= 200:
            self._answers.append(Answer(code, self._size))
            self.alive = self._parser.should_keep_alive()

    def _too_late(self) -> None:
        """Whoever waits reads the end of the stream."""
        self._late = True
        self._socket.shutdown(socket.SHUT_RDWR)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError("closed during the TLS handshake") from None
                self._incoming.write(data)
                continue
            self._socket.sendall(self._outgoing.read())
            return

    def _send(self, request: bytes) -> None:
        self._tls.write(request)
        data = self._outgoing.read()
        sent = self._socket.send(data)
        while sent < len(data):
            writable = get_hub().loop.io(self._socket.fileno(), WRITABLE)
            try:
                self._wait(writable)
            finally:
                writable.close()
            sent += self._socket.send(data[sent:])

    def _read(self) -> None:
        """What is there; the parser hears of it."""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise Gone(not (self._heard or self._late))
        self._incoming.write(data)
        try:
            while self._incoming.pending or self._tls.pending():
                self._feed(self._tls.read(READ_BYTES))
        except ssl.SSLWantReadError:
            return

    def _feed(self, data: bytes) -> None:
        if not data:
            raise Gone(not (self._heard or self._late))
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Gone(False) from error


class Connections:
    """All to one server that nobody uses now, the last one used first.

    Bounded by how many ask at once. A few are made at a time: who comes while they are waits for
    the first that is free, so that a server which is slow for a moment is not made slower by a
    handshake for everybody who then waits.
    """

    def __init__(self, server: str, tls: ssl.SSLContext, timeout_s: float) -> None:
        """``server``: https://HOST[:PORT]. ``timeout_s``: for connecting, and for an answer."""
        parts = urlsplit(server)
        assert parts.scheme == "https" and parts.hostname, server
        self.host = parts.netloc
        self._address = (parts.hostname, parts.port or 443)
        self._tls = Secrecy(tls)
        self._timeout_s = timeout_s
        self._idle: list[Connection] = []
        self._dialing = 0
        self._waiting: deque[Waiter] = deque()
        self._loop = get_hub().loop

    def ask(self, request: bytes, repeatable: bool) -> Answer | None:
        """None: no answer. A request that may be repeated is, once, if a connection that was used
        before turns out to be gone: the server closed it while it was idle."""
        try:
            connection = self._take()
            try:
                return self._ask(connection, request)
            except (Gone, OSError) as error:
                by_itself = not isinstance(error, Gone) or error.silent
                if not (repeatable and by_itself and connection.used):
                    raise
            return self._ask(self._dial(), request)
        except (Gone, OSError):
            return None

    def close(self) -> None:
        """All that nobody uses."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _ask(self, connection: Connection, request: bytes) -> Answer:
        with connection:
            answer = connection.ask(request)
        if not connection.alive:
            connection.close()
            return answer
        if not connection.used:
            connection.used = True
            self._tls.session = self._tls.session or connection.session
        connection.idle_since_s = time.monotonic()
        if self._waiting:
            self._loop.run_callback(self._waiting.popleft().switch, connection)
        else:
            self._idle.append(connection)
        return answer

    def _take(self) -> Connection:
        """Errors: Gone, OSError."""
        long_ago_s = time.monotonic() - STALE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since_s > long_ago_s or connection.still_there():
                return connection
            connection.close()
        if self._dialing < DIALS_MAX:
            return self._dial()
        waiter = Waiter()
        self._waiting.append(waiter)
        timer = self._loop.timer(self._timeout_s)
        timer.start(self._give_up, waiter)
        try:
            given: Connection | None = waiter.get()
        finally:
            timer.close()
        return given or self._dial()

    def _give_up(self, waiter: Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            waiter.throw(Gone(False))

    def _dial(self) -> Connection:
        """Errors: OSError."""
        self._dialing += 1
        try:
            return Connection(self._address, self._tls, self._timeout_s)
        finally:
            self._dialing -= 1
            if self._waiting:
                self._loop.run_callback(self._waiting.popleft().switch, None)
