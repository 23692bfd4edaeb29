"""One store shard: see actors/store.py."""

from collections.abc import Callable, Sequence
from typing import Any

from sim.connection import Client, Handler, Reply, ServerStream
from sim.cost import STORE
from sim.disk import DiskEvent, DiskOfShard
from sim.kernel import Kernel
from sim.story import path_of_key
from sim.turns import Turns
from store.core import StoreCore
from store.messages import (
    OP_DELETE,
    OP_PUT,
    Append,
    EndWatch,
    RequestsArrived,
    SendWatchFrames,
    StoreEffect,
    WatchClosed,
    WatchFellBehind,
    WatchOpened,
    WriteSnapshot,
)
from store.messages import Reply as Answer


class StoreShell:
    """A process of a shard, from its recovery to its end."""

    def __init__(self, kernel: Kernel, name: str, core: StoreCore, disk: DiskOfShard) -> None:
        self.core = core
        self.clients: list[Client] = []
        self._kernel = kernel
        self._name = name
        self._disk = disk
        self._calls: list[int] = []
        self._batches: list[Any] = []
        self._last = 0
        self._reply_to: dict[int, Reply] = {}
        self._streams: dict[int, ServerStream] = {}
        self._watchers: dict[ServerStream, int] = {}
        self.turns = Turns(kernel, name, core, self._carry_out, STORE)
        self.turns.before = self._gather

    def start(self, listen: Callable[[Handler], None]) -> None:
        listen(self)
        self.turns.wake()

    # Frames.

    def on_call(self, reply: Reply, body: Any) -> None:
        self._last += 1
        self._reply_to[self._last] = reply
        self._calls.append(self._last)
        self._batches.append(body)
        self.turns.items += len(body)
        self.turns.wake()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        prefix, start, want_previous = body
        self._last += 1
        self._streams[self._last] = stream
        self._watchers[stream] = self._last
        self.turns.take(WatchOpened(self._last, prefix, start, want_previous), 1)

    def on_closed(self, stream: ServerStream) -> None:
        watcher = self._watchers.pop(stream, None)
        if watcher is not None:
            del self._streams[watcher]
            self.turns.take(WatchClosed(watcher), 1)

    def disk_reports(self, event: DiskEvent) -> None:
        self.turns.take(event, 1)

    def _gather(self) -> None:
        if self._calls:
            self.turns.events.append(RequestsArrived(self._calls, self._batches))
            self._calls, self._batches = [], []

    # Orders.

    def _carry_out(self, effect: StoreEffect) -> None:
        now_ns, digest = self._kernel.agenda.now_ns, self._kernel.digest
        match effect:
            case Answer(calls=calls, replies=replies):
                digest.add(now_ns, self._name, "reply", (calls, replies))
                for call, answers in zip(calls, replies, strict=True):
                    self._reply_to.pop(call)(answers)
            case Append(first_index=first_index, records=records):
                digest.add(now_ns, self._name, "append", (first_index, records))
                self._tell_records(effect)
                self._disk.append(effect)
            case SendWatchFrames(watchers=watchers, events=events, watermark=watermark):
                sent: Sequence[tuple[Any, ...]] = events
                revisions = [event[2] for event in sent]
                digest.add(now_ns, self._name, "frames", (watchers, revisions, watermark))
                for watcher in watchers:
                    stream = self._streams.get(watcher)
                    if stream is not None and not stream.send((events, watermark)):
                        self.turns.take(WatchFellBehind(watcher), 1)
            case EndWatch(watcher=watcher, reason=reason):
                digest.add(now_ns, self._name, "end", (watcher, reason))
                stream = self._streams.pop(watcher, None)
                if stream is not None:
                    del self._watchers[stream]
                    stream.end(reason)
            case WriteSnapshot(revision=revision):
                digest.add(now_ns, self._name, "snapshot", (revision, len(effect.rows)))
                self._disk.write_snapshot(effect)

    def _tell_records(self, order: Append) -> None:
        if self._kernel.story is None:
            return
        for offset, (revision, ops) in enumerate(order.records):
            for op in ops:
                if op[0] == OP_PUT or op[0] == OP_DELETE:
                    what = "logs put" if op[0] == OP_PUT else "logs delete"
                    note = f"index {order.first_index + offset} revision {revision}"
                    self._kernel.tell(self._name, what, path_of_key(op[1]), note)
