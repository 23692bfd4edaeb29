"""A scoring partition: holds the rows of some nodes and names the best of them for each pod.

It is told rows by the leader, keeps no pods, decides nothing. Its rows are numbered without gaps:
see scheduler.partition_rows. Wire: see scheduler.partition_wire.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.core import InvariantError
from scheduler.engine import Engine
from scheduler.kernel import Kernel
from scheduler.many_pods import Likeness, at_once, base_scores_of, likeness
from scheduler.naming import Lots, Naming, Ranks, ranks_of
from scheduler.node_facts import NodeFacts
from scheduler.node_table import IntArray, NodeTable
from scheduler.partition_rows import leaders_rows
from scheduler.pod_shape import Port, Shape, ShapeKey
from scheduler.profile import DEFAULTS, Profiles
from scheduler.rating import Levels
from scheduler.shapes import Shapes
from scheduler.standings import Scores
from scheduler.supervision import Raised, asked
from scheduler.tie import Places
from scheduler.views import StaticView, base_scores

SHARE_BITS = 10
SHARES = 1 << SHARE_BITS
"""All rows that change, where a partition is told what share of these may be its own."""
SPARE = 8
"""Nodes named beyond that, because rows that change are not spread evenly."""
ASKED_MAX = 1 << 14
"""Shapes remembered as asked about once."""
RANKED_MAX = 256


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
    changing: int
    """Rows that may change before the first pod is decided; one more with each pod."""
    share: int
    """So many of SHARES of these may be rows of this partition."""
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
    order."""

    levels: Sequence[Levels]
    lists: IntArray
    """[what, list]: pod, feasible nodes, nodes named, the highest base that others may have, before
    which place in the draw those that have it do not come, index in levels."""
    rows: IntArray
    """[node named], of this partition, one list after the other."""
    bases: IntArray
    """Parallel to ``rows``: see scheduler.rating."""
    raised: Sequence[int]
    """Pods about which a plugin raised: the leader has to score them itself."""


class PartitionCore:
    """A core without timers."""

    def __init__(self, profiles: Profiles = DEFAULTS, kernel: Kernel | None = None) -> None:
        self._kernel = kernel
        self._table = NodeTable()
        self._engine = Engine(self._table, kernel=kernel)
        self._shapes = Shapes(profiles)
        self._asked: OrderedDict[int, None] = OrderedDict()
        self._ranked: OrderedDict[int, tuple[StaticView, Ranks]] = OrderedDict()
        """By place."""
        self._leaders: tuple[tuple[int, int, int], Places] = (0, 0, 0), np.zeros(0, np.uint32)
        """For which number, partitions and rows it was worked out last."""
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
        table = self._table
        for row in change.gone:
            table.ports.set_row(row, ())
            if row < table.rows and table.known_facts(row) is not None:
                table.remove_node(table.names[row])
        for row, order, facts in change.nodes:
            table.put_node(facts, row, order)
        table.set_counts(change.rows, change.resources, change.counts)
        for row, ports in change.ports:
            table.ports.set_row(row, ports)
        self._set_cluster(change)

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
        naming = self._naming(request)
        raised: list[int] = []
        pods_of: dict[int, list[int]] = {}
        for pod, (index, _) in enumerate(request.pods):
            pods_of.setdefault(index, []).append(pod)
        alike: dict[Likeness, list[int]] = {}
        for index, pods in pods_of.items():
            like = asked(self._likeness, shapes[index])
            if isinstance(like, Likeness):
                alike.setdefault(like, []).extend(pods)
                continue
            base = like if like is not None else asked(self._base, shapes[index])
            if isinstance(base, Raised):
                # The leader asks them again, and tells.
                self._engine.forget(shapes[index])
                raised += pods
            else:
                bases = np.broadcast_to(base, (len(pods), len(base)))
                naming.see(bases, self._ranks(shapes[index]), pods)
        each = at_once(self._table.rows)
        for like, pods in alike.items():
            theirs = [shapes[request.pods[pod][0]] for pod in pods]
            static, ranks = self._engine.static_view(theirs[0]), self._ranks(theirs[0])
            for first in range(0, len(pods), each):
                some = theirs[first : first + each]
                bases = base_scores_of(some, like, self._table, static.admitted, static.fixed)
                naming.see(bases, ranks, pods[first : first + each])
        return Scored(list(naming.levels), naming.lists, naming.rows, naming.bases, raised)

    def _naming(self, request: ScoreRequested) -> Naming:
        changing = request.changing + np.arange(len(request.pods))
        # Rounded up, and one more than may change.
        wanted = (changing * request.share >> SHARE_BITS) + 1 + SPARE
        lots = Lots(
            tie_bits=request.tie_bits,
            salts=[salt for _, salt in request.pods],
            leaders=self._leaders_rows(request.number, request.partitions),
            order=self._table.order,
        )
        return Naming(wanted, lots)

    def _leaders_rows(self, number: int, partitions: int) -> Places:
        """[row]: what the leader calls it. Worked out when that changes."""
        known = (number, partitions, self._table.rows)
        if self._leaders[0] != known:
            rows = leaders_rows(np.arange(self._table.rows), number, partitions)
            self._leaders = known, rows.astype(np.uint32)
        return self._leaders[1]

    def _likeness(self, shape: Shape) -> Likeness | None:
        """What it has in common with other pods asked about once. None: it is looked at alone."""
        self._ranks(shape)
        if shape.number in self._asked or self._kernel is not None:
            return None
        like = likeness(shape, self._table)
        if like is not None:
            self._remember(shape)
        return like

    def _base(self, shape: Shape) -> Scores:
        if shape.number in self._asked:
            # It comes again and again: only what changed is scored.
            return self._engine.view(shape).base
        static = self._engine.static_view(shape)
        base = base_scores(shape, self._table, static, self._kernel)
        self._remember(shape)
        return base

    def _remember(self, shape: Shape) -> None:
        self._asked[shape.number] = None
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)

    def _ranks(self, shape: Shape) -> Ranks:
        static = self._engine.static_view(shape)
        known = self._ranked.get(shape.place)
        if known is None or known[0] is not static:
            known = self._ranked[shape.place] = static, ranks_of(shape, static, self._table)
            if len(self._ranked) > RANKED_MAX:
                self._ranked.popitem(last=False)
        return known[1]
