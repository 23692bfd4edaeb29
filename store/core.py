"""One shard of the store: append, persist, apply, notify, reply, decided in this order.

A write is proposed against what is pending and appended to the log. When the disk has it, it is
applied to the keyspace, told to the watchers, and only then answered. Reads see what is applied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from api.core import InvariantError
from api.storage import (
    ADOPT,
    ALARM,
    COMPACT,
    COMPACTED,
    DELETE,
    DELETE_RANGE,
    FUTURE,
    GET,
    GRANT,
    INVALID,
    KEEPALIVE,
    LEASE,
    LEASES,
    NO_SPACE,
    NOT_FOUND,
    OK,
    PROMISE,
    PUT,
    RANGE,
    REVOKE,
    STATUS,
    TXN,
    StoreReply,
    StoreRequest,
)
from store.forms import Malformed, integers
from store.keyspace import Keyspace
from store.leases import Leases
from store.ledger import Ledger
from store.messages import (
    Append,
    AppendFailed,
    EndWatch,
    LeasesEnded,
    Persisted,
    Reply,
    RequestsArrived,
    SnapshotFailed,
    SnapshotWritten,
    StoreEffect,
    StoreEvent,
    WatchClosed,
    WatchFellBehind,
    WatchOpened,
)
from store.pending import ALONE, Answers
from store.proposals import Proposal, Proposer
from store.quota import NO_SPACE_TEXT
from store.reads import RangeRead
from store.revisions import HALF_WINDOW, Revisions, new_clock
from store.snapshots import Snapshots
from store.watchers import RAW, Watcher, Watchers

TRIM_PER_STEP: Final = 250
"""Changes that a step frees, 0.7 ms: whoever writes meanwhile waits for no more."""
TRIM_PERIOD_NS: Final = 2_500_000
"""What is compacted is freed so often: faster than anybody writes, in a third of a core. A thread
that never sleeps is put aside by a busy machine for as long as a hundred writes take."""
EXPIRE_PER_STEP: Final = 100
PENDING_MAX: Final = 200_000
"""Entries waiting for the disk; at the bound writes are refused."""
REQUESTS_PER_CALL_MAX: Final = 10_000
COMPACT_PERIOD_NS_MIN: Final = 1_000_000_000
RETRY_NS: Final = 1_000_000_000
"""Wait before the shard tries again what the disk refused on its own behalf."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What an operator may choose about a shard."""

    shard: int
    durability: str = "fsync"
    """Only shown: the shell keeps it."""
    retain_ns: int = 300_000_000_000
    """Age at which history is compacted; 0 keeps all until asked."""
    watermark_period_ns: int = 10_000_000_000
    """An idle watch stream hears a new watermark so often. Who cannot wait asks for a promise."""
    epoch_ns: int = 0
    """When the cluster was made: hybrid revisions count microseconds from here."""
    quota_bytes: int = 0
    """At this size of all kept versions the shard takes no more; 0: no quota."""
    revisions: Revisions = "hybrid"
    """Dense ones are for a single shard; its history then has no age, and is kept until asked."""


