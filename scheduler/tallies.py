"""Counters by topology domain, and the rows that a condition on domains admits; both follow their
counter by deltas.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scheduler.pod_counts import Counter, IntArray, Mask

if TYPE_CHECKING:
    from scheduler.node_table import NodeTable, Rows

NO_ROWS: IntArray = np.zeros(0, np.int64)


class Tally:
    """A counter's pods by value of a node label, over the rows that count. Valid as long as no
    Node object changes."""

    __slots__ = ("_counter", "_eligible", "_position", "column", "labelled", "present", "values")

    def __init__(
        self, counter: Counter, table: "NodeTable", key: str, eligible: Mask | None = None
    ) -> None:
        column, numbers = table.label_column(key)
        self._counter = counter
        self._eligible = eligible
        self.column = column
        """[row]: number of its value, 0 without the label."""
        self.values: IntArray = np.zeros(len(numbers) + 1, np.int64)
        """[number of the value]: pods."""
        self.labelled = 0
        """Pods on nodes that have the label."""
        self.present: Mask = np.zeros(len(numbers) + 1, np.bool_)
        """[number of the value]: some eligible row has it."""
        everyone = table.alive if eligible is None else eligible
        self.present[column[everyone]] = True
        self.present[0] = False
        self._position = -1
        self.catch_up()

    def catch_up(self) -> bool:
        """Whether anything changed."""
        counter = self._counter
        if self._position == counter.position:
            return False
        behind = self._position - counter.log_start
        self._position = counter.position
        if behind < 0:
            self._count()
            return True
        column, eligible, values = self.column, self._eligible, self.values
        for row, difference in counter.log[behind:]:
            if eligible is None or eligible.item(row):
                number = column.item(row)
                values[number] += difference
                if number:
                    self.labelled += difference
        return True

    def _count(self) -> None:
        rows = np.fromiter(self._counter.rows, np.int64, len(self._counter.rows))
        pods = np.fromiter(self._counter.rows.values(), np.int64, len(rows))
        if self._eligible is not None:
            pods = pods * self._eligible[rows]
        self.values[:] = 0
        np.add.at(self.values, self.column[rows], pods)
        self.labelled = int(self.values[1:].sum())


class Admission:
    """Which rows lie in a domain of which something holds. Only domains for which it begins or
    ceases to hold are touched."""

    __slots__ = ("_holds", "_rows", "_starts", "column", "rows")

    def __init__(self, column: npt.NDArray[np.int32], values: int) -> None:
        self.column = column
        """[row]: number of its domain."""
        self._holds: Mask = np.zeros(values, np.bool_)
        self.rows: Mask = np.zeros(len(column), np.bool_)
        """[row]."""
        self._rows: IntArray | None = None
        self._starts: IntArray | None = None

    def follow(self, holds: Mask) -> Mask:
        """``holds``: [number of the value]. The rows, not to be changed by the caller."""
        self.flipped(holds)
        return self.rows

    def flipped(self, holds: Mask) -> IntArray:
        """The same; which rows changed."""
        changed = (holds != self._holds).nonzero()[0]
        if not len(changed):
            return NO_ROWS
        self._holds = holds
        if len(changed) > 8:
            before, self.rows = self.rows, holds[self.column]
            return np.flatnonzero(before != self.rows)
        parts = []
        for number in changed.tolist():
            rows = self._rows_of(number)
            self.rows[rows] = holds[number]
            parts.append(rows)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _rows_of(self, number: int) -> IntArray:
        if self._rows is None or self._starts is None:
            self._rows = np.argsort(self.column, kind="stable").astype(np.int64)
            ordered = self.column[self._rows]
            numbers = np.arange(len(self._holds) + 1)
            self._starts = np.searchsorted(ordered, numbers).astype(np.int64)
        begin, end = self._starts.item(number), self._starts.item(number + 1)
        return self._rows[begin:end]


def admitted(
    conditions: Iterable[tuple[Admission, Mask]], table: "NodeTable", rows: "Rows"
) -> Mask:
    """Which rows lie, for each condition, in a domain of which it holds."""
    result: Mask | None = None
    for admission, holds in conditions:
        found = admission.follow(holds)[rows]
        result = found.copy() if result is None else np.logical_and(result, found, result)
    return np.ones(len(table.alive), np.bool_)[rows] if result is None else result


class RowCounts:
    """A counter's pods as a column."""

    __slots__ = ("_counter", "_position", "column")

    def __init__(self, counter: Counter, table: "NodeTable") -> None:
        self._counter = counter
        self._position = -1
        self.column: IntArray = np.zeros(len(table.alive), np.int64)
        """[row]."""

    def now(self) -> IntArray:
        counter = self._counter
        behind = self._position - counter.log_start
        if self._position != counter.position:
            self._position = counter.position
            if behind < 0:
                rows = np.fromiter(counter.rows, np.int64, len(counter.rows))
                self.column[:] = 0
                self.column[rows] = np.fromiter(counter.rows.values(), np.int64, len(rows))
            else:
                for row, difference in counter.log[behind:]:
                    self.column[row] += difference
        return self.column
