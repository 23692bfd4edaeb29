"""One HTTP/1.1 connection on httptools' parser (llhttp): whole requests in, answers out.

A request is handed on when its body is complete; its answer, if it is there at once, leaves in one
write, without a task, a future or a queue between. Requests on one connection are answered in
order, one at a time. An answer may instead be a stream, as for a watch: what it is given goes out
as it comes, and its owner hears when the reader falls behind, catches up or leaves. Or the
connection leaves HTTP (``switch``), and bytes go both ways as they are.

Bounds: size of head and body, the time that each may take, one pipelined read.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from actors.net.exchange import Exchange, Header
from actors.net.https_host import Host

HEAD_TOO_LARGE: Final = b"request head too large"
FOREVER: Final = float("inf")
ONE_WRITE_BYTES: Final = 1 << 17
"""A body up to this size is copied behind its head; a larger one follows in pieces of this size, as
fast as the reader takes them: TLS keeps a copy of all that it is given."""
BULKY_BYTES: Final = 1 << 18
"""What a body of this size and its parts took is worth giving back to the system."""
_NOTHING: Final = memoryview(b"")
STREAM_HIGH_BYTES: Final = 1 << 20
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Connection(asyncio.Protocol):
    """Parser callbacks and transport callbacks of one connection."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_chunked",
        "_current",
        "_dropped",
        "_exchange",
        "_framing_bytes",
        "_full",
        "_head_bytes",
        "_host",
        "_listed",
        "_loop",
        "_on_data",
        "_parser",
        "_reading_head",
        "_rest",
        "_served",
        "_tail",
        "_target",
        "_waiting",
        "certificate",
        "deadline",
        "stopping",
        "transport",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self._parser = HttpRequestParser(self)
        self._target = b""
        self._listed: list[Header] = []
        self._exchange: Exchange | None = None
        """What is being read."""
        self._current: Exchange | None = None
        """What is being answered."""
        self._waiting: deque[Exchange] = deque()
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._dropped = False
        self._head_bytes = self._framing_bytes = 0
        """Of a head that is not complete; since the last piece of a body: extensions, trailers."""
        self._reading_head = True
        self._chunked = self._served = self._full = False
        self._rest = _NOTHING
        """What of a large body is still to be sent."""
        self._on_data: Callable[[bytes], None] | None = None
        """Where bytes go once the connection has left HTTP."""
        self._tail = b""
        """What came behind a request to leave HTTP."""
        self.certificate: dict[str, Any] | None = None
        self.stopping = False
        self.deadline = host.time() + host.bounds.head_s
        """When what we are waiting for from the client is overdue."""

    @property
    def busy(self) -> bool:
        return self._current is not None

    @property
    def idle(self) -> bool:
        """Between requests, on a connection that has had one."""
        return self._served and self._current is None and not self._head_bytes

    @property
    def strange(self) -> bool:
        """It has had no request yet, nor the whole head of one."""
        return not self._served and self._exchange is None

    @property
    def backlog_bytes(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self.transport = cast(asyncio.Transport, transport)
        self.certificate = transport.get_extra_info("peercert") or None
        if not self._host.opened(self):
            self._host.refused += 1
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._on_data is not None:
            self._on_data(data)
            return
        if self._dropped:
            return
        if self._reading_head:
            if not self._head_bytes and self._current is None:
                self.deadline = self._host.time() + self._host.bounds.head_s
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._last_of_http(data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            self._refuse(400, b"400 Bad Request: %b" % str(error).encode(errors="replace"))
            return
        unread = max(self._head_bytes, self._framing_bytes)
        if unread > self._host.bounds.head_bytes_max and not self._dropped:
            self._refuse(431, HEAD_TOO_LARGE if self._head_bytes else b"too much beside the body")

    def _last_of_http(self, tail: bytes) -> None:
        """Nothing is read until the request is answered, or taken up as what it asks for."""
        if self._on_data is not None:
            self._on_data(tail)
        elif not self._dropped:
            self._dropped = True
            if self.transport is not None and not self.transport.is_closing():
                self._tail = tail
                self.transport.pause_reading()

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._rest = _NOTHING
        self._host.closed(self)
        current, self._current = self._current, None
        self._waiting.clear()
        if current is not None:
            current.gone = True
            if current.on_gone is not None:
                current.on_gone()

    def pause_writing(self) -> None:
        self._full = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if self.transport is None or self.transport.is_closing():
            return
        self._resume_reading()
        if self._rest:
            self._send_rest()
            return
        self.tell_drained()

    def tell_drained(self) -> None:
        """Go on with whoever waits for room, if there is any. Asked a turn after a large write,
        too: the kernel may have taken it at once, and then no resume comes."""
        if self._full or self._rest:
            return
        current = self._current
        if current is not None and current.on_drained is not None:
            drained, current.on_drained = current.on_drained, None
            drained()

    # Parser

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading_head:  # A trailer is no header.
            self._listed.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        bounds = self._host.bounds
        exchange = Exchange(self, self._parser.get_method(), self._target, self._listed)
        self._exchange = exchange
        headers = exchange.headers
        # An answer to a request to leave HTTP that is not 101 is the last.
        exchange.keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._body, self._body_bytes = [], 0
        if self._head_bytes > bounds.head_bytes_max and (
            sum(len(name) + len(value) for name, value in self._listed) + len(self._target)
            > bounds.head_bytes_max
        ):
            self._refuse(431, HEAD_TOO_LARGE)
            return
        if b"host" not in headers and self._parser.get_http_version() != "1.0":
            self._refuse(400, b"400 Bad Request: missing required Host header")
            return
        self._head_bytes, self._framing_bytes, self._reading_head = 0, 0, False
        length = headers.get(b"content-length")
        if length is None:
            if b"transfer-encoding" not in headers:
                return
            if [v.lower() for n, v in self._listed if n == b"transfer-encoding"] != [b"chunked"]:
                self._refuse(501, b"unsupported transfer encoding")
                return
        if self._current is None:
            self.deadline = self._host.time() + bounds.body_s
        if length is not None and int(length) > bounds.body_bytes_max:
            exchange.oversized = True
            if int(length) > bounds.dropped_bytes_max:
                self._give_up(exchange)
        if headers.get(b"expect", b"").lower() == b"100-continue" and self._current is None:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        exchange, bounds, self._framing_bytes = self._exchange, self._host.bounds, 0
        if exchange is None:
            return
        self._body_bytes += len(body)
        if self._body_bytes <= bounds.body_bytes_max and not exchange.oversized:
            self._body.append(body)
            return
        self._body, exchange.oversized = [], True
        if self._body_bytes > bounds.dropped_bytes_max:
            self._give_up(exchange)

    def on_message_complete(self) -> None:
        exchange, self._exchange = self._exchange, None
        self._target, self._listed = b"", []
        self._reading_head, self._framing_bytes = True, 0
        if exchange is None or self._dropped:
            return
        body = self._body
        if self._body_bytes >= BULKY_BYTES:
            self._host.bulky_bodies += 1
        exchange.body = body[0] if len(body) == 1 else b"".join(body)
        if self._current is None:
            self._begin(exchange)
        else:
            self._take(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        """Answer now, read no more, and close."""
        self._exchange = None
        self._dropped = True
        exchange.keep_alive = False
        self._take(exchange)

    def _take(self, exchange: Exchange) -> None:
        if self._current is not None:
            self._waiting.append(exchange)
            if self.transport is not None:
                self.transport.pause_reading()
            return
        self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self.deadline = FOREVER
        self._host.requests += 1
        self._served = True
        self._host.handle(exchange)

    # Answers

    def answer(self, exchange: Exchange, code: int, headers: bytes, body: bytes) -> None:
        assert exchange is self._current
        head = self._head(exchange, code, headers, b"content-length: %d\r\n\r\n" % len(body))
        if exchange.method == b"HEAD" or code == 304:
            self._send(head)
        elif len(body) <= ONE_WRITE_BYTES:
            self._send(head + body)
        else:
            self._send(head)
            self._host.bulky_bodies += len(body) >= BULKY_BYTES
            self._rest = memoryview(body)
            self._send_rest()
            self._host.refused += self._host.large.make_room()
            return
        self._done(exchange)

    def _send_rest(self) -> None:
        """Go on with a large body until the transport has enough for now. A reader who takes
        nothing for as long as a connection may idle is cut off."""
        self.deadline = self._host.time() + self._host.bounds.idle_s
        while self._rest and not self._full:
            piece, self._rest = self._rest[:ONE_WRITE_BYTES], self._rest[ONE_WRITE_BYTES:]
            self._send(piece)
        self._host.large.owe(self, len(self._rest))
        if not self._rest:
            self._rest = _NOTHING
            if self._current is not None:
                self._done(self._current)

    def start(self, exchange: Exchange, code: int, headers: bytes) -> None:
        assert exchange is self._current
        self._chunked = self._parser.get_http_version() != "1.0"
        if not self._chunked:
            exchange.keep_alive = False
        tail = b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n"
        self._send(self._head(exchange, code, headers, tail))
        if self.transport is not None:
            self.transport.set_write_buffer_limits(STREAM_HIGH_BYTES)
            if self._dropped or self._parser.should_upgrade():
                # What else is sent is dropped; that the reader leaves must be heard.
                self._dropped = True
                self.transport.resume_reading()

    def switch(self, exchange: Exchange, headers: bytes, on_data: Callable[[bytes], None]) -> None:
        assert exchange is self._current
        self._chunked = exchange.keep_alive = False
        self._on_data = on_data
        self._send(b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n" % headers)
        tail, self._tail = self._tail, b""
        if self.transport is not None:
            self.transport.set_write_buffer_limits(STREAM_HIGH_BYTES)
            self.transport.resume_reading()
        if tail:
            on_data(tail)

    def write(self, chunk: bytes) -> bool:
        """False when more than STREAM_HIGH_BYTES are unsent."""
        if self._chunked:
            host = self._host
            if chunk is not host.last_chunk:
                host.last_chunk, host.last_framed = chunk, b"%x\r\n%b\r\n" % (len(chunk), chunk)
            chunk = host.last_framed
        if self.transport is not None:
            self.transport.write(chunk)
        return not self._full

    def end(self, exchange: Exchange) -> None:
        assert exchange is self._current
        if self._chunked:
            self._send(b"0\r\n\r\n")
        self._done(exchange)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """After what is being answered; at once when nothing is."""
        self.stopping = True
        if self._current is None and self.transport is not None:
            self.transport.close()

    def _head(self, exchange: Exchange, code: int, headers: bytes, tail: bytes) -> bytes:
        if self.stopping:
            exchange.keep_alive = False
        close = b"" if exchange.keep_alive else b"connection: close\r\n"
        parts = (_STATUS_LINES[code], self._host.date, headers, close, tail)
        return b"%bdate: %b\r\n%b%b%b" % parts

    def _send(self, data: bytes | memoryview) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _done(self, exchange: Exchange) -> None:
        exchange.gone = True
        self._current = None
        if not exchange.keep_alive:
            self._dropped = True
            self._waiting.clear()
            if self.transport is not None:
                self.transport.close()
            return
        host = self._host
        self.deadline = host.time() + host.bounds.idle_s
        if self._waiting:
            # In a turn of its own: a thousand refusals in a row must not nest.
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        if self._current is None and self._waiting:
            self._begin(self._waiting.popleft())
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self.transport is not None and not self._waiting:
            self.transport.resume_reading()

    def _refuse(self, code: int, text: bytes) -> None:
        """Answer a request that cannot be read, out of turn, and close."""
        self._host.refused += 1
        self._exchange, self._dropped = None, True
        if self._current is not None:
            self.abort()
            return
        self._send(
            b"%bconnection: close\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b"
            % (_STATUS_LINES[code], len(text), text)
        )
        if self.transport is not None:
            self.transport.close()
