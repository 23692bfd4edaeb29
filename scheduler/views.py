"""What is remembered of a shape: what the Node objects say about it, and the total of every node.

The outcome is that of looking at every node for every pod (``scheduler.explain``); a property test
holds the two together.
"""

from collections.abc import Sequence

import numpy as np

from scheduler.framework import Filter, Score, normalised, share
from scheduler.kernel import Kernel
from scheduler.node_table import SINGLE_ROWS_MAX, IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.standings import Scores, Standings, counts_of
from scheduler.tie import FIRST

NOWHERE = -1
"""No node is feasible. Also the total of a row that is not."""

SHARES_MAX = 64
"""Normalised levels of one static view kept."""


class StaticView:
    """What the Node objects alone say about a shape."""

    __slots__ = (
        "_descending", "_groups", "_shares", "admitted", "constant", "fixed", "images_matter",
        "levels", "version",
    )  # fmt: skip

    def __init__(self, shape: Shape, table: NodeTable) -> None:
        rows = slice(0, table.rows)
        self.version = (table.static_version, table.image_version)
        self._groups: list[tuple[tuple[int, ...], IntArray]] | None = None
        self._descending: list[list[tuple[int, IntArray]]] | None = None
        self._shares: dict[tuple[int, int], Scores] = {}
        self.images_matter = any(name in table.images for name in shape.key.images)
        self.admitted: Mask = table.alive[rows].copy()
        """[row]: passes the static filters."""
        for plugin in shape.profile.node_filters:
            if plugin.static and plugin.applies(shape, table):
                self.admitted &= plugin.passes(shape, table, rows)
        self.fixed: Scores = np.zeros(table.rows, np.int32)
        """[row]: weighted static scores that need no normalising."""
        self.levels: list[tuple[Score, IntArray]] = []
        """Scores that are shares of the maximum over the feasible nodes, raw, [row]."""
        self.constant = 0
        """Part of ``fixed`` that stands for such scores where they are 0 on all nodes."""
        for score in shape.profile.node_scores:
            if not (score.static and score.applies(shape, table)):
                continue
            raw = score.raw(shape, table, rows)
            if score.normalise == "as is":
                self.fixed += (raw * score.weight).astype(np.int32)
            elif raw.any():
                self.levels.append((score, raw))
            else:
                self.constant += share(0, 0, score.normalise) * score.weight
        self.fixed += self.constant

    def weighted_shares(self, level: int, maximum: int) -> Scores:
        """[row]: what a level adds to the total when this is the maximum. Worked out once."""
        known = self._shares.get((level, maximum))
        if known is None:
            score, raw = self.levels[level]
            known = (normalised(raw, maximum, score.normalise) * score.weight).astype(np.int32)
            if len(self._shares) >= SHARES_MAX:
                self._shares.clear()
            self._shares[level, maximum] = known
        return known

    def descending(self) -> list[list[tuple[int, IntArray]]]:
        """For each level its values among the admitted rows, highest first, and their rows."""
        if self._descending is None:
            rows = np.flatnonzero(self.admitted)
            self._descending = []
            for _, raw in self.levels:
                own = raw[rows]
                values = np.unique(own)[::-1].tolist()
                self._descending.append([(value, rows[own == value]) for value in values])
        return self._descending

    def groups(self, of: Sequence[Score]) -> list[tuple[tuple[int, ...], IntArray]]:
        """Admitted rows by equal levels: raw scores parallel to ``of``, the profile's, and the
        rows. Worked out once."""
        if self._groups is None:
            raw_of = {score.name: raw for score, raw in self.levels}
            parts: list[tuple[tuple[int, ...], IntArray]] = [((), np.flatnonzero(self.admitted))]
            for score in of:
                raw = raw_of.get(score.name)
                if raw is None:
                    parts = [((*levels, 0), members) for levels, members in parts]
                else:
                    parts = [
                        ((*levels, int(value)), members[raw[members] == value])
                        for levels, members in parts
                        for value in np.unique(raw[members])
                    ]
            self._groups = parts
        return self._groups

    def is_current(self, shape: Shape, table: NodeTable) -> bool:
        static, images = self.version
        if static != table.static_version:
            return False
        return images == table.image_version or not (
            self.images_matter or any(name in table.images for name in shape.key.images)
        )


