"""A watch over several shards: one reader, a watcher on each shard, one order of changes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from actors.shard import Shard, WatchSink
from api.merge import Merger
from store.messages import MOD

Nudge = Callable[[int, int], None]
"""Asks the shard at a place to promise a revision."""


def _revision_of(change: Any) -> int:
    revision: int = change[0][MOD]
    return revision


class MergedWatch:
    """Holds back what a shard may still precede, and has that shard asked to pass it. A reader that
    takes no more, or a shard that ends the watch, ends it on all."""

    def __init__(
        self, sink: WatchSink, nudge: Nudge, starts: Mapping[int, int], after: int
    ) -> None:
        """``starts``: for each shard the revision after which it is followed; ``after``: changes up
        to it are not wanted, it may be in the future."""
        self._sink = sink
        self._nudge = nudge
        self._places = tuple(starts)
        self._merger = Merger(dict(starts), _revision_of)
        self._after = after
        self._close: list[Callable[[], None]] = []
        self._open = True

    def follow(self, shards: Sequence[Shard], span: tuple[bytes, bytes | None]) -> None:
        for place, shard in zip(self._places, shards, strict=True):
            start = self._merger.watermarks[place]
            number = shard.open_watch(ShardSink(self, place), span, start, "raw")
            self._close.append(partial(shard.close_watch, number))

    def close(self) -> None:
        self._open = False
        for close in self._close:
            close()
        self._close.clear()

    def arrived(self, place: int, changes: Sequence[Any], watermark: int) -> bool:
        if not self._open:
            return True
        before = self._merger.frontier
        released = self._merger.arrived(place, changes, watermark)
        if released and _revision_of(released[0]) <= self._after:
            released = [change for change in released if _revision_of(change) > self._after]
        held = self._merger.newest_held()
        if held:
            for lagging in self._merger.wanted(held):
                self._nudge(lagging, held)
        if released or self._merger.frontier > before:
            return self._sink.send(released, self._merger.frontier)
        return True

    def ended(self, reason: str) -> None:
        if self._open:
            self.close()
            self._sink.end(reason)


class ShardSink:
    """The part of one shard."""

    __slots__ = ("_place", "_watch")

    def __init__(self, watch: MergedWatch, place: int) -> None:
        self._watch = watch
        self._place = place

    def send(self, events: Sequence[Any], watermark: int) -> bool:
        return self._watch.arrived(self._place, events, watermark)

    def end(self, reason: str) -> None:
        self._watch.ended(reason)
