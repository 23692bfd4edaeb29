"""Keys in order, in blocks: an insert moves at most one block, whatever the number of keys."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import pairwise

BLOCK_KEYS = 1024
"""A block is split at twice this length. Insert into 10**6 keys: about 1.5 µs."""
PIECE_KEYS = 128
"""To take a key along, even for a look, is a miss of the processor's cache when there are many."""
MERGED_KEYS_MIN = 32
"""From this many new keys of one block on they are merged in one pass; fewer are inserted
singly."""


class SortedKeys:
    """An ordered collection of distinct byte strings.

    Invariant: no block is empty, and ``_lasts[i]`` is the greatest key of ``_blocks[i]``.
    """

    __slots__ = ("_blocks", "_count", "_lasts")

    def __init__(self) -> None:
        self._blocks: list[list[bytes]] = []
        self._lasts: list[bytes] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes) -> None:
        """Insert a key that is not there."""
        self._count += 1
        lasts = self._lasts
        if not lasts:
            self._blocks.append([key])
            lasts.append(key)
            return
        place = bisect_left(lasts, key)
        if place == len(lasts):
            place -= 1
            block = self._blocks[place]
            block.append(key)
            lasts[place] = key
        else:
            block = self._blocks[place]
            insort(block, key)
        if len(block) >= 2 * BLOCK_KEYS:
            self._split(place)

    def add_all(self, keys: list[bytes]) -> None:
        """Insert distinct keys that are not there; ``keys`` is sorted. Cost: that of ``add`` for
        keys that are far from each other, a tenth of it for those behind all others."""
        keys.sort()
        at = 0
        while at < len(keys):
            lasts = self._lasts
            place = bisect_left(lasts, keys[at])
            behind = place == len(lasts)
            stop = len(keys) if behind else bisect_left(keys, lasts[place], at)
            if not lasts or stop - at < MERGED_KEYS_MIN:
                self.add(keys[at])
                at += 1
                continue
            if behind:
                place -= 1
            block = self._blocks[place]
            block += keys[at:stop]
            if behind:
                lasts[place] = block[-1]
            else:
                block.sort()
            self._count += stop - at
            if len(block) >= 2 * BLOCK_KEYS:
                self._split(place)
            at = stop

    def _split(self, place: int) -> None:
        """Make blocks of BLOCK_KEYS, and a last one that may be longer, of one that is too long."""
        block = self._blocks[place]
        starts = range(0, len(block) - BLOCK_KEYS + 1, BLOCK_KEYS)
        ends = [*starts[1:], len(block)]
        pieces = [block[start:end] for start, end in zip(starts, ends, strict=True)]
        self._blocks[place : place + 1] = pieces
        self._lasts[place : place + 1] = [piece[-1] for piece in pieces]

    def remove(self, key: bytes) -> None:
        """Take out a key that is there."""
        place = bisect_left(self._lasts, key)
        block = self._blocks[place]
        position = bisect_left(block, key)
        assert block[position] == key, key
        del block[position]
        self._count -= 1
        if not block:
            del self._blocks[place]
            del self._lasts[place]
        elif position == len(block):
            self._lasts[place] = block[-1]

    def between(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        """The first ``limit`` keys in [start, end), in order. Empty ``end``: no upper bound."""
        assert limit > 0
        place = bisect_left(self._lasts, start)
        if place == len(self._lasts):
            return []
        found: list[bytes] = []
        position = bisect_left(self._blocks[place], start)
        while place < len(self._blocks) and len(found) < limit:
            block = self._blocks[place]
            stop = min(len(block), position + limit - len(found))
            if end and end <= block[stop - 1]:
                stop = bisect_left(block, end, position, stop)
                found += block[position:stop]
                break
            found += block[position:stop]
            place += 1
            position = 0
        return found

    def pieces(self, start: bytes, end: bytes) -> Iterator[list[bytes]]:
        """All keys in [start, end), in order, PIECE_KEYS at a time: who stops early has paid for
        what he took. Keys must not change between two pieces."""
        place = bisect_left(self._lasts, start)
        while place < len(self._blocks):
            block, last = self._blocks[place], self._lasts[place]
            first = bisect_left(block, start) if block[0] < start else 0
            stop = bisect_left(block, end, first) if end <= last else len(block)
            for at in range(first, stop, PIECE_KEYS):
                yield block[at : min(at + PIECE_KEYS, stop)]
            if end <= last:
                return
            place += 1

    def count(self, start: bytes, end: bytes) -> int:
        """How many keys are in [start, end). Cost: two searches, and a look at the length of each
        block between them: 10 µs at 10**6 keys."""
        lasts, blocks = self._lasts, self._blocks
        first = bisect_left(lasts, start)
        if first == len(lasts):
            return 0
        last = bisect_left(lasts, end, first) if end else len(lasts)
        found = sum(map(len, blocks[first:last])) - bisect_left(blocks[first], start)
        if last < len(lasts):
            found += bisect_left(blocks[last], end)
        return max(0, found)

    def check(self) -> None:
        """Asserts that keys are in order, each once, and are counted right. For tests."""
        keys = [key for block in self._blocks for key in block]
        assert len(keys) == self._count
        assert all(left < right for left, right in pairwise(keys))
        assert self._lasts == [block[-1] for block in self._blocks]
