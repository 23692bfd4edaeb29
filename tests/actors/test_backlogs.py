"""Readers that do not read: each is bounded, and so are all of them together."""

from collections.abc import Sequence

import pytest

from actors.backlogs import Backlogs


class Unread:
    """A connection whose other side fetches nothing, unless it is told to."""

    def __init__(self) -> None:
        self.backlog_bytes = 0
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True
        self.backlog_bytes = 0


def write(backlogs: Backlogs, readers: Sequence[Unread], stream: int, count: int) -> int:
    readers[stream].backlog_bytes += count
    return backlogs.grew(stream, readers[stream])


def test_one_reader_is_cut_off_above_its_own_bound() -> None:
    backlogs, readers = Backlogs(10, 100), [Unread()]
    assert write(backlogs, readers, 0, 10) == 10
    assert not readers[0].aborted
    assert write(backlogs, readers, 0, 1) == 0
    assert readers[0].aborted


def test_together_they_never_hold_more_than_the_bound_and_the_largest_go_first() -> None:
    backlogs, readers = Backlogs(10, 40), [Unread() for _ in range(20)]
    for number in range(20):
        # The first ten hold 1 to 4 each and the others 7: those are the ones to go.
        assert write(backlogs, readers, number, 1 + number % 4 if number < 10 else 7) >= 0
        assert sum(reader.backlog_bytes for reader in readers) <= 40
    assert not any(reader.aborted for reader in readers[:10])
    assert [reader.aborted for reader in readers[10:]].count(False) <= 2


@pytest.mark.parametrize("leaves", [True, False])
def test_who_has_read_or_left_counts_no_more(leaves: bool) -> None:
    backlogs, readers = Backlogs(10, 40), [Unread() for _ in range(100)]
    for stream in range(100):
        assert write(backlogs, readers, stream, 9) == 9
        readers[stream].backlog_bytes = 0
        if leaves:
            backlogs.forget(stream)
    assert not any(reader.aborted for reader in readers)
    assert [write(backlogs, readers, stream, 10) for stream in range(4)] == [10] * 4
    assert write(backlogs, readers, 4, 1) == 1
    assert sum(reader.aborted for reader in readers) == 2
