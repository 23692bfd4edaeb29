"""Reads of the persisted state: a key, or a range in chunks, at one revision."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from api.storage import COMPACTED, FUTURE, OK, ORDER, StoreReply, StoreRequest
from store.forms import COUNT, COUNTED, KEYS_AND_HEADERS, WHOLE, checked_read
from store.keyspace import Keyspace
from store.messages import CREATE, HEADER, KEY, LEASE, MOD, VALUE, VERSION, Record

TXN_ITEMS_MAX = 10_000
"""Items that a COUNTED range returns inside a transaction."""
RANGE_CHUNK_KEYS = 1000
"""Keys that one range visits before another has its turn."""
STEP_KEYS = 4000
"""Keys that all ranges of a step visit. About 2 ms."""
RANGE_BYTES_MAX = 24 << 20
"""A reply that reaches this size ends with ``more`` set, whatever the limit."""
LATEST = 1 << 63
SPARE_KEYS = 16
"""Keys that are looked at beyond a limit, in case some of them do not exist."""
_key: Callable[[tuple[Any, ...]], bytes] = itemgetter(KEY)
_header: Callable[[tuple[Any, ...]], bytes] = itemgetter(HEADER)
_value: Callable[[tuple[Any, ...]], bytes] = itemgetter(VALUE)


@dataclass(slots=True)
class RangeRead:
    """A range under way. It goes on where its last chunk ended, at the same revision."""

    start: bytes
    end: bytes
    revision: int
    limit: int
    mode: int
    call: int = 0
    place: int = 0
    items: list[tuple[object, ...]] = field(default_factory=list)
    count: int = 0
    size: int = 0
    """Bytes of the first ``sized`` items."""
    sized: int = 0
    more: bool = False
    order: "Order | None" = None

    def advance(self, keyspace: Keyspace, budget: int) -> tuple[bool, int]:
        """Visit up to ``budget`` keys. Returns whether the range is complete, and the keys seen."""
        if self._only_counts():
            left = keyspace.count(self.start, self.end, self.revision)
            if left is not None:
                self.count += left
                self.more = self.more or (self.mode == COUNTED and left > 0)
                return True, 1
        if self.mode == COUNTED and len(self.items) < self.limit and self.order is None:
            budget = min(budget, self.limit - len(self.items) + SPARE_KEYS)
        keys = keyspace.keys.between(self.start, self.end, budget)
        records = keyspace.many_at(keys, self.revision)
        if self.mode == COUNTED:
            for record in records:
                self._count(record)
        elif self._full(records, keyspace.largest):
            return True, len(keys)
        if len(keys) < budget:
            return True, len(keys)
        self.start = keys[-1] + b"\x00"
        return False, len(keys)

    def _only_counts(self) -> bool:
        """Whether what is left of the range is asked for by number alone."""
        if self.mode == COUNTED:
            return self.order is None and bool(self.limit) and len(self.items) >= self.limit
        return self.mode == COUNT and not self.limit

    def _full(self, records: list[Record], largest: int) -> bool:
        """Take what may be in the answer; True when that is not all. ``largest``: no record has
        more bytes."""
        if self.limit and self.count + len(records) > self.limit:
            self.more = True
            records = records[: self.limit - self.count]
        if self.mode != COUNT:
            records = self._within_size(records, largest)
        self.count += len(records)
        if self.mode == WHOLE:
            self.items += records
        elif self.mode == KEYS_AND_HEADERS:
            self.items += [(*record[:5], b"", record[LEASE]) for record in records]
        return self.more

    def _within_size(self, records: list[Record], largest: int) -> list[Record]:
        """The records up to the one with which the reply has reached its greatest size. Bytes are
        counted when as many of the largest would reach it: it is a third of a range's cost."""
        if self.size + (len(self.items) - self.sized + len(records)) * largest < RANGE_BYTES_MAX:
            return records
        parts = (_key, _header, _value) if self.mode == WHOLE else (_key, _header)
        for part in parts:
            self.size += sum(map(len, map(part, self.items[self.sized :])))
        self.sized = len(self.items)
        for place, record in enumerate(records):
            if self.size >= RANGE_BYTES_MAX:
                self.more = True
                records = records[:place]
                break
            self.size += sum([len(part(record)) for part in parts])
        self.sized += len(records)
        return records

    def _count(self, record: tuple[Any, ...]) -> None:
        """Take what may be in the answer and count all. The bound in bytes is not for these: their
        reader is in this process."""
        self.count += 1
        if self.order is not None:
            if self.order.admits(record):
                self.items.append(record)
        elif not self.limit or len(self.items) < self.limit:
            self.items.append(record)
        else:
            self.more = True

    def reply(self, current: int) -> StoreReply:
        """``current``: the newest revision there is."""
        if self.mode == COUNTED:
            items = self.items
            if self.order is not None:
                self.order.sort(items)
                if self.limit and len(items) > self.limit:
                    items, self.more = items[: self.limit], True
            return (OK, current, self.more, items, self.count)
        found = self.count if self.mode == COUNT else self.items
        return (OK, self.revision, self.more, found)


