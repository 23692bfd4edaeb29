"""Rows by their total, kept from one decision of a shape to the next: after an assignment only the
rows that changed move. The best row is found without looking at the others.

How many rows have each total is always known. Which rows they are is written down only for the
highest totals, a few thousand rows at a time; the lists may name rows that have moved on since.
"""

from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from scheduler.tie import BLOCK, IntArray, tie_bits, tie_place, tie_places, walk, walk_few

Scores = npt.NDArray[np.int32]

LISTED_MIN = 2048
"""Rows written down at once, unless there are fewer."""
FEW = 12
"""Up to so many tied rows are compared one by one, and up to so many places walked."""
BLOCKS = 4
"""Up to so many blocks of places are walked rather than comparing all tied rows."""


class Standings:
    """Follows ``total``, [row], by ``moved``. Totals below 0 do not compete."""

    __slots__ = ("_bits", "_counts", "_floor", "_heap", "_joined", "_listed", "_rows", "_total")

    def __init__(self, total: Scores) -> None:
        self._total = total
        self._rows = len(total)
        self._bits = tie_bits(self._rows)
        counts = np.bincount(np.maximum(total, -1) + 1)
        kinds = np.flatnonzero(counts)
        self._counts: dict[int, int] = dict(
            zip((kinds - 1).tolist(), counts[kinds].tolist(), strict=True)
        )
        """Total to how many rows have it; 0 is possible."""
        self._counts.pop(-1, None)
        self._heap = [-kind for kind in self._counts]
        """The totals of ``_counts``, negated."""
        heapify(self._heap)
        self._floor = 1 << 62
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
                self._joined.setdefault(after, []).append(row)

    def best(self, salt: int) -> int:
        """The best row; -1 when none competes. ``salt``: see scheduler.tie, not FIRST."""
        heap, counts = self._heap, self._counts
        while heap:
            top = -heap[0]
            tied = counts[top]
            if tied:
                break
            heappop(heap)
            del counts[top]
            self._listed.pop(top, None)
            self._joined.pop(top, None)
        else:
            return -1
        if tied * FEW > 1 << self._bits:
            row = walk_few(self._rows, salt, self._total, top)
            if row >= 0:
                return row
        if tied > FEW and tied * BLOCK * BLOCKS > 1 << self._bits:
            total = self._total
            return walk(self._rows, salt, lambda rows: total[rows] == top)
        return self._least(top, tied, salt)

    def _least(self, top: int, tied: int, salt: int) -> int:
        """By comparing the tied rows."""
        if top < self._floor:
            self._write_down(top)
        bits, joined = self._bits, self._joined.get(top)
        if tied <= FEW:
            if joined is None or top in self._listed or len(joined) > tied:
                joined = self._joined[top] = self._present(top).tolist()
                self._listed.pop(top, None)
            if tied == 1:
                return joined[0]
            return min(joined, key=lambda row: tie_place(row, salt, bits))
        if joined is not None or len(self._listed[top]) > 2 * tied:
            self._listed[top] = self._present(top)
            self._joined.pop(top, None)
        rows = self._listed[top]
        if len(rows) > tied:
            rows = rows[self._total[rows] == top]
        return int(rows[tie_places(rows, salt, bits).argmin()])

    def _present(self, top: int) -> IntArray:
        """Rows that have this total, each once."""
        parts = (self._listed.get(top, ()), self._joined.get(top, ()))
        rows = np.concatenate(parts).astype(np.int64)
        rows = rows[self._total[rows] == top]
        return np.unique(rows) if len(rows) > self._counts[top] else rows

    def _write_down(self, top: int) -> None:
        """Lists of the rows with ``top`` and with the totals below it, until they are enough."""
        kinds, wanted = [top], self._counts[top]
        for kind in sorted((kind for kind in self._counts if kind < top), reverse=True):
            wanted += self._counts[kind]
            if wanted > LISTED_MIN:
                break
            kinds.append(kind)
        rows = np.flatnonzero(self._total >= kinds[-1])
        totals = self._total[rows]
        if len(kinds) == 1:
            self._listed[top] = rows
        else:
            order = np.argsort(totals, kind="stable")
            rows, totals = rows[order], totals[order]
            for kind in kinds:
                begin, end = np.searchsorted(totals, (kind, kind + 1))
                self._listed[kind] = rows[begin:end]
        self._floor = kinds[-1]
