"""Watchers of a shard: who follows which keys, from where, and what each was last told.

A watcher that starts in the past is replayed in chunks from the kept changes; when it has caught up
it joins the synced ones, which get every change as it is applied. Synced watchers of the same keys
are a group: what they are told is made once and ordered once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from store.keyspace import Change, Keyspace, put_events, watch_event
from store.messages import HEADER, KEY, MOD, VALUE, VERSION, EndWatch, SendWatchFrames

REPLAY_CHUNK = 1000
"""Changes that one watcher is replayed in a step."""
REPLAYS_PER_STEP = 4
FRAME_BYTES = 4 << 20
"""A body is cut after the event with which it reaches this size."""


RAW = 2
"""Form of events: changes as they are. 0 and 1: wire events, without and with the previous."""
_Body = tuple[Sequence[Any], int]
"""Events of one form, and the watermark that they complete."""
_Span = tuple[bytes, bytes | None]


@dataclass(slots=True)
class Watcher:
    """One open watch: which keys it is about, and how much of their history it was told."""

    number: int
    prefix: bytes
    after: int
    """Changes up to here are not wanted."""
    form: int
    sent: int
    """The watermark that it was told last."""
    end: bytes | None = None
    """As in WatchOpened."""

    def wants(self, key: bytes) -> bool:
        if self.end is None:
            return key.startswith(self.prefix)
        return _within(key, self.prefix, self.end)


_Groups = dict[int, dict[int, Watcher]]
"""By form; the watchers of each by number."""


class Watchers:
    """Synced and replaying watchers. Cost of a change: one dictionary lookup for single keys, one
    for each distinct length of prefix, a comparison for each distinct other range, and one event
    for those that match, however many they are."""

    __slots__ = ("_ahead", "_by_span", "_lengths", "_prefixes", "_ranges", "_replaying", "all")

    def __init__(self) -> None:
        self.all: dict[int, Watcher] = {}
        self._ahead: dict[int, Watcher] = {}
        """Those that begin after the present."""
        self._by_span: dict[_Span, _Groups] = {}
        """Synced watchers of the same keys."""
        self._prefixes: dict[int, int] = {}
        """Number of prefixes of each length."""
        self._lengths: list[int] = []
        """Of the prefixes in it."""
        self._ranges: dict[tuple[bytes, bytes], None] = {}
        """The spans in it that are no prefix and no single key."""
        self._replaying: dict[int, Watcher] = {}

    @property
    def replaying(self) -> int:
        """Watchers that are not yet at the present."""
        return len(self._replaying)

    def open(self, watcher: Watcher, watermark: int) -> SendWatchFrames:
        """Add a watcher."""
        assert watcher.number not in self.all
        self.all[watcher.number] = watcher
        watcher.sent = min(watcher.after, watermark)
        if watcher.after < watermark:
            self._replaying[watcher.number] = watcher
        elif watcher.after > watermark:
            self._ahead[watcher.number] = watcher
        else:
            self._join(watcher)
        return SendWatchFrames((watcher.number,), (), watcher.sent)

    def close(self, number: int) -> bool:
        """Remove a watcher; False when it is not there."""
        watcher = self.all.pop(number, None)
        if watcher is None:
            return False
        for waiting in (self._replaying, self._ahead):
            if waiting.pop(number, None) is not None:
                return True
        span = (watcher.prefix, watcher.end)
        groups = self._by_span[span]
        group = groups[watcher.form]
        del group[number]
        if not group:
            del groups[watcher.form]
        if not groups:
            del self._by_span[span]
            self._survey(span, -1)
        return True

    def notify(self, changes: Sequence[Change], watermark: int) -> list[SendWatchFrames]:
        """Bodies for the synced watchers that these changes concern."""
        by_span = self._by_span
        frames: list[SendWatchFrames] = []
        for span, batch in self._batches(changes).items():
            for form, group in by_span[span].items():
                numbers = tuple(group)
                for events, mark in _bodies(batch, form, watermark):
                    frames.append(SendWatchFrames(numbers, events, mark))
                for watcher in group.values():
                    watcher.sent = watermark
        if self._ahead:
            frames += self._approach(changes, watermark)
        return frames

    def _batches(self, changes: Sequence[Change]) -> dict[_Span, Sequence[Change]]:
        """The changes of the spans that somebody watches and that have any."""
        by_span = self._by_span
        if len(by_span) == 1:
            # API servers watch all of their keys, and often nobody else watches.
            ((start, end),) = by_span
            if end is None and not [one for one in changes if not one[0][KEY].startswith(start)]:
                return {(start, end): changes} if changes else {}
        batches: dict[_Span, list[Change]] = {}
        for change in changes:
            for span in self._spans_of(change[0][KEY]):
                if span in by_span:
                    batch = batches.get(span)
                    if batch is None:
                        batches[span] = [change]
                    else:
                        batch.append(change)
        return {**batches}

    def _approach(self, changes: Sequence[Change], watermark: int) -> list[SendWatchFrames]:
        """The same for those that began after the present; it may have come to them."""
        frames: list[SendWatchFrames] = []
        for number, watcher in list(self._ahead.items()):
            wanted = [
                change
                for change in changes
                if change[0][MOD] > watcher.after and watcher.wants(change[0][KEY])
            ]
            frames += _frames(watcher, _bodies(wanted, watcher.form, watermark))
            if watermark >= watcher.after:
                del self._ahead[number]
                self._join(watcher)
        return frames

    def _spans_of(self, key: bytes) -> list[_Span]:
        """The spans in which ``key`` lies, if anybody watches them."""
        spans: list[_Span] = [(key[:length], None) for length in self._lengths]
        if self._ranges:
            spans += [(start, end) for start, end in self._ranges if _within(key, start, end)]
        spans.append((key, key + b"\x00"))
        return spans

    def replay(
        self, keyspace: Keyspace, watermark: int
    ) -> tuple[list[SendWatchFrames | EndWatch], bool]:
        """Advance replaying watchers by a chunk each, after ``notify``; the second value says
        whether any has still to go on."""
        effects: list[SendWatchFrames | EndWatch] = []
        for number, watcher in list(self._replaying.items())[:REPLAYS_PER_STEP]:
            del self._replaying[number]
            if watcher.sent < keyspace.kept_after:
                del self.all[number]
                effects.append(EndWatch(number, "compacted"))
                continue
            changes = keyspace.changes_after(watcher.sent, REPLAY_CHUNK)
            caught_up = len(changes) < REPLAY_CHUNK
            reached = watermark if caught_up else changes[-1][0][MOD]
            wanted = [change for change in changes if watcher.wants(change[0][KEY])]
            bodies = _bodies(wanted, watcher.form, reached) or [([], reached)]
            effects += _frames(watcher, bodies)
            if caught_up:
                self._join(watcher)
            else:
                self._replaying[number] = watcher
        return effects, bool(self._replaying)

    def tell(self, watermark: int, least: int) -> list[SendWatchFrames]:
        """Bodies without events for the synced watchers that have not heard ``least``. Of several
        API servers that ask for the same, the first one's promise is told to all of them, and the
        others' to nobody."""
        numbers: list[int] = []
        for watcher in self.all.values():
            if watcher.sent < least and watcher.number not in self._replaying:
                watcher.sent = watermark
                numbers.append(watcher.number)
        return [SendWatchFrames(numbers, (), watermark)] if numbers else []

    def _join(self, watcher: Watcher) -> None:
        span = (watcher.prefix, watcher.end)
        groups = self._by_span.get(span)
        if groups is None:
            groups = self._by_span[span] = {}
            self._survey(span, 1)
        groups.setdefault(watcher.form, {})[watcher.number] = watcher

    def _survey(self, span: _Span, by: int) -> None:
        """A span came (1) or went (-1)."""
        start, end = span
        if end is None:
            length = len(start)
            count = self._prefixes.get(length, 0) + by
            self._prefixes[length] = count
            if not count:
                del self._prefixes[length]
            if count <= 1:
                self._lengths = sorted(self._prefixes)
        elif end != start + b"\x00":
            if by == 1:
                self._ranges[start, end] = None
            else:
                del self._ranges[start, end]


