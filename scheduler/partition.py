"""A scoring partition: holds the rows of some nodes and names the best of them for each pod.

It is told rows by the leader, keeps no pods, decides nothing. Its rows are numbered without gaps:
row r is row ``r * partitions + number`` of the leader. Wire: see scheduler.partition_wire.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from api.core import InvariantError
from scheduler.engine import Engine
from scheduler.kernel import Kernel
from scheduler.node_facts import NodeFacts
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Port, Shape, ShapeKey
from scheduler.profile import DEFAULTS, Profiles
from scheduler.rating import Levels, groups_of
from scheduler.shapes import Shapes
from scheduler.standings import Scores
from scheduler.supervision import Raised, asked
from scheduler.tie import FIRST, tie_places_each
from scheduler.views import base_scores

LOOSE = 4
"""Up to so many times the nodes asked for are named where they tie, rather than drawing lots."""
ASKED_MAX = 1 << 14
"""Shapes remembered as asked about once."""


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

    number: int
    partitions: int
    best_max: int
    """So many nodes of each vector of levels, and some more where they tie."""
    tie_bits: int
    """See scheduler.tie; of the leader's table."""
    shapes: Sequence[ShapeKey]
    pods: Sequence[tuple[int, int]]
    """(index of shape, salt)."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The last change did not follow the one before it, so there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Scored:
    """For each pod and vector of levels among its feasible nodes a list of the best ones, in no
    order: those left out have a lower base than each of them, or the same and a later draw."""

    levels: Sequence[Levels]
    lists: IntArray
    """[pod, index in levels, feasible nodes, nodes named; list], pods ascending."""
    rows: IntArray
    """[node named], of this partition, one list after the other."""
    bases: IntArray
    """Parallel to ``rows``: see scheduler.rating."""
    raised: Sequence[int]
    """Pods about which a plugin raised: the leader has to score them itself."""


Group = tuple[int, IntArray, Scores]
"""Index of the levels, feasible rows that have them, and their bases."""


class Naming:
    """The best nodes of one list: ``most`` by base, or somewhat more where they are equal. Of too
    many equal ones those are named that come first in the draw."""

    __slots__ = ("_wanted", "bases", "chosen", "members", "pod", "tied")

    def __init__(self, pod: int, members: IntArray, bases: Scores, most: int) -> None:
        self.pod, self.members, self.bases = pod, members, bases
        self.tied: IntArray | None = None
        """Positions among the members for whom the draw decides."""
        if len(bases) <= most:
            self.chosen = np.arange(len(bases))
            return
        ranked = bases.copy()
        ranked.partition(len(bases) - most)
        least = ranked[len(bases) - most]
        self.chosen = (bases >= least).nonzero()[0]
        if len(self.chosen) > LOOSE * most:
            self.tied = (bases == least).nonzero()[0]
            self.chosen = (bases > least).nonzero()[0]
            self._wanted = most - len(self.chosen)

    def settle(self, places: IntArray) -> None:
        """``places`` in the draw, parallel to ``tied``."""
        assert self.tied is not None
        first = places.argpartition(self._wanted - 1)[: self._wanted]
        self.chosen = np.concatenate((self.chosen, self.tied[first]))


class PartitionCore:
    """A core without timers."""

    def __init__(self, profiles: Profiles = DEFAULTS, kernel: Kernel | None = None) -> None:
        self._kernel = kernel
        self._table = NodeTable()
        self._engine = Engine(self._table, kernel=kernel)
        self._shapes = Shapes(profiles)
        self._ports: dict[int, Sequence[Port]] = {}
        self._asked: OrderedDict[int, None] = OrderedDict()
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
                effects.append(self._score(event))
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
            self._engine = Engine(self._table, kernel=self._kernel)
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

    def _score(self, request: ScoreRequested) -> Scored:
        shapes = [self._shapes.of_key(key) for key in request.shapes]
        levels: dict[Levels, int] = {}
        groups: dict[int, list[Group] | Raised] = {}
        lists: list[tuple[int, int, int]] = []
        found: list[Naming] = []
        raised: list[int] = []
        for pod, (index, _) in enumerate(request.pods):
            if index not in groups:
                groups[index] = asked(self._groups, shapes[index], levels)
            of_shape = groups[index]
            if isinstance(of_shape, Raised):
                # The leader asks them again, and tells.
                self._engine.forget(shapes[index])
                raised.append(pod)
                continue
            for of_levels, members, bases in of_shape:
                lists.append((pod, of_levels, len(members)))
                found.append(Naming(pod, members, bases, request.best_max))
        self._draw(request, [naming for naming in found if naming.tied is not None])
        named = [(*words, len(n.chosen)) for words, n in zip(lists, found, strict=True)]
        return Scored(
            levels=list(levels),
            lists=np.array(named, np.int64).reshape(-1, 4).T,
            rows=_joined([naming.members[naming.chosen] for naming in found]),
            bases=_joined([naming.bases[naming.chosen] for naming in found]),
            raised=raised,
        )

    def _groups(self, shape: Shape, levels: dict[Levels, int]) -> list[Group]:
        """Adds to the ``levels`` numbered so far."""
        static = self._engine.static_view(shape)
        if shape.number in self._asked:
            # It comes again and again: only what changed is scored.
            base = self._engine.view(shape).base
        else:
            base = base_scores(shape, self._table, static, self._kernel)
            self._asked[shape.number] = None
            if len(self._asked) > ASKED_MAX:
                self._asked.popitem(last=False)
        return [
            (levels.setdefault(of_levels, len(levels)), members, bases)
            for of_levels, members, bases in groups_of(shape, static, base)
        ]

    def _draw(self, request: ScoreRequested, namings: Sequence[Naming]) -> None:
        """Lots for many pods at once."""
        rows = [n.members[n.tied] for n in namings if n.tied is not None]
        counts = [len(part) for part in rows]
        salts = [salt for _, salt in request.pods]
        of = np.repeat(np.array([n.pod for n in namings], np.int64), counts)
        theirs = _joined(rows)
        places = tie_places_each(
            theirs * request.partitions + request.number, salts, of, request.tie_bits
        )
        if FIRST in salts:
            first = np.array([salt == FIRST for salt in salts])
            places = np.where(first[of], self._table.order[theirs], places)
        for naming, end, count in zip(namings, accumulate(counts), counts, strict=True):
            naming.settle(places[end - count : end])


def _joined(parts: Sequence[IntArray | Scores]) -> IntArray:
    return np.concatenate((*parts, np.zeros(0, np.int64))).astype(np.int64)
