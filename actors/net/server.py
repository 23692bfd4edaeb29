"""The listening side of the frame port: handshake, calls in, replies and streams out."""

import asyncio
import errno
import hmac
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from actors.net.errors import NetError, PeerError, PortInUse
from actors.net.link import MAGIC, FrameOptions, Link, require_safe
from actors.net.tls import frames_ssl_context
from actors.plan import Security
from api.frames import (
    CALL,
    CLOSE,
    END,
    ERROR,
    FRAME_VERSION,
    HELLO,
    ITEM,
    OPEN,
    PING,
    PONG,
    REFUSED,
    REPLY,
    WELCOME,
    Frame,
    FrameError,
    encode_items,
    packed_body,
)

STOP_S = 2.0
"""How long a stopping server waits for its peers to take what was sent."""
EXPIRED_BELOW_NS = 1_000
"""A call with less time left than a reply takes to write is answered with an error at once."""


class ServerStream:
    """A stream that a peer opened: ours to feed, until either side ends it."""

    __slots__ = ("id", "open", "owner", "peer")

    def __init__(self, owner: "_Peer", number: int) -> None:
        self.owner = owner
        self.id = number
        self.peer = owner.identity
        self.open = True

    def send(self, body: object) -> bool:
        """Send one item. False, and nothing sent: the stream is over, or the reader is too far
        behind (``backlog_bytes_max``); end the stream or wait for ``when_drained``."""
        return self.open and self.owner.send_item(self.id, body)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, in a later turn, as soon as little is unsent on this connection: the
        way to send a long list in pieces. Never called once the connection is gone."""
        self.owner.link.when_drained(callback)

    @property
    def backlog_bytes(self) -> int:
        """Unsent bytes of the whole connection."""
        return self.owner.link.backlog_bytes

    def end(self, reason: str) -> None:
        """End the stream; the peer's on_end gets the reason. ``on_closed`` is not called."""
        if self.open:
            self.owner.end_stream(self, reason)


def send_to_all(streams: Sequence[ServerStream], body: object) -> list[ServerStream]:
    """Send one item to many streams: it is packed once, and each connection gets it once. Returns
    the streams to which ``send`` would have said False."""
    left_out: list[ServerStream] = []
    by_peer: dict[_Peer, list[int]] = {}
    for stream in streams:
        if stream.open:
            by_peer.setdefault(stream.owner, []).append(stream.id)
        else:
            left_out.append(stream)
    if by_peer:
        options = next(iter(by_peer)).link.options
        packed = packed_body(body, options.frame_bytes_max)
        for peer, numbers in by_peer.items():
            if not peer.send_items(numbers, packed):
                left_out += [peer.streams[number] for number in numbers]
    return left_out


class Handler(Protocol):
    """What a program does with calls and streams. Called on the loop, never awaited."""

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        """Answer by ``reply(body)`` now or later, exactly once; ``reply(PeerError(message))``
        refuses the call."""
        ...

    def on_open(self, stream: ServerStream, body: Any) -> None: ...

    def on_closed(self, stream: ServerStream) -> None:
        """The peer closed the stream or is gone."""
        ...


