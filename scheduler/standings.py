"""Rows by their total, kept from one decision of a shape to the next: after an assignment only the
rows that changed move. The best row is found without looking at the others.

How many rows have each total is always known. Which rows they are is written down only for the
highest totals, a few thousand rows at a time; the lists may name rows that have moved on since.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain

import numpy as np
import numpy.typing as npt

from scheduler.tie import BLOCK, IntArray, tie_bits, tie_place, tie_places, walk, walk_few

Scores = npt.NDArray[np.int32]

LISTED_MIN = 2048
"""Rows written down at once, unless there are fewer."""
FEW = 12
"""Up to so many tied rows are compared one by one."""
PLACES = 20
"""When a tied row is to be expected among so many places, these are walked one by one."""
BLOCKS = 4
"""Up to so many blocks of places are walked rather than comparing all tied rows."""


def counts_of(total: Scores) -> dict[int, int]:
    """Total to how many rows have it."""
    counts = np.bincount(np.maximum(total, -1) + 1)
    kinds = np.flatnonzero(counts)
    found = dict(zip((kinds - 1).tolist(), counts[kinds].tolist(), strict=True))
    found.pop(-1, None)
    return found


class Standings:
    """Follows ``total``, [row], by ``moved``. Totals below 0 do not compete."""

    __slots__ = ("_counts", "_floor", "_heap", "_joined", "_listed", "bits", "rows", "total")

    def __init__(self, total: Scores | IntArray, counts: dict[int, int]) -> None:
        """``counts``: see ``counts_of``; part of the totals when others follow the rest. Without
        any, all rows that come will be known."""
        self.total = total
        self.rows = len(total)
        self.bits = tie_bits(self.rows)
        self._counts = counts
        """Total to how many rows have it; 0 is possible."""
        self._heap = [-kind for kind in counts]
        """The totals of ``_counts``, negated."""
        heapify(self._heap)
        self._floor = 1 << 62 if counts else 0
        """Rows with at least this total are written down."""
        self._listed: dict[int, IntArray] = {}
        self._joined: dict[int, list[int]] = {}
        """Total to rows besides those of ``_listed``."""

    def moved(self, row: int, before: int, after: int) -> None:
        """A row's total changed, and ``total`` says so already."""
        counts = self._counts
        if before >= 0:
            counts[before] -= 1
        if after >= 0:
            present = counts.get(after)
            if present is None:
                counts[after] = 1
                heappush(self._heap, -after)
            else:
                counts[after] = present + 1
            if after >= self._floor:
                joined = self._joined.setdefault(after, [])
                joined.append(row)
                if len(joined) > 2 * counts[after] + LISTED_MIN:
                    self._joined[after] = self._present(after).tolist()
                    self._listed.pop(after, None)

    def top(self) -> int:
        """The highest total; -1 when no row competes."""
        heap, counts = self._heap, self._counts
        while heap:
            top = -heap[0]
            if counts[top]:
                return top
            heappop(heap)
            del counts[top]
            self._listed.pop(top, None)
            self._joined.pop(top, None)
        return -1

    @property
    def tied(self) -> int:
        """How many rows have the highest total, which there must be."""
        return self._counts[-self._heap[0]]

    def best(self, salt: int) -> int:
        """The best row; -1 when none competes. ``salt``: see scheduler.tie, not FIRST."""
        top = self.top()
        if top < 0:
            return -1
        tied = self._counts[top]
        if tied == 1:
            return int(self.rows_at(top)[0])
        if tied * PLACES > 1 << self.bits:
            # As first_of does it: this is on the way of every pod.
            row = walk_few(self.rows, salt, self.total, (top,))
            if row >= 0:
                return row
        return first_of((self,), (top,), salt)

    def rows_at(self, top: int) -> IntArray | list[int]:
        """The rows with the highest total, each once; a list when they are few."""
        if top < self._floor:
            self._write_down(top)
        tied, joined = self._counts[top], self._joined.get(top)
        if tied <= FEW:
            if joined is None or len(joined) > tied or top in self._listed:
                joined = self._joined[top] = self._present(top).tolist()
                self._listed.pop(top, None)
            return joined
        if joined is not None or len(self._listed[top]) > 2 * tied:
            self._listed[top] = self._present(top)
            self._joined.pop(top, None)
        rows = self._listed[top]
        return rows[self.total[rows] == top] if len(rows) > tied else rows

    def _present(self, top: int) -> IntArray:
        """Rows that have this total, each once."""
        parts = (self._listed.get(top, ()), self._joined.get(top, ()))
        rows = np.concatenate(parts).astype(np.int64)
        rows = rows[self.total[rows] == top]
        return np.unique(rows) if len(rows) > self._counts[top] else rows

    def _write_down(self, top: int) -> None:
        """Lists of the rows with ``top`` and with the totals below it, until they are enough."""
        kinds, wanted = [top], self._counts[top]
        for kind in sorted((kind for kind in self._counts if kind < top), reverse=True):
            wanted += self._counts[kind]
            if wanted > LISTED_MIN:
                break
            kinds.append(kind)
        rows = np.flatnonzero((self.total >= kinds[-1]) & (self.total <= top))
        totals = self.total[rows]
        if len(kinds) == 1:
            self._listed[top] = rows
        else:
            order = np.argsort(totals, kind="stable")
            rows, totals = rows[order], totals[order]
            for kind in kinds:
                begin, end = np.searchsorted(totals, (kind, kind + 1))
                self._listed[kind] = rows[begin:end]
        self._floor = kinds[-1]


def first_of(parts: Sequence[Standings], tops: Sequence[int], salt: int) -> int:
    """The winner of the draw among the rows with the highest totals of some standings over the same
    rows: see scheduler.tie."""
    whole = parts[0]
    rows, bits, total = whole.rows, whole.bits, whole.total
    tied = sum([part.tied for part in parts])
    if tied * PLACES > 1 << bits:
        row = walk_few(rows, salt, total, tops)
        if row >= 0:
            return row
    if tied > LISTED_MIN and tied * BLOCK * BLOCKS > 1 << bits:
        wanted = np.array(tops)
        return walk(rows, salt, lambda found: np.isin(total[found], wanted))
    lists = [part.rows_at(top) for part, top in zip(parts, tops, strict=True)]
    if tied == 1:
        return int(lists[0][0])
    if tied <= FEW:
        few: Iterable[int] = chain.from_iterable(lists)
        return min(few, key=lambda row: tie_place(row, salt, bits))
    found: IntArray = np.concatenate(lists)
    return int(found[tie_places(found, salt, bits).argmin()])
