"""The order of a shard's writes: from proposal through the log to the keyspace and the answer.

An entry that has a record of its own waits for it; one that has none (a conflict, a promise, a
transaction that only reads) waits for the record before it, because its answer may depend on it.
Entries are applied and answered strictly in their order.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from api.core import InvariantError
from api.storage import NO_SPACE, OK, StoreReply
from store.keyspace import Change, Keyspace
from store.leases import Leases
from store.messages import KEY, LEASE, OP_CLOCK, LogRecord, Record
from store.pending import (
    CALL,
    INDEX,
    PLACE,
    REVISION,
    THEN,
    WRITES,
    AlarmSet,
    Answers,
    CeilingRaised,
    Compacted,
    Entry,
    LeaseGranted,
    LeaseRevoked,
    Pending,
    Promised,
    Then,
    TransactionReads,
)
from store.proposals import Proposal
from store.quota import Quota
from store.reads import Reads
from store.revisions import Clock

APPLY_PER_STEP: Final = 2000
"""Writes that a step applies, give or take one transaction. About 5 ms."""


class Ledger:
    """Pending entries of a shard, and what becomes of them."""

    __slots__ = (
        "_answers",
        "_ceiling_ordered",
        "_changes",
        "_clock",
        "_ended",
        "_keyspace",
        "_leases",
        "_records",
        "_tell",
        "next_index",
        "pending",
        "persisted_index",
        "quota",
        "reads",
        "trimmed",
        "watermark",
    )

    def __init__(self, keyspace: Keyspace, leases: Leases, clock: Clock, answers: Answers) -> None:
        self._keyspace = keyspace
        self._leases = leases
        self._clock = clock
        self._answers = answers
        self.reads = Reads(keyspace)
        self.quota = Quota(keyspace)
        self.pending = Pending()
        self.next_index = 1
        self.persisted_index = 0
        self.watermark = clock.last
        """Every change up to it is applied, and every later one exceeds it."""
        self._ceiling_ordered = clock.ceiling
        """The clock's ceiling once everything pending is applied."""
        self._records: list[LogRecord] = []
        self._changes: list[Change] = []
        self._ended: list[int] = []
        self._tell = 0
        self.trimmed = True
        """Whether everything that was compacted is freed."""

    def resume(self, index: int) -> None:
        """Go on behind the record ``index`` of the log, with the clock at what it may have told."""
        self.next_index = index + 1
        self.persisted_index = index
        self._clock.resume()
        self.watermark = self._clock.last
        self._ceiling_ordered = self._clock.ceiling

    def add(self, call: int | None, place: int, proposal: Proposal) -> None:
        """Log a proposal, or line it up behind what is logged."""
        reply, revision, writes, ops, then = proposal
        index = self.next_index - 1
        if ops:
            index = self.next_index
            self.next_index = index + 1
            self._records.append((revision, ops))
        pending, entry = self.pending, (index, revision, writes, call, place, reply, then)
        if then is not None:
            pending.add(entry)
            return
        # As ``add``, without the call: nothing else happens with most entries.
        pending.entries.append(entry)
        for record in writes:
            pending.records[record[KEY]] = record

    def promise(self, call: int, place: int, at_least: int) -> None:
        """Answer with a revision >= ``at_least`` that every later write exceeds, once every write
        up to it is applied and the ceiling that covers it is persisted."""
        revision = self._clock.push(at_least)
        if revision > self._ceiling_ordered:
            self._raise_ceiling()
        then = Promised(at_least or revision)
        self.add(call, place, Proposal((OK, revision), revision, then=then))

    def tick(self, ahead: int) -> None:
        """Let the watermark follow the clock while nothing is written, and keep the ceiling at
        least ``ahead`` above it."""
        if self._clock.last + ahead > self._ceiling_ordered:
            self._raise_ceiling()
        if not self.pending.entries and self._clock.last <= self._clock.ceiling:
            self.watermark = self._clock.last
        self._tell = self.watermark

    def persisted(self, index: int) -> None:
        assert self.persisted_index <= index < self.next_index
        self.persisted_index = index

    def append_failed(self, index: int, message: str) -> list[int]:
        """Nothing from ``index`` on is in the log: refuse what depends on it. Returns the leases
        whose end was among it: one that somebody revoked may have been due meanwhile."""
        assert self.persisted_index < index <= self.next_index
        ends: list[int] = []
        for entry in self.pending.drop_from(index):
            call, then = entry[CALL], entry[THEN]
            if call is not None:
                self._answers.give(call, entry[PLACE], (NO_SPACE, message))
            if isinstance(then, LeaseRevoked):
                ends.append(then.lease)
        self.next_index = index
        self._records.clear()
        self._ceiling_ordered = self._clock.ceiling
        kept = [entry[REVISION] for entry in self.pending.entries]
        self._clock.retreat(max([self.watermark, *kept]))
        return ends

    def drain(self, now_ns: int) -> bool:
        """Apply and answer what is persisted, in order. True when some is left for a next step."""
        entries = self.pending.entries
        persisted_index = self.persisted_index
        give = self._answers.give
        watermark = self.watermark
        run: list[Record] = []
        budget = APPLY_PER_STEP
        while budget > 0 and entries and entries[0][INDEX] <= persisted_index:
            _, revision, writes, call, place, reply, then = entries.popleft()
            budget -= 1 + len(writes)
            if then is None:
                run += writes
            else:
                self._apply(run)
                run = []
                if type(then) is TransactionReads:
                    reply = self._apply_transaction(watermark, revision, writes, then)
                else:
                    self._apply(writes)
                    self._settle(then, now_ns)
            if revision > watermark:
                watermark = revision
            if call is not None:
                give(call, place, reply)
        self._apply(run)
        self.watermark = watermark
        return bool(entries) and entries[0][INDEX] <= persisted_index

    def taken_records(self) -> list[LogRecord]:
        """The records to append, once."""
        records, self._records = self._records, []
        return records

    def taken_changes(self) -> list[Change]:
        """The changes to tell, once."""
        changes, self._changes = self._changes, []
        return changes

    def taken_ended(self) -> list[int]:
        """The leases that are over, once."""
        ended, self._ended = self._ended, []
        return ended

    def taken_tell(self) -> int:
        """The watermark that every watcher has to have heard now, once; 0: none."""
        tell, self._tell = self._tell, 0
        return tell

    def check(self) -> None:
        indexes = [entry[INDEX] for entry in self.pending.entries]
        if indexes != sorted(indexes) or (indexes and indexes[-1] >= self.next_index):
            raise InvariantError(f"pending entries out of order: {indexes}")
        if self._keyspace.changes.newest > self.watermark:
            raise InvariantError("a change is visible above the watermark")
        if self.watermark > self._clock.last:
            raise InvariantError("the watermark is ahead of the clock")
        written = {record[KEY] for entry in self.pending.entries for record in entry[WRITES]}
        if written != set(self.pending.records):
            raise InvariantError("pending records do not match pending entries")

    def _raise_ceiling(self) -> None:
        ceiling = self._clock.next_ceiling()
        self._ceiling_ordered = ceiling
        self._records.append((ceiling, ((OP_CLOCK,),)))
        entry: Entry = (self.next_index, 0, (), None, 0, (), CeilingRaised(ceiling))
        self.next_index += 1
        self.pending.add(entry)

    def _apply(self, writes: Sequence[Record]) -> None:
        if not writes:
            return
        changes = self._keyspace.apply(writes)
        self._changes += changes
        attach = self._leases.attach
        for record, before in changes:
            if record[LEASE] or (before is not None and before[LEASE]):
                attach(record[KEY], before[LEASE] if before else 0, record[LEASE])
        self.pending.settle(writes)

    def _apply_transaction(
        self, before_revision: int, revision: int, writes: Sequence[Record], then: TransactionReads
    ) -> StoreReply:
        """A read before the first write is one at the revision before, as etcd says in its
        header. Source: etcd server/storage/mvcc/kvstore_txn.go, storeTxnWrite.Rev."""
        applied = 0
        for before, replies, place, request in then.reads:
            self._apply(writes[applied:before])
            applied = max(applied, before)
            at = revision if before else before_revision
            reply = replies[place] = self.reads.now(request, at)
            if reply[0] != OK and not writes:
                return reply
        self._apply(writes[applied:])
        return (OK, revision or before_revision, then.succeeded, then.replies)

    def _settle(self, then: Then, now_ns: int) -> None:
        match then:
            case LeaseGranted(lease=lease, ttl_s=ttl_s):
                self._leases.grant(lease, ttl_s, now_ns)
                self.pending.settle_lease(then)
            case LeaseRevoked(lease=lease):
                self._leases.forget(lease)
                self.pending.settle_lease(then)
                self._ended.append(lease)
            case CeilingRaised(ceiling=ceiling):
                self._clock.ceiling = ceiling
            case Compacted(revision=revision):
                self._keyspace.compact(revision)
                self.trimmed = False
            case AlarmSet(raised=raised):
                self.quota.raised = raised
            case Promised(at_least=at_least):
                self._tell = max(self._tell, at_least)
            case TransactionReads():
                raise AssertionError("reads of a transaction are done where its writes are")
            case _:
                assert_never(then)
