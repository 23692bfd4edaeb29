"""The two ends of a connection in virtual time: calls and streams, with the words of
``actors.net``. What a connection does to frames is for ``sim.network``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from sim.network import Network

US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
CALL_TIMEOUT_NS: Final = 30 * SECOND
RECONNECT_NS: Final = (50 * MS, 2 * SECOND)
"""First and longest pause between attempts to connect; it doubles. As in ``actors.net``."""

CALL, REPLY, OPEN, ITEM, END, CLOSE = range(6)
"""Kinds of frames."""
Frame = tuple[int, int, Any]
"""(kind, number, body)."""
Reply = Callable[[Any], None]
Done = Callable[[Any], None]
"""Told the answer, or None: lost, and the outcome is unknown."""


class Handler(Protocol):
    """What a program does with calls and streams."""

    def on_call(self, reply: Reply, body: Any) -> None: ...

    def on_open(self, stream: "ServerStream", body: Any) -> None: ...

    def on_closed(self, stream: "ServerStream") -> None: ...


class Direction:
    """One way of a connection."""

    __slots__ = ("arrives_ns", "batch", "cut_ns", "drained", "in_flight", "sent_ns")

    def __init__(self) -> None:
        self.arrives_ns = 0
        """When the newest frame arrives."""
        self.batch: list[Frame] = []
        self.sent_ns = -1
        self.cut_ns: int | None = None
        """Frames that would arrive later are lost."""
        self.in_flight = 0
        self.drained: list[Callable[[], None]] = []
        """To be called when little is under way."""


class Link:
    """One connection of a client to a server."""

    __slots__ = ("client", "server", "streams", "to_client", "to_server")

    def __init__(self, client: "Client", server: str) -> None:
        self.client = client
        self.server = server
        self.to_client = Direction()
        self.to_server = Direction()
        self.streams: dict[int, ServerStream] = {}

    @property
    def broken(self) -> bool:
        return self.to_client.cut_ns is not None


class ServerStream:
    """A stream that a peer opened: ours to feed."""

    __slots__ = ("_link", "_network", "id", "open", "peer")

    def __init__(self, network: "Network", link: Link, number: int) -> None:
        self._network = network
        self._link = link
        self.id = number
        self.peer = link.client.owner
        self.open = True

    def send(self, body: Any) -> bool:
        """False, and nothing sent: the reader is too far behind."""
        direction = self._link.to_client
        if not self.open or direction.in_flight >= self._network.backlog_frames_max:
            return False
        self._network.write(self._link, direction, (ITEM, self.id, body))
        return True

    @property
    def busy(self) -> bool:
        """Much is under way to this reader."""
        return self._link.to_client.in_flight > self._network.backlog_frames_max // 4

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once little is; never when the connection is gone."""
        self._link.to_client.drained.append(callback)

    def end(self, reason: str) -> None:
        if self.open:
            self.open = False
            del self._link.streams[self.id]
            self._network.write(self._link, self._link.to_client, (END, self.id, reason))


class ClientStream:
    __slots__ = ("body", "on_body", "on_end")

    def __init__(self, body: Any, on_body: Done, on_end: Callable[[str], None]) -> None:
        self.body = body
        self.on_body = on_body
        self.on_end = on_end


class Client:
    """The calling side of one program towards another: reconnects by itself, retries nothing."""

    def __init__(self, network: "Network", owner: str, peer: str) -> None:
        self.owner = owner
        self.peer = peer
        self.link: Link | None = None
        self.closed = False
        self.pause_ns = RECONNECT_NS[0]
        self._network = network
        self._next = 0
        self._pending: dict[int, tuple[Done, int]] = {}
        self._streams: dict[int, ClientStream] = {}
        self._waiting: list[Frame] = []
        self._sweep_ns: int | None = None
        network.connect_later(self, 0)

    @property
    def connected(self) -> bool:
        return self.link is not None

    def send(self, body: Any, done: Done, timeout_ns: int = CALL_TIMEOUT_NS) -> None:
        self._next += 1
        deadline_ns = self._network.now_ns + timeout_ns
        self._pending[self._next] = (done, deadline_ns)
        self._write((CALL, self._next, body))
        if self._sweep_ns is None or deadline_ns < self._sweep_ns:
            self._sweep_ns = deadline_ns
            self._network.at(deadline_ns, self._expire, deadline_ns)

    def open(self, body: Any, on_body: Done, on_end: Callable[[str], None]) -> int:
        """Open a stream, now or once there is a connection; returns its number for ``forget``."""
        self._next += 1
        self._streams[self._next] = ClientStream(body, on_body, on_end)
        self._write((OPEN, self._next, body))
        return self._next

    def forget(self, number: int) -> None:
        """The owner closed the stream: it hears nothing more of it."""
        if self._streams.pop(number, None) is not None and self.link is not None:
            self._network.write(self.link, self.link.to_server, (CLOSE, number, None))

    def _write(self, frame: Frame) -> None:
        if self.link is not None:
            self._network.write(self.link, self.link.to_server, frame)
        else:
            self._waiting.append(frame)

    def welcome(self, link: Link) -> None:
        """Connected: what waited goes out."""
        self.link = link
        self.pause_ns = RECONNECT_NS[0]
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            if frame[1] in self._pending or frame[1] in self._streams:
                self._write(frame)

    def take(self, frames: list[Frame]) -> None:
        for kind, number, body in frames:
            if kind == REPLY:
                call = self._pending.pop(number, None)
                if call is not None:
                    call[0](body)
            elif kind == ITEM:
                stream = self._streams.get(number)
                if stream is not None:
                    stream.on_body(body)
            else:
                stream = self._streams.pop(number, None)
                if stream is not None:
                    stream.on_end(body)

    def lost(self, link: Link) -> None:
        """The connection is gone: calls are lost, streams end."""
        if self.closed or self.link is not link:
            return
        self.link = None
        self._waiting.clear()
        pending, self._pending = self._pending, {}
        streams, self._streams = self._streams, {}
        for done, _ in pending.values():
            done(None)
        for stream in streams.values():
            stream.on_end("lost")
        self._network.connect_later(self, self.pause_ns)

    def _expire(self, due_ns: int) -> None:
        if self._sweep_ns != due_ns or self.closed:
            return
        self._sweep_ns = None
        now_ns = self._network.now_ns
        for number in [n for n, (_, deadline) in self._pending.items() if deadline <= now_ns]:
            self._pending.pop(number)[0](None)
        if self._pending:
            self._sweep_ns = min(deadline for _, deadline in self._pending.values())
            self._network.at(self._sweep_ns, self._expire, self._sweep_ns)
