"""Transactions of several requests: the state that they are decided against, compares, branches.

The compares of transactions inside others are decided with those outside, before anything is
written. Source: etcd server/etcdserver/apply.go, compareToPath.
"""

from collections.abc import Iterator, Sequence
from operator import eq, gt, lt, ne
from typing import NamedTuple

from api.storage import (
    CONFLICT,
    DELETE_RANGE,
    GET,
    INVALID,
    KEEP_LEASE,
    KEEP_VALUE,
    OK,
    PUT,
    RANGE,
    TXN,
    WANT_PREVIOUS,
    StoreReply,
    StoreRequest,
)
from store.forms import Malformed, checked_read
from store.keyspace import Keyspace, tombstone
from store.messages import (
    CREATE,
    HEADER,
    KEY,
    LEASE,
    MOD,
    OP_DELETE,
    OP_PUT,
    VALUE,
    VERSION,
    Op,
    Record,
)
from store.pending import Pending, TransactionRead
from store.reads import unreadable

DELETE_KEYS_MAX = 1_000_000
"""Keys that one request deletes or compares; it is decided and logged in one piece."""
TWICE = "hollowfleet: a transaction that puts a key and then deletes it is not supported"
_CHUNK_KEYS = 10_000
_COMPARES = {"=": eq, "!=": ne, "<": lt, ">": gt}
_FIELDS = {"version": VERSION, "create": CREATE, "mod": MOD, "value": VALUE, "lease": LEASE}


class Tentative:
    """The state once everything pending is applied, and on top the writes of one transaction."""

    __slots__ = ("_keyspace", "_pending", "_writes")

    def __init__(self, keyspace: Keyspace, pending: Pending) -> None:
        self._keyspace = keyspace
        self._pending = pending
        self._writes: dict[bytes, Record] = {}

    @property
    def compacted(self) -> int:
        """The revision that everything is compacted to."""
        return max(self._keyspace.compact_revision, self._pending.compacting())

    def write(self, record: Record) -> None:
        self._writes[record[KEY]] = record

    def wrote(self, key: bytes) -> bool:
        """Whether the transaction has."""
        return key in self._writes

    def get(self, key: bytes) -> Record | None:
        """The record of a key that exists."""
        record = self._writes.get(key)
        if record is None:
            record = self._pending.records.get(key)
        if record is None:
            record = self._keyspace.latest.get(key)
        return record if record is not None and record[VERSION] else None

    def between(self, start: bytes, end: bytes) -> list[Record]:
        """The records of [start, end) in order of key; empty ``end``: no upper bound. Malformed
        when there are too many. Cost: the keys in the range, and a look at all that is pending."""
        known = self._keyspace.latest
        keys: list[bytes] = []
        cursor = start
        while True:
            chunk = self._keyspace.keys.between(cursor, end, _CHUNK_KEYS)
            keys += chunk
            if len(keys) > DELETE_KEYS_MAX:
                raise Malformed(f"a request deletes or compares at most {DELETE_KEYS_MAX} keys")
            if len(chunk) < _CHUNK_KEYS:
                break
            cursor = chunk[-1] + b"\x00"
        fresh = {
            key: None
            for written in (self._pending.records, self._writes)
            for key in written
            if key not in known and start <= key and (not end or key < end)
        }
        if fresh:
            keys = sorted([*keys, *fresh])
        found = [self.get(key) for key in keys]
        return [record for record in found if record is not None]


def put_refusal(flags: int, before: Record | None) -> str:
    """Why a put with these flags cannot be; empty if it can."""
    return "etcdserver: key not found" if flags & 3 and before is None else ""


def put_record(request: StoreRequest, before: Record | None, revision: int) -> tuple[Record, Op]:
    """What a checked put makes of the record before it."""
    key, header, value, _, lease = request[1:6]
    create, version = revision, 1
    if before is not None:
        create, version = before[CREATE], before[VERSION] + 1
        flags = request[6] if len(request) > 6 else 0
        if flags & KEEP_VALUE:
            header, value = before[HEADER], before[VALUE]
        if flags & KEEP_LEASE:
            lease = before[LEASE]
    record = (key, create, revision, version, header, value, lease)
    return record, (OP_PUT, key, header, value, lease)


def holds(tentative: Tentative, compare: Sequence[object]) -> bool:
    """Whether a compare is true. An absent key has version, revisions and lease 0, and no value
    that could be compared. Source: etcd server/etcdserver/apply.go, applyCompare."""
    if type(compare) not in (list, tuple) or len(compare) not in (4, 5):
        raise Malformed("a compare is (field, operator, key, operand)")
    name, operator, key, operand = compare[:4]
    if type(name) is not str or type(operator) is not str or type(key) is not bytes:
        raise Malformed("a compare is (string, string, bytes, operand)")
    if name not in _FIELDS or operator not in _COMPARES:
        raise Malformed(f"unknown compare {name!r} {operator!r}")
    if type(operand) is not (bytes if name == "value" else int):
        raise Malformed(f"operand of {name} has the wrong type")
    found: list[Record | None]
    if len(compare) == 5:
        end = compare[4]
        if type(end) is not bytes:
            raise Malformed("the end of a compare is bytes")
        found = [*tentative.between(key, end)] or [None]
    else:
        found = [tentative.get(key)]
    test = _COMPARES[operator]
    for record in found:
        if record is None:
            if name == "value" or not test(0, operand):
                return False
        elif not test(record[_FIELDS[name]], operand):
            return False
    return True


