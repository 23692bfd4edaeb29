"""The merged order of events that arrive from several shards.

Each shard sends its events in order of revision together with a watermark: everything of this shard
up to it has been sent. An event may be released once the watermark of every shard has passed it,
because no shard can then still send a smaller one. The smallest watermark is the frontier: what is
released up to it is complete.

A shard whose stream was opened anew may repeat events at or below its watermark; they are dropped.
"""

from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from api.core import InvariantError

StoreEvent = tuple[Any, ...]
"""(type, key, mod revision, create revision, version, header, value, previous)."""

_REVISION = 2
_BY_REVISION = itemgetter(_REVISION)


class Merger:
    """The order of one group of shards. Holds back at most what the slowest shard owes."""

    __slots__ = ("_held", "frontier", "watermarks")

    def __init__(self, watermarks: dict[int, int]) -> None:
        """``watermarks``: for each shard the revision from which its stream starts."""
        self.watermarks = dict(watermarks)
        self._held: dict[int, deque[StoreEvent]] = {shard: deque() for shard in watermarks}
        self.frontier = min(watermarks.values())

    def arrived(
        self, shard: int, events: Sequence[StoreEvent], watermark: int
    ) -> Sequence[StoreEvent]:
        """Take what a shard sent; return what is released by it, in order of revision."""
        seen = self.watermarks[shard]
        if events and events[0][_REVISION] <= seen:
            events = [event for event in events if event[_REVISION] > seen]
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
            while held and held[0][_REVISION] <= frontier:
                released.append(held.popleft())
        released.sort(key=_BY_REVISION)
        return released

    def wanted(self, revision: int) -> list[int]:
        """The shards that have not passed ``revision`` yet, so that the frontier cannot."""
        return [shard for shard, mark in self.watermarks.items() if mark < revision]

    def newest_held(self) -> int:
        """Revision of the newest event held back; 0 when none is."""
        return max((held[-1][_REVISION] for held in self._held.values() if held), default=0)

    def check(self) -> None:
        for shard, held in self._held.items():
            revisions = [event[_REVISION] for event in held]
            if revisions != sorted(revisions):
                raise InvariantError(f"events of shard {shard} are out of order")
            if revisions and revisions[0] <= self.frontier:
                raise InvariantError(f"shard {shard} holds back what the frontier has passed")
