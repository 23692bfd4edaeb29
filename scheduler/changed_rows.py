"""The rows that changed since partitions were asked about a batch: the leader rates these itself.

Their amounts stand side by side in a small table of their own, because every pod of the batch looks
at all of them, and looking at scattered rows costs more than scoring.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from scheduler.engine import Engine
from scheduler.many_pods import base_scores_of, likeness
from scheduler.node_table import IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.rating import Levels
from scheduler.standings import Scores
from scheduler.views import NOWHERE, StaticView, dynamic_plugins

CAPACITY = 320
"""Rows at first: those of two batches, and some of others."""
AHEAD = 6
"""Pods scored together for the rows in the small table, before they are asked about ..."""
LATE_MAX = 12
"""... and rows that may change after that. They are rated one by one; with more of them the scores
are made anew."""


@dataclass(slots=True)
class PlaceColumns:
    """What the Node objects say about pods of one place, [slot], up to slot ``filled``."""

    static: StaticView
    level_of: list[int]
    """Level of the static view to its number among the levels of the profile."""
    admitted: Mask
    fixed: Scores
    filled: int = 0
    shares: dict[Levels, Scores] = field(default_factory=dict)
    """Maxima to what all levels add, [slot], up to ``filled``."""


@dataclass(slots=True)
class Ahead:
    """Scores of pods that will be asked about next, for the rows that the small table knew."""

    shapes: Sequence[Shape]
    columns: PlaceColumns
    bases: Scores
    """[pod, slot]: see views.base_scores."""


class ChangedRows:
    """Slot by slot, in the order in which they changed first."""

    def __init__(self, table: NodeTable, engine: Engine, position: int) -> None:
        self._table = table
        self._engine = engine
        self._position = position
        self.slot_of: dict[int, int] = {}
        """Row to slot."""
        self.mask: Mask = np.zeros(len(table.alive), np.bool_)
        """[row]: has changed."""
        self._late: dict[int, None] = {}
        """Rows of which the small table does not know the last change."""
        self._small = NodeTable(CAPACITY)
        self._rows: IntArray = np.zeros(CAPACITY, np.int64)
        """[slot]."""
        self._places: dict[int, PlaceColumns] = {}
        self._ahead: Ahead | None = None
        self._set_columns(CAPACITY)

    def follow(self) -> bool:
        """Take in what changed since. False: too much."""
        table = self._table
        if table.position == self._position:
            return True
        changed = table.changed_since(self._position)
        if changed is None:
            return False
        self._position = table.position
        if len(self.mask) < len(table.alive):
            self.mask = np.pad(self.mask, (0, len(table.alive) - len(self.mask)))
        for row in changed:
            self._late[row] = None
            self.mask[row] = True
            self.slot_of.setdefault(row, len(self.slot_of))
        return True

    def best(
        self, coming: Sequence[Shape], maxima: Levels
    ) -> tuple[int, IntArray | list[int]] | None:
        """The highest total for the first of these pods and the rows that have it, NOWHERE if none
        is feasible, when these are the maxima of the levels over all feasible nodes. None: they are
        not, or plugins look at more than is here. Those that follow will be asked about next."""
        shape, ahead = coming[0], self._ahead
        if ahead is None or not ahead.shapes or ahead.shapes[0] is not shape or self._many_late():
            ahead = self._ahead = self._look_ahead(coming)
            if ahead is None:
                return None
        base = ahead.bases[0]
        ahead.shapes, ahead.bases = ahead.shapes[1:], ahead.bases[1:]
        static = self._engine.static_view(shape)
        if static is not ahead.columns.static:
            self._ahead = None
            return self.best(coming, maxima)
        for at, level in enumerate(ahead.columns.level_of):
            if not self._keeps(static, at, maxima[level], base != NOWHERE):
                return None
        if ahead.columns.level_of:
            base = np.where(base != NOWHERE, base + self._shares(ahead.columns, maxima), NOWHERE)
        for row in self._late:
            slot = self.slot_of[row]
            if slot < len(base):
                base[slot] = NOWHERE
        top = int(base.max(initial=NOWHERE))
        late = self._best_late(shape, ahead.columns, maxima)
        if late is None:
            return None
        if late[0] > top:
            return late
        if top == NOWHERE:
            return NOWHERE, []
        rows = self._rows[: len(base)][base == top]
        return top, rows if late[0] < top else np.append(rows, late[1])

    def _many_late(self) -> bool:
        return len(self._late) > LATE_MAX

    def _look_ahead(self, coming: Sequence[Shape]) -> "Ahead | None":
        """All rows for the first of the pods, and for those after it that are like it."""
        self._settle()
        shape, small = coming[0], self._small
        columns, slots = self._columns(shape, len(self.slot_of)), slice(0, len(self.slot_of))
        admitted, fixed = columns.admitted[slots], columns.fixed[slots]
        like = likeness(shape, self._table)
        if like is not None:
            shapes = list(takewhile(lambda s: likeness(s, self._table) == like, coming[:AHEAD]))
            return Ahead(shapes, columns, base_scores_of(shapes, like, small, admitted, fixed))
        filters, scores = dynamic_plugins(shape, self._table)
        if not all(p.amounts for p in filters) or not all(s.amounts for s in scores):
            return None
        feasible = admitted.copy()
        for plugin in filters:
            feasible &= plugin.passes(shape, small, slots)
        base = fixed.copy()
        for score in scores:
            raw = score.raw(shape, small, slots)
            base += raw if score.weight == 1 else raw * score.weight
        base[~feasible] = NOWHERE
        return Ahead([shape], columns, base[None])

    def _best_late(
        self, shape: Shape, columns: PlaceColumns, maxima: Levels
    ) -> tuple[int, list[int]] | None:
        """As ``best``, of the rows that the small table does not know as they are."""
        top = NOWHERE
        rows: list[int] = []
        if not self._late:
            return top, rows
        table, static = self._table, columns.static
        filters, scores = dynamic_plugins(shape, table)
        for row in self._late:
            if not static.admitted.item(row) or not all(
                p.passes_row is not None and p.passes_row(shape, table, row) for p in filters
            ):
                continue
            total: int = static.fixed.item(row)
            for score in scores:
                assert score.raw_row is not None
                total += score.raw_row(shape, table, row) * score.weight
            for at, level in enumerate(columns.level_of):
                if static.levels[at][1].item(row) > maxima[level]:
                    return None
                total += static.weighted_shares(at, maxima[level]).item(row)
            if total > top:
                top, rows = total, []
            if total == top:
                rows.append(row)
        return top, rows

    def _settle(self) -> None:
        """Let the small table know."""
        count = len(self.slot_of)
        if len(self._small.free) != len(self._table.free) or count > len(self._rows):
            self._set_columns(max(len(self._rows), 2 * count))
            self._late = dict.fromkeys(self.slot_of)
        rows = list(self._late)
        slots = [self.slot_of[row] for row in rows]
        self._small.rows = count
        self._small.amounts_wide = self._table.amounts_wide
        self._rows[slots] = rows
        self._copy(np.array(slots, np.int64), np.array(rows, np.int64))
        for slot in slots:
            self._small.touch(slot)
        self._late.clear()

    def _set_columns(self, capacity: int) -> None:
        """Empty ones, for as many resources as the table has."""
        self._rows = np.zeros(capacity, np.int64)
        self._places.clear()
        small, resources = NodeTable(capacity), len(self._table.free)
        small.resource_index = self._table.resource_index
        small.free = np.zeros((resources, capacity), np.int64)
        small.allocatable = np.zeros((resources, capacity), np.int64)
        self._small = small

    def _copy(self, slots: IntArray, rows: IntArray) -> None:
        small, table = self._small, self._table
        small.free[:, slots] = table.free[:, rows]
        small.allocatable[:, slots] = table.allocatable[:, rows]
        small.nonzero_free[:, slots] = table.nonzero_free[:, rows]
        small.nonzero_left[:, slots] = table.nonzero_left[:, rows]
        small.used[:, slots] = table.used[:, rows]
        small.capacity[:, slots] = table.capacity[:, rows]
        small.pods[slots] = table.pods[rows]
        small.pods_allowed[slots] = table.pods_allowed[rows]
        small.lacking[slots] = table.lacking[rows]

    def _columns(self, shape: Shape, count: int) -> PlaceColumns:
        static = self._engine.static_view(shape)
        columns = self._places.get(shape.place)
        if columns is None or columns.static is not static:
            size = len(self._rows)
            level_of = [shape.profile.levels.index(score) for score, _ in static.levels]
            admitted, fixed = np.zeros(size, np.bool_), np.zeros(size, np.int32)
            columns = PlaceColumns(static, level_of, admitted, fixed)
            self._places[shape.place] = columns
        if columns.filled < count:
            fresh = slice(columns.filled, count)
            columns.admitted[fresh] = static.admitted[self._rows[fresh]]
            columns.fixed[fresh] = static.fixed[self._rows[fresh]]
            columns.filled = count
            columns.shares.clear()
        return columns

    def _shares(self, columns: PlaceColumns, maxima: Levels) -> Scores:
        known = columns.shares.get(maxima)
        if known is None:
            rows = self._rows[: columns.filled]
            known = np.zeros(len(rows), np.int32)
            for at, level in enumerate(columns.level_of):
                known += columns.static.weighted_shares(at, maxima[level])[rows]
            columns.shares[maxima] = known
        return known

    def _keeps(self, static: StaticView, level: int, maximum: int, feasible: Mask) -> bool:
        """No feasible row here has more than the maximum."""
        values = static.descending()[level]
        if not values or values[0][0] <= maximum:
            return True
        raw = static.levels[level][1][self._rows[: len(feasible)]]
        return int(raw[feasible].max(initial=0)) <= maximum
