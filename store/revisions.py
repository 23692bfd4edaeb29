"""Revisions from a hybrid clock: wall time where possible, pushed up where order demands it.

A revision is microseconds times MAX_SHARDS plus the shard's number, so revisions of different
shards never collide and read as time. A clock that was told to anybody must not run backwards
after a crash, even if the wall clock did: so nothing above ``ceiling`` is told, and the ceiling
is in the log before it is used.
"""

from api.storage import MAX_SHARDS

WINDOW_NS = 10_000_000_000
"""How far ahead one clock record moves the ceiling."""
HALF_WINDOW = WINDOW_NS // 2000 * MAX_SHARDS
"""Half the window, as a difference of revisions."""
AHEAD_NS_MAX = 3_600_000_000_000
"""A revision further ahead than this is refused: it would take the shard out of time."""


def revision_at(wall_ns: int, shard: int) -> int:
    """The revision of ``shard`` that belongs to a wall clock time."""
    return wall_ns // 1000 * MAX_SHARDS + shard


class RevisionClock:
    """Issues the revisions of one shard, strictly increasing."""

    __slots__ = ("ceiling", "last", "shard")

    def __init__(self, shard: int) -> None:
        assert 0 <= shard < MAX_SHARDS
        self.shard = shard
        self.last = shard
        """The greatest revision issued or promised."""
        self.ceiling = shard
        """No revision above it may be told to anybody yet, unless its own record is persisted."""

    def observe(self, now_ns: int) -> None:
        """Follow the wall clock, so that the next revision is not before ``now_ns``."""
        self.last = max(self.last, revision_at(now_ns, self.shard))

    def issue(self) -> int:
        self.last += MAX_SHARDS
        return self.last

    def push(self, at_least: int) -> int:
        """Make every later revision exceed the returned one, which is ``>= at_least``."""
        missing = at_least - self.last
        if missing > 0:
            self.last += -(-missing // MAX_SHARDS) * MAX_SHARDS
        return self.last

    def reaches(self, revision: int) -> bool:
        """Whether ``revision`` is near enough to be promised."""
        return revision <= self.last + AHEAD_NS_MAX // 1000 * MAX_SHARDS

    def next_ceiling(self) -> int:
        return self.last + WINDOW_NS // 1000 * MAX_SHARDS
