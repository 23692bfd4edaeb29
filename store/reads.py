"""Reads of the persisted state: a key, or a range in chunks, at one revision."""

from collections import deque
from dataclasses import dataclass, field

from api.storage import COMPACTED, FUTURE, OK, StoreReply, StoreRequest
from store.keyspace import Keyspace
from store.messages import HEADER, MOD, VALUE, VERSION
from store.pending import Call
from store.proposals import Malformed

WHOLE, KEYS_AND_HEADERS, COUNT = range(3)
"""Modes of a range."""
RANGE_CHUNK_KEYS = 1000
"""Keys that one range visits before another has its turn."""
STEP_KEYS = 4000
"""Keys that all ranges of a step visit. About 2 ms."""
RANGE_BYTES_MAX = 24 << 20
"""A reply that reaches this size ends with ``more`` set, whatever the limit."""
LATEST = 1 << 63


@dataclass(slots=True)
class RangeRead:
    """A range under way. It goes on where its last chunk ended, at the same revision."""

    start: bytes
    end: bytes
    revision: int
    limit: int
    mode: int
    call: Call | None = None
    place: int = 0
    items: list[tuple[object, ...]] = field(default_factory=list)
    count: int = 0
    size: int = 0
    more: bool = False

    def advance(self, keyspace: Keyspace, budget: int) -> tuple[bool, int]:
        """Visit up to ``budget`` keys. Returns whether the range is complete, and the keys seen."""
        keys = keyspace.keys.between(self.start, self.end, budget)
        latest = keyspace.latest
        items = self.items
        for key in keys:
            record = latest[key]
            if record[MOD] > self.revision:
                older = keyspace.at(key, self.revision)
                if older is None:
                    continue
                record = older
            elif not record[VERSION]:
                continue
            if (self.limit and self.count == self.limit) or self.size >= RANGE_BYTES_MAX:
                self.more = True
                return True, len(keys)
            self.count += 1
            if self.mode == WHOLE:
                items.append(record[:6])
                self.size += len(key) + len(record[HEADER]) + len(record[VALUE])
            elif self.mode == KEYS_AND_HEADERS:
                items.append((*record[:5], b""))
                self.size += len(key) + len(record[HEADER])
        if len(keys) < budget:
            return True, len(keys)
        self.start = keys[-1] + b"\x00"
        return False, len(keys)

    def reply(self) -> StoreReply:
        found = self.count if self.mode == COUNT else self.items
        return (OK, self.revision, self.more, found)


@dataclass(slots=True)
class Reads:
    """Reads of one shard; the ranges under way take turns."""

    keyspace: Keyspace
    ranges: deque[RangeRead] = field(default_factory=deque)

    def get(self, request: StoreRequest, watermark: int) -> StoreReply:
        if len(request) != 3 or type(request[1]) is not bytes or type(request[2]) is not int:
            raise Malformed("get takes key, revision")
        _, key, revision = request
        refusal = self._refusal(revision, watermark)
        if refusal is not None:
            return refusal
        if revision:
            record = self.keyspace.at(key, revision)
        else:
            record = self.keyspace.current(key)
        if record is None:
            return (OK, 0, b"", b"")
        return (OK, record[MOD], record[HEADER], record[VALUE])

    def range(self, request: StoreRequest, watermark: int) -> RangeRead | StoreReply:
        """A range to advance, or the refusal."""
        if len(request) != 6:
            raise Malformed("range takes start, end, revision, limit, mode")
        _, start, end, revision, limit, mode = request
        if type(start) is not bytes or type(end) is not bytes:
            raise Malformed("range takes bytes for start and end")
        if not (type(revision) is int is type(limit)) or limit < 0 or mode not in (0, 1, 2):
            raise Malformed("range takes integers for revision, limit, mode")
        refusal = self._refusal(revision, watermark)
        if refusal is not None:
            return refusal
        return RangeRead(start, end, revision or watermark, limit, mode)

    def advance(self) -> list[tuple[RangeRead, StoreReply]]:
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
                done.append((read, read.reply()))
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
        read.limit = min(read.limit or RANGE_CHUNK_KEYS, RANGE_CHUNK_KEYS)
        complete = False
        while not complete:
            complete, _ = read.advance(self.keyspace, RANGE_CHUNK_KEYS)
        read.revision = revision
        return read.reply()

    def _refusal(self, revision: int, watermark: int) -> StoreReply | None:
        if revision < 0:
            raise Malformed("negative revision")
        if revision and revision < self.keyspace.compact_revision:
            return (COMPACTED, self.keyspace.compact_revision)
        if revision > watermark:
            return (FUTURE, watermark)
        return None
