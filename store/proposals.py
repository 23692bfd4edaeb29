"""From a write request to what it will do: the checks, the new records, the ops for the log.

A proposal is made against the state as it will be when all pending entries are applied, so a
decision taken here still holds when its record comes out of the disk.
"""

from collections.abc import Sequence
from operator import eq, gt, lt, ne

from api.storage import (
    CONFLICT,
    DELETE,
    GET,
    NOT_FOUND,
    OK,
    PUT,
    RANGE,
    StoreReply,
    StoreRequest,
)
from store.keyspace import Keyspace, tombstone
from store.leases import TTL_S_MAX, Leases
from store.messages import (
    CREATE,
    HEADER,
    LEASE,
    MOD,
    OP_DELETE,
    OP_GRANT,
    OP_PUT,
    OP_REVOKE,
    VALUE,
    VERSION,
    Op,
    Record,
)
from store.pending import LeaseGranted, LeaseRevoked, Pending, Then, TransactionReads
from store.revisions import RevisionClock

REQUEST_BYTES_MAX = 1_572_864
"""Key, header and value together. Source: etcd server/embed/config.go, DefaultMaxRequestBytes."""
TXN_OPS_MAX = 128
"""Source: etcd server/embed/config.go, DefaultMaxTxnOps."""
_TOO_LARGE = "etcdserver: request is too large"

Proposal = tuple[StoreReply, int, tuple[Record, ...], tuple[Op, ...], Then | None]
"""(reply, revision, writes, ops, then). Without ops nothing is logged."""

_NESTED = (PUT, DELETE, GET, RANGE)
_COMPARES = {"=": eq, "!=": ne, "<": lt, ">": gt}
_FIELDS = {"version": VERSION, "create": CREATE, "mod": MOD, "value": VALUE, "lease": LEASE}


class Malformed(ValueError):
    """A request that does not follow api/storage.py. Answered with INVALID and this message."""


class Proposer:
    """Decides writes. Reads keyspace and pending entries; changes only the clock."""

    __slots__ = ("_clock", "_keyspace", "_leases", "_pending")

    def __init__(
        self, keyspace: Keyspace, pending: Pending, leases: Leases, clock: RevisionClock
    ) -> None:
        self._keyspace = keyspace
        self._pending = pending
        self._leases = leases
        self._clock = clock

    def visible(self, key: bytes) -> Record | None:
        """The record of ``key`` once everything pending is applied; None when absent."""
        record = self._pending.records.get(key)
        if record is None:
            record = self._keyspace.latest.get(key)
        return record if record is not None and record[VERSION] else None

    def put(self, request: StoreRequest) -> Proposal:
        key, expected = _checked_put(request)
        _, _, header, value, _, lease = request
        if lease and not self._lease_lives(lease):
            return ((NOT_FOUND,), 0, (), (), None)
        before = self.visible(key)
        if expected >= 0:
            current = before[MOD] if before is not None else 0
            if current != expected:
                return ((CONFLICT, current), 0, (), (), None)
        revision = self._clock.issue()
        if before is None:
            record = (key, revision, revision, 1, header, value, lease)
        else:
            record = (key, before[CREATE], revision, before[VERSION] + 1, header, value, lease)
        op = (OP_PUT, key, header, value, lease)
        return ((OK, revision), revision, (record,), (op,), None)

    def delete(self, request: StoreRequest) -> Proposal:
        key, expected = _checked_delete(request)
        before = self.visible(key)
        if before is None:
            return ((CONFLICT, 0), 0, (), (), None)
        if expected >= 0 and before[MOD] != expected:
            return ((CONFLICT, before[MOD]), 0, (), (), None)
        revision = self._clock.issue()
        reply = (OK, revision, before[HEADER], before[VALUE])
        return (reply, revision, (tombstone(key, revision),), ((OP_DELETE, key),), None)

    def transaction(self, request: StoreRequest) -> Proposal:
        """Decide the branch and its writes now; its reads are due when it is applied. All writes
        share one revision."""
        if len(request) != 4:
            raise Malformed("txn takes compares, then, otherwise")
        _, compares, then, otherwise = request
        for part in (compares, then, otherwise):
            if type(part) not in (list, tuple):
                raise Malformed("compares, then, otherwise are arrays")
        if max(len(compares), len(then), len(otherwise)) > TXN_OPS_MAX:
            raise Malformed("etcdserver: too many operations in txn request")
        _checked_branch(then)
        _checked_branch(otherwise)
        for lease in [nested[5] for nested in (*then, *otherwise) if nested[0] == PUT]:
            if lease and not self._lease_lives(lease):
                return ((NOT_FOUND,), 0, (), (), None)
        succeeded = all(self._holds(compare) for compare in compares)
        return self._branch(then if succeeded else otherwise, succeeded)

    def _branch(self, branch: Sequence[StoreRequest], succeeded: bool) -> Proposal:
        revision = self._clock.last
        if any(nested[0] in (PUT, DELETE) for nested in branch):
            revision = self._clock.issue()
        writes: list[Record] = []
        ops: list[Op] = []
        reads: list[tuple[int, int, StoreRequest]] = []
        replies: list[StoreReply] = []
        for place, nested in enumerate(branch):
            reply: StoreReply = (OK, revision)
            if nested[0] in (GET, RANGE):
                reads.append((len(writes), place, nested))
            else:
                key = nested[1]
                before = self.visible(key)
                if nested[0] == PUT:
                    _, _, header, value, _, lease = nested
                    create = before[CREATE] if before is not None else revision
                    version = before[VERSION] + 1 if before is not None else 1
                    writes.append((key, create, revision, version, header, value, lease))
                    ops.append((OP_PUT, key, header, value, lease))
                elif before is None:
                    reply = (CONFLICT, 0)
                else:
                    reply = (OK, revision, before[HEADER], before[VALUE])
                    writes.append(tombstone(key, revision))
                    ops.append((OP_DELETE, key))
            replies.append(reply)
        answer = (OK, revision, succeeded, replies)
        plan = TransactionReads(tuple(reads), replies, succeeded)
        return (answer, revision if ops else 0, tuple(writes), tuple(ops), plan)

    def _holds(self, compare: Sequence[object]) -> bool:
        if type(compare) not in (list, tuple) or len(compare) != 4:
            raise Malformed("a compare is (field, operator, key, operand)")
        name, operator, key, operand = compare
        if type(name) is not str or type(operator) is not str or type(key) is not bytes:
            raise Malformed("a compare is (string, string, bytes, operand)")
        if name not in _FIELDS or operator not in _COMPARES:
            raise Malformed(f"unknown compare {name!r} {operator!r}")
        if type(operand) is not (bytes if name == "value" else int):
            raise Malformed(f"operand of {name} has the wrong type")
        record = self.visible(key)
        if record is None:
            return name != "value" and bool(_COMPARES[operator](0, operand))
        return bool(_COMPARES[operator](record[_FIELDS[name]], operand))

    def grant(self, request: StoreRequest) -> Proposal:
        lease, ttl_s = integers(request, 2)
        if not 0 < ttl_s <= TTL_S_MAX:
            raise Malformed("etcdserver: too large lease TTL" if ttl_s > 0 else "TTL must be > 0")
        if lease and self._lease_lives(lease):
            raise Malformed("etcdserver: lease already exists")
        revision = self._clock.issue()
        lease = lease or revision
        op = (OP_GRANT, lease, ttl_s)
        return ((OK, lease), revision, (), (op,), LeaseGranted(lease, ttl_s))

    def revoke(self, lease: int) -> Proposal:
        """Delete what hangs on the lease, and the lease, at one revision."""
        if not self._lease_lives(lease):
            return ((NOT_FOUND,), 0, (), (), None)
        held = self._leases.granted.get(lease)
        keys = dict(held.keys) if held is not None else {}
        keys.update(
            (key, None) for key, record in self._pending.records.items() if record[LEASE] == lease
        )
        revision = self._clock.issue()
        writes: list[Record] = []
        ops: list[Op] = []
        for key in keys:
            record = self.visible(key)
            if record is not None and record[LEASE] == lease:
                writes.append(tombstone(key, revision))
                ops.append((OP_DELETE, key))
        ops.append((OP_REVOKE, lease))
        return ((OK, revision), revision, tuple(writes), tuple(ops), LeaseRevoked(lease))

    def _lease_lives(self, lease: int) -> bool:
        word = self._pending.leases.get(lease)
        return lease in self._leases.granted if word is None else isinstance(word, LeaseGranted)


