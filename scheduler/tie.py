"""Which of several equally good nodes is taken: a lottery that does not depend on how the nodes
are searched.

Each decision has a salt, drawn from a seeded stream. The salt shuffles all numbers below a power of
two that covers the rows of the node table; the winner is the tied row that comes first in that
shuffle: uniform over the tied nodes up to the quality of the mix, and the same whether nodes are
looked at in one table, in batches or in partitions. A row's place can be worked out, and so can the
row at a place: few tied rows are compared by their places, many are found by walking the places
from the first. Source of the lottery: pkg/scheduler/schedule_one.go, selectHost (a uniform draw).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

FIRST = 0
"""The salt that asks for the earliest in node order instead of a draw."""

IntArray = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint32]
"""Only the low bits of a product count, and rows are below 2 ** 31: 32 bits are enough."""
BITS_MIN = 12
"""Shuffles of fewer numbers are not even enough."""
ODD = (0x2C1B3C6D, 0x297A2D39, 0x1B56C4E9, 0x5F356495)
"""Multipliers of the rounds. With three rounds the first places were not even: rows at the end of a
table won 4 % too often."""
_BACK = tuple(pow(odd, -1, 1 << 32) for odd in ODD)
CUTS = (0, 16, 32, 48)
"""Where in the salt each round's key begins."""
BLOCK = 256
"""Places walked at once."""
FEW_PLACES = 48
"""Places walked one by one."""


def tie_bits(rows: int) -> int:
    """Size of the shuffle for a table of so many rows, as an exponent of two."""
    return max(BITS_MIN, (rows - 1).bit_length())


def tie_place(row: int, salt: int, bits: int) -> int:
    """Where a row comes in a draw; the least wins. Distinct rows have distinct places."""
    mask, half = (1 << bits) - 1, (bits + 1) >> 1
    row = ((row ^ salt) & mask) * ODD[0] & mask
    row ^= row >> half
    row = ((row ^ salt >> CUTS[1]) & mask) * ODD[1] & mask
    row ^= row >> half
    row = ((row ^ salt >> CUTS[2]) & mask) * ODD[2] & mask
    row ^= row >> half
    row = ((row ^ salt >> CUTS[3]) & mask) * ODD[3] & mask
    return row ^ row >> half


def tie_places(rows: IntArray | Places, salt: int, bits: int) -> Places:
    """The same for many rows."""
    mask, half = (1 << bits) - 1, (bits + 1) >> 1
    places = rows.astype(np.uint32)
    for odd, cut in zip(ODD, CUTS, strict=True):
        places ^= salt >> cut & mask
        places *= odd
        places &= mask
        places ^= places >> half
    return places


def tie_places_each(
    rows: IntArray | Places, salts: Sequence[int], of: IntArray, bits: int
) -> Places:
    """The same where each row has a salt: the one at this index in ``salts``."""
    mask, half = (1 << bits) - 1, (bits + 1) >> 1
    places = rows.astype(np.uint32)
    for odd, cut in zip(ODD, CUTS, strict=True):
        places ^= np.array([salt >> cut & mask for salt in salts], np.uint32)[of]
        places *= odd
        places &= mask
        places ^= places >> half
    return places


def tie_rows(places: IntArray | Places, salt: int, bits: int) -> Places:
    """The rows at some places; there may be no such row."""
    mask, half = (1 << bits) - 1, (bits + 1) >> 1
    rows = places.astype(np.uint32)
    for back, cut in zip(reversed(_BACK), reversed(CUTS), strict=True):
        rows ^= rows >> half
        rows *= back & mask
        rows &= mask
        rows ^= salt >> cut & mask
    return rows


def walk(rows: int, salt: int, tied: Callable[[Places], npt.NDArray[np.bool_]]) -> int:
    """The first row in the shuffle of which ``tied`` holds, of a table of so many rows. Some must
    be; the cost is in proportion to how rare they are."""
    bits = tie_bits(rows)
    for start in range(0, 1 << bits, BLOCK):
        found = tie_rows(np.arange(start, start + BLOCK), salt, bits)
        found = found[found < rows]
        found = found[tied(found)]
        if len(found):
            return int(found[0])
    raise AssertionError("no row is tied")


def walk_few(
    rows: int, salt: int, column: npt.NDArray[np.int32] | IntArray, values: Sequence[int]
) -> int:
    """The first row in the shuffle where the column has one of these values, if it is among the
    first few dozen; -1 when it is not. For values that many rows have."""
    bits = tie_bits(rows)
    mask, half = (1 << bits) - 1, (bits + 1) >> 1
    second, third, fourth = (salt >> cut for cut in CUTS[1:])
    back_first, back_second, back_third, back_fourth = _BACK
    for place in range(FEW_PLACES):
        row = ((place ^ place >> half) * back_fourth ^ fourth) & mask
        row = ((row ^ row >> half) * back_third ^ third) & mask
        row = ((row ^ row >> half) * back_second ^ second) & mask
        row = ((row ^ row >> half) * back_first ^ salt) & mask
        if row < rows and column.item(row) in values:
            return row
    return -1
