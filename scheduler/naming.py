"""Which nodes a partition names for the pods of a batch.

Of each vector of levels only the nodes with the best bases matter (see scheduler.rating), but how
many of which vector depends on the maxima of the whole cluster. The partition supposes that the
maxima of its own nodes are those, and names the best so ranked; a wrong guess costs the leader
work, not the result, because each list says how good what it leaves out may be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Shape
from scheduler.rating import Levels, weighted_levels
from scheduler.standings import Scores
from scheduler.tie import FIRST, Places, tie_places
from scheduler.views import NOWHERE, StaticView

LOOSE = 4
"""Up to so many times the nodes wanted are named where they tie, rather than drawing lots."""
NAMED_MIN = 4
"""At least so many are named of each vector of levels, in case the maxima are others."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The admitted rows of a place by levels, and what these add when the maxima are as here."""

    levels: Sequence[Levels]
    ends: Sequence[int]
    """Where in ``rows`` those of each of the levels end."""
    rows: IntArray
    gains: Sequence[int]
    """Parallel to ``levels``."""
    constant: int
    """See StaticView."""

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Each one's number, and where its rows are."""
        begin = 0
        for at, end in enumerate(self.ends):
            yield at, slice(begin, end)
            begin = end


def ranks_of(shape: Shape, static: StaticView, table: NodeTable) -> Ranks:
    groups = [(levels, rows) for levels, rows in static.groups(shape.profile.levels) if len(rows)]
    maxima = tuple(max(values) for values in zip(*(levels for levels, _ in groups), strict=True))
    return Ranks(
        levels=[levels for levels, _ in groups],
        ends=np.cumsum([len(rows) for _, rows in groups]).tolist(),
        rows=np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in groups)]),
        gains=[weighted_levels(levels, maxima, shape, table) for levels, _ in groups],
        constant=static.constant,
    )


@dataclass(frozen=True, slots=True)
class Lots:
    """How ties are settled, for all pods of a request."""

    tie_bits: int
    salts: Sequence[int]
    leaders: Places
    """[row]: what the leader calls it."""
    order: IntArray
    """[row]: see NodeTable."""

    def places(self, rows: IntArray, pod: int) -> IntArray | Places:
        """Of rows of this partition in the draw of a pod."""
        if self.salts[pod] == FIRST:
            return self.order[rows]
        return tie_places(self.leaders[rows], self.salts[pod], self.tie_bits)


class Naming:
    """Collects the lists about a request: see partition.Scored."""

    def __init__(self, wanted: IntArray, lots: Lots) -> None:
        """``wanted``: nodes, [pod]."""
        self._wanted: list[int] = wanted.tolist()
        self._lots = lots
        self.levels: dict[Levels, int] = {}
        """Numbered as they come."""
        self._lists: list[tuple[int, ...]] = []
        self._rows: list[IntArray] = []
        self._bases: list[Scores] = []

    @property
    def lists(self) -> IntArray:
        return np.array(self._lists, np.int64).reshape(-1, 6).T

    @property
    def rows(self) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *self._rows])

    @property
    def bases(self) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *self._bases]).astype(np.int64)

    def see(self, bases: Scores, ranks: Ranks, pods: Sequence[int]) -> None:
        """``bases``: [pod, row], see views.base_scores, of these pods, all of the same place."""
        several = len(ranks.ends) > 1
        ranked = bases
        if several or len(ranks.rows) < bases.shape[1]:
            ranked = bases.take(ranks.rows, axis=1)
        feasible = [_feasible(ranked[:, part]) for _, part in ranks.parts()]
        if several:
            for at, part in ranks.parts():
                _add(ranked[:, part], ranks.gains[at], feasible[at])
        cuts = _cut(ranked, max(self._wanted[pod] for pod in pods))
        for at, part in ranks.parts():
            level = self.levels.setdefault(ranks.levels[at], len(self.levels))
            added = ranks.constant + (ranks.gains[at] if several else 0)
            members, own = ranks.rows[part], ranked[:, part]
            for pod, points, cut, count in zip(
                pods, own, cuts.tolist(), feasible[at].tolist(), strict=True
            ):
                if count:
                    chosen, bound, place = self._best(points, members, cut, pod)
                    words = (pod, count, len(chosen), bound - added, place, level)
                    self._lists.append(words)
                    self._rows.append(members[chosen])
                    self._bases.append(points[chosen] - added)

    def _best(
        self, points: Scores, members: IntArray, cut: int, pod: int
    ) -> tuple[IntArray, int, int]:
        """Positions of those at the cut or above it, of too many at the cut those that come first
        in the draw; the rank that others may have, and which place they do not come before."""
        chosen = np.flatnonzero(points >= cut)
        if len(points) <= NAMED_MIN:
            return np.flatnonzero(points != NOWHERE), cut - 1, 0
        if len(chosen) < NAMED_MIN:
            # No draw, because they will hardly be chosen.
            chosen = points.argpartition(len(points) - NAMED_MIN)[-NAMED_MIN:]
            theirs = points[chosen]
            return chosen[theirs != NOWHERE], int(theirs.min()), 0
        wanted = self._wanted[pod]
        if len(chosen) <= LOOSE * wanted:
            return chosen, cut - 1, 0
        tied = points[chosen] == cut
        above, equal = chosen[~tied], chosen[tied]
        most = max(wanted - len(above), 1)
        places = self._lots.places(members[equal], pod)
        first = places.argpartition(most - 1)[:most]
        return np.concatenate((above, equal[first])), cut, int(places[first].max())


def _cut(ranked: Scores, wanted: int) -> Scores:
    """[pod]: the rank of the last of so many; 0 when there are fewer."""
    least = ranked.shape[1] - wanted
    if least <= 0:
        return np.zeros(len(ranked), ranked.dtype)
    return np.maximum(np.partition(ranked, least, axis=1)[:, least], 0)


def _add(ranked: Scores, gain: int, feasible: IntArray) -> None:
    """In place, where feasible."""
    if feasible.min() < ranked.shape[1]:
        np.add(ranked, gain, out=ranked, where=ranked != NOWHERE)
    else:
        ranked += gain


def _feasible(ranked: Scores) -> IntArray:
    """[pod]: how many rows are feasible."""
    feasible = ranked != NOWHERE
    if np.count_nonzero(feasible) == feasible.size:
        return np.full(len(ranked), ranked.shape[1])
    return np.asarray(np.count_nonzero(feasible, axis=1), np.int64)
