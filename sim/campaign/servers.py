"""The programs that serve: store shards and API servers, with real cores, nothing of them lost.

Frames go from program to program as Python data. What the contract wants as bytes (objects, log
records) is bytes; what only the wire would encode is not.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final, assert_never

from apiserver.authorize import ADMINS
from apiserver.core import ApiServerCore
from apiserver.frame_calls import FrameCalls
from apiserver.messages import (
    Answers,
    Crashed,
    Effect,
    EndStreams,
    FrameWatch,
    HttpArrived,
    HttpRequest,
    OpenStoreWatch,
    SendMessages,
    SessionOpened,
    StoreCall,
    StoreEvents,
    StoreReplied,
    StreamBodies,
    StreamBytes,
    StreamOpened,
    StreamsBusy,
    StreamsClosed,
    StreamsDrained,
    User,
    WatchesArrived,
)
from sim.campaign.hold import Hold
from sim.cost import API_SERVER, STORE
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.topics import Violation
from sim.turns import Turns
from store.core import StoreCore
from store.messages import (
    Append,
    EndWatch,
    LeasesEnded,
    Persisted,
    RequestsArrived,
    SendWatchFrames,
    StoreEffect,
    WatchOpened,
    WriteSnapshot,
)
from store.messages import Reply as StoreAnswer

_asked_for = itemgetter(0, 1, 4)
"""Verb, resource and subresource of the words of a call."""
CHECK_EVERY_STEPS: Final = 20_000
"""How often a core's own ``check`` is asked: it walks all that the core holds."""
ADMIN: Final = User("admin", (ADMINS, "system:authenticated"))
Body = Callable[[Any], None]
Words = tuple[Any, ...]


class Wires:
    """Between programs every frame arrives, in order, after the same time. While they are cut
    nothing gets through and nothing is lost: it arrives when the time is over."""

    __slots__ = ("_cut_ns", "_delay_ns", "_held", "_kernel")

    def __init__(self, kernel: Kernel, delay_ns: int) -> None:
        self._kernel = kernel
        self._delay_ns = delay_ns
        self._cut_ns = 0
        """Until then."""
        self._held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def others(self) -> "Wires":
        """Like these, and whole when these are cut."""
        return Wires(self._kernel, self._delay_ns)

    def send(self, action: Callable[..., None], *args: Any) -> None:
        """From a step: the frame leaves when the step's service time is over."""
        at_ns = self._kernel.sending_ns + self._delay_ns
        if at_ns < self._cut_ns:
            at_ns = self._cut_ns
        self._kernel.agenda.at(at_ns, ARRIVAL, action, *args)

    def send_now(self, action: Callable[..., None], *args: Any) -> None:
        """From outside of any step."""
        agenda = self._kernel.agenda
        at_ns = max(agenda.now_ns + self._delay_ns, self._cut_ns)
        agenda.at(at_ns, ARRIVAL, action, *args)

    def cut(self, until_ns: int) -> None:
        """From now on, until then at least."""
        self._cut_ns = max(self._cut_ns, until_ns)
        self._kernel.agenda.at(until_ns, ARRIVAL, self._mended)

    @property
    def holding(self) -> bool:
        """Whether what arrives by wires that are not these has to wait: see ``hold``."""
        return bool(self._held) or self._kernel.agenda.now_ns < self._cut_ns

    def hold(self, action: Callable[..., None], *args: Any) -> None:
        """Keep it until these are whole again, behind all that is kept already."""
        self._held.append((action, args))

    def _mended(self) -> None:
        if self._kernel.agenda.now_ns >= self._cut_ns:
            held, self._held = self._held, []
            for action, args in held:
                action(*args)


