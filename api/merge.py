"""The merged order of events that arrive from several shards.

Each shard sends its events in order of revision together with a watermark: everything of this shard
up to it has been sent. An event may be released once the watermark of every shard has passed it,
because no shard can then still send a smaller one. The smallest watermark is the frontier: what is
released up to it is complete.

A shard whose stream was opened anew may repeat events at or below its watermark; they are dropped.
"""

from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from api.core import InvariantError

StoreEvent = tuple[Any, ...]
"""(type, key, mod revision, create revision, version, header, value, previous); with another
``revision_of`` whatever has a revision."""

_REVISION = 2


class Merger:
    """The order of one group of shards. Holds back at most what the slowest shard owes."""

    __slots__ = ("_held", "_revision_of", "frontier", "watermarks")

    def __init__(
        self,
        watermarks: dict[int, int],
        revision_of: Callable[[StoreEvent], int] = itemgetter(_REVISION),
    ) -> None:
        """``watermarks``: for each shard the revision from which its stream starts."""
        self._revision_of = revision_of
        self.watermarks = dict(watermarks)
        self._held: dict[int, deque[StoreEvent]] = {shard: deque() for shard in watermarks}
        self.frontier = min(watermarks.values())

    def arrived(
        self, shard: int, events: Sequence[StoreEvent], watermark: int
    ) -> Sequence[StoreEvent]:
        """Take what a shard sent; return what is released by it, in order of revision."""
        seen = self.watermarks[shard]
        revision_of = self._revision_of
        if events and revision_of(events[0]) <= seen:
            events = [event for event in events if revision_of(event) > seen]
        if watermark > seen:
            self.watermarks[shard] = watermark
        if len(self.watermarks) == 1:
            self.frontier = self.watermarks[shard]
            return events
        self._held[shard].extend(events)
        frontier = min(self.watermarks.values())
        if frontier == self.frontier:
            return ()
        self.frontier = frontier
        released: list[StoreEvent] = []
        for held in self._held.values():
            while held and revision_of(held[0]) <= frontier:
                released.append(held.popleft())
        released.sort(key=revision_of)
        return released

    def wanted(self, revision: int) -> list[int]:
        """The shards that have not passed ``revision`` yet, so that the frontier cannot."""
        return [shard for shard, mark in self.watermarks.items() if mark < revision]

    def newest_held(self) -> int:
        """Revision of the newest event held back; 0 when none is."""
        newest = 0
        for held in self._held.values():
            if held:
                newest = max(newest, self._revision_of(held[-1]))
        return newest

    def check(self) -> None:
        """Raises InvariantError if what is held back is not in order, or should have gone out."""
        for shard, held in self._held.items():
            revisions = [self._revision_of(event) for event in held]
            if revisions != sorted(revisions):
                raise InvariantError(f"events of shard {shard} are out of order")
            if revisions and revisions[0] <= self.frontier:
                raise InvariantError(f"shard {shard} holds back what the frontier has passed")
