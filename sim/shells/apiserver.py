"""One API server: see actors/apiserver.py. It listens once it has loaded from the store."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from api.storage import OK, RANGE
from apiserver.core import ApiServerCore
from apiserver.frame_calls import FrameCalls, end_of_watch
from apiserver.messages import (
    Answer,
    Answers,
    Crashed,
    Effect,
    EndStreams,
    FrameWatch,
    OpenStoreWatch,
    StoreCall,
    StoreEvents,
    StoreReplied,
    StoreStreamEnded,
    StreamBodies,
    StreamsBusy,
    StreamsClosed,
    StreamsDrained,
    WatchesArrived,
)
from sim.connection import Client, Handler, Reply, ServerStream
from sim.cost import API_SERVER
from sim.kernel import Kernel
from sim.network import Network
from sim.story import path_of_key
from sim.topics import Violation
from sim.turns import Turns

REGISTRY: Final = b"/registry/"


class ApiServerShell:
    """A process of an API server."""

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        name: str,
        core: ApiServerCore,
        stores: Sequence[str],
    ) -> None:
        self.core = core
        self.clients = [Client(network, name, store) for store in stores]
        self._kernel = kernel
        self._name = name
        self._calls = FrameCalls()
        self._streams: dict[int, ServerStream] = {}
        self._ids: dict[ServerStream, int] = {}
        self._store_watches: dict[int, int] = {}
        self._busy: set[int] = set()
        self._last = 0
        self._listen: Callable[[Handler], None] | None = None
        self.turns = Turns(kernel, name, core, self._carry_out, API_SERVER)
        self.turns.before = self._gather
        self.turns.after = self._stepped

    def start(self, listen: Callable[[Handler], None]) -> None:
        self._listen = listen
        self.turns.wake()

    # Frames.

    def on_call(self, reply: Reply, body: Any) -> None:
        self._last = self._calls.take(self._last, body, reply)
        self.turns.items += len(body)
        self.turns.wake()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        self._last += 1
        self._streams[self._last] = stream
        self._ids[stream] = self._last
        self.turns.take(WatchesArrived((FrameWatch(self._last, *body),)), 1)

    def on_closed(self, stream: ServerStream) -> None:
        watch = self._ids.pop(stream, None)
        if watch is not None:
            del self._streams[watch]
            self.turns.take(StreamsClosed((watch,)), 1)

    def _gather(self) -> None:
        self._calls.tell(self.turns.events)

    def _stepped(self) -> None:
        if self.core.ready and self._listen is not None:
            self._listen(self)
            self._listen = None

    # Orders.

    def _carry_out(self, effect: Effect) -> None:
        now_ns, digest = self._kernel.agenda.now_ns, self._kernel.digest
        match effect:
            case StoreCall(shard, ids, requests):
                digest.add(now_ns, self._name, "store", (shard, ids, requests))
                self.clients[shard].send(
                    requests, partial(self._store_replied, shard, ids, requests)
                )
            case Answers(ids, answers):
                said = [(answer.code, answer.revision, answer.body) for answer in answers]
                digest.add(now_ns, self._name, "answers", (ids, said))
                for request_id, answer in self._calls.answered(ids, answers):
                    self._answer(request_id, answer)
            case StreamBodies(streams, bodies):
                # Of items their types and revisions.
                heads = [body[:3] for body in bodies]
                digest.add(now_ns, self._name, "bodies", (streams, heads))
                for stream, body in zip(streams, bodies, strict=True):
                    self._send_body(stream, body)
            case EndStreams(streams, reasons):
                digest.add(now_ns, self._name, "end", (streams, reasons))
                for stream, reason in zip(streams, reasons, strict=True):
                    self._end(stream, reason)
            case OpenStoreWatch():
                digest.add(now_ns, self._name, "watch", (effect.shard, effect.start_revision))
                self._open_store_watch(effect)
            case Crashed(trace=trace):
                raise Violation("crash", f"a request crashed {self._name}: {trace}")
            case _:
                raise AssertionError(f"nobody speaks HTTP here, so what is {effect!r:.100}")

    def _answer(self, request_id: int, answer: Answer) -> None:
        """Of a watch that could not be opened."""
        stream = self._streams.pop(request_id, None)
        if stream is not None:
            del self._ids[stream]
            stream.end(end_of_watch(answer))

    def _send_body(self, stream: int, body: tuple[object, ...]) -> None:
        to = self._streams.get(stream)
        if to is None:
            return
        if not to.send(body):
            self._end(stream, "slow")
            self.turns.take(StreamsClosed((stream,)), 1)
        elif to.busy and stream not in self._busy:
            self._busy.add(stream)
            self.turns.take(StreamsBusy((stream,)), 1)
            to.when_drained(partial(self._drained, stream))

    def _drained(self, stream: int) -> None:
        self._busy.discard(stream)
        self.turns.take(StreamsDrained((stream,)), 1)

    def _end(self, stream: int, reason: str) -> None:
        to = self._streams.pop(stream, None)
        if to is not None:
            del self._ids[to]
            to.end(reason)

    # The store.

    def _store_replied(
        self, shard: int, ids: Sequence[int], requests: Sequence[Any], replies: Any
    ) -> None:
        if replies is not None:
            topics = self._kernel.topics
            for request, reply in zip(requests, replies, strict=True):
                for heard in topics.store_answered:
                    heard(shard, request, reply)
                if request[0] == RANGE and reply[0] == OK:
                    for listed in topics.store_listed:
                        listed(self._name, shard, max(reply[1], 1))
        self.turns.take(StoreReplied(shard, ids, replies), len(ids))

    def _open_store_watch(self, order: OpenStoreWatch) -> None:
        shard, watch, revision = order.shard, order.watch, order.start_revision
        topics = self._kernel.topics
        for opened in topics.store_watch_opened:
            opened(self._name, shard, REGISTRY, revision, False)

        def on_body(body: Any) -> None:
            events, watermark = body
            for watched in topics.store_watched:
                watched(self._name, shard, events, watermark)
            if self._kernel.story is not None:
                for event in events:
                    note = f"shard {shard} revision {event[2]}"
                    self._kernel.tell(self._name, "hears", path_of_key(event[1]), note)
            self.turns.take(StoreEvents(shard, watch, events, watermark), len(events))

        def on_end(reason: str) -> None:
            self.turns.take(StoreStreamEnded(shard, watch, reason), 1)

        # A group that is loaded anew opens all its streams, also those that were not broken.
        client = self.clients[shard]
        client.forget(self._store_watches.get(shard, 0))
        self._store_watches[shard] = client.open((REGISTRY, revision, False), on_body, on_end)