class Taken(NamedTuple):
    """Which branch of a transaction is taken, and of those inside it."""

    succeeded: bool
    requests: "Sequence[StoreRequest | Taken]"


def taken_of(tentative: Tentative, request: StoreRequest) -> Taken:
    """Decide a checked transaction by its compares."""
    _, compares, then, otherwise = request
    outcomes = [holds(tentative, compare) for compare in compares]
    succeeded = all(outcomes)
    return Taken(
        succeeded,
        [
            taken_of(tentative, nested) if nested[0] == TXN else nested
            for nested in (then if succeeded else otherwise)
        ],
    )


def puts_of(taken: Taken) -> Iterator[StoreRequest]:
    """What is put in the branches that are taken."""
    for nested in taken.requests:
        if isinstance(nested, Taken):
            yield from puts_of(nested)
        elif nested[0] == PUT:
            yield nested


class Branch:
    """The requests of what is taken, decided in their order. ``revision`` is that of its writes,
    ``current`` the newest before it."""

    __slots__ = ("_current", "_revision", "_tentative", "ops", "reads", "replies", "writes")

    def __init__(self, tentative: Tentative, revision: int, current: int) -> None:
        self._tentative = tentative
        self._revision = revision
        self._current = current
        self.writes: list[Record] = []
        self.ops: list[Op] = []
        self.reads: list[TransactionRead] = []
        self.replies: list[StoreReply] = []

    def run(self, taken: Taken) -> StoreReply | None:
        """Decide them; returns how the whole transaction is refused, or None."""
        return self._run(taken.requests, self.replies)

    def _run(
        self, requests: "Sequence[StoreRequest | Taken]", replies: list[StoreReply]
    ) -> StoreReply | None:
        for nested in requests:
            refused: StoreReply | None = None
            if isinstance(nested, Taken):
                inside: list[StoreReply] = []
                refused = self._run(nested.requests, inside)
                replies.append((OK, 0, nested.succeeded, inside))
            elif nested[0] in (GET, RANGE):
                refused = self._unreadable(nested)
                self.reads.append(TransactionRead(len(self.writes), replies, len(replies), nested))
                replies.append(())
            elif nested[0] == PUT:
                refused = self._put(nested, replies)
            elif nested[0] == DELETE_RANGE:
                refused = self._delete_range(nested, replies)
            else:
                refused = self._delete_one(nested, replies)
            if refused is not None:
                return refused
        return None

    def _unreadable(self, request: StoreRequest) -> StoreReply | None:
        revision = checked_read(request)
        if not revision:
            return None
        return unreadable(revision, self._tentative.compacted, self._current)

    def _put(self, request: StoreRequest, replies: list[StoreReply]) -> StoreReply | None:
        before = self._tentative.get(request[1])
        flags = request[6] if len(request) == 7 else 0
        refusal = put_refusal(flags, before)
        if refusal:
            return (INVALID, refusal)
        reply: StoreReply = (OK, self._revision)
        replies.append((*reply, before) if flags & WANT_PREVIOUS else reply)
        return self._write(*put_record(request, before, self._revision))

    def _delete_range(self, request: StoreRequest, replies: list[StoreReply]) -> StoreReply | None:
        found = self._tentative.between(request[1], request[2])
        refused = [refusal for record in found if (refusal := self._delete(record[KEY]))]
        revision = self._revision if self.writes else self._current
        replies.append((OK, revision, len(found), found if request[3] else []))
        return refused[0] if refused else None

    def _delete_one(self, request: StoreRequest, replies: list[StoreReply]) -> StoreReply | None:
        key = request[1]
        before = self._tentative.get(key)
        if before is None:
            replies.append((CONFLICT, 0))
            return None
        replies.append((OK, self._revision, before[HEADER], before[VALUE]))
        return self._delete(key)

    def _delete(self, key: bytes) -> StoreReply | None:
        return self._write(tombstone(key, self._revision), (OP_DELETE, key))

    def _write(self, record: Record, op: Op) -> StoreReply | None:
        """A key has one record a revision. That etcd lets a transaction inside another delete what
        one before it has put is an oversight of its checks: told by name."""
        if self._tentative.wrote(record[KEY]):
            return (INVALID, TWICE)
        self._tentative.write(record)
        self.writes.append(record)
        self.ops.append(op)
        return None
