"""Frame connections in virtual time, with the words of ``actors.net``: calls, streams, losses.

Each direction of a connection is a queue with a delay: frames arrive in order or not at all, as on
TCP. What faults can do: make a link slow, hold everything back for a while (a partition shorter
than the keep-alive), or break the connection, which loses what was under way. A frame can neither
be doubled nor overtake another; a call that is asked again by its core is the way work is doubled.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from api.streams import Stream
from sim.heap import ARRIVAL
from sim.kernel import Kernel

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


class Network:
    """All connections of a world, and what is wrong with them."""

    def __init__(self, kernel: Kernel, delay_us: tuple[int, int], backlog_frames_max: int) -> None:
        """``delay_us``: least delay of a frame and the jitter on top of it."""
        self.backlog_frames_max = backlog_frames_max
        self._kernel = kernel
        self._agenda = kernel.agenda
        self._delay_us = delay_us
        self._chance: Stream = kernel.stream("network")
        self._handlers: dict[str, Handler] = {}
        self._links: dict[int, Link] = {}
        self._next_link = 0
        self._blocked: dict[tuple[str, str], int] = {}
        """(client, server) to the end of a partition."""
        self._slow: dict[tuple[str, str], tuple[int, int]] = {}
        """(client, server) to (end, extra delay of every frame to the client)."""

    @property
    def now_ns(self) -> int:
        return self._agenda.now_ns

    def at(self, time_ns: int, action: Callable[..., None], *args: Any) -> None:
        self._agenda.at(time_ns, ARRIVAL, action, *args)

    def listen(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler

    # Frames.

    def write(self, link: Link, direction: Direction, frame: Frame) -> None:
        """Frames of one moment travel together."""
        sent_ns = max(self._kernel.sending_ns, self._agenda.now_ns)
        if direction.sent_ns == sent_ns:
            direction.batch.append(frame)
            direction.in_flight += 1
            return
        direction.sent_ns = sent_ns
        direction.batch = [frame]
        direction.in_flight += 1
        arrives_ns = max(sent_ns + self._delay(link, direction), direction.arrives_ns + 1)
        direction.arrives_ns = arrives_ns
        self._agenda.at(arrives_ns, ARRIVAL, self._arrive, link, direction, direction.batch)

    def _delay(self, link: Link, direction: Direction) -> int:
        least, jitter = self._delay_us
        delay_ns = (least + self._chance.below(jitter)) * US
        if self._blocked or self._slow:
            pair = (link.client.owner, link.server)
            blocked_ns = self._blocked.get(pair, 0)
            if blocked_ns > self.now_ns:
                delay_ns += blocked_ns - self.now_ns
            slow = self._slow.get(pair)
            if slow is not None and slow[0] > self.now_ns and direction is link.to_client:
                delay_ns += slow[1]
        return delay_ns

    def _arrive(self, link: Link, direction: Direction, frames: list[Frame]) -> None:
        if direction.batch is frames:
            direction.sent_ns = -1
        direction.in_flight -= len(frames)
        if direction.cut_ns is not None and self.now_ns > direction.cut_ns:
            return
        if direction is link.to_client:
            if not link.client.closed and link.client.link is link:
                link.client.take(frames)
            if direction.drained and direction.in_flight <= self.backlog_frames_max // 8:
                self._drained(link)
            return
        handler = self._handlers.get(link.server)
        if handler is None:
            return
        for kind, number, body in frames:
            if kind == CALL:
                handler.on_call(partial(self._reply, link, number), body)
            elif kind == OPEN:
                stream = link.streams[number] = ServerStream(self, link, number)
                handler.on_open(stream, body)
            else:
                closed = link.streams.pop(number, None)
                if closed is not None:
                    closed.open = False
                    handler.on_closed(closed)

    def _drained(self, link: Link) -> None:
        callbacks, link.to_client.drained = link.to_client.drained, []
        if not link.broken:
            for callback in callbacks:
                callback()

    def _reply(self, link: Link, number: int, body: Any) -> None:
        if not link.broken:
            self.write(link, link.to_client, (REPLY, number, body))

    # Connections.

    def connect_later(self, client: Client, pause_ns: int) -> None:
        delay_ns = (self._delay_us[0] + self._chance.below(self._delay_us[1])) * 2 * US
        self.at(self.now_ns + pause_ns + delay_ns, self._connect, client)

    def _connect(self, client: Client) -> None:
        if client.closed or client.connected:
            return
        blocked = self._blocked.get((client.owner, client.peer), 0) > self.now_ns
        if client.peer not in self._handlers or blocked:
            pause_ns = client.pause_ns
            client.pause_ns = min(pause_ns * 2, RECONNECT_NS[1])
            self.connect_later(client, pause_ns)
            return
        self._next_link += 1
        link = self._links[self._next_link] = Link(client, client.peer)
        client.welcome(link)

    def _break(self, link: Link, server_dies: bool, client_dies: bool, notice_ns: int) -> None:
        """What a living side has sent, or a share of it, still arrives; then each side notices."""
        for direction, sender_dies in (
            (link.to_client, server_dies),
            (link.to_server, client_dies),
        ):
            span_ns = max(direction.arrives_ns - self.now_ns, 0)
            kept_ns = span_ns if sender_dies else self._chance.below(span_ns + 1)
            direction.cut_ns = self.now_ns + kept_ns
        if not client_dies:
            cut_ns = link.to_client.cut_ns or 0
            self.at(cut_ns + notice_ns + 1, link.client.lost, link)
        if not server_dies:
            cut_ns = link.to_server.cut_ns or 0
            self.at(cut_ns + notice_ns + 1, self._server_notices, link, self._handlers[link.server])

    def _server_notices(self, link: Link, handler: Handler) -> None:
        streams, link.streams = link.streams, {}
        if self._handlers.get(link.server) is not handler:
            return
        for stream in streams.values():
            stream.open = False
            handler.on_closed(stream)

    def _living(self) -> list[Link]:
        self._links = {number: link for number, link in self._links.items() if not link.broken}
        return list(self._links.values())

    # What can happen.

    def kill(self, name: str, clients: list[Client], notice_ns: int) -> None:
        """A program ended: its connections too, and peers notice after ``notice_ns``."""
        for link in self._living():
            server, client = link.server == name, link.client in clients
            if server or client:
                self._break(link, server, client, notice_ns)
        for client_of in clients:
            client_of.closed = True
        self._handlers.pop(name, None)

    def pairs(self) -> list[tuple[str, str]]:
        """(client, server) of every connection."""
        return [(link.client.owner, link.server) for link in self._living()]

    def reset(self, client: str, server: str) -> None:
        """Break the connections of two programs that both live on."""
        for link in self._living():
            if (link.client.owner, link.server) == (client, server):
                self._break(link, False, False, 0)

    def block(self, client: str, server: str, until_ns: int) -> None:
        """Nothing gets through and no connection comes about until then; nothing is lost."""
        self._blocked[client, server] = until_ns

    def slow_down(self, client: str, server: str, until_ns: int, extra_ns: int) -> None:
        """Every frame to the client takes so much longer: a slow or, with much, a stuck reader."""
        self._slow[client, server] = (until_ns, extra_ns)

    def heal(self) -> None:
        """No partition and no slow link from now on; what is under way keeps its time."""
        self._blocked.clear()
        self._slow.clear()