class FrameServer:
    """A frame port. Counters in ``gauges``; all methods on one event loop."""

    def __init__(self, security: Security, handler: Handler, options: FrameOptions) -> None:
        self.security = security
        self.handler = handler
        self.options = options
        self.host = ""
        self.port = 0
        self.peers: dict[_Peer, None] = {}
        self.calls = 0
        self.refusals = 0
        self.slow_readers = 0
        self._listener: asyncio.Server | None = None
        self.off = False
        """Whether this program is cut off from its peers."""
        self.held: list[_Peer] | None = None
        """While answers are held back: the connections that have some."""

    def hold(self) -> None:
        """Answers wait for ``let_go``. Who gives many in one turn so spares the next one, which
        would be for nothing but to write them."""
        self.held = []

    def let_go(self) -> None:
        """Write the answers since ``hold``."""
        held, self.held = self.held, None
        for peer in held or ():
            peer.link.flush()

    def cut_off(self, off: bool) -> None:
        """Hear and say nothing on any connection, present or new, from now on; or go on."""
        self.off = off
        for peer in list(self.peers):
            peer.link.cut_off(off)

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        security: Security,
        handler: Handler,
        options: FrameOptions | None = None,
    ) -> "FrameServer":
        """Listen; port 0 takes a free one. PortInUse, InsecureAddress."""
        if options is None:
            options = FrameOptions(ssl_context=frames_ssl_context(security, server=True))
        self = cls(security, handler, options)
        context = self.options.ssl_context
        require_safe(host, context)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: _Peer(self).link,
                host,
                port,
                ssl=context,
                ssl_handshake_timeout=self.options.handshake_s if context else None,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"port {port} on {host} is already in use") from error
            raise NetError(f"cannot listen on {host}:{port}: {error}") from error
        self.host = host
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def gauges(self) -> dict[str, float]:
        return {
            "frame_connections": len(self.peers),
            "frame_streams": sum(len(peer.streams) for peer in self.peers),
            "frame_calls_pending": sum(peer.pending for peer in self.peers),
            "frame_calls_total": self.calls,
            "frame_refusals_total": self.refusals,
            "frame_slow_readers_total": self.slow_readers,
        }

    async def stop(self) -> None:
        """End the streams with "stopping", flush, close. Idempotent."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        peers = list(self.peers)
        for peer in peers:
            peer.stop()
        if peers:
            await asyncio.wait([peer.gone for peer in peers], timeout=STOP_S)
        for peer in list(self.peers):
            peer.link.fail("stopping")
        await listener.wait_closed()


class _Peer:
    """One connection as the server sees it."""

    def __init__(self, server: FrameServer) -> None:
        loop = asyncio.get_running_loop()
        self._server = server
        self.identity = ""
        self.streams: dict[int, ServerStream] = {}
        self.pending = 0
        self._answered: list[int] = []
        """Calls answered in this turn, and beside them what."""
        self._answers: list[object] = []
        self.gone: asyncio.Future[None] = loop.create_future()
        self.link = Link(server.options, self._on_hello, self._on_end, pauses=True)
        self.link.gathered = self._write_replies
        self.link.cut_off(server.off)
        self._deadline: asyncio.TimerHandle | None = loop.call_later(
            server.options.handshake_s, self._too_late
        )
        server.peers[self] = None

    def send_item(self, number: int, body: object) -> bool:
        if self._too_slow():
            return False
        self.link.write(Frame(ITEM, number, body))
        return True

    def send_items(self, numbers: Sequence[int], packed: bytes) -> bool:
        """One packed body for several streams."""
        if self._too_slow():
            return False
        self.link.write_packed(encode_items(numbers, packed))
        return True

    def _too_slow(self) -> bool:
        server = self._server
        if self.link.backlog_bytes <= server.options.backlog_bytes_max:
            return False
        server.slow_readers += 1
        return True

    def end_stream(self, stream: ServerStream, reason: str) -> None:
        stream.open = False
        del self.streams[stream.id]
        self.link.write(Frame(END, stream.id, reason))

    def stop(self) -> None:
        self._write_replies()
        for stream in list(self.streams.values()):
            stream.end("stopping")
        self._leave("stopping")

    def _too_late(self) -> None:
        self._leave("no handshake in time")

    def _leave(self, reason: str) -> None:
        made = self.link.open
        self.link.close(reason)
        if not made:
            # TLS is not up and may never be: asyncio would not tell us of the end.
            self._on_end(reason)

    def _on_hello(self, frames: list[Frame]) -> None:
        hello = frames[0]
        refusal = "handshake: expected HELLO alone"
        if hello.kind == HELLO and len(frames) == 1:
            refusal = _refusal(hello.body, self._server)
        assert self._deadline is not None
        self._deadline.cancel()
        if refusal:
            self._server.refusals += 1
            self.link.write(Frame(REFUSED, 0, refusal))
            self.link.close(refusal)
            return
        self.identity = str(hello.body["identity"])
        self.link.trust()
        self.link.write(Frame(WELCOME, 0, {"version": FRAME_VERSION}))
        self.link.receive(self._on_frames)

    def _on_frames(self, frames: list[Frame]) -> None:
        handler = self._server.handler
        for frame in frames:
            kind, number, body, deadline_ns, *_ = frame
            if kind == CALL:
                self._take_calls(number, body, deadline_ns)
            elif kind == OPEN:
                if number in self.streams:
                    self.link.fail(f"stream {number} opened twice")
                    return
                stream = self.streams[number] = ServerStream(self, number)
                handler.on_open(stream, body)
            elif kind == CLOSE:
                closed = self.streams.pop(number, None)
                if closed is not None:
                    closed.open = False
                    handler.on_closed(closed)
            elif kind == PING:
                self.link.answer_ping()
            elif kind != PONG:
                self.link.fail(f"unexpected frame of kind {kind}")
                return

    def _take_calls(self, number: int, bodies: Sequence[Any], deadline_ns: int) -> None:
        server, handler = self._server, self._server.handler
        server.calls += len(bodies)
        pending_max = server.options.calls_pending_max
        expired = 0 < deadline_ns < EXPIRED_BELOW_NS
        for body in bodies:
            if expired:
                self.link.write(Frame(ERROR, number, "deadline expired on arrival"))
            elif self.pending >= pending_max:
                self.link.write(Frame(ERROR, number, "too many pending calls"))
            else:
                self.pending += 1
                handler.on_call(partial(self._reply, number), body, self.identity)
            number += 1

    def _reply(self, number: int, body: object) -> None:
        self.pending -= 1
        assert self.pending >= 0, "a call was answered twice"
        if isinstance(body, PeerError):
            self.link.write(Frame(ERROR, number, str(body)))
            return
        if not self._answered:
            held = self._server.held
            if held is None:
                self.link.flush_soon()
            else:
                held.append(self)
        self._answered.append(number)
        self._answers.append(body)

    def _write_replies(self) -> None:
        """The answers of this turn in one frame; if that cannot be, in one each."""
        if not self._answered:
            return
        numbers, answers = self._answered, self._answers
        self._answered, self._answers = [], []
        try:
            self.link.write(Frame(REPLY, 0, (numbers, answers)))
        except FrameError:
            for number, answer in zip(numbers, answers, strict=True):
                try:
                    self.link.write(Frame(REPLY, 0, ((number,), (answer,))))
                except FrameError as error:
                    self.link.write(Frame(ERROR, number, f"reply: {error}"))

    def _on_end(self, reason: str) -> None:
        if self.gone.done():
            return
        del self._server.peers[self]
        if self._deadline is not None:
            self._deadline.cancel()
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.open = False
            self._server.handler.on_closed(stream)
        self.gone.set_result(None)


def _refusal(body: Any, server: FrameServer) -> str:
    """Why this peer may not come in; empty: welcome."""
    if len(server.peers) > server.options.connections_max:
        return "too many connections"
    if type(body) is not dict or body.get("magic") != MAGIC:
        return "handshake: no hollowfleet peer"
    versions = body.get("versions")
    cluster, token, identity = (body.get(field) for field in ("cluster", "token", "identity"))
    if not (isinstance(cluster, str) and isinstance(token, str) and isinstance(identity, str)):
        return "handshake: malformed HELLO"
    if type(versions) is not list or len(versions) != 2:
        return "handshake: malformed HELLO"
    if any(type(v) is not int for v in versions) or not versions[0] <= FRAME_VERSION <= versions[1]:
        return f"frame versions {versions} are not spoken here, only {FRAME_VERSION}"
    if cluster != server.security.cluster_id:
        return "wrong cluster"
    if not hmac.compare_digest(token.encode(), server.security.frame_token.encode()):
        return "wrong token"
    return ""
