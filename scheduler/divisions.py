"""For equal pods that look at other pods: rows fall into divisions of rows that such plugins treat
alike, each with standings of its own. After an assignment only the rows that changed move; a
decision looks at the best of each division, not at the nodes.

What makes rows alike: the domain they lie in where a topology key has few values, the columns that
scores are made of, and the raw scores that are normalised. Where a key has many values, rows in
domains that are closed to the pod are of no division. What all this means for the pod is worked out
anew for every decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scheduler.coupling import Coupling
from scheduler.framework import Column, Numbers, Score, share
from scheduler.node_table import IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.standings import Standings, first_of
from scheduler.tallies import Admission
from scheduler.views import NOWHERE, ShapeView

VALUES_FEW = 16
"""Domains that are told apart; of more it is only told which are open."""
STRIDE = 1 << 32
"""A row stands at its division's number times this, and its score, of 32 bits."""
DIVISIONS_MIN = 32
ROWS_A_DIVISION = 128
"""More divisions than these two allow cost as much as looking at every row."""
MOVED_PART = 8
"""When more than this part of the rows moved, all are divided anew."""


class Opinions(NamedTuple):
    """What the plugins that couple nodes say at this moment."""

    conditions: list[tuple[Admission, Mask]]
    scores: list[tuple[Score, Sequence[Column]]]

    def anchors(self, view: ShapeView) -> list[object]:
        """Divisions hold as long as these stay the same objects: plugins make them anew when more
        changes than pods come and go."""
        found: list[object] = [view]
        found += [admission for admission, _ in self.conditions]
        for score, columns in self.scores:
            found += (score, *columns)
        return found


def opinions(shape: Shape, table: NodeTable, coupling: Coupling) -> Opinions | None:
    """None: a plugin looks at more than domains and columns, or nodes are kept for others."""
    if coupling.reserved:
        return None
    found = Opinions([], [])
    for plugin in coupling.filters:
        if plugin.domains is None:
            return None
        found.conditions.extend(plugin.domains(shape, table))
    for score in coupling.scores():
        columns = None if score.divided is None else score.divided.columns(shape, table)
        if columns is None:
            return None
        found.scores.append((score, columns))
    return found


@dataclass(slots=True)
class Division:
    """Rows that plugins treat alike and that may take the pod."""

    low: int
    """What a row with a score of 0 stands at."""
    standings: Standings
    key: Numbers
    """What makes its rows alike."""
    scored: tuple[Numbers, ...]
    """The parts of it that each of the coupled scores looks at."""
    region: "Region"
    rows: int
    levels: int
    """What the normalised scores add under the present maxima."""


class Region:
    """Divisions that lie in the same domains, as far as domains are told apart."""

    __slots__ = ("_current", "best", "divisions", "domains", "maxima", "sizes")

    def __init__(self, domains: Numbers) -> None:
        self.domains = domains
        self.divisions: dict[Numbers, Division] = {}
        self._current = False
        self.sizes: dict[tuple[Numbers, ...], int] = {}
        """Rows by what the coupled scores look at ..."""
        self.best: dict[tuple[Numbers, ...], int] = {}
        """... and the best score of these rows without the coupled ones, and without levels when
        these are not ``maxima``."""
        self.maxima: Numbers = ()

    def changed(self) -> None:
        self._current = False

    def count(self, levels: slice) -> None:
        """Bring everything up to date."""
        if self._current:
            return
        self._current = True
        sizes, best = self.sizes, self.best
        sizes.clear()
        best.clear()
        for division in self.divisions.values():
            scored = division.scored
            total = division.standings.top() - division.low + division.levels
            sizes[scored] = sizes.get(scored, 0) + division.rows
            best[scored] = max(best.get(scored, 0), total)
        raw = [division.key[levels] for division in self.divisions.values()]
        self.maxima = tuple(map(max, zip(*raw, strict=True)))


