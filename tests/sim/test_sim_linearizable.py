"""The checker of linearizability, on histories small enough to be judged by eye."""

import pytest

from sim.checkers.linearizable import NEVER, READ, REMOVE, WRITE, Operation, check
from sim.topics import Violation


def write(value: int, begin: int, end: int, expected: int = -1) -> Operation:
    return Operation(WRITE, expected, value, begin, end, None if end == NEVER else True)


def read(value: int, begin: int, end: int) -> Operation:
    return Operation(READ, -1, value, begin, end, True)


GOOD = {
    "nothing": [],
    "in order": [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5, 1), read(2, 6, 7)],
    "overlapping reads may differ": [write(1, 0, 9), read(0, 1, 2), read(1, 3, 4)],
    "a lost write may have happened": [write(1, 0, NEVER), read(1, 5, 6)],
    "a lost write may not have happened": [write(1, 0, NEVER), read(0, 5, 6)],
    "a lost write may happen late": [write(1, 0, NEVER), read(0, 5, 6), read(1, 7, 8)],
    "a removal": [write(1, 0, 1), Operation(REMOVE, -1, 0, 2, 3, True), read(0, 4, 5)],
    "a refused write": [write(1, 0, 1), Operation(WRITE, 0, 2, 2, 3, False), read(1, 4, 5)],
}
BAD = {
    "a stale read": [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)],
    "a value out of nowhere": [write(1, 0, 1), read(7, 2, 3)],
    "a lost update": [write(1, 0, 1), write(2, 2, 5, 1), write(3, 2, 5, 1)],
    "back and forth": [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)],
    "a write that came back": [write(1, 0, NEVER), write(2, 1, 2), read(1, 3, 4), read(2, 5, 6)],
    "a refusal without reason": [Operation(WRITE, 0, 1, 0, 1, False)],
    "a removal of nothing": [Operation(REMOVE, -1, 0, 0, 1, True)],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_explained_passes(name: str) -> None:
    check("k", GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_explained_is_found(name: str) -> None:
    with pytest.raises(Violation, match="no order"):
        check("k", BAD[name])
