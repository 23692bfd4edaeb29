"""Revisions: from a hybrid clock, or dense as etcd's.

Hybrid: wall time where possible, pushed up where order demands it. A revision is the microseconds
since the cluster was made, times MAX_SHARDS, plus the shard's number: revisions of different shards
never collide, read as time, and stay short. A clock that was told to anybody must not run backwards
after a crash, even if the wall clock did: so nothing above ``ceiling`` is told, and the ceiling is
in the log before it is used.

Dense: one more with each record that changes a key, from 1 for the empty store. Only for one shard:
it cannot promise to exceed what another one told.
"""

from typing import Literal

from api.storage import MAX_SHARDS

Revisions = Literal["hybrid", "dense"]

WINDOW_NS = 60_000_000_000
"""How far ahead one clock record moves the ceiling."""
HALF_WINDOW = WINDOW_NS // 2000 * MAX_SHARDS
"""Half the window, as a difference of revisions."""
AHEAD_NS_MAX = 3_600_000_000_000
"""A revision further ahead than this is refused: it would take the shard out of time."""


class RevisionClock:
    """Issues the revisions of one shard, strictly increasing.

    ``epoch_ns``: when the cluster was made, the same for all its shards and for good.
    """

    __slots__ = ("ceiling", "epoch_ns", "last", "shard")

    def __init__(self, shard: int, epoch_ns: int = 0) -> None:
        assert 0 <= shard < MAX_SHARDS
        self.shard = shard
        self.epoch_ns = epoch_ns
        self.last = shard
        """The greatest revision issued or promised."""
        self.ceiling = shard
        """No revision above it may be told to anybody yet, unless its own record is persisted."""

    def observe(self, now_ns: int) -> None:
        """Follow the wall clock, so that the next revision is not before ``now_ns``."""
        self.last = max(self.last, self.at(now_ns))

    def at(self, now_ns: int) -> int:
        """The revision of this shard that belongs to a wall clock time; never below its first."""
        return max(0, now_ns - self.epoch_ns) // 1000 * MAX_SHARDS + self.shard

    def following(self) -> int:
        """What ``issue`` would return."""
        return self.last + MAX_SHARDS

    def issue(self) -> int:
        self.last += MAX_SHARDS
        return self.last

    def mark(self) -> int:
        """The revision of a log record that changes no key."""
        return self.issue()

    def recover(self, revision: int) -> None:
        """The log or a snapshot has this revision: go on above it."""
        self.push(revision)

    def retreat(self, revision: int) -> None:
        """What was issued above ``revision`` is in no log: a clock that may skip values need not
        care."""

    def push(self, at_least: int) -> int:
        """Make every later revision exceed the returned one, which is ``>= at_least``."""
        missing = at_least - self.last
        if missing > 0:
            self.last += -(-missing // MAX_SHARDS) * MAX_SHARDS
        return self.last

    def reaches(self, revision: int) -> bool:
        """Whether ``revision`` is near enough to be promised."""
        return revision <= self.last + AHEAD_NS_MAX // 1000 * MAX_SHARDS

    def resume(self) -> None:
        """Everything up to ``last`` may have been told by an earlier run."""
        self.ceiling = self.last

    def next_ceiling(self) -> int:
        return self.last + WINDOW_NS // 1000 * MAX_SHARDS


class DenseClock:
    """Issues 2, 3, 4 ...: one for each record that changes a key, without gaps in the log."""

    __slots__ = ("ceiling", "last")

    def __init__(self) -> None:
        self.last = 1
        self.ceiling = 1 << 62
        """None: every revision that is told has its own record."""

    def observe(self, now_ns: int) -> None:
        """Time does not count."""

    def at(self, now_ns: int) -> int:
        """History has no age: it is compacted when asked."""
        return 0

    def following(self) -> int:
        return self.last + 1

    def issue(self) -> int:
        self.last += 1
        return self.last

    def mark(self) -> int:
        return self.last

    def recover(self, revision: int) -> None:
        self.last = max(self.last, revision)

    def retreat(self, revision: int) -> None:
        """Issue again what no log has: otherwise there would be a gap."""
        self.last = revision

    def push(self, at_least: int) -> int:
        """Nothing is skipped: what is ahead is only waited for."""
        return self.last

    def reaches(self, revision: int) -> bool:
        return True

    def next_ceiling(self) -> int:
        raise AssertionError("a dense clock needs no ceiling")

    def resume(self) -> None:
        """Nothing was told that is not in the log."""


Clock = RevisionClock | DenseClock


def new_clock(revisions: Revisions, shard: int, epoch_ns: int) -> Clock:
    if revisions == "hybrid":
        return RevisionClock(shard, epoch_ns)
    assert shard == 0, "dense revisions are of one shard"
    return DenseClock()