def _within(key: bytes, start: bytes, end: bytes) -> bool:
    return start <= key and (not end or key < end)


def _frames(watcher: Watcher, bodies: Sequence[_Body]) -> list[SendWatchFrames]:
    for _, watermark in bodies:
        watcher.sent = max(watcher.sent, watermark)
    return [SendWatchFrames((watcher.number,), events, mark) for events, mark in bodies]


def _bodies(batch: Sequence[Change], form: int, watermark: int) -> list[_Body]:
    """Events in bodies of bounded size, each with what it completes: the changes of one revision
    are never split, and only the last body carries the whole watermark."""
    bodies: list[_Body] = []
    begin = size = reached = 0
    for place, (record, previous) in enumerate(batch):
        revision = record[MOD]
        if size >= FRAME_BYTES and revision != reached:
            bodies.append((_events(batch[begin:place], form), reached))
            begin, size = place, 0
        size += len(record[HEADER]) + len(record[VALUE])
        if previous is not None and (form or not record[VERSION]):
            size += len(previous[HEADER]) + len(previous[VALUE])
        reached = revision
    if batch:
        bodies.append((_events(batch[begin:], form), watermark))
    return bodies


def _events(batch: Sequence[Change], form: int) -> Sequence[Any]:
    """Changes in a form of events."""
    if form == RAW:
        return batch
    puts = None if form else put_events(batch)
    return [watch_event(change, form == 1) for change in batch] if puts is None else puts
