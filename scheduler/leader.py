"""The scheduler: watches pods and nodes, decides, binds.

One step takes in what happened, then decides for as many waiting pods as a batch holds. A decided
pod is assumed at once and its binding sent; the answer confirms it or rolls it back. A lost answer
leaves the pod where it is until a look at the API server says what became of it. With a scoring
pool a batch is decided when its partitions have answered.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from api.calls import (
    ApiReply,
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.core import JsonObject
from api.streams import Stream
from scheduler.configuration import DEFAULT, Configuration
from scheduler.engine import NOWHERE, Engine
from scheduler.explain import Pod, filters_for, refusal_beside_nominees
from scheduler.failures import Failure, Failures
from scheduler.follower import PODS, WATCHES, Follower
from scheduler.node_table import NodeTable
from scheduler.outgoing import Outgoing
from scheduler.pod_book import PodBook, PodRecord, Stage
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.queue import SchedulingQueue
from scheduler.surroundings import Surroundings
from scheduler.writes import (
    binding,
    lookup,
    scheduled_event,
)

BATCH_MAX = 128
"""Pods decided in one step."""
BINDINGS_OPEN_MAX = 4096
"""No more pods are decided while so many bindings wait for their answer."""
LOOK_AFTER_NS = 1_000_000_000
"""A pod whose binding was lost is looked up after this, unless a watch tells first."""
GANG_TIMEOUT = "pod group was not complete in time: the node is given back"
GANG_INCOMPLETE = "another pod of the pod group fits nowhere: the node is given back"
EQUAL_PODS_MIN = 3
"""So many pods of one shape in a batch, and the leader scores that shape itself: after the first
it is cheaper than asking."""


@dataclass(frozen=True, slots=True)
class AskPartition:
    """Order: call the partition of this number; report PartitionAnswered or PartitionLost."""

    partition: int
    body: Any


@dataclass(frozen=True, slots=True)
class PartitionAnswered:
    partition: int
    body: Any


@dataclass(frozen=True, slots=True)
class PartitionLost:
    """No answer: connection broken or too late."""

    partition: int


SchedulerEvent = ComponentEvent | PartitionAnswered | PartitionLost
SchedulerEffect = Calls | AskPartition


@dataclass(frozen=True, slots=True)
class Decision:
    """A popped pod of the open batch."""

    pod: str
    uid: str
    shape: Shape
    salt: int
    pooled: bool
    """The partitions are asked about it."""


class SchedulerCore:
    """A Component with two more events and one more effect when it has partitions."""

    def __init__(
        self, seed: int, partitions: int = 0, configuration: Configuration = DEFAULT
    ) -> None:
        self.table = NodeTable()
        self.queue = SchedulingQueue(configuration.backoff)
        self._engine = Engine(self.table)
        self._pool = ScoringPool(self.table, self._engine, partitions) if partitions else None
        self._book = PodBook(self.table, self.queue, configuration.profiles)
        self._surroundings = Surroundings(self.table)
        self._ties = Stream(seed, "scheduler/ties")
        self._follower = Follower(self.table, self._book, self._surroundings)
        self._outgoing = Outgoing()
        starts = Stream(seed, "scheduler/preemption")
        self._failures = Failures(
            self._engine, self._book, self._surroundings, self._outgoing, starts
        )
        self._bindings_open = 0
        self._batch: list[Decision] = []
        self._looks: dict[str, int] = {}
        """Uncertain pods and when to look them up, in order of time."""
        self.decided = self.failed = self.conflicts = 0
        self.leading = True
        """Without it nothing is decided, and all is followed; see scheduler.election."""

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return WATCHES

    def step(self, events: Sequence[SchedulerEvent], now_ns: int) -> Sequence[SchedulerEffect]:
        self._book.room_made = False
        for event in events:
            self._take(event, now_ns)
        if self._book.room_made:
            self.queue.something_changed(now_ns)
        self._look_up(now_ns)
        for pod in list(self._book.gangs.overdue(now_ns)):
            self._give_up(pod, GANG_TIMEOUT, now_ns)
        orders: list[SchedulerEffect] = []
        if self._may_decide():
            orders += self._decide_waiting(now_ns)
        if requests := self._outgoing.take():
            orders.append(Calls(requests))
        return orders

    def next_wakeup_ns(self) -> int | None:
        times = [next(iter(self._looks.values()))] if self._looks else []
        gangs = self._book.gangs.next_wakeup_ns()
        if gangs is not None:
            times.append(gangs)
        waiting = self.queue.next_wakeup_ns()
        if waiting is not None and self._may_decide():
            times.append(waiting)
        return min(times, default=None)

    def check(self) -> None:
        self.table.check()
        self.queue.check()
        self._book.check()

    def gauges(self) -> dict[str, float]:
        """Lengths and counters."""
        waiting = {f"queue_{place}": float(n) for place, n in self.queue.lengths().items()}
        return waiting | {
            "nodes": self.table.count,
            "pods": len(self._book.records),
            "bindings_open": self._bindings_open,
            "decided": self.decided,
            "failed": self.failed,
            "conflicts": self.conflicts,
            "plugin_errors": self._failures.errors,
            "pool_fallbacks": self._pool.fallbacks if self._pool else 0,
        }

    # Events

    def _take(self, event: SchedulerEvent, now_ns: int) -> None:
        match event:
            case WatchReset(watch):
                self._follower.begin_list(watch)
            case ObjectsSeen(watch, types, objects):
                for kind, item in zip(types, objects, strict=True):
                    self._see(watch, kind, item, now_ns)
            case WatchSynced(watch):
                self._synced(watch)
            case CallsDone(replies):
                for reply in replies:
                    self._answered(reply, now_ns)
            case PartitionAnswered(partition, body):
                assert self._pool is not None
                self._pool.answered(partition, body, now_ns)
            case PartitionLost(partition):
                assert self._pool is not None
                self._pool.lost(partition, now_ns)
            case _:
                assert_never(event)

    def _see(self, watch: str, kind: int, item: JsonObject, now_ns: int) -> None:
        seen = self._follower.see(watch, kind, item)
        if seen.may_help:
            self.queue.something_changed(now_ns)
        if watch == PODS:
            self._looks_no_more(seen.key)

    def _synced(self, watch: str) -> None:
        self._follower.end_list(watch)
        if watch == PODS:
            for key in [key for key in self._looks if key not in self._book.records]:
                del self._looks[key]

    def _answered(self, reply: ApiReply, now_ns: int) -> None:
        call, key = self._outgoing.answered(reply.id)
        if call == "bind":
            self._bindings_open -= 1
        if call == "evict" and not (200 <= reply.code < 300 or reply.code == 404):
            self._failures.refused(key)
            self.queue.something_changed(now_ns)
        record = self._book.records.get(key)
        if call in ("write", "evict") or record is None or record.request != reply.id:
            return
        if call == "bind":
            self._bind_answered(key, record, reply, now_ns)
        else:
            self._look_answered(key, record, reply, now_ns)

    def _bind_answered(self, key: str, record: PodRecord, reply: ApiReply, now_ns: int) -> None:
        record.request = 0
        if 200 <= reply.code < 300:
            self._book.confirm(key)
            request = self._outgoing.number("write")
            self._outgoing.send(scheduled_event(request, record.reference, record.node, now_ns))
        elif record.stage is Stage.ASSUMED and reply.code == 0:
            record.stage = Stage.UNCERTAIN
            self._looks[key] = now_ns + LOOK_AFTER_NS
        elif record.stage is Stage.ASSUMED:
            self.conflicts += 1
            self._book.roll_back(key)
            self.queue.retry(key, now_ns)

    def _look_answered(self, key: str, record: PodRecord, reply: ApiReply, now_ns: int) -> None:
        record.request = 0
        if record.stage is not Stage.UNCERTAIN:
            return
        if reply.code == 200:
            pod = json.loads(reply.body)
            same = pod["metadata"]["uid"] == record.reference.uid
            if same and pod["spec"].get("nodeName"):
                self._book.see(pod)
                return
        elif reply.code != 404:
            self._looks[key] = now_ns + LOOK_AFTER_NS
            return
        # Not bound, or gone, which the watch will say.
        self._book.roll_back(key)
        self.queue.retry(key, now_ns)

    # Pods whose binding was lost

    def _look_up(self, now_ns: int) -> None:
        due = []
        for key, due_ns in self._looks.items():
            if due_ns > now_ns:
                break
            due.append(key)
        for key in due:
            del self._looks[key]
            record = self._book.records[key]
            record.request = self._outgoing.number("look", key)
            self._outgoing.send(lookup(record.request, record.reference))

    def _looks_no_more(self, key: str) -> None:
        if key in self._looks:
            record = self._book.records.get(key)
            if record is None or record.stage is not Stage.UNCERTAIN:
                del self._looks[key]

    # Decisions

    def _may_decide(self) -> bool:
        return (
            self.leading
            and self._follower.synced
            and self._bindings_open < BINDINGS_OPEN_MAX
            and not (self._pool is not None and self._pool.waiting)
        )

    def _decide_waiting(self, now_ns: int) -> Sequence[AskPartition]:
        """Finish the open batch, then open the next one; decide it at once if nobody is asked."""
        self._decide(now_ns)
        self._batch = self._next_batch(now_ns)
        if self._pool is not None:
            asked = [
                (number, decision.shape, decision.salt)
                for number, decision in enumerate(self._batch)
                if decision.pooled
            ]
            if asked:
                orders = [AskPartition(p, body) for p, body in self._pool.ask(asked, now_ns)]
                if orders:
                    return orders
        self._decide(now_ns)
        return ()

    def _next_batch(self, now_ns: int) -> list[Decision]:
        pods = self.queue.pop(BATCH_MAX, now_ns)
        records = [self._book.records[pod] for pod in pods]
        alike: dict[int, int] = {}
        for record in records:
            alike[record.shape.number] = alike.get(record.shape.number, 0) + 1
        return [
            Decision(
                pod,
                record.reference.uid,
                record.shape,
                max(self._ties.next_u64(), 1),
                pooled=self._pool is not None
                and alike[record.shape.number] < EQUAL_PODS_MIN
                and self._is_for_pool(pod, record),
            )
            for pod, record in zip(pods, records, strict=True)
        ]

    def _is_for_pool(self, pod: str, record: PodRecord) -> bool:
        if self._engine.has_view(record.shape):
            return False
        try:
            return not self._engine.is_coupled(record.shape, Pod(pod, record.priority))
        except Exception:  # the supervisor of the plugins: it raises again when the pod is placed
            return False

    def _decide(self, now_ns: int) -> None:
        batch, self._batch = self._batch, []
        for number, decision in enumerate(batch):
            record = self._book.records.get(decision.pod)
            # While partitions were asked it may have gone, come anew, or been bound by another.
            if record is None or record.stage is not Stage.PENDING:
                continue
            if record.reference.uid != decision.uid:
                continue
            gangs = self._book.gangs
            if gangs.denied(decision.pod, now_ns):
                self.queue.retry(decision.pod, now_ns)
            elif (
                record.problem or gangs.too_few(decision.pod) or self._failures.unsupported(record)
            ):
                self._fail(decision.pod, record, now_ns)
            else:
                self._place(number, decision, record, now_ns)

    def _place(self, number: int, decision: Decision, record: PodRecord, now_ns: int) -> None:
        try:
            row = self._best_row(number, decision, record)
        except Exception as error:  # the supervisor of the plugins
            self.failed += 1
            self.queue.retry(decision.pod, now_ns)
            self._failures.tell(record, self._failures.plugin_raised(record, error), now_ns)
            self._give_up(decision.pod, GANG_INCOMPLETE, now_ns)
            return
        if row == NOWHERE:
            self._fail(decision.pod, record, now_ns)
            return
        self.decided += 1
        self._book.assume(decision.pod, self.table.names[row])
        gangs = self._book.gangs
        for member in gangs.admit(decision.pod, now_ns):
            self._bind(member)
        for member in gangs.missing(decision.pod):
            self.queue.wake(member, now_ns)

    def _best_row(self, number: int, decision: Decision, record: PodRecord) -> int:
        pod = Pod(decision.pod, record.priority)
        row = self._nominated_row(pod, record)
        if row != NOWHERE:
            return row
        if decision.pooled and self._pool is not None and record.shape is decision.shape:
            return self._pool.choose(number, record.shape, decision.salt, pod)
        return self._engine.choose(record.shape, decision.salt, pod)

    def _bind(self, pod: str) -> None:
        """Send the binding of an assumed pod."""
        record = self._book.records[pod]
        record.request = self._outgoing.number("bind", pod)
        self._bindings_open += 1
        self._outgoing.send(binding(record.request, record.reference, record.node))

    def _give_up(self, pod: str, why: str, now_ns: int) -> None:
        """The gang of a pod cannot be complete: those that wait give their nodes back."""
        waiting = self._book.gangs.give_up(pod, now_ns)
        for other in waiting:
            self._book.roll_back(other)
            self.queue.failed(other, now_ns)
            self._failures.tell(self._book.records[other], Failure(why), now_ns)
        if waiting:
            self.queue.something_changed(now_ns)

    def _nominated_row(self, pod: Pod, record: PodRecord) -> int:
        """The row kept for it, if it passes there now."""
        row = self.table.row_of.get(self.table.nominations.node_of.get(pod.name, ""), NOWHERE)
        if row != NOWHERE:
            filters = filters_for(record.shape, self.table)
            if refusal_beside_nominees(record.shape, self.table, row, pod, filters):
                return NOWHERE
        return row

    def _fail(self, pod: str, record: PodRecord, now_ns: int) -> None:
        self.failed += 1
        if self._failures.handle(pod, record, now_ns).error:
            self.queue.retry(pod, now_ns)
        else:
            self.queue.failed(pod, now_ns)
        self._give_up(pod, GANG_INCOMPLETE, now_ns)
