"""Watchers of a shard: who follows which prefix, from where, and what each was last told.

A watcher that starts in the past is replayed in chunks from the kept changes; when it has caught up
it joins the synced ones, which get every change as it is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from store.keyspace import Change, Keyspace, watch_event
from store.messages import HEADER, KEY, MOD, VALUE, EndWatch, SendWatchFrames, WatchEvent

REPLAY_CHUNK = 1000
"""Changes that one watcher is replayed in a step."""
REPLAYS_PER_STEP = 4
FRAME_BYTES = 4 << 20
"""A body is cut after the event with which it reaches this size."""


@dataclass(slots=True)
class Watcher:
    number: int
    prefix: bytes
    after: int
    """Changes up to here are not wanted."""
    want_previous: bool
    sent: int
    """The watermark that it was told last."""


class Watchers:
    """Synced and replaying watchers. Cost of a change: one dictionary lookup for each distinct
    length of prefix, and one event for those that match."""

    __slots__ = ("_by_prefix", "_lengths", "_replaying", "all")

    def __init__(self) -> None:
        self.all: dict[int, Watcher] = {}
        self._by_prefix: dict[bytes, dict[int, Watcher]] = {}
        self._lengths: list[int] = []
        self._replaying: dict[int, Watcher] = {}

    def open(self, watcher: Watcher, watermark: int) -> SendWatchFrames:
        """Add a watcher. It joins at once if ``after`` is not before ``watermark``."""
        assert watcher.number not in self.all
        self.all[watcher.number] = watcher
        if watcher.after < watermark:
            watcher.sent = watcher.after
            self._replaying[watcher.number] = watcher
        else:
            watcher.sent = watermark
            self._join(watcher)
        return SendWatchFrames(watcher.number, (), watcher.sent)

    def close(self, number: int) -> bool:
        """Remove a watcher; False when it is not there."""
        watcher = self.all.pop(number, None)
        if watcher is None:
            return False
        if self._replaying.pop(number, None) is None:
            group = self._by_prefix[watcher.prefix]
            del group[number]
            if not group:
                del self._by_prefix[watcher.prefix]
                self._lengths = sorted({len(prefix) for prefix in self._by_prefix})
        return True

    def notify(self, changes: Sequence[Change], watermark: int) -> list[SendWatchFrames]:
        """Bodies for the synced watchers that these changes concern."""
        batches: dict[bytes, list[Change]] = {}
        by_prefix = self._by_prefix
        for change in changes:
            key = change[0][KEY]
            for length in self._lengths:
                prefix = key[:length]
                if prefix in by_prefix:
                    batch = batches.get(prefix)
                    if batch is None:
                        batches[prefix] = [change]
                    else:
                        batch.append(change)
        frames: list[SendWatchFrames] = []
        for prefix, batch in batches.items():
            bodies: dict[bool, list[tuple[list[WatchEvent], int]]] = {}
            for watcher in by_prefix[prefix].values():
                wanted = watcher.want_previous
                if batch[0][0][MOD] <= watcher.after:
                    frames += _frames(watcher, _bodies(_after(batch, watcher), wanted, watermark))
                    continue
                if wanted not in bodies:
                    bodies[wanted] = _bodies(batch, wanted, watermark)
                frames += _frames(watcher, bodies[wanted])
        return frames

    def replay(
        self, keyspace: Keyspace, watermark: int
    ) -> tuple[list[SendWatchFrames | EndWatch], bool]:
        """Advance replaying watchers by a chunk each, after ``notify``; the second value says
        whether any has still to go on."""
        effects: list[SendWatchFrames | EndWatch] = []
        for number, watcher in list(self._replaying.items())[:REPLAYS_PER_STEP]:
            del self._replaying[number]
            if watcher.sent < keyspace.compact_revision:
                del self.all[number]
                effects.append(EndWatch(number, "compacted"))
                continue
            changes = keyspace.changes_after(watcher.sent, REPLAY_CHUNK)
            caught_up = len(changes) < REPLAY_CHUNK
            reached = watermark if caught_up else changes[-1][0][MOD]
            wanted = [change for change in changes if change[0][KEY].startswith(watcher.prefix)]
            bodies = _bodies(wanted, watcher.want_previous, reached) or [([], reached)]
            effects += _frames(watcher, bodies)
            if caught_up:
                self._join(watcher)
            else:
                self._replaying[number] = watcher
        return effects, bool(self._replaying)

    def tell(self, watermark: int) -> list[SendWatchFrames]:
        """Bodies without events for the synced watchers that have an older watermark."""
        frames = []
        for watcher in self.all.values():
            if watcher.sent < watermark and watcher.number not in self._replaying:
                watcher.sent = watermark
                frames.append(SendWatchFrames(watcher.number, (), watermark))
        return frames

    def _join(self, watcher: Watcher) -> None:
        group = self._by_prefix.setdefault(watcher.prefix, {})
        group[watcher.number] = watcher
        if len(group) == 1:
            self._lengths = sorted({len(prefix) for prefix in self._by_prefix})


def _after(batch: Sequence[Change], watcher: Watcher) -> list[Change]:
    return [change for change in batch if change[0][MOD] > watcher.after]


def _frames(
    watcher: Watcher, bodies: Sequence[tuple[list[WatchEvent], int]]
) -> list[SendWatchFrames]:
    for _, watermark in bodies:
        watcher.sent = max(watcher.sent, watermark)
    return [SendWatchFrames(watcher.number, events, mark) for events, mark in bodies]


def _bodies(
    batch: Sequence[Change], want_previous: bool, watermark: int
) -> list[tuple[list[WatchEvent], int]]:
    """Events in bodies of bounded size, each with what it completes: the changes of one revision
    are never split, and only the last body carries the whole watermark."""
    bodies: list[tuple[list[WatchEvent], int]] = []
    events: list[WatchEvent] = []
    size = 0
    reached = 0
    for change in batch:
        revision = change[0][MOD]
        if size >= FRAME_BYTES and revision != reached:
            bodies.append((events, reached))
            events, size = [], 0
        event = watch_event(change, want_previous)
        events.append(event)
        size += len(event[5]) + len(event[6])
        if event[7] is not None and change[1] is not None:
            size += len(change[1][HEADER]) + len(change[1][VALUE])
        reached = revision
    if events:
        bodies.append((events, watermark))
    return bodies