class StoreCore:
    """The state machine of one shard. See api/storage.py for what it is asked."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.keyspace = Keyspace()
        self.leases = Leases()
        self.clock = new_clock(settings.revisions, settings.shard, settings.epoch_ns)
        self.answers = Answers()
        self.ledger = Ledger(self.keyspace, self.leases, self.clock, self.answers)
        self.ledger.quota.limit = settings.quota_bytes
        self.reads = self.ledger.reads
        self.watchers = Watchers()
        self.snapshots = Snapshots(self.keyspace, self.leases, self.ledger.quota)
        self.log_bytes = 0
        self.compacted = 0
        """Changes freed so far, as they were compacted."""
        self._proposer = Proposer(self.keyspace, self.ledger.pending, self.leases, self.clock)
        self._writes: dict[str, Callable[[StoreRequest], Proposal]] = {
            PUT: self._proposer.put,
            DELETE: self._proposer.delete,
            DELETE_RANGE: self._proposer.delete_range,
            TXN: self._proposer.transaction,
            GRANT: self._proposer.grant,
            ADOPT: lambda request: self._proposer.adopt(*integers(request, 1)),
            REVOKE: lambda request: self._proposer.revoke(*integers(request, 1)),
        }
        self._others: dict[str, Callable[[int, int, StoreRequest], None]] = {
            GET: self._get,
            RANGE: self._range,
            PROMISE: self._promise,
            KEEPALIVE: self._keep_alive,
            LEASE: self._lease,
            LEASES: self._leases,
            COMPACT: self._compact_asked,
            ALARM: self._alarm,
            STATUS: self._status,
        }
        self._effects: list[StoreEffect] = []
        self._now_ns = 0
        self._tick_at_ns = 0
        self._compact_at_ns = 0
        self._trim_at_ns = 0
        self._busy = False
        """Something is left for the next step."""

    def resume(self, index: int, log_bytes: int) -> None:
        """Take the place of an earlier run whose log ended at ``index``. Before the first step."""
        assert self._now_ns == 0
        self.ledger.resume(index)
        self.ledger.trimmed = False
        self.log_bytes = self.snapshots.log_bytes_kept = log_bytes
        self.snapshots.written_revision = self.keyspace.compact_revision

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        if not self._now_ns:
            self.leases.restart(now_ns)
        self._now_ns = now_ns
        self.clock.observe(now_ns)
        self._busy = False
        for event in events:
            self._take(event)
        self._run_timers()
        if self.ledger.drain(now_ns):
            self._busy = True
        self._notify()
        for read, reply in self.reads.advance(self.ledger.watermark):
            self.answers.give(read.call, read.place, reply)
        self._trim()
        return self._orders()

    def next_wakeup_ns(self) -> int | None:
        if self._busy or self.reads.ranges:
            return self._now_ns
        due = self._compact_at_ns
        if not self.ledger.trimmed:
            due = min(due, self._trim_at_ns)
        if self.watchers.all:
            due = min(due, self._tick_at_ns)
        deadline = self.leases.next_deadline_ns()
        return due if deadline is None else min(due, deadline)

    def check(self) -> None:
        self.keyspace.check()
        self.ledger.check()
        if self.keyspace.compact_revision > self.ledger.watermark:
            raise InvariantError("compacted beyond the watermark")
        for watcher in self.watchers.all.values():
            if watcher.sent > self.ledger.watermark:
                raise InvariantError(f"watcher {watcher.number} was told more than the watermark")

    def _take(self, event: StoreEvent) -> None:
        match event:
            case RequestsArrived(calls=calls, batches=batches):
                for call, batch in zip(calls, batches, strict=True):
                    if len(batch) == 1:
                        self._request(call, ALONE, batch[0])
                    else:
                        self._batch(call, batch)
            case Persisted(index=index, log_bytes=log_bytes):
                self.ledger.persisted(index)
                self.log_bytes = log_bytes
            case AppendFailed(index=index, message=message):
                retry_at_ns = self._now_ns + RETRY_NS
                for lease in self.ledger.append_failed(index, message):
                    self.leases.retry(lease, retry_at_ns)
                self._tick_at_ns = retry_at_ns
            case WatchOpened():
                self._open_watch(event)
            case WatchClosed(watcher=watcher):
                self.watchers.close(watcher)
            case WatchFellBehind(watcher=watcher):
                if self.watchers.close(watcher):
                    self._effects.append(EndWatch(watcher, "slow"))
            case SnapshotWritten(revision=revision, log_bytes=log_bytes):
                self.log_bytes = log_bytes
                chunk = self.snapshots.written(revision, log_bytes)
                if chunk is not None:
                    self._effects.append(chunk)
                else:
                    self.ledger.trimmed = False
            case SnapshotFailed(revision=revision):
                self.snapshots.failed(revision)
                self.ledger.trimmed = False
            case _:
                assert_never(event)

    # Requests.

    def _batch(self, call: int, batch: Sequence[StoreRequest]) -> None:
        if not 0 < len(batch) <= REQUESTS_PER_CALL_MAX:
            message = f"a call holds 1 to {REQUESTS_PER_CALL_MAX} requests"
            self.answers.give(call, ALONE, (INVALID, message))
            return
        self.answers.expect(call, len(batch))
        place = 0
        if not self.ledger.quota.watched and self._room() >= len(batch):
            place = self._puts(call, batch)
        for later in range(place, len(batch)):
            self._request(call, later, batch[later])

    def _puts(self, call: int, batch: Sequence[StoreRequest]) -> int:
        """Take the puts with which a batch begins. Returns the place of the first request that is
        another one or malformed, of which nothing is known yet."""
        add, put = self.ledger.add, self._proposer.put
        place = 0
        try:
            for place, request in enumerate(batch):
                if type(request) not in (list, tuple) or not request or request[0] != PUT:
                    return place
                add(call, place, put(request))
        except Malformed:
            return place
        return len(batch)

    def _room(self) -> int:
        """How many more entries may wait for the disk."""
        return PENDING_MAX - len(self.ledger.pending.entries)

    def _request(self, call: int, place: int, request: StoreRequest) -> None:
        try:
            if type(request) not in (list, tuple) or not request or type(request[0]) is not str:
                raise Malformed("a request is an array that begins with its name")
            decide = self._writes.get(request[0])
            if decide is None:
                self._others.get(request[0], _unknown)(call, place, request)
                return
            ledger = self.ledger
            if self._room() <= 0:
                raise Malformed("etcdserver: too many requests")
            if ledger.quota.refuses(request):
                self._refuse_space(call, place)
            else:
                ledger.add(call, place, decide(request))
        except Malformed as error:
            self.answers.give(call, place, (INVALID, str(error)))

    def _get(self, call: int, place: int, request: StoreRequest) -> None:
        self.answers.give(call, place, self.reads.get(request, self.ledger.watermark))

    def _range(self, call: int, place: int, request: StoreRequest) -> None:
        read = self.reads.range(request, self.ledger.watermark)
        if isinstance(read, RangeRead):
            read.call, read.place = call, place
            self.reads.ranges.append(read)
        else:
            self.answers.give(call, place, read)

    def _promise(self, call: int, place: int, request: StoreRequest) -> None:
        (at_least,) = integers(request, 1)
        if self.clock.reaches(at_least) and self.clock.push(at_least) >= at_least:
            self.ledger.promise(call, place, at_least)
        else:
            self.answers.give(call, place, (FUTURE, self.ledger.watermark))

    def _keep_alive(self, call: int, place: int, request: StoreRequest) -> None:
        (lease,) = integers(request, 1)
        ttl_s = self.leases.keep_alive(lease, self._now_ns)
        self.answers.give(call, place, (NOT_FOUND,) if ttl_s is None else (OK, ttl_s))

    def _refuse_space(self, call: int, place: int) -> None:
        quota = self.ledger.quota
        if not quota.raised:
            quota.raised = True
            self.ledger.add(None, 0, self._proposer.alarm(True))
        self.answers.give(call, place, (NO_SPACE, NO_SPACE_TEXT))

    def _alarm(self, call: int, place: int, request: StoreRequest) -> None:
        (action,) = integers(request, 1)
        if not 0 <= action <= 2:
            raise Malformed("an alarm is asked for (0), raised (1) or cleared (2)")
        if action:
            self.ledger.add(call, place, self._proposer.alarm(action == 1))
        else:
            self.answers.give(call, place, (OK, self.ledger.quota.raised))

    def _lease(self, call: int, place: int, request: StoreRequest) -> None:
        (lease,) = integers(request, 1)
        held = self.leases.granted.get(lease)
        reply: StoreReply = (NOT_FOUND,)
        if held is not None:
            remaining_s = self.leases.remaining_s(lease, self._now_ns)
            reply = (OK, held.ttl_s, remaining_s, list(held.keys))
        self.answers.give(call, place, reply)

    def _leases(self, call: int, place: int, request: StoreRequest) -> None:
        integers(request, 0)
        granted = self.leases.granted
        own = [(held.deadline_ns, lease) for lease, held in granted.items() if held.ttl_s]
        adopted = [lease for lease, held in granted.items() if not held.ttl_s]
        self.answers.give(call, place, (OK, [lease for _, lease in sorted(own)], adopted))

    def _compact_asked(self, call: int, place: int, request: StoreRequest) -> None:
        """Logged, so that what was once refused is not readable again after a restart."""
        (revision,) = integers(request, 1)
        compacted = self.keyspace.compact_revision
        if revision > self.ledger.watermark:
            self.answers.give(call, place, (FUTURE, self.ledger.watermark))
        elif revision <= compacted and compacted:
            self.answers.give(call, place, (COMPACTED, compacted))
        else:
            self.ledger.add(call, place, self._proposer.compact(revision))

    def _status(self, call: int, place: int, request: StoreRequest) -> None:
        status = {
            "shard": self.settings.shard,
            "keys": self.keyspace.live,
            "revision": self.ledger.watermark,
            "compact_revision": self.keyspace.compact_revision,
            "log_bytes": self.log_bytes,
            "durability": self.settings.durability,
        }
        self.answers.give(call, place, (OK, status))

    def _open_watch(self, event: WatchOpened) -> None:
        start = event.start_revision
        if start and start < self.keyspace.kept_after:
            self._effects.append(EndWatch(event.watcher, "compacted"))
            return
        if start < 0 or not self.clock.reaches(start):
            reason = f"invalid: start revision {start}, the shard is at {self.ledger.watermark}"
            self._effects.append(EndWatch(event.watcher, reason))
            return
        # Writes from now on come after what the reader has seen, also on another shard.
        self.clock.push(start)
        watermark = self.ledger.watermark
        form = RAW if event.raw else int(event.want_previous)
        after = start or watermark
        watcher = Watcher(event.watcher, event.prefix, after, form, 0, event.end)
        self._effects.append(self.watchers.open(watcher, watermark))

    # What follows.

    def _run_timers(self) -> None:
        now_ns = self._now_ns
        for lease in self.leases.expired(now_ns, EXPIRE_PER_STEP):
            self.ledger.add(None, 0, self._proposer.revoke(lease))
        if self.watchers.all and self._tick_at_ns <= now_ns:
            self._tick_at_ns = now_ns + self.settings.watermark_period_ns
            self.ledger.tick(HALF_WINDOW)
        if self._compact_at_ns <= now_ns:
            retain_ns = self.settings.retain_ns
            self._compact_at_ns = now_ns + max(retain_ns // 20, COMPACT_PERIOD_NS_MIN)
            horizon = self.clock.at(now_ns - retain_ns)
            horizon = min(horizon, self.ledger.watermark) if retain_ns else 0
            if self.keyspace.compact_revision < horizon:
                self.keyspace.compact(horizon)
                self.ledger.trimmed = False
            if self.snapshots.due(self.log_bytes):
                self._effects.append(self.snapshots.begin())

    def _notify(self) -> None:
        ledger = self.ledger
        changes = ledger.taken_changes()
        if changes and self.watchers.all:
            self._effects += self.watchers.notify(changes, ledger.watermark)
        if self.watchers.replaying:
            effects, unfinished = self.watchers.replay(self.keyspace, ledger.watermark)
            self._effects += effects
            if unfinished:
                self._busy = True
        tell = ledger.taken_tell()
        if tell:
            self._effects += self.watchers.tell(ledger.watermark, tell)

    def _trim(self) -> None:
        if self.ledger.trimmed or self._now_ns < self._trim_at_ns:
            return
        # What a snapshot under way still has to read is kept.
        revision = self.snapshots.revision or self.keyspace.compact_revision
        kept = len(self.keyspace.changes)
        self.ledger.trimmed = self.keyspace.trim(revision - 1, TRIM_PER_STEP)
        self.compacted += kept - len(self.keyspace.changes)
        self._trim_at_ns = self._now_ns + TRIM_PERIOD_NS

    def _orders(self) -> Sequence[StoreEffect]:
        """The effects of the step: the log first, the answers last."""
        effects = self._effects
        self._effects = []
        records = self.ledger.taken_records()
        if records:
            effects.insert(0, Append(self.ledger.next_index - len(records), records))
        ended = self.ledger.taken_ended()
        if ended:
            effects.append(LeasesEnded(ended))
        answers = self.answers
        if answers.calls:
            effects.append(Reply(answers.calls, answers.replies))
            answers.calls, answers.replies = [], []
        return effects


def _unknown(call: int, place: int, request: StoreRequest) -> None:
    raise Malformed(f"unknown request {request[0]!r}")
