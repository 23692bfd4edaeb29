"""A shard with a disk and readers made of lists: the smallest shell for tests of the core."""

from collections.abc import Sequence
from typing import Any

from api.storage import StoreReply, StoreRequest
from store.core import StoreCore, StoreSettings
from store.messages import (
    Append,
    EndWatch,
    LogRecord,
    Persisted,
    Reply,
    RequestsArrived,
    SendWatchFrames,
    StoreEffect,
    StoreEvent,
    WatchClosed,
    WatchOpened,
    WriteSnapshot,
)
from store.recovery import Recovered, recovered_core

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000


class ShardInMemory:
    """Steps a core by hand. Appends stay in ``queued`` until ``persist`` moves them to ``log``."""

    def __init__(self, settings: StoreSettings | None = None, check: bool = True) -> None:
        self.settings = settings or StoreSettings(shard=3, retain_ns=0)
        self.core = StoreCore(self.settings)
        self.now_ns = START_NS
        self.log: list[LogRecord] = []
        self.first_index = 1
        self.queued: list[LogRecord] = []
        self.replies: dict[int, Sequence[StoreReply]] = {}
        self.frames: dict[int, list[tuple[list[tuple[Any, ...]], int]]] = {}
        self.ended: dict[int, str] = {}
        self.effects: list[StoreEffect] = []
        self.snapshot: Recovered = Recovered()
        self._check = check
        self._last = 0
        self._watcher = 0

    def step(self, *events: StoreEvent) -> Sequence[StoreEffect]:
        effects = self.core.step(events, self.now_ns)
        if self._check:
            self.core.check()
        for effect in effects:
            match effect:
                case Append(first_index=first_index, records=records):
                    assert first_index == self.first_index + len(self.log) + len(self.queued)
                    self.queued += records
                case Reply(calls=calls, replies=replies):
                    for call, answers in zip(calls, replies, strict=True):
                        assert call not in self.replies, "answered twice"
                        self.replies[call] = answers
                case SendWatchFrames(watchers=watchers, events=sent, watermark=watermark):
                    for watcher in watchers:
                        self.frames.setdefault(watcher, []).append((list(sent), watermark))
                case EndWatch(watcher=watcher, reason=reason):
                    self.ended[watcher] = reason
                case WriteSnapshot():
                    pass
        self.effects += effects
        return effects

    def settle(self) -> None:
        """Step until the core has nothing left to do at this time, or when it has freed all that
        was compacted."""
        for _ in range(1000):
            due_ns = self.core.next_wakeup_ns()
            assert due_ns is not None
            if not self.core.ledger.trimmed:
                self.now_ns = max(self.now_ns, due_ns)
            elif due_ns > self.now_ns:
                return
            self.step()
        raise AssertionError("the core never comes to rest")

    def ask(self, *requests: StoreRequest) -> int:
        self._last += 1
        self.step(RequestsArrived((self._last,), (requests,)))
        return self._last

    def persist(self, count: int | None = None) -> None:
        """The disk has the first ``count`` queued records, or all."""
        count = len(self.queued) if count is None else min(count, len(self.queued))
        self.log += self.queued[:count]
        del self.queued[:count]
        self.step(Persisted(self.first_index + len(self.log) - 1, 0))

    def do(self, *requests: StoreRequest) -> Sequence[StoreReply]:
        """Ask, persist, and return the replies."""
        call = self.ask(*requests)
        self.persist()
        self.settle()
        return self.replies[call]

    def one(self, *request: object) -> StoreReply:
        (reply,) = self.do(request)
        return reply

    def watch(self, prefix: bytes = b"", start: int = 0, want_previous: bool = False) -> int:
        self._watcher += 1
        self.step(WatchOpened(self._watcher, prefix, start, want_previous))
        self.settle()
        return self._watcher

    def close_watch(self, watcher: int) -> None:
        self.step(WatchClosed(watcher))

    def events(self, watcher: int) -> list[tuple[Any, ...]]:
        return [event for events, _ in self.frames.get(watcher, []) for event in events]

    def watermark(self, watcher: int) -> int:
        return self.frames[watcher][-1][1]

    def write_snapshot(self) -> Recovered:
        """Take a snapshot now, and drop what it covers from the log, as the shell does."""
        order: WriteSnapshot | None = self.core.snapshots.begin()
        rows, leases, revision, alarm = [], order.leases, order.revision, order.alarm
        while order is not None:
            rows.append(list(order.rows))
            order = self.core.snapshots.written(order.revision, 0)
        self.snapshot = Recovered(snapshot_revision=revision, rows=rows, leases=leases, alarm=alarm)
        while self.log and self.log[0][0] <= revision:
            del self.log[0]
            self.first_index += 1
        return self.snapshot

    def crash(self) -> "ShardInMemory":
        """The same disk after a crash: queued records and everything in memory are gone."""
        again = ShardInMemory(self.settings, self._check)
        again.log, again.first_index = list(self.log), self.first_index
        again.now_ns, again.snapshot = self.now_ns, self.snapshot
        again._last, again._watcher = self._last, self._watcher
        found = Recovered(
            self.first_index,
            list(self.log),
            0,
            self.snapshot.snapshot_revision,
            self.snapshot.leases,
            self.snapshot.rows,
            self.snapshot.alarm,
        )
        again.core = recovered_core(self.settings, found)
        return again
