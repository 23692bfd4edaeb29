"""All pods that concern the scheduler, and on which node each of them counts.

A pod is pending, assumed (its binding is under way), uncertain (the answer to its binding was
lost) or bound. From assumed on it counts on its node, so nothing else is put in its place. What an
API server once bound stays bound: an older view of the pod never takes it from its node.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from api.core import InvariantError, JsonObject
from api.quantity import QuantityError
from api.selectors import SelectorError
from api.times import parse_time
from scheduler.gangs import Gang, Gangs, gang_of
from scheduler.hints import Change
from scheduler.node_table import NodeTable
from scheduler.placed import NOT_STARTED, Nominee, PodReference
from scheduler.pod_columns import NONE
from scheduler.pod_shape import Shape
from scheduler.profile import SCHEDULER_NAME, Profiles
from scheduler.queue import SchedulingQueue
from scheduler.resources import in_reason_order, pod_requests
from scheduler.shapes import Shapes

FINISHED = ("Succeeded", "Failed")


class Stage(Enum):
    """How far a pod is. ASSUMED: its binding is under way. UNCERTAIN: the answer to its binding was
    lost."""

    PENDING = "pending"
    ASSUMED = "assumed"
    UNCERTAIN = "uncertain"
    BOUND = "bound"


@dataclass(slots=True)
class PodRecord:
    """One pod."""

    reference: PodReference
    shape: Shape
    problem: str
    """Why it can never be scheduled as it stands; empty: it can."""
    priority: int
    gated: bool
    never_preempts: bool
    started_ns: int
    """When its containers began; NOT_STARTED before."""
    nominated: str
    """The node kept for it, as its object says."""
    stage: Stage = Stage.PENDING
    node: str = ""
    """Where it counts."""
    request: int = 0
    """Id of its open binding or look-up."""
    message: str = ""
    """The last reason written to it."""
    failing_since_ns: int = 0


class PodRecords(Mapping[str, PodRecord]):
    """By NAMESPACE/NAME. Those of settled pods are made anew for whoever asks: changing one of them
    changes nothing."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._settled = table.placed.settled
        self.open: dict[str, PodRecord] = {}
        """Those that are not settled."""

    def __getitem__(self, key: str) -> PodRecord:
        record = self.open.get(key) or self._made(key)
        if record is None:
            raise KeyError(key)
        return record

    def __contains__(self, key: object) -> bool:
        return key in self.open or (isinstance(key, str) and self._settled.find(key) != NONE)

    def __len__(self) -> int:
        return len(self.open) + self._settled.count

    def __iter__(self) -> Iterator[str]:
        yield from list(self.open)
        for at in self._settled:
            yield self._settled.key(at)

    def settle(self, key: str) -> None:
        """It is bound, and nothing more is expected of its binding."""
        record = self.open.pop(key)
        self._table.settle(record.reference, record.node)

    def unsettle(self, key: str) -> None:
        """From now on its record, if there is one, is an object that may be changed."""
        record = None if key in self.open else self._made(key)
        if record is not None:
            self._table.unsettle(key, record.node)
            self.open[key] = record

    def _made(self, key: str) -> PodRecord | None:
        at = self._settled.find(key)
        if at == NONE:
            return None
        shape, priority, started_ns = self._settled.placed(at)
        return PodRecord(
            reference=self._settled.reference(at),
            shape=shape,
            problem="",
            priority=priority,
            gated=False,
            never_preempts=False,
            started_ns=started_ns,
            nominated="",
            stage=Stage.BOUND,
            node=self._table.names[self._settled.row(at)],
        )