def _checked_put(request: StoreRequest) -> tuple[bytes, int]:
    if len(request) != 6:
        raise Malformed("put takes key, header, value, expected, lease")
    _, key, header, value, expected, lease = request
    if not (
        type(key) is bytes is type(header) is type(value) and type(expected) is int is type(lease)
    ):
        raise Malformed("put takes bytes, bytes, bytes, int, int")
    if len(key) + len(header) + len(value) > REQUEST_BYTES_MAX:
        raise Malformed(_TOO_LARGE)
    if not key:
        raise Malformed("etcdserver: key is not provided")
    return key, expected


def _checked_delete(request: StoreRequest) -> tuple[bytes, int]:
    if len(request) != 3:
        raise Malformed("del takes key, expected")
    _, key, expected = request
    if type(key) is not bytes or type(expected) is not int:
        raise Malformed("del takes bytes, int")
    return key, expected


def _checked_branch(branch: Sequence[StoreRequest]) -> None:
    """Shapes, sizes and duplicates of one branch of a transaction."""
    size = 0
    written: dict[bytes, None] = {}
    for nested in branch:
        if type(nested) not in (list, tuple) or not nested or nested[0] not in _NESTED:
            raise Malformed("a transaction holds put, del, get, range")
        if nested[0] in (GET, RANGE):
            continue
        key, expected = _checked_put(nested) if nested[0] == PUT else _checked_delete(nested)
        if expected != -1:
            raise Malformed("inside a transaction expected must be -1: use compares")
        if key in written:
            raise Malformed("etcdserver: duplicate key given in txn request")
        written[key] = None
        if nested[0] == PUT:
            size += len(key) + len(nested[2]) + len(nested[3])
    if size > REQUEST_BYTES_MAX:
        raise Malformed(_TOO_LARGE)


def integers(request: StoreRequest, count: int) -> tuple[int, ...]:
    """The arguments of a request that takes ``count`` integers >= 0."""
    arguments = tuple(request[1:])
    if len(arguments) != count or any(type(number) is not int for number in arguments):
        raise Malformed(f"{request[0]} takes {count} integers")
    if min(arguments) < 0:
        raise Malformed(f"{request[0]}: negative argument")
    return arguments