class Divisions:
    """Of the rows where the plugins that look at single nodes admit pods of one shape."""

    def __init__(self, shape: Shape, table: NodeTable, view: ShapeView, now: Opinions) -> None:
        self._shape = shape
        self._view = view
        self._position = table.position
        self._rows = len(view.base)
        self._many: list[tuple[int, Admission]] = []
        """Conditions over many domains: which one, and the rows that lie in open ones."""
        self._few: list[int] = []
        """The others. The domains they look at are the first parts of the key."""
        self._columns: list[Column] = []
        """[row]: the parts of the key."""
        for at, (admission, holds) in enumerate(now.conditions):
            if len(holds) > VALUES_FEW:
                self._many.append((at, Admission(admission.column, len(holds))))
            else:
                self._few.append(at)
                self._columns.append(admission.column)
        self._cuts: list[slice] = []
        """Where in the key the columns of each coupled score are, and the levels."""
        for columns in (*(columns for _, columns in now.scores), self._raw_levels()):
            self._cuts.append(slice(len(self._columns), len(self._columns) + len(columns)))
            self._columns += columns
        self._levels = self._cuts.pop()
        self._maxima: Numbers = ()
        self._standing: IntArray = np.full(self._rows, NOWHERE, np.int64)
        """[row]; NOWHERE: the pod cannot go there."""
        self._regions: dict[Numbers, Region] = {}
        self._by_key: dict[Numbers, Division] = {}
        self._by_number: dict[int, Division] = {}
        self._next = 0
        self._divide(now)

    @property
    def too_many(self) -> bool:
        """To be of use."""
        return len(self._by_key) > DIVISIONS_MIN + self._rows // ROWS_A_DIVISION

    def follow(self, table: NodeTable, now: Opinions) -> bool:
        """Move the rows that changed. False: too many did."""
        changed = table.changed_since(self._position)
        if changed is None:
            return False
        self._position = table.position
        moved = dict.fromkeys(changed)
        for at, admission in self._many:
            moved.update(dict.fromkeys(admission.flipped(now.conditions[at][1]).tolist()))
        if len(moved) * MOVED_PART > self._rows + 64:
            return False
        for row in moved:
            self._move(row)
        return True

    def best(self, table: NodeTable, now: Opinions, salt: int) -> int:
        """The row with the highest total, NOWHERE when there is none. ``salt``: not FIRST."""
        regions = list(self._regions.values())
        for place, at in enumerate(self._few):
            holds = now.conditions[at][1]
            regions = [region for region in regions if holds.item(region.domains[place])]
        if not regions:
            return NOWHERE
        self._count(regions)
        points = self._points(table, now, regions)
        most = max(
            [total + points[scored] for region in regions for scored, total in region.best.items()]
        )
        tops = {
            top: division.standings
            for region in regions
            for scored, total in region.best.items()
            if total + points[scored] == most
            for division in region.divisions.values()
            if division.scored == scored
            and (top := division.standings.top()) - division.low + division.levels == total
        }
        return first_of(list(tops.values()), list(tops), salt)

    def _count(self, regions: Sequence[Region]) -> None:
        """What normalised scores add follows from the maxima over the regions in question."""
        for region in regions:
            region.count(self._levels)
        maxima = regions[0].maxima
        if maxima and len(regions) > 1:
            maxima = tuple(map(max, zip(*[region.maxima for region in regions], strict=True)))
        if maxima == self._maxima:
            return
        self._maxima = maxima
        for region in self._regions.values():
            region.changed()
            for division in region.divisions.values():
                division.levels = self._level_points(division.key)
        for region in regions:
            region.count(self._levels)

    def _points(
        self, table: NodeTable, now: Opinions, regions: Sequence[Region]
    ) -> dict[tuple[Numbers, ...], int]:
        """What the coupled scores add, by what they look at."""
        sizes = dict(regions[0].sizes)
        for region in regions[1:]:
            for scored, rows in region.sizes.items():
                sizes[scored] = sizes.get(scored, 0) + rows
        found = dict.fromkeys(sizes, 0)
        for at, (score, _) in enumerate(now.scores):
            assert score.divided is not None
            if len(now.scores) == 1:
                rows_of = {scored[0]: rows for scored, rows in sizes.items()}
            else:
                rows_of = {}
                for scored, rows in sizes.items():
                    rows_of[scored[at]] = rows_of.get(scored[at], 0) + rows
            points = score.divided.points(self._shape, table, rows_of)
            for scored in found:
                found[scored] += points[scored[at]] * score.weight
        return found

    def _raw_levels(self) -> list[IntArray]:
        return [raw for _, raw in self._view.static.levels]

    def _level_points(self, key: Numbers) -> int:
        """Of no meaning before there are maxima."""
        return sum(
            share(raw, maximum, score.normalise) * score.weight
            for (score, _), raw, maximum in zip(
                self._view.static.levels, key[self._levels], self._maxima, strict=False
            )
        )

    def _move(self, row: int) -> None:
        before, after = self._standing.item(row), NOWHERE
        score = self._view.base.item(row)
        joined: Division | None = None
        if score != NOWHERE and all(admission.rows.item(row) for _, admission in self._many):
            key = tuple([column.item(row) for column in self._columns])
            joined = self._by_key.get(key)
            if joined is None:
                joined = self._found(key, {})
            after = joined.low + score
        if before == after:
            return
        self._standing[row] = after
        if joined is not None:
            joined.rows += 1
            joined.standings.moved(row, NOWHERE, after)
            joined.region.changed()
        if before != NOWHERE:
            left = self._by_number[before // STRIDE]
            left.rows -= 1
            left.standings.moved(row, before, NOWHERE)
            left.region.changed()
            if not left.rows:
                self._drop(left)

    def _found(self, key: Numbers, counts: dict[int, int]) -> Division:
        domains = key[: len(self._few)]
        region = self._regions.get(domains)
        if region is None:
            region = self._regions[domains] = Region(domains)
        number = self._next
        self._next += 1
        division = Division(
            low=number * STRIDE,
            standings=Standings(self._standing, counts),
            key=key,
            scored=tuple([key[cut] for cut in self._cuts]),
            region=region,
            rows=sum(counts.values()),
            levels=self._level_points(key),
        )
        region.divisions[key] = self._by_key[key] = self._by_number[number] = division
        return division

    def _drop(self, division: Division) -> None:
        del self._by_number[division.low // STRIDE], self._by_key[division.key]
        region = division.region
        del region.divisions[division.key]
        if not region.divisions:
            del self._regions[region.domains]

    def _divide(self, now: Opinions) -> None:
        """All rows at once."""
        base = self._view.base
        feasible = base != NOWHERE
        for at, admission in self._many:
            feasible &= admission.follow(now.conditions[at][1])[: self._rows]
        rows = np.flatnonzero(feasible)
        alike = np.zeros(len(rows), np.int64)
        for column in self._columns:
            _, numbers = np.unique(column[rows], return_inverse=True)
            _, alike = np.unique(alike * (len(rows) + 1) + numbers, return_inverse=True)
        self._standing[rows] = alike * STRIDE + base[rows]
        kinds, counts = np.unique(self._standing[rows], return_counts=True)
        _, firsts = np.unique(alike, return_index=True)
        pairs = list(zip(kinds.tolist(), counts.tolist(), strict=True))
        begins = np.searchsorted(kinds, np.arange(len(firsts) + 1) * STRIDE).tolist()
        for number, row in enumerate(rows[firsts].tolist()):
            key = tuple([column.item(row) for column in self._columns])
            self._found(key, dict(pairs[begins[number] : begins[number + 1]]))