@dataclass(frozen=True, slots=True)
class Order:
    """The seventh argument of a range."""

    place: int
    """Of the field in a record."""
    descending: bool
    min_mod: int
    max_mod: int
    min_create: int
    max_create: int

    def admits(self, record: tuple[Any, ...]) -> bool:
        return (
            self.min_mod <= record[MOD]
            and (not self.max_mod or record[MOD] <= self.max_mod)
            and self.min_create <= record[CREATE]
            and (not self.max_create or record[CREATE] <= self.max_create)
        )

    def sort(self, items: list[tuple[object, ...]]) -> None:
        items.sort(key=itemgetter(self.place), reverse=self.descending)


_ORDER_FIELDS = dict(zip(ORDER, (KEY, VERSION, CREATE, MOD, VALUE), strict=True))


def order_of(request: StoreRequest) -> Order | None:
    """The seventh argument of a range, if it has one."""
    if len(request) == 6:
        return None
    order = request[6]
    return Order(_ORDER_FIELDS[order[0]], *order[1:])


@dataclass(slots=True)
class Reads:
    """Reads of one shard; the ranges under way take turns."""

    keyspace: Keyspace
    ranges: deque[RangeRead] = field(default_factory=deque)

    def get(self, request: StoreRequest, watermark: int) -> StoreReply:
        revision = checked_read(request)
        refusal = unreadable(revision, self.keyspace.compact_revision, watermark)
        if refusal is not None:
            return refusal
        key = request[1]
        if revision:
            record = self.keyspace.at(key, revision)
        else:
            record = self.keyspace.current(key)
        if record is None:
            return (OK, 0, b"", b"")
        return (OK, record[MOD], record[HEADER], record[VALUE])

    def range(self, request: StoreRequest, watermark: int) -> RangeRead | StoreReply:
        """A range to advance, or the refusal."""
        revision = checked_read(request)
        refusal = unreadable(revision, self.keyspace.compact_revision, watermark)
        if refusal is not None:
            return refusal
        _, start, end, _, limit, mode = request[:6]
        read = RangeRead(start, end, revision or watermark, limit, mode)
        read.order = order_of(request)
        return read

    def advance(self, watermark: int) -> list[tuple[RangeRead, StoreReply]]:
        """Spend one step's budget on the ranges, in turns; return those that are answered."""
        budget = STEP_KEYS
        done: list[tuple[RangeRead, StoreReply]] = []
        while self.ranges and budget > 0:
            read = self.ranges.popleft()
            if read.revision < self.keyspace.compact_revision:
                done.append((read, (COMPACTED, self.keyspace.compact_revision)))
                continue
            complete, visited = read.advance(self.keyspace, min(budget, RANGE_CHUNK_KEYS))
            budget -= visited + 1
            if complete:
                done.append((read, read.reply(watermark)))
            else:
                self.ranges.append(read)
        return done

    def now(self, request: StoreRequest, revision: int) -> StoreReply:
        """A read inside a transaction that is being applied at ``revision``."""
        if request[0] == "get":
            return self.get(request, revision)
        read = self.range(request, revision)
        if not isinstance(read, RangeRead):
            return read
        if not request[3]:
            read.revision = LATEST
        if read.mode != COUNT:
            most = TXN_ITEMS_MAX if read.mode == COUNTED else RANGE_CHUNK_KEYS
            read.limit = min(read.limit or most, most)
        complete = False
        while not complete:
            complete, _ = read.advance(self.keyspace, RANGE_CHUNK_KEYS)
        read.revision = revision
        return read.reply(revision)


def unreadable(revision: int, compacted: int, newest: int) -> StoreReply | None:
    """Why there is no state at ``revision``; None if there is, and for 0, the latest."""
    if revision and revision < compacted:
        return (COMPACTED, compacted)
    if revision > newest:
        return (FUTURE, newest)
    return None