def dynamic_plugins(shape: Shape, table: NodeTable) -> tuple[list[Filter], list[Score]]:
    """Those that look at what pods use, and have something to say about this one."""
    profile = shape.profile
    return (
        [p for p in profile.node_filters if not p.static and p.applies(shape, table)],
        [s for s in profile.node_scores if not s.static and s.applies(shape, table)],
    )


def base_scores(
    shape: Shape, table: NodeTable, static: StaticView, kernel: Kernel | None = None
) -> Scores:
    """[row]: weighted score without the levels; NOWHERE where the pod cannot go."""
    filters, scores = dynamic_plugins(shape, table)
    if kernel is not None:
        found = kernel.base(shape, table, static.admitted, static.fixed, (filters, scores))
        if found is not None:
            return found
    rows = slice(0, table.rows)
    feasible = static.admitted.copy()
    for plugin in filters:
        feasible &= plugin.passes(shape, table, rows)
    base = static.fixed.copy()
    for score in scores:
        raw = score.raw(shape, table, rows)
        base += raw if score.weight == 1 else raw * score.weight
    np.copyto(base, NOWHERE, where=~feasible)
    return base


class ShapeView:
    """Total scores of all nodes for one shape, as of ``position`` of the table's change log."""

    __slots__ = (
        "_asked",
        "_filters",
        "_kernel",
        "_row_filters",
        "_row_scores",
        "_scores",
        "_shares",
        "_standings",
        "_witnesses",
        "base",
        "maxima",
        "position",
        "shape",
        "static",
        "total",
    )

    def __init__(
        self, shape: Shape, table: NodeTable, static: StaticView, kernel: Kernel | None = None
    ) -> None:
        self.shape = shape
        self.static = static
        self._kernel = kernel
        self._filters, self._scores = dynamic_plugins(shape, table)
        self._row_filters = [p.passes_row for p in self._filters if p.passes_row is not None]
        self._row_scores = [(s.raw_row, s.weight) for s in self._scores if s.raw_row is not None]
        assert len(self._row_filters) == len(self._filters)
        assert len(self._row_scores) == len(self._scores)
        self.position = table.position
        self.base: Scores = base_scores(shape, table, static, kernel)
        """[row]: weighted score without the levels; NOWHERE where the pod cannot go."""
        self.maxima: list[int] = []
        self._shares: list[Scores] = []
        """What each level adds under its maximum, [row]."""
        self._witnesses: dict[int, int] = {}
        """Level to a row that has its maximum."""
        self.total: Scores = self.base
        """[row]: the whole score; the same array as ``base`` when there are no levels."""
        self._asked = False
        self._standings: Standings | None = None
        self._set_levels()

    def best(self, table: NodeTable, salt: int) -> int:
        """The row with the highest total, NOWHERE when no row has one. ``salt``: see
        scheduler.tie. Standings are made for whoever asks a second time."""
        if self._standings is not None and salt != FIRST:
            return self._standings.best(salt)
        total = self.total
        if self._kernel is not None and salt != FIRST and not self._asked:
            self._asked = True
            return self._kernel.best(total, salt)
        row = int(total.argmax())
        best = total.item(row)
        if best == NOWHERE or (salt == FIRST and table.in_order):
            return row if best != NOWHERE else NOWHERE
        if self._asked and salt != FIRST:
            self._standings = Standings(total, counts_of(total))
            return self._standings.best(salt)
        self._asked = True
        tied = total == best
        if np.count_nonzero(tied) == 1:
            return row
        return table.first_of(tied.nonzero()[0], salt)

    def catch_up(self, table: NodeTable) -> bool:
        """Rescore the rows that changed. False: too many, nothing is done, make a new view."""
        if self.position == table.position:
            return True
        changed = table.changed_since(self.position)
        if changed is None:
            return False
        if len(changed) == 1 and not self.static.levels:
            self.position = table.position
            (row,) = changed
            before, score = self.base.item(row), self._base_of_row(table, row)
            if score != before:
                self.base[row] = score
                if self._standings is not None:
                    self._standings.moved(row, before, score)
            return True
        if len(changed) > SINGLE_ROWS_MAX:
            changed = list(dict.fromkeys(changed))
            if len(changed) * 2 > table.rows:
                return False
        self.position = table.position
        if len(changed) <= SINGLE_ROWS_MAX:
            self._rescore_few(table, changed)
        else:
            self._rescore_rows(table, np.array(changed, np.int64))
        return True

    def _rescore_few(self, table: NodeTable, rows: Sequence[int]) -> None:
        """One by one."""
        levels = bool(self.static.levels)
        standings, came_or_went = self._standings, False
        for row in rows:
            before = self.base.item(row)
            score = self._base_of_row(table, row)
            self.base[row] = score
            if levels:
                came_or_went |= (before == NOWHERE) != (score == NOWHERE)
            elif standings is not None and score != before:
                standings.moved(row, before, score)
        if levels and not (came_or_went and self._levels_moved()):
            for row in rows:
                before, total = self.total.item(row), self.base.item(row)
                if total != NOWHERE:
                    for part in self._shares:
                        total += part.item(row)
                self.total[row] = total
                if standings is not None and total != before:
                    standings.moved(row, before, total)

    def _base_of_row(self, table: NodeTable, row: int) -> int:
        if not self.static.admitted.item(row):
            return NOWHERE
        shape = self.shape
        for passes_row in self._row_filters:
            if not passes_row(shape, table, row):
                return NOWHERE
        score: int = self.static.fixed.item(row)
        for raw_row, weight in self._row_scores:
            score += raw_row(shape, table, row) * weight
        return score

    def _rescore_rows(self, table: NodeTable, rows: IntArray) -> None:
        """The same for many, each once."""
        admitted_before = self.base[rows] != NOWHERE
        before = self.total[rows]
        feasible = self.static.admitted[rows]
        for plugin in self._filters:
            feasible &= plugin.passes(self.shape, table, rows)
        base = self.static.fixed[rows].astype(np.int64)
        for score in self._scores:
            base += score.raw(self.shape, table, rows) * score.weight
        base[~feasible] = NOWHERE
        self.base[rows] = base
        if self.static.levels:
            if (admitted_before != feasible).any() and self._levels_moved():
                return
            for part in self._shares:
                base += np.where(feasible, part[rows], 0)
            self.total[rows] = base
        if self._standings is not None:
            for at in (before != base).nonzero()[0].tolist():
                self._standings.moved(rows.item(at), before.item(at), base.item(at))

    def _levels_moved(self) -> bool:
        """A node that came or went may have changed a maximum, and with it every total."""
        if self._present_maxima(self.base != NOWHERE) == self.maxima:
            return False
        self._set_levels()
        return True

    def _set_levels(self) -> None:
        """Maxima over the feasible nodes, and all totals."""
        if not self.static.levels:
            return
        self._standings = None
        feasible = self.base != NOWHERE
        self.maxima = self._present_maxima(feasible)
        self._shares = [self.static.weighted_shares(*pair) for pair in enumerate(self.maxima)]
        self.total = self._totals(self.maxima, feasible)

    def _totals(self, maxima: Sequence[int], feasible: Mask) -> Scores:
        total = self.base.copy()
        for level, maximum in enumerate(maxima):
            total += self.static.weighted_shares(level, maximum)
        np.copyto(total, NOWHERE, where=~feasible)
        return total

    def _present_maxima(self, feasible: Mask) -> list[int]:
        """The levels' maxima over the feasible rows; 0 where there are none."""
        found = []
        for parts in self.static.descending():
            found.append(next((value for value, rows in parts if feasible[rows].any()), 0))
        return found

    def totals_over(self, feasible: Mask) -> Scores:
        """[row]: totals when only these of the feasible rows count."""
        for at, ((_, raw), maximum) in enumerate(zip(self.static.levels, self.maxima, strict=True)):
            seen = self._witnesses.get(at, 0)
            if feasible.item(seen) and raw.item(seen) == maximum:
                continue
            others = (feasible & (raw == maximum)).nonzero()[0]
            if not len(others):
                return self._totals(self._present_maxima(feasible), feasible)
            self._witnesses[at] = int(others[0])
        return self.total
