"""What is appended and not yet applied: later writes are checked against it, nobody reads it."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from api.storage import StoreReply, StoreRequest
from store.messages import Record

ALONE: Final = -1
"""Place of the only request of a call."""


@dataclass(slots=True)
class Answers:
    """Replies to calls; those that are complete are gathered for the step's Reply."""

    calls: list[int] = field(default_factory=list)
    replies: list[Sequence[StoreReply]] = field(default_factory=list)
    _partial: dict[int, tuple[list[StoreReply], list[int]]] = field(default_factory=dict)
    """Of calls with several requests: the replies, and how many are missing."""

    def expect(self, call: int, count: int) -> None:
        """A call with ``count`` requests begins."""
        self._partial[call] = ([()] * count, [count])

    def give(self, call: int, place: int, reply: StoreReply) -> None:
        if place == ALONE:
            self.calls.append(call)
            self.replies.append([reply])
            return
        replies, missing = self._partial[call]
        replies[place] = reply
        missing[0] -= 1
        if not missing[0]:
            del self._partial[call]
            self.calls.append(call)
            self.replies.append(replies)


class TransactionRead(NamedTuple):
    """A read of a transaction."""

    writes_before: int
    """Writes of the transaction that come before it."""
    replies: list[StoreReply]
    """Of its branch, with a place for its reply."""
    place: int
    request: StoreRequest


@dataclass(frozen=True, slots=True)
class TransactionReads:
    """Reads of a transaction, due when it is applied."""

    reads: tuple[TransactionRead, ...]
    replies: list[StoreReply]
    succeeded: bool


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """When its entry is applied, the lease exists, for ``ttl_s`` seconds from then."""

    lease: int
    ttl_s: int


@dataclass(frozen=True, slots=True)
class LeaseRevoked:
    """When its entry is applied, the lease is gone; the writes of the entry delete its keys."""

    lease: int


@dataclass(frozen=True, slots=True)
class CeilingRaised:
    """When its entry is applied, revisions up to ``ceiling`` may be told: a restart goes on
    above."""

    ceiling: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """When its entry is applied, nothing before ``revision`` can be read any more."""

    revision: int


@dataclass(frozen=True, slots=True)
class AlarmSet:
    """When its entry is applied, the alarm NOSPACE is raised or disarmed."""

    raised: bool


@dataclass(frozen=True, slots=True)
class Promised:
    """Told, to the watchers too, once all before it are applied."""

    at_least: int
    """Watchers that have heard so much are told nothing."""


Then = (
    TransactionReads | LeaseGranted | LeaseRevoked | CeilingRaised | Compacted | AlarmSet | Promised
)
"""What else happens when an entry is applied."""

Entry = tuple[int, int, tuple[Record, ...], int | None, int, StoreReply, Then | None]
"""(index, revision, writes, call, place in the call, reply, then). An entry without a record of its
own has the index of the record before it: it waits for what it depends on. Call None: the shard's
own doing."""
INDEX: Final = 0
REVISION: Final = 1
WRITES: Final = 2
CALL: Final = 3
PLACE: Final = 4
REPLY: Final = 5
THEN: Final = 6


@dataclass(slots=True)
class Pending:
    """Entries in order of the log, and what the keys and leases will be once they are applied."""

    entries: deque[Entry] = field(default_factory=deque)
    records: dict[bytes, Record] = field(default_factory=dict)
    leases: dict[int, LeaseGranted | LeaseRevoked] = field(default_factory=dict)
    """What becomes of each lease that entries grant or revoke: the latest word on it."""

    def settle(self, writes: Iterable[Record]) -> None:
        """Forget writes that are applied, unless a later entry overwrote them."""
        records = self.records
        for record in writes:
            if records.get(record[0]) is record:
                del records[record[0]]

    def compacting(self) -> int:
        """The revision that entries compact to; 0: none does. Cost: a look at all of them."""
        words = [entry[THEN] for entry in self.entries]
        return max([then.revision for then in words if isinstance(then, Compacted)], default=0)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        for record in entry[WRITES]:
            self.records[record[0]] = record
        then = entry[THEN]
        if then is not None and isinstance(then, LeaseGranted | LeaseRevoked):
            self.leases[then.lease] = then

    def settle_lease(self, word: LeaseGranted | LeaseRevoked) -> None:
        """Forget a grant or revocation that is applied, unless a later one is pending."""
        if self.leases.get(word.lease) is word:
            del self.leases[word.lease]

    def drop_from(self, index: int) -> list[Entry]:
        """Take back every entry from ``index`` on, because its record is not in the log. The
        entries before it stay; their writes are what is pending now."""
        kept = [entry for entry in self.entries if entry[INDEX] < index]
        dropped = [entry for entry in self.entries if entry[INDEX] >= index]
        self.entries.clear()
        self.records.clear()
        self.leases.clear()
        for entry in kept:
            self.add(entry)
        return dropped
