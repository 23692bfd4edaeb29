"""The rows that changed since partitions were asked about a batch: the leader rates these itself.

Their amounts stand side by side in a small table of their own, because every pod of the batch looks
at all of them, and looking at scattered rows costs more than scoring.
"""

from dataclasses import dataclass, field

import numpy as np

from scheduler.engine import Engine
from scheduler.node_table import IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.rating import Levels
from scheduler.standings import Scores
from scheduler.views import NOWHERE, StaticView, dynamic_plugins

CAPACITY = 320
"""Rows at first: those of two batches, and some of others."""


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


class ChangedRows:
    """Slot by slot, in the order in which they changed first."""

    def __init__(self, table: NodeTable, engine: Engine, position: int) -> None:
        self._table = table
        self._engine = engine
        self._position = position
        self.slot_of: dict[int, int] = {}
        """Row to slot."""
        self._small = NodeTable(CAPACITY)
        self._rows: IntArray = np.zeros(CAPACITY, np.int64)
        """[slot]."""
        self._places: dict[int, PlaceColumns] = {}
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
        if len(self._small.free) != len(table.free):
            changed = [*self.slot_of, *changed]
            self._set_columns(len(self._rows))
        slots = [self._slot(row) for row in changed]
        self._small.rows = len(self.slot_of)
        self._small.amounts_wide = table.amounts_wide
        if len(changed) == 1:
            self._copy(slots[0], changed[0])
        else:
            self._copy(np.array(slots, np.int64), np.array(changed, np.int64))
        for slot in dict.fromkeys(slots):
            self._small.touch(slot)
        return True

    def best(self, shape: Shape, maxima: Levels) -> tuple[int, IntArray] | None:
        """The highest total and the rows that have it, NOWHERE if none is feasible, when these are
        the maxima of the levels over all feasible nodes. None: they are not, or plugins look at
        more than is here."""
        filters, scores = dynamic_plugins(shape, self._table)
        if not all(p.amounts for p in filters) or not all(s.amounts for s in scores):
            return None
        count = len(self.slot_of)
        columns, slots = self._columns(shape, count), slice(0, count)
        feasible = columns.admitted[slots].copy()
        for plugin in filters:
            feasible &= plugin.passes(shape, self._small, slots)
        for at, level in enumerate(columns.level_of):
            if not self._keeps(columns.static, at, maxima[level], feasible):
                return None
        total = columns.fixed[slots] + self._shares(columns, maxima)
        for score in scores:
            raw = score.raw(shape, self._small, slots)
            total += raw if score.weight == 1 else raw * score.weight
        total[~feasible] = NOWHERE
        top = int(total.max(initial=NOWHERE))
        return top, self._rows[slots][total == top] if top != NOWHERE else self._rows[:0]

    def _slot(self, row: int) -> int:
        slot = self.slot_of.get(row)
        if slot is None:
            slot = self.slot_of[row] = len(self.slot_of)
            if slot == len(self._rows):
                self._rows = np.pad(self._rows, (0, slot))
                self._places.clear()
                self._set_columns(2 * slot)
                known = np.array(list(self.slot_of), np.int64)
                self._copy(np.arange(len(known)), known)
            self._rows[slot] = row
        return slot

    def _set_columns(self, capacity: int) -> None:
        """Empty ones, for as many resources as the table has."""
        small, resources = NodeTable(capacity), len(self._table.free)
        small.resource_index = self._table.resource_index
        small.free = np.zeros((resources, capacity), np.int64)
        small.allocatable = np.zeros((resources, capacity), np.int64)
        self._small = small

    def _copy(self, slots: int | IntArray, rows: int | IntArray) -> None:
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
