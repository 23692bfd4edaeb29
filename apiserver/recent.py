"""The recent changes of one resource, in the batches in which they came.

What came together is kept, found and let go of together: a batch of renewals is one entry, however
many they are.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter

from api.core import InvariantError
from apiserver.records import Record

EVENTS_MAX = 100_000
WINDOW_NS = 120 * 10**9
"""How long recent events are kept. Source: the watch cache of kube-apiserver keeps at least 75 s
(pkg/storage/cacher/watch_cache.go, eventFreshDuration)."""

Told = tuple[int, int, bytes]
"""What a watcher is told of an event: type, revision, bytes."""


class CacheEvent:
    """One change of one object, and what has been encoded of it so far."""

    __slots__ = ("_encoded", "previous", "record", "revision", "told", "type")

    def __init__(
        self, kind_of_event: int, revision: int, record: Record, previous: Record | None
    ) -> None:
        self.type = kind_of_event
        self.revision = revision
        self.record = record
        """The new state; for DELETED the last one."""
        self.previous = previous
        self.told: Told | None = None
        """As it is, for components: most changes are told to nobody else."""
        self._encoded: dict[tuple[str, int], Told] | None = None

    @property
    def encoded(self) -> dict[tuple[str, int], Told]:
        """By form and type: shared by all watchers of that form."""
        if self._encoded is None:
            self._encoded = {}
        return self._encoded

    def forget_encoded(self) -> None:
        """Whoever is told of it next gets it encoded anew."""
        self.told = self._encoded = None


_revision = attrgetter("revision")


class RecentEvents:
    """Events in order of revision. Invariant: no batch is empty."""

    __slots__ = ("_batches", "_count")

    def __init__(self) -> None:
        self._batches: deque[tuple[int, Sequence[CacheEvent]]] = deque()
        """When each came, and what."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[CacheEvent]:
        for _, batch in self._batches:
            yield from batch

    def add(self, batch: Sequence[CacheEvent], now_ns: int) -> int:
        """Keep a batch, which is not empty, and let go of what is too old or too much, by whole
        batches. Returns the newest revision that is not kept any more; 0: all are."""
        batches, gone = self._batches, 0
        batches.append((now_ns, batch))
        self._count += len(batch)
        oldest_ns = now_ns - WINDOW_NS
        while batches and (self._count > EVENTS_MAX or batches[0][0] < oldest_ns):
            _, old = batches.popleft()
            self._count -= len(old)
            gone = old[-1].revision
        return gone

    def forget(self, revision: int) -> None:
        """Events up to ``revision`` are no longer to be had."""
        batches = self._batches
        while batches and batches[0][1][0].revision <= revision:
            arrived_ns, batch = batches.popleft()
            kept = batch[bisect_right(batch, revision, key=_revision) :]
            self._count -= len(batch) - len(kept)
            if kept:
                batches.appendleft((arrived_ns, kept))
                return

    def after(self, revision: int) -> list[CacheEvent]:
        """The events after ``revision``, oldest first. Cost: that of what is found."""
        parts: list[Sequence[CacheEvent]] = []
        for _, batch in reversed(self._batches):
            if batch[0].revision <= revision:
                parts.append(batch[bisect_right(batch, revision, key=_revision) :])
                break
            parts.append(batch)
        return [event for part in reversed(parts) for event in part]

    def check(self) -> None:
        """Raises InvariantError if events are not in order, or are counted wrong."""
        revisions = [event.revision for _, batch in self._batches for event in batch]
        if revisions != sorted(revisions) or len(revisions) != self._count:
            raise InvariantError("recent events are out of order")
