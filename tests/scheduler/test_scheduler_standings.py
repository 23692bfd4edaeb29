"""Standings name the row that looking at all of them names, however many are tied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.streams import Stream
from scheduler.standings import LISTED_MIN, Standings, counts_of
from scheduler.tie import tie_bits, tie_place, tie_places, tie_rows, walk, walk_few


def plainly(total: np.ndarray, salt: int) -> int:
    rows = np.flatnonzero(total == total.max())
    if total.max() < 0:
        return -1
    return int(rows[tie_places(rows, salt, tie_bits(len(total))).argmin()])


@given(
    totals=st.lists(st.integers(-1, 4), min_size=1, max_size=40),
    moves=st.lists(st.tuples(st.integers(0, 39), st.integers(-1, 6)), max_size=60),
)
def test_they_follow_every_move(totals: list[int], moves: list[tuple[int, int]]) -> None:
    total = np.array(totals, np.int32)
    standings = Standings(total, counts_of(total))
    for number, (at, after) in enumerate(moves):
        salt = (number + 1) * 0x9E3779B97F4A7C15 % 2**64
        assert standings.best(salt) == plainly(total, salt)
        row = at % len(totals)
        before = int(total[row])
        total[row] = after
        standings.moved(row, before, after)
    assert standings.best(5) == plainly(total, 5)


@pytest.mark.parametrize("kinds", [1, 3, 40, 1000])
def test_from_all_tied_to_none(kinds: int) -> None:
    """More rows than are written down at once. The chosen one falls, sometimes it rises."""
    chance, rows = Stream(kinds, "standings"), LISTED_MIN + 1500
    total = np.array([5 + chance.below(kinds) for _ in range(rows)], np.int32)
    standings = Standings(total, counts_of(total))
    for number in range(5000):
        salt = max(chance.next_u64(), 1)
        row = standings.best(salt)
        if number % 7 == 0 or number > 4900:
            assert row == plainly(total, salt)
        before = int(total[row])
        after = before + 1 if chance.below(50) == 0 else before - 1 - chance.below(2)
        total[row] = max(after, -1)
        standings.moved(row, before, max(after, -1))


@pytest.mark.parametrize("rows", [5, 4096, 5000, 1_000_000])
def test_the_shuffle_can_be_walked_both_ways(rows: int) -> None:
    bits, chance = tie_bits(rows), Stream(rows, "salts")
    for _ in range(20):
        salt = chance.next_u64()
        some = np.array([chance.below(rows) for _ in range(30)])
        places = tie_places(some, salt, bits)
        assert tie_rows(places, salt, bits).tolist() == some.tolist()
        assert places.tolist() == [tie_place(row, salt, bits) for row in some.tolist()]
        column = np.zeros(rows, np.int32)
        column[some] = 7
        first = int(some[places.argmin()])
        assert walk(rows, salt, lambda found, column=column: column[found] == 7) == first
        assert walk_few(rows, salt, column, (7,)) in (first, -1)


def test_many_tied_rows_share_the_wins() -> None:
    total, wins = np.zeros(5000, np.int32), np.zeros(5000, np.int64)
    standings, chance = Standings(total, counts_of(total)), Stream(1, "salts")
    for _ in range(50_000):
        wins[standings.best(max(chance.next_u64(), 1))] += 1
    parts = wins.reshape(10, 500).sum(axis=1)
    assert parts.min() > 4800 and parts.max() < 5200, "a tenth each"
    assert ((wins - 10) ** 2 / 10).sum() < 5000 + 5 * 100, "as even as chance makes it"