class PodBook:
    """Keeps records, queue and node table in step."""

    def __init__(self, table: NodeTable, queue: SchedulingQueue, profiles: Profiles) -> None:
        self.table = table
        self.queue = queue
        self.records = PodRecords(table)
        self._profiles = profiles
        self._shapes = Shapes(profiles)
        self._nothing = self._shapes.of_pod({"spec": {"containers": []}})
        self.gangs = Gangs()
        self.changes: list[Change] = []
        """Pods that left nodes and came to them, since the caller last took them."""
        self.gang_joined = False
        """A pod came to its gang, since the caller last cleared this."""

    def see(self, pod: JsonObject) -> str:
        """Take in a pod's present state; returns its key."""
        meta = pod["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        record = self.records.get(key)
        if record is not None and record.reference.uid != meta["uid"]:
            self.forget(key)
            record = None
        if (pod.get("status") or {}).get("phase") in FINISHED:
            self.forget(key)
        elif pod["spec"].get("nodeName"):
            self._see_placed(key, record, pod)
        elif record is not None and record.stage is not Stage.PENDING:
            pass
        elif "deletionTimestamp" in meta or self._is_foreign(pod):
            self.forget(key)
        else:
            self._see_pending(key, record, pod)
        return key

    def forget(self, key: str) -> None:
        """The pod is gone, finished, or none of our business."""
        self.records.unsettle(key)
        record = self.records.open.pop(key, None)
        self.queue.remove(key)
        if record is not None:
            self._drop_nomination(key, record, "")
        if record is not None and record.node:
            self._uncount(key, record)
        self.gangs.leave(key)

    def keep_only(self, seen: Iterable[str]) -> None:
        """A list is complete: what is not among ``seen`` is gone."""
        present = dict.fromkeys(seen)
        for key in [key for key in self.records if key not in present]:
            self.forget(key)

    def assume(self, key: str, node: str) -> None:
        record = self.records[key]
        assert record.stage is Stage.PENDING, key
        self._count(key, record, node)
        record.stage = Stage.ASSUMED

    def roll_back(self, key: str) -> None:
        """The pod did not come to the node it was assumed on."""
        record = self.records[key]
        assert record.stage in (Stage.ASSUMED, Stage.UNCERTAIN), key
        self._uncount(key, record)
        record.stage = Stage.PENDING
        record.request = 0

    def confirm(self, key: str) -> None:
        """The binding was accepted, or a watch says so while its answer is on the way."""
        record = self.records.open[key]
        record.stage = Stage.BOUND
        self.queue.remove(key)
        if not record.request:
            self.records.settle(key)

    def check(self) -> None:
        for key, record in self.records.items():
            if record.stage is Stage.PENDING:
                if record.node or key not in self.queue:
                    raise InvariantError(f"{key} is pending but counted, or not queued")
            elif key not in self.table.pods_on(record.node):
                raise InvariantError(f"{key} is {record.stage.value} but does not count")

    def _see_placed(self, key: str, record: PodRecord | None, pod: JsonObject) -> None:
        node, generation = pod["spec"]["nodeName"], pod["metadata"].get("generation", 0)
        if record is None:
            record = self.records.open[key] = self._record(pod)
            self.gangs.join(key, _gang(pod))
        elif record.stage is Stage.BOUND and record.node == node:
            if record.reference.generation == generation and self._unmoved(key, record, pod):
                return
            fresh = self._record(pod)
            self.records.unsettle(key)
            record = self.records.open[key]
            record.reference = fresh.reference
            if _alike(fresh.shape, record.shape) and fresh.priority == record.priority:
                self.confirm(key)
                return
            # Resized in place, relabelled, or about to go: only the last makes no room yet.
            said = len(self.changes)
            self._uncount(key, record)
            if _taken(record.shape) == _taken(fresh.shape):
                del self.changes[said:]
            record.shape, record.priority = fresh.shape, fresh.priority
            record.started_ns = fresh.started_ns
        if record.node != node:
            self.records.unsettle(key)
            record = self.records.open[key]
            if record.node:
                self._uncount(key, record)
            self._count(key, record, node)
        if key in self.records.open:
            self.confirm(key)

    def _unmoved(self, key: str, record: PodRecord, pod: JsonObject) -> bool:
        """Whether nothing that has no generation changed either: labels, what containers were
        given, the start."""
        meta, relations = pod["metadata"], record.shape.relations
        if (meta.get("labels") or {}) != relations.labels:
            return False
        if ("deletionTimestamp" in meta) != relations.key.terminating:
            return False
        status = pod.get("status") or {}
        if not _takes_as_much(record.shape, pod["spec"], status):
            return False
        if record.started_ns == NOT_STARTED:
            started = status.get("startTime")
            if started:
                record.started_ns = parse_time(started)
                self.table.placed.set_started(key, record.node, record.started_ns)
        return True

    def _see_pending(self, key: str, record: PodRecord | None, pod: JsonObject) -> None:
        fresh = self._record(pod)
        if self.gangs.join(key, _gang(pod)):
            # Members that were too few are tried again.
            self.gang_joined = True
        if record is None:
            self.records.open[key] = fresh
            if fresh.nominated:
                self.table.nominations.add(
                    Nominee(key, fresh.shape, fresh.priority), fresh.nominated
                )
        else:
            record.reference = fresh.reference
            if (record.shape, record.gated, record.priority, record.problem) == (
                (fresh.shape, fresh.gated, fresh.priority, fresh.problem)
            ):
                return
            record.shape, record.gated = fresh.shape, fresh.gated
            record.priority, record.problem = fresh.priority, fresh.problem
        self.queue.add(key, fresh.priority, fresh.gated)

    def _record(self, pod: JsonObject) -> PodRecord:
        meta, spec = pod["metadata"], pod["spec"]
        problem = ""
        try:
            if spec.get("nodeName"):
                # Where it is placed is no part of what it takes there.
                shape = self._shapes.of_placed({**pod, "spec": {**spec, "nodeName": ""}})
            else:
                shape = self._shapes.of_pod(pod)
            negative = [name for name, amount in shape.key.requests if amount < 0]
            if negative:
                # Counted on a node they would make room where there is none.
                shape, problem = self._nothing, f"the pod asks for less than no {negative[0]}"
        except QuantityError as error:
            shape, problem = self._nothing, f"the pod's requests cannot be read: {error}"
        except SelectorError as error:
            shape, problem = self._nothing, f"the pod's selectors cannot be read: {error}"
        status = pod.get("status") or {}
        started = status.get("startTime")
        return PodRecord(
            reference=PodReference(
                meta["namespace"],
                meta["name"],
                meta["uid"],
                meta.get("generation", 0),
                spec.get("schedulerName", SCHEDULER_NAME),
            ),
            shape=shape,
            problem=problem,
            priority=spec.get("priority") or 0,
            gated=bool(spec.get("schedulingGates")),
            never_preempts=spec.get("preemptionPolicy") == "Never",
            started_ns=parse_time(started) if started else NOT_STARTED,
            nominated=status.get("nominatedNodeName") or "",
        )

    def _count(self, key: str, record: PodRecord, node: str) -> None:
        self.table.add_pod(key, node, record.shape, record.priority, record.started_ns)
        self._drop_nomination(key, record, node)
        record.node = node
        self.gangs.came_to_node(key)
        if self.queue.waits_for_change:
            self.changes.append(Change("pod came", pod=record.shape))

    def _drop_nomination(self, key: str, record: PodRecord, node: str) -> None:
        """A node that was kept for the pod is free for others, unless it went there."""
        kept = self.table.nominations.node_of.get(key)
        if kept is None:
            return
        self.table.nominations.drop(key)
        if kept != node:
            self.changes.append(Change("pod left", pod=record.shape))

    def _uncount(self, key: str, record: PodRecord) -> None:
        self.table.remove_pod(key, record.node)
        record.node = ""
        self.gangs.left_node(key)
        if self.queue.waits_for_change:
            self.changes.append(Change("pod left", pod=record.shape))

    def _is_foreign(self, pod: JsonObject) -> bool:
        """Left to another scheduler."""
        return pod["spec"].get("schedulerName", SCHEDULER_NAME) not in self._profiles


def _gang(pod: JsonObject) -> Gang | None:
    meta = pod["metadata"]
    return gang_of(meta["namespace"], meta.get("labels") or {})


def _alike(one: Shape, other: Shape) -> bool:
    """What the columns give back is another object."""
    return one.key == other.key and one.relations is other.relations


def _takes_as_much(shape: Shape, spec: JsonObject, status: JsonObject) -> bool:
    """As it is counted: a resize in place begins in the specification and ends in the status."""
    if not (status.get("containerStatuses") or status.get("resources")):
        return True
    try:
        now = pod_requests(spec, status)
    except QuantityError:
        return False
    same = in_reason_order(now.amounts) == shape.key.requests
    return same and now.counted == shape.key.counted


def _taken(shape: Shape) -> tuple[object, ...]:
    """What of a placed pod others wait for."""
    key = shape.key
    return (key.requests, key.counted, key.ports, shape.relations.labels)
