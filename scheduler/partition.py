"""A scoring partition: holds the rows of some nodes and names the best of them for each pod.

It is told rows by the leader, keeps no pods, decides nothing. Bodies on the wire are the fields of
RowsChanged and ScoreRequested in one list, and of Scored in another; numbers in byte strings are
little-endian.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.core import InvariantError
from scheduler.engine import Engine
from scheduler.node_facts import NodeFacts, Taint
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Port, Shape, ShapeKey, key_from_wire
from scheduler.profile import DEFAULTS, Profiles
from scheduler.rating import Levels, groups_of_view
from scheduler.shapes import Shapes
from scheduler.supervision import Raised, asked
from scheduler.tie import FIRST, tie_places

STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsChanged:
    """Rows that changed since the last request. ``reset``: forget everything first."""

    sequence: int
    """One more than that of the change before, unless it is a reset."""
    reset: bool
    cluster_nodes: int
    gone: Sequence[int]
    """Rows whose node is gone, or about to be replaced by the one in ``nodes``."""
    nodes: Sequence[tuple[int, int, NodeFacts]]
    """(row, order, facts) of new and changed nodes."""
    resources: Sequence[str]
    rows: IntArray
    counts: IntArray
    """[what, position in rows]: see NodeTable.set_counts."""
    ports: Sequence[tuple[int, Sequence[Port]]]
    """(row, host ports in use) of each of ``rows`` that has or had some."""
    images: Sequence[tuple[str, int, int]]
    """(name, bytes, nodes of the whole cluster) of images that the pods asked about use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequested:
    """Name the best nodes for these pods, in the state of the rows now."""

    best_max: int
    """So many nodes of each vector of levels."""
    tie_bits: int
    """See scheduler.tie; of the leader's table."""
    shapes: Sequence[ShapeKey]
    pods: Sequence[tuple[int, int]]
    """(index of shape, salt)."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best nodes of one vector of levels, best first."""

    levels: Levels
    complete: bool
    """No feasible node of these levels is left out."""
    rows: IntArray
    bases: IntArray