class StoreProgram:
    """A shard with a disk that writes one group after the other."""

    def __init__(
        self, kernel: Kernel, wires: Wires, name: str, core: StoreCore, sync_ns: int
    ) -> None:
        self.core = core
        self.name = name
        self.turns = Turns(kernel, name, core, self._carry_out, STORE)
        self.turns.check_every = CHECK_EVERY_STEPS
        self.turns.before = self._gather
        self._kernel = kernel
        self._wires = wires
        self.hold = Hold(kernel.agenda)
        self.disk_busy_ns = 0
        """Virtual time in which a write of the log was under way."""
        self._sync_ns = sync_ns
        self._last = 0
        self._reply_to: dict[int, Body] = {}
        self._readers: dict[int, Body] = {}
        self._calls: list[int] = []
        self._batches: list[Any] = []
        self._appended = 0
        self._syncing = False

    def call(self, requests: Sequence[Any], reply: Body) -> None:
        self.hold.enter(len(requests), partial(self._call, requests, reply))

    def _call(self, requests: Sequence[Any], reply: Body) -> None:
        self._last += 1
        self._reply_to[self._last] = reply
        self._calls.append(self._last)
        self._batches.append(requests)
        self.turns.items += len(requests)
        self.turns.wake()

    def watch(self, start_revision: int, reader: Body) -> None:
        self._last += 1
        self._readers[self._last] = reader
        self.turns.take(WatchOpened(self._last, b"/registry/", start_revision, False), 1)

    def _gather(self) -> None:
        if self._calls:
            self.turns.events.append(RequestsArrived(self._calls, self._batches))
            self._calls, self._batches = [], []

    def _carry_out(self, effect: StoreEffect) -> None:
        match effect:
            case StoreAnswer(calls=calls, replies=replies):
                for call, answers in zip(calls, replies, strict=True):
                    self._wires.send(self._reply_to.pop(call), answers)
            case Append():
                self._append(effect)
            case SendWatchFrames(watchers=watchers, events=events, watermark=watermark):
                for watcher in watchers:
                    self._wires.send(self._readers[watcher], (events, watermark))
            case EndWatch(reason=reason):
                raise Violation("watches", f"{self.name} ended a watch: {reason}")
            case WriteSnapshot():
                raise Violation("snapshots", "a log without a size asks for no snapshot")
            case LeasesEnded():
                # Of leases of the store only etcd's clients let keys of other shards hang.
                pass
            case _:
                assert_never(effect)

    def _append(self, order: Append) -> None:
        kernel = self._kernel
        kernel.digest.add(
            kernel.agenda.now_ns, self.name, "append", (order.first_index, order.records)
        )
        self._appended = order.first_index + len(order.records) - 1
        if not self._syncing:
            self._sync(kernel.sending_ns)

    def _sync(self, begin_ns: int) -> None:
        self._syncing = True
        self.disk_busy_ns += self._sync_ns
        agenda = self._kernel.agenda
        agenda.at(begin_ns + self._sync_ns, ARRIVAL, self._synced, self._appended)

    def _synced(self, index: int) -> None:
        self._syncing = False
        # The log is never read again, so its size is none and no snapshot is due.
        self.turns.take(Persisted(index, 0), 1)
        if self._appended > index:
            self._sync(self._kernel.agenda.now_ns)


