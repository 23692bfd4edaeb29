"""Which nodes a partition names for the pods of a batch.

Of each vector of levels only the nodes with the best bases matter (see scheduler.rating), but how
many of which vector depends on the maxima of the whole cluster. The partition supposes that the
maxima of its own nodes are those, and names the best so ranked; a wrong guess costs the leader
work, not the result, because each list says how good what it leaves out may be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scheduler.node_table import IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.rating import Levels, weighted_levels
from scheduler.standings import Scores
from scheduler.tie import FIRST, Places, tie_places_each
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

    def places(self, rows: IntArray, pods: IntArray, whose: IntArray) -> IntArray:
        """Of rows of this partition, each in the draw of the pod at its index in ``pods``."""
        salts = [self.salts[pod] for pod in pods.tolist()]
        drawn = tie_places_each(self.leaders[rows], salts, whose, self.tie_bits).astype(np.int64)
        if FIRST in salts:
            first = np.array([salt == FIRST for salt in salts])
            drawn = np.where(first[whose], self.order[rows], drawn)
        return drawn


class Naming:
    """Collects the lists about a request: see partition.Scored."""

    def __init__(self, wanted: IntArray, lots: Lots) -> None:
        """``wanted``: nodes, [pod]."""
        self._wanted = wanted
        self._lots = lots
        self.levels: dict[Levels, int] = {}
        """Numbered as they come."""
        self._lists: list[IntArray] = []
        self._rows: list[IntArray] = []
        self._bases: list[Scores] = []

    @property
    def lists(self) -> IntArray:
        return np.concatenate([np.zeros((6, 0), np.int64), *self._lists], axis=1)

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
        asked = np.array(pods, np.int64)
        cuts = _cut(ranked, int(self._wanted[asked].max()))
        for at, part in ranks.parts():
            level = self.levels.setdefault(ranks.levels[at], len(self.levels))
            added = ranks.constant + (ranks.gains[at] if several else 0)
            members, points = ranks.rows[part], ranked[:, part]
            for found in self._named(points, members, cuts, asked):
                self._rows.append(members[found.columns])
                self._bases.append(points[found.whose, found.columns] - added)
                named = np.bincount(found.whose, minlength=len(points))
                lists = np.empty((6, len(points)), np.int64)
                lists[0], lists[1], lists[2] = asked, feasible[at], named
                lists[3], lists[4], lists[5] = found.bounds - added, found.places, level
                self._lists.append(lists if named.all() else lists[:, named > 0])

    def _named(
        self, points: Scores, members: IntArray, cuts: Scores, pods: IntArray
    ) -> Iterator["Named"]:
        """Those at the cut or above it, of too many at the cut those that come first in the draw;
        for pods with few of them, some others as well."""
        count, nobody = len(points), np.zeros(len(points), np.int64)
        if points.shape[1] <= NAMED_MIN:
            yield Named(*_positions(points != NOWHERE), cuts - 1, nobody)
            return
        whose, columns = _positions(points >= cuts[:, None])
        counts, wanted = np.bincount(whose, minlength=count), self._wanted[pods]
        few, many = counts < NAMED_MIN, counts > LOOSE * wanted
        bounds, places, keeps = cuts - 1, nobody, ~few[whose]
        if few.any():
            # No draw, because they will hardly be chosen.
            yield _first_few(points, np.flatnonzero(few))
        if many.any():
            bounds[many] = cuts[many]
            tied = np.flatnonzero(many[whose] & (points[whose, columns] == cuts[whose]))
            theirs = whose[tied]
            drawn = self._lots.places(members[columns[tied]], pods, theirs)
            equal = np.bincount(theirs, minlength=count)
            places = _last(drawn, equal, np.maximum(wanted - counts + equal, 1))
            keeps[tied] = drawn <= places[theirs]
        if not keeps.all():
            whose, columns = whose[keeps], columns[keeps]
        yield Named(whose, columns, bounds, places)


class Named(NamedTuple):
    """Nodes named for some pods, side by side: pod and position of each. [pod]: the rank that
    others may have; [pod]: the place in the draw that those do not come before."""

    whose: IntArray
    columns: IntArray
    bounds: Scores
    places: IntArray


def _first_few(points: Scores, pods: IntArray) -> Named:
    """The best for each of these pods. Among equals there is no draw."""
    theirs = points[pods]
    best = theirs.argpartition(points.shape[1] - NAMED_MIN, axis=1)[:, -NAMED_MIN:]
    chosen = np.take_along_axis(theirs, best, axis=1)
    bounds = np.zeros(len(points), points.dtype)
    bounds[pods] = chosen.min(axis=1)
    feasible = chosen != NOWHERE
    whose = np.repeat(pods, NAMED_MIN).reshape(best.shape)
    return Named(whose[feasible], best[feasible], bounds, np.zeros(len(points), np.int64))


def _last(drawn: IntArray, counts: IntArray, most: IntArray) -> IntArray:
    """[pod]: the last place of so many that come first. ``drawn``: ``counts`` of each pod, side by
    side. 0 where there are none."""
    last, begin = np.zeros(len(counts), np.int64), 0
    for at, (count, number) in enumerate(zip(counts.tolist(), most.tolist(), strict=True)):
        if count:
            last[at] = np.partition(drawn[begin : begin + count], number - 1)[number - 1]
            begin += count
    return last


def _counts(mask: Mask) -> IntArray:
    """[pod]: for few pods faster than along an axis."""
    return np.array([np.count_nonzero(rows) for rows in mask], np.int64)


def _positions(mask: Mask) -> tuple[IntArray, IntArray]:
    """Pod and position of each one that is set."""
    flat = np.flatnonzero(mask)
    whose = flat // mask.shape[1]
    return whose, flat - whose * mask.shape[1]


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
    return _counts(feasible)