@dataclass(frozen=True, slots=True)
class Stale:
    """The last change did not follow the one before it, so there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Scored:
    """For each pod the best nodes by vector of levels."""

    pods: Sequence[Sequence[Best] | None]
    """None: a plugin raised, and the leader has to score that pod itself."""


class PartitionCore:
    """A core without timers."""

    def __init__(self, profiles: Profiles = DEFAULTS) -> None:
        self._table = NodeTable()
        self._engine = Engine(self._table)
        self._shapes = Shapes(profiles)
        self._ports: dict[int, Sequence[Port]] = {}
        self._sequence = 0
        self._stale = True

    def step(
        self, events: Sequence[RowsChanged | ScoreRequested], now_ns: int
    ) -> Sequence[Scored | Stale]:
        effects: list[Scored | Stale] = []
        for event in events:
            if isinstance(event, RowsChanged):
                follows = not self._stale and event.sequence == self._sequence + 1
                self._stale = not (event.reset or follows)
                if not self._stale:
                    self._sequence = event.sequence
                    self._apply(event)
            elif self._stale:
                effects.append(Stale())
            else:
                effects.append(Scored(list(self._score(event))))
        return effects

    def next_wakeup_ns(self) -> int | None:
        return None

    def check(self) -> None:
        if self._table.count != int(self._table.alive.sum()):
            raise InvariantError("count of nodes")

    @property
    def nodes(self) -> int:
        return self._table.count

    def _apply(self, change: RowsChanged) -> None:
        if change.reset:
            self._table = NodeTable()
            self._engine = Engine(self._table)
            self._ports = {}
        table = self._table
        for row in change.gone:
            self._set_ports(row, ())
            if row < table.rows and table.known_facts(row) is not None:
                table.remove_node(table.names[row])
        for row, order, facts in change.nodes:
            table.put_node(facts, row, order)
        table.set_counts(change.rows, change.resources, change.counts)
        for row, ports in change.ports:
            self._set_ports(row, ports)
        self._set_cluster(change)

    def _set_ports(self, row: int, ports: Sequence[Port]) -> None:
        self._table.count_ports(row, self._ports.pop(row, ()), -1)
        if ports:
            self._ports[row] = ports
            self._table.count_ports(row, ports, 1)

    def _set_cluster(self, change: RowsChanged) -> None:
        """Image scores depend on counts over the whole cluster."""
        table = self._table
        if table.cluster_nodes != change.cluster_nodes:
            table.cluster_nodes = change.cluster_nodes
            table.image_version += 1
        for name, size, nodes in change.images:
            state = table.images.get(name)
            if state is not None and (state.size, state.nodes) != (size, nodes):
                state.size, state.nodes = size, nodes
                table.image_version += 1

    def _score(self, request: ScoreRequested) -> Iterator[list[Best] | None]:
        shapes = [self._shapes.of_key(key) for key in request.shapes]
        groups: dict[int, list[tuple[Levels, IntArray, IntArray]] | None] = {}
        for index, salt in request.pods:
            if index not in groups:
                groups[index] = self._groups(shapes[index])
            found = groups[index]
            yield (
                None if found is None else [self._best_of(group, salt, request) for group in found]
            )

    def _groups(self, shape: Shape) -> list[tuple[Levels, IntArray, IntArray]] | None:
        """None: a plugin raised."""
        groups = asked(lambda: list(groups_of_view(self._engine.view(shape))))
        if isinstance(groups, Raised):
            # The leader asks them again, and tells.
            self._engine.forget(shape)
            return None
        return groups

    def _best_of(
        self, group: tuple[Levels, IntArray, IntArray], salt: int, request: ScoreRequested
    ) -> Best:
        """The first ``best_max`` nodes by base, then by the draw."""
        levels, rows, bases = group
        best_max = request.best_max
        complete = len(rows) <= best_max
        if not complete:
            least = np.partition(bases, len(bases) - best_max)[len(bases) - best_max]
            better, equal = np.flatnonzero(bases > least), np.flatnonzero(bases == least)
            wanted = best_max - len(better)
            if wanted < len(equal):
                places = self._places(rows[equal], salt, request.tie_bits)
                equal = equal[np.argpartition(places, wanted - 1)[:wanted]]
            chosen = np.concatenate((better, equal))
            rows, bases = rows[chosen], bases[chosen]
        order = np.lexsort((self._places(rows, salt, request.tie_bits), -bases))
        return Best(levels, complete, rows[order], bases[order])

    def _places(self, rows: IntArray, salt: int, bits: int) -> IntArray:
        return self._table.order[rows] if salt == FIRST else tie_places(rows, salt, bits)


# The wire


def request_body(rows: RowsChanged, request: ScoreRequested) -> list[Any]:
    """What the leader sends."""
    return [
        rows.sequence,
        rows.reset,
        rows.cluster_nodes,
        list(rows.gone),
        [[row, order, *_facts_body(facts)] for row, order, facts in rows.nodes],
        list(rows.resources),
        _pack(rows.rows),
        _pack(rows.counts),
        [[row, [list(port) for port in ports]] for row, ports in rows.ports],
        [list(image) for image in rows.images],
        request.best_max,
        request.tie_bits,
        [list(key) for key in request.shapes],
        [list(pod) for pod in request.pods],
    ]


def request_from(body: Any) -> tuple[RowsChanged, ScoreRequested]:
    """The inverse, at the partition. TypeError or ValueError when it is no such body."""
    sequence, reset, cluster_nodes, gone, nodes, resources, rows, counts, *rest = body
    ports, images, best_max, bits, shapes, pods = rest
    row_array = _unpack(rows)
    changed = RowsChanged(
        sequence=sequence,
        reset=reset,
        cluster_nodes=cluster_nodes,
        gone=gone,
        nodes=[(row, order, _facts_from(facts)) for row, order, *facts in nodes],
        resources=resources,
        rows=row_array,
        counts=_unpack(counts).reshape(len(resources) + 3, len(row_array)),
        ports=[(row, [Port(*port) for port in held]) for row, held in ports],
        images=[(name, size, count) for name, size, count in images],
    )
    request = ScoreRequested(
        best_max=best_max,
        tie_bits=bits,
        shapes=[key_from_wire(key) for key in shapes],
        pods=[(index, salt) for index, salt in pods],
    )
    return changed, request


def answer_body(answer: Scored | Stale) -> list[Any] | str:
    if isinstance(answer, Stale):
        return STALE
    return [
        None
        if best is None
        else [[list(b.levels), b.complete, _pack(b.rows), _pack(b.bases)] for b in best]
        for best in answer.pods
    ]


def answer_from(body: Any) -> Scored | Stale:
    if body == STALE:
        return Stale()
    return Scored(
        [
            None
            if best is None
            else [
                Best(tuple(levels), complete, _unpack(rows), _unpack(bases))
                for levels, complete, rows, bases in best
            ]
            for best in body
        ]
    )


def _facts_body(facts: NodeFacts) -> list[Any]:
    return [
        facts.name,
        dict(facts.labels),
        [list(taint) for taint in facts.taints],
        facts.unschedulable,
        dict(facts.allocatable),
        [list(image) for image in facts.images],
    ]


def _facts_from(body: Sequence[Any]) -> NodeFacts:
    name, labels, taints, unschedulable, allocatable, images = body
    return NodeFacts(
        name=name,
        labels=labels,
        taints=tuple(Taint(*taint) for taint in taints),
        unschedulable=unschedulable,
        allocatable=allocatable,
        images=tuple((image, size) for image, size in images),
    )


def _pack(array: IntArray) -> bytes:
    return array.astype("<i8").tobytes()


def _unpack(data: bytes) -> IntArray:
    return np.frombuffer(data, "<i8").astype(np.int64)