class ApiServerProgram:
    """An API server on its frame port."""

    def __init__(
        self,
        kernel: Kernel,
        wires: Wires,
        name: str,
        core: ApiServerCore,
        stores: Sequence[StoreProgram],
    ) -> None:
        self.core = core
        self.name = name
        self.turns = Turns(kernel, name, core, self._carry_out, API_SERVER)
        self.turns.check_every = CHECK_EVERY_STEPS
        self.turns.before = self._gather
        self._kernel = kernel
        self._wires = wires
        self._stores = stores
        self.to_stores = [wires.others() for _ in stores]
        """To each shard. What comes from it is held back here while they are cut."""
        self.hold = Hold(kernel.agenda)
        self._last = 0
        self._calls = FrameCalls()
        self._readers: dict[int, Body] = {}
        self._watches: dict[Body, int] = {}
        self.asked: Counter[tuple[str, str, str]] = Counter()
        """Requests by verb, resource and subresource."""

    def call(self, requests: Sequence[Words], reply: Body) -> None:
        """``requests``: the words of ``api.calls.ApiRequest`` after its id. ``reply`` is told
        [(code, revision, body), ...] when all are done."""
        self.asked.update(map(_asked_for, requests))
        self.hold.enter(len(requests), partial(self._call, requests, reply))

    def _call(self, requests: Sequence[Words], reply: Body) -> None:
        self._last = self._calls.take(self._last, requests, partial(self._wires.send, reply))
        self.turns.items += len(requests)
        self.turns.wake()

    def watch(self, words: Words, reader: Body) -> None:
        """``words``: resource, namespace, label selector, field selector, revision."""
        self._last += 1
        self._readers[self._last] = reader
        self._watches[reader] = self._last
        self.turns.take(WatchesArrived((FrameWatch(self._last, *words),)), 1)

    def http_watch(self, path: str, query: str, accept: str, reader: Body) -> None:
        """A watch over HTTP, of an administrator. ``reader`` is told the pieces of its body."""
        self._last += 1
        self._readers[self._last] = reader
        self._watches[reader] = self._last
        request = HttpRequest(self._last, ADMIN, "GET", path, query, b"", accept=accept)
        self.turns.take(HttpArrived((request,)), 1)

    def busy(self, reader: Body) -> None:
        """Much is unsent to it, so that its initial state waits ..."""
        self.turns.take(StreamsBusy((self._watches[reader],)), 1)

    def drained(self, reader: Body) -> None:
        """... until it is sent."""
        self.turns.take(StreamsDrained((self._watches[reader],)), 1)

    def end_watch(self, reader: Body) -> None:
        watch = self._watches.pop(reader)
        del self._readers[watch]
        self.turns.take(StreamsClosed((watch,)), 1)

    def _gather(self) -> None:
        self._calls.tell(self.turns.events)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StoreCall(shard, ids, requests):
                reply = partial(self._store_replied, shard, ids)
                self.to_stores[shard].send(self._stores[shard].call, requests, reply)
            case Answers(ids, answers):
                codes = [answer.code for answer in answers]
                kernel = self._kernel
                kernel.digest.add(kernel.agenda.now_ns, self.name, "answers", (codes,))
                for _, answer in self._calls.answered(ids, answers):
                    text = answer.body.decode()
                    raise Violation("watches", f"{self.name} refused a watch: {answer.code} {text}")
            case StreamBodies(streams, bodies):
                for stream, body in zip(streams, bodies, strict=True):
                    reader = self._readers.get(stream)
                    if reader is not None:
                        self._wires.send(reader, body)
            case OpenStoreWatch(shard, watch, revision):
                says = partial(self._store_says, shard, watch)
                self.to_stores[shard].send(self._stores[shard].watch, revision, says)
            case EndStreams(reasons=reasons):
                raise Violation("watches", f"{self.name} ended watches: {', '.join(reasons)}")
            case Crashed(trace=trace):
                raise Violation("crash", f"a request crashed {self.name}: {trace}")
            case StreamBytes(streams, chunks):
                for stream, chunk in zip(streams, chunks, strict=True):
                    reader = self._readers.get(stream)
                    if reader is not None:
                        self._wires.send(reader, chunk)
            case StreamOpened():
                pass
            case SessionOpened() | SendMessages():
                raise AssertionError("nobody runs commands here")
            case _:
                assert_never(effect)

    def _store_replied(self, shard: int, ids: Sequence[int], replies: Sequence[Any]) -> None:
        wires = self.to_stores[shard]
        if wires.holding:
            wires.hold(self._store_replied, shard, ids, replies)
            return
        self.turns.take(StoreReplied(shard, ids, replies), len(ids))

    def _store_says(self, shard: int, watch: int, body: tuple[Sequence[Any], int]) -> None:
        wires = self.to_stores[shard]
        if wires.holding:
            wires.hold(self._store_says, shard, watch, body)
            return
        events, watermark = body
        self.turns.take(StoreEvents(shard, watch, events, watermark), len(events))
