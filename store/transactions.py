"""Transactions of several requests: the state that they are decided against, compares, branches."""

from collections.abc import Sequence
from operator import eq, gt, lt, ne

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
    WANT_PREVIOUS,
    StoreReply,
    StoreRequest,
)
from store.forms import TXN_OPS_MAX, Malformed, checked_branch, checked_read
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
from store.pending import Pending
from store.reads import unreadable

DELETE_KEYS_MAX = 1_000_000
"""Keys that one request deletes or compares; it is decided and logged in one piece."""
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


def checked_transaction(
    request: StoreRequest,
) -> tuple[Sequence[Sequence[object]], Sequence[StoreRequest], Sequence[StoreRequest]]:
    """Compares and the two branches, of sound shape."""
    if len(request) != 4:
        raise Malformed("txn takes compares, then, otherwise")
    _, compares, then, otherwise = request
    for part in (compares, then, otherwise):
        if type(part) not in (list, tuple):
            raise Malformed("compares, then, otherwise are arrays")
    if max(len(compares), len(then), len(otherwise)) > TXN_OPS_MAX:
        raise Malformed("etcdserver: too many operations in txn request")
    checked_branch(then)
    checked_branch(otherwise)
    return compares, then, otherwise


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


class Branch:
    """The requests of one branch, decided in their order. ``revision`` is that of its writes,
    ``current`` the newest before it."""

    __slots__ = ("_current", "_revision", "_tentative", "ops", "reads", "replies", "writes")

    def __init__(self, tentative: Tentative, revision: int, current: int) -> None:
        self._tentative = tentative
        self._revision = revision
        self._current = current
        self.writes: list[Record] = []
        self.ops: list[Op] = []
        self.reads: list[tuple[int, int, StoreRequest]] = []
        """(writes before it, place in ``replies``, request)."""
        self.replies: list[StoreReply] = []

    def run(self, requests: Sequence[StoreRequest]) -> StoreReply | None:
        """Decide them; returns how the whole transaction is refused, or None."""
        for place, nested in enumerate(requests):
            if nested[0] in (GET, RANGE):
                revision = checked_read(nested)
                if revision:
                    unread = unreadable(revision, self._tentative.compacted, self._current)
                    if unread is not None:
                        return unread
                self.reads.append((len(self.writes), place, nested))
                self.replies.append(())
            elif nested[0] == PUT:
                before = self._tentative.get(nested[1])
                flags = nested[6] if len(nested) == 7 else 0
                refusal = put_refusal(flags, before)
                if refusal:
                    return (INVALID, refusal)
                self._write(*put_record(nested, before, self._revision))
                reply: StoreReply = (OK, self._revision)
                self.replies.append((*reply, before) if flags & WANT_PREVIOUS else reply)
            elif nested[0] == DELETE_RANGE:
                found = self._tentative.between(nested[1], nested[2])
                for record in found:
                    self._delete(record[KEY])
                revision = self._revision if self.writes else self._current
                self.replies.append((OK, revision, len(found), found if nested[3] else []))
            else:
                self._delete_one(nested[1])
        return None

    def _delete_one(self, key: bytes) -> None:
        before = self._tentative.get(key)
        if before is None:
            self.replies.append((CONFLICT, 0))
        else:
            self.replies.append((OK, self._revision, before[HEADER], before[VALUE]))
            self._delete(key)

    def _delete(self, key: bytes) -> None:
        self._write(tombstone(key, self._revision), (OP_DELETE, key))

    def _write(self, record: Record, op: Op) -> None:
        self._tentative.write(record)
        self.writes.append(record)
        self.ops.append(op)
