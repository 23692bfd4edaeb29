"""Frame connections in virtual time, with the ways in which they fail.

Each direction of a connection is a queue with a delay: frames arrive in order or not at all, as on
TCP. What faults can do: make a link slow, hold everything back for a while (a partition shorter
than the keep-alive), or break the connection, which loses what was under way. Frames of a stream
can neither be doubled nor overtake another; calls of a component can, because a component may also
reach its API server by HTTP, over several connections and proxies that ask again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from api.streams import Stream
from sim.connection import (
    CALL,
    OPEN,
    RECONNECT_NS,
    REPLY,
    US,
    Client,
    Direction,
    Frame,
    Handler,
    Link,
    ServerStream,
)
from sim.heap import ARRIVAL
from sim.kernel import Kernel

DOUBLED, LATE = "doubled", "late"
"""Faults of calls: some are delivered twice, or some are overtaken by later ones."""
LATE_MS_MAX = 300
DIE = (1 << 20) - 1
"""Greatest number that jitter is made of: far above any jitter in microseconds."""


class Network:
    """All connections of a world, and what is wrong with them."""

    def __init__(self, kernel: Kernel, delay_us: tuple[int, int], backlog_frames_max: int) -> None:
        """``delay_us``: least delay of a frame and the jitter on top of it."""
        self.backlog_frames_max = backlog_frames_max
        self._kernel = kernel
        self._agenda = kernel.agenda
        self._delay_us = delay_us
        self._chance: Stream = kernel.stream("network")
        self._dice: list[int] = []
        self._handlers: dict[str, Handler] = {}
        self._links: dict[int, Link] = {}
        self._next_link = 0
        self._blocked: dict[tuple[str, str], int] = {}
        """(client, server) to the end of a partition."""
        self._slow: dict[tuple[str, str], tuple[int, int]] = {}
        """(client, server) to (end, extra delay of every frame to the client)."""
        self._disturbed: dict[tuple[str, str], tuple[int, str]] = {}
        """(client, server) to (end, what is wrong with its calls)."""

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
        if self._disturbed and frame[0] == CALL and self._strays(link, frame):
            return
        sent_ns, now_ns = self._kernel.sending_ns, self._agenda.now_ns
        if sent_ns < now_ns:
            sent_ns = now_ns
        if direction.sent_ns == sent_ns:
            direction.batch.append(frame)
            direction.in_flight += 1
            return
        direction.sent_ns = sent_ns
        direction.batch = [frame]
        direction.in_flight += 1
        arrives_ns = sent_ns + self._delay(link, direction)
        if arrives_ns <= direction.arrives_ns:
            arrives_ns = direction.arrives_ns + 1
        direction.arrives_ns = arrives_ns
        self._agenda.at(arrives_ns, ARRIVAL, self._arrive, link, direction, direction.batch)

    def _strays(self, link: Link, frame: Frame) -> bool:
        """True: the call goes its own way, and only that."""
        until_ns, how = self._disturbed.get((link.client.owner, link.server), (0, ""))
        if until_ns <= self.now_ns or self._chance.below(3):
            return False
        delay_ns = (self._delay_us[0] + self._chance.below(LATE_MS_MAX * 1000)) * US
        self.at(self.now_ns + delay_ns, self._stray_arrives, link, frame)
        return how == LATE

    def _stray_arrives(self, link: Link, frame: Frame) -> None:
        handler = self._handlers.get(link.server)
        if handler is not None and not link.broken:
            handler.on_call(partial(self._reply, link, frame[1]), frame[2])

    def _delay(self, link: Link, direction: Direction) -> int:
        least, jitter = self._delay_us
        if not self._dice:
            # One number of the stream is enough for three.
            drawn = self._chance.next_u64()
            self._dice += [drawn & DIE, drawn >> 20 & DIE, drawn >> 40 & DIE]
        delay_ns = (least + self._dice.pop() % jitter) * US
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

    def disturb(self, client: str, server: str, until_ns: int, how: str) -> None:
        """Until then, a third of the calls arrive twice or late."""
        self._disturbed[client, server] = (until_ns, how)

    def heal(self) -> None:
        """No partition and no slow link from now on; what is under way keeps its time."""
        self._blocked.clear()
        self._slow.clear()
        self._disturbed.clear()
