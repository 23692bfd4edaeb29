"""The scheduler: watches pods and nodes, decides, binds.

One step takes in what happened, then decides for as many waiting pods as a batch holds. A decided
pod is assumed at once and its binding sent; the answer confirms it or rolls it back. A lost answer
leaves the pod where it is until a look at the API server says what became of it. With a scoring
pool a batch is decided when its partitions have answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from api.calls import (
    DELETED,
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
from scheduler.bargain import Subject
from scheduler.binding_cycle import BindingCycle
from scheduler.configuration import DEFAULT, Configuration
from scheduler.consultation import Consultation, Verdict
from scheduler.engine import Engine
from scheduler.explain import Explanation, Pod, filters_for, refusal_beside_nominees
from scheduler.extender import AskExtender, ExtenderAnswered
from scheduler.failures import Failure, Failures
from scheduler.follower import PODS, WATCHES, Follower
from scheduler.hints import Change
from scheduler.kernel import kernel_of
from scheduler.measures import Measures
from scheduler.node_table import NodeTable
from scheduler.outgoing import Outgoing
from scheduler.pod_book import PodBook, PodRecord, Stage
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.preemption import Judged
from scheduler.queue import SchedulingQueue
from scheduler.requeue import Requeue
from scheduler.supervision import Raised, asked
from scheduler.surroundings import Surroundings
from scheduler.views import NOWHERE

BATCH_MAX = 128
"""Pods decided in one step."""
BINDINGS_OPEN_MAX = 4096
"""No more pods are decided while so many bindings wait for their answer."""
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
    """An event: the answer of a scoring partition. ``body``: see scheduler.partition_wire."""

    partition: int
    body: Any


@dataclass(frozen=True, slots=True)
class PartitionLost:
    """No answer: connection broken or too late."""

    partition: int


SchedulerEvent = ComponentEvent | PartitionAnswered | PartitionLost | ExtenderAnswered
SchedulerEffect = Calls | AskPartition | AskExtender


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
        self._changes: list[Change] = []
        """Of nodes and objects, since pods were last moved for them."""
        self._engine = Engine(self.table, kernel=kernel_of(configuration.kernel))
        quorum = configuration.gather_quorum_percent
        self._pool = (
            ScoringPool(self.table, self._engine, partitions, quorum) if partitions else None
        )
        self._book = PodBook(self.table, self.queue, configuration.profiles)
        self._requeue = Requeue(
            self.table, self._book.records, self.queue, configuration.queueing_hints
        )
        self._surroundings = Surroundings(self.table)
        self._ties = Stream(seed, "scheduler/ties")
        self._follower = Follower(self.table, self._book, self._surroundings)
        self._outgoing = Outgoing()
        starts = Stream(seed, "scheduler/preemption")
        self._failures = Failures(
            self._engine, self._book, self._surroundings, self._outgoing, starts
        )
        self._consultation = (
            Consultation(configuration.extenders, self.table, self._book.records)
            if configuration.extenders
            else None
        )
        self._binding = BindingCycle(
            self._book, self.queue, self._outgoing, self._failures, self._consultation
        )
        self._batch: list[Decision] = []
        self.decided = self.failed = 0
        self.leading = True
        """Without it nothing is decided, and all is followed; see scheduler.election."""

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return WATCHES

    def step(self, events: Sequence[SchedulerEvent], now_ns: int) -> Sequence[SchedulerEffect]:
        self.measures.begin_step()
        self.queue.now_ns = now_ns
        for event in events:
            self._take(event, now_ns)
        self._move(now_ns)
        self._binding.look_up(now_ns)
        self._binding.go_on(now_ns, self.leading)
        for pod in list(self._book.gangs.overdue(now_ns)):
            self._give_up(pod, GANG_TIMEOUT, now_ns)
        orders: list[SchedulerEffect] = []
        if self._may_decide():
            orders += self._decide_waiting(now_ns)
        if self._consultation is not None:
            self._consult_next(self._consultation, now_ns)
            orders += self._consultation.take_orders()
        if requests := self._outgoing.take():
            orders.append(Calls(requests))
        return orders

    @property
    def measures(self) -> Measures:
        return self._binding.measures

    @property
    def open_batch(self) -> Sequence[str]:
        """Pods whose partitions have been asked and not all answered."""
        return [decision.pod for decision in self._batch]

    def refusals(self) -> Mapping[tuple[str, str], int]:
        """Unschedulable pods by plugin that refused them and profile."""
        return self._requeue.refusals()

    def next_wakeup_ns(self) -> int | None:
        times = [self._binding.next_wakeup_ns(), self._book.gangs.next_wakeup_ns()]
        if self._may_decide():
            times.append(self.queue.next_wakeup_ns())
        return min((time for time in times if time is not None), default=None)

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
            "bindings_open": self._binding.open,
            "volumes_awaited": len(self._binding.volumes),
            "decided": self.decided,
            "failed": self.failed,
            "conflicts": self._binding.conflicts,
            "preemptions": self._failures.preemptions,
            "victims": self._failures.victims,
            "hints_asked": self._requeue.asked,
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
                    self._see(watch, kind, item)
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
            case ExtenderAnswered():
                assert self._consultation is not None
                if self._consultation.is_binding(event.ask):
                    self._binding.extender_answered(event, now_ns)
                else:
                    self._conclude(self._consultation.answered(event), now_ns)
            case _:
                assert_never(event)

    def _see(self, watch: str, kind: int, item: JsonObject) -> None:
        seen = self._follower.see(watch, kind, item)
        if self._consultation is not None:
            self._consultation.see(watch, seen.key, None if kind == DELETED else item)
        self._changes += seen.changes
        self._binding.volumes.seen(watch, seen.key, kind == DELETED)
        if watch == PODS:
            self._binding.seen(seen.key)

    def _move(self, now_ns: int) -> None:
        """Who waits for what happened is tried again."""
        changes = self._changes + self._book.changes
        self._changes, self._book.changes = [], []
        if self._book.gang_joined:
            # Members that were too few are tried again.
            self._book.gang_joined = False
            self.queue.something_changed(now_ns)
        self._requeue.changed(changes, now_ns)

    def _synced(self, watch: str) -> None:
        self._follower.end_list(watch)
        if self._consultation is not None and self._follower.synced:
            self._consultation.keep_only(self.table.row_of, self._book.records)
        if watch == PODS:
            self._binding.listed()

    def _answered(self, reply: ApiReply, now_ns: int) -> None:
        call, key = self._outgoing.answered(reply.id)
        if call in ("bind", "look"):
            self._binding.answered(call, key, reply, now_ns)
        elif call == "volume":
            self._binding.volumes.answered(reply)
        elif call == "evict" and not (200 <= reply.code < 300 or reply.code == 404):
            self._failures.refused(key)
            self.queue.something_changed(now_ns)

    # Decisions

    def _may_decide(self) -> bool:
        return (
            self.leading
            and self._follower.synced
            and self._binding.open < BINDINGS_OPEN_MAX
            and not (self._pool is not None and self._pool.waiting)
        )

    def _decide_waiting(self, now_ns: int) -> Sequence[AskPartition]:
        """Decide the open batch and open the next one. Partitions are asked about that before this
        one is decided, so that they work meanwhile; where nobody is asked it is decided at once."""
        if self._pool is not None:
            self._pool.close()
        batch, self._batch = self._batch, self._next_batch(now_ns)
        orders = self._ask(len(batch), now_ns)
        self._decide(batch, now_ns)
        if not orders:
            batch, self._batch = self._batch, []
            if self._pool is not None:
                self._pool.close()
            self._decide(batch, now_ns)
        return orders

    def _ask(self, undecided: int, now_ns: int) -> Sequence[AskPartition]:
        pooled = [
            (number, decision.shape, decision.salt)
            for number, decision in enumerate(self._batch)
            if decision.pooled
        ]
        if self._pool is None or not pooled:
            return ()
        orders = self._pool.ask(pooled, undecided, now_ns)
        return [AskPartition(number, body) for number, body in orders]

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
        coupled = asked(self._engine.is_coupled, record.shape, Pod(pod, record.priority))
        # What raised raises again when the pod is placed.
        return coupled is False

    def _decide(self, batch: Sequence[Decision], now_ns: int) -> None:
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
            elif self._consultation is not None and self._consultation.concerns(decision.pod):
                self._consult(self._consultation, decision, now_ns)
            else:
                self._place(number, decision, record, now_ns)

    def _place(self, number: int, decision: Decision, record: PodRecord, now_ns: int) -> None:
        row = asked(self._best_row, number, decision, record)
        if isinstance(row, Raised):
            failure = self._failures.plugin_raised(record, row.error)
            self._in_trouble(decision.pod, record, failure, now_ns)
            return
        if row != NOWHERE:
            self._assume(decision.pod, row, now_ns)
        elif self._consultation is not None and self._consultation.judges(decision.pod):
            self._consult(self._consultation, decision, now_ns)
        else:
            self._fail(decision.pod, record, now_ns)

    def _assume(self, pod: str, row: int, now_ns: int) -> None:
        """It goes there, alone or when its gang is complete."""
        self.decided += 1
        self.measures.decided(self._book.records[pod].shape.key.profile)
        self._book.assume(pod, self.table.names[row])
        self._binding.volumes.reserve(pod, self._book.records[pod])
        gangs = self._book.gangs
        waiting = gangs.waiting_since(pod)
        for member in gangs.admit(pod, now_ns):
            if member in waiting:
                self.measures.permit_awaited("Success", waiting[member], now_ns)
            self._binding.begin(member, now_ns)
        for member in gangs.missing(pod):
            self.queue.wake(member, now_ns)

    def _in_trouble(self, pod: str, record: PodRecord, failure: Failure, now_ns: int) -> None:
        """Not the nodes' doing: the pod is tried again after its back-off."""
        self.failed += 1
        self._binding.failed(pod, record, "error", now_ns)
        self.queue.retry(pod, now_ns)
        self._failures.tell(record, failure, now_ns)
        self._give_up(pod, GANG_INCOMPLETE, now_ns)

    def _best_row(self, number: int, decision: Decision, record: PodRecord) -> int:
        pod = Pod(decision.pod, record.priority)
        row = self._nominated_row(pod, record)
        if row != NOWHERE:
            return row
        if decision.pooled and self._pool is not None and record.shape is decision.shape:
            return self._pool.choose(number, record.shape, decision.salt, pod)
        return self._engine.choose(record.shape, decision.salt, pod)

    # Extenders

    def _consult(self, consultation: Consultation, decision: Decision, now_ns: int) -> None:
        """Its extenders have a say."""
        if not consultation.queue(Subject(decision.pod, decision.uid, decision.salt)):
            self.queue.retry(decision.pod, now_ns)

    def _consult_next(self, consultation: Consultation, now_ns: int) -> None:
        """Begin with the pods in line until one of them waits for answers."""
        while subject := consultation.next_subject():
            record = self._subject_of(subject)
            if record is not None:
                kept = asked(self._nominated_row, Pod(subject.pod, record.priority), record)
                # What raised raises again when all nodes are looked at.
                row = NOWHERE if isinstance(kept, Raised) else kept
                self._conclude(consultation.begin(subject, record, row), now_ns)

    def _subject_of(self, subject: Subject) -> PodRecord | None:
        """None: it went, came anew, or was bound by another while others were asked."""
        record = self._book.records.get(subject.pod)
        pending = record is not None and record.stage is Stage.PENDING
        return record if record and pending and record.reference.uid == subject.uid else None

    def _conclude(self, verdict: Verdict | None, now_ns: int) -> None:
        record = None if verdict is None else self._subject_of(verdict.subject)
        if verdict is None or record is None:
            return
        pod = verdict.subject.pod
        if not self.leading:
            self.queue.retry(pod, now_ns)
        elif verdict.raised is not None:
            failure = self._failures.plugin_raised(record, verdict.raised)
            self._in_trouble(pod, record, failure, now_ns)
        elif verdict.trouble:
            self._in_trouble(pod, record, Failure(verdict.trouble, error=True), now_ns)
        elif verdict.refused is not None:
            if not self._bargains(verdict.subject, record, verdict.refused):
                self._fail(pod, record, now_ns, verdict.refused)
        elif verdict.judged is not None:
            self._fail(pod, record, now_ns, verdict.judged)
        elif verdict.row == NOWHERE:
            self.queue.retry(pod, now_ns)
        else:
            self._assume(pod, verdict.row, now_ns)

    def _bargains(self, subject: Subject, record: PodRecord, refused: Explanation) -> bool:
        """Whether extenders are now asked who may leave for it."""
        consultation = self._consultation
        if consultation is None or not consultation.judges(subject.pod):
            return False
        candidates = self._failures.candidates(subject.pod, record, refused)
        if candidates:
            consultation.bargain(subject, refused, candidates)
        return bool(candidates)

    def _give_up(self, pod: str, why: str, now_ns: int) -> None:
        """The gang of a pod cannot be complete: those that wait give their nodes back."""
        since = self._book.gangs.waiting_since(pod)
        waiting = self._book.gangs.give_up(pod, now_ns)
        for other in waiting:
            self.measures.permit_awaited("Unschedulable", since[other], now_ns)
            self._binding.volumes.drop(other)
            self._book.roll_back(other)
            self._requeue.failed(other, (), now_ns)
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

    def _fail(
        self, pod: str, record: PodRecord, now_ns: int, known: Explanation | Judged | None = None
    ) -> None:
        """``known``: why, when it is known."""
        self.failed += 1
        failure = self._failures.handle(pod, record, now_ns, known)
        if failure.plan.node:
            self.measures.victims.observe(len(failure.plan.victims))
        if failure.error:
            self._binding.failed(pod, record, "error", now_ns)
            self.queue.retry(pod, now_ns)
        else:
            self._binding.failed(pod, record, "unschedulable", now_ns)
            self._requeue.failed(pod, failure.plugins, now_ns)
        self._give_up(pod, GANG_INCOMPLETE, now_ns)
