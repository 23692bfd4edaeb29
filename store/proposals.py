"""From a write request to what it will do: the checks, the new records, the ops for the log.

A proposal is made against the state as it will be when all pending entries are applied, so a
decision taken here still holds when its record comes out of the disk.
"""

from typing import NamedTuple

from api.storage import (
    CONFLICT,
    INVALID,
    NOT_FOUND,
    OK,
    WANT_PREVIOUS,
    StoreReply,
    StoreRequest,
)
from store.forms import Malformed, checked_delete, checked_delete_range, checked_put, integers
from store.keyspace import Keyspace, tombstone
from store.leases import ADOPTED_TTL_S, TTL_S_MAX, Leases
from store.messages import (
    CREATE,
    HEADER,
    KEY,
    LEASE,
    MOD,
    OP_ALARM,
    OP_COMPACT,
    OP_DELETE,
    OP_GRANT,
    OP_PUT,
    OP_REVOKE,
    VALUE,
    VERSION,
    Op,
    Record,
)
from store.pending import (
    AlarmSet,
    Compacted,
    LeaseGranted,
    LeaseRevoked,
    Pending,
    Then,
    TransactionReads,
)
from store.revisions import Clock
from store.transaction_forms import checked_transaction
from store.transactions import Branch, Tentative, put_record, put_refusal, puts_of, taken_of


class Proposal(NamedTuple):
    """What a write will do. Without ops nothing is logged."""

    reply: StoreReply
    revision: int = 0
    writes: tuple[Record, ...] = ()
    ops: tuple[Op, ...] = ()
    then: Then | None = None


class Proposer:
    """Decides writes. Reads keyspace and pending entries; changes only the clock."""

    __slots__ = ("_clock", "_keyspace", "_leases", "_pending")

    def __init__(self, keyspace: Keyspace, pending: Pending, leases: Leases, clock: Clock) -> None:
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
        key, expected = checked_put(request)
        lease = request[5]
        if lease and not self._lease_lives(lease):
            return Proposal((NOT_FOUND,))
        # As ``visible``, without the call: a put is what a store is mostly asked for.
        before = self._pending.records.get(key)
        if before is None:
            before = self._keyspace.latest.get(key)
        if before is not None and not before[VERSION]:
            before = None
        if expected >= 0:
            current = before[MOD] if before is not None else 0
            if current != expected:
                return Proposal((CONFLICT, current))
        if len(request) > 6 and request[6]:
            return self._flagged_put(request, before)
        _, _, header, value, _, lease = request[:6]
        revision = self._clock.issue()
        # As ``put_record``, without the call.
        create, version = (before[CREATE], before[VERSION] + 1) if before else (revision, 1)
        record = (key, create, revision, version, header, value, lease)
        op = (OP_PUT, key, header, value, lease)
        # What the constructor of a NamedTuple adds is a twentieth of the core's share of a put.
        return tuple.__new__(Proposal, ((OK, revision), revision, (record,), (op,), None))

    def _flagged_put(self, request: StoreRequest, before: Record | None) -> Proposal:
        flags = request[6]
        refusal = put_refusal(flags, before)
        if refusal:
            return Proposal((INVALID, refusal))
        revision = self._clock.issue()
        record, op = put_record(request, before, revision)
        reply = (OK, revision, before) if flags & WANT_PREVIOUS else (OK, revision)
        return Proposal(reply, revision, (record,), (op,))

    def delete(self, request: StoreRequest) -> Proposal:
        key, expected = checked_delete(request)
        before = self.visible(key)
        if before is None:
            return Proposal((CONFLICT, 0))
        if expected >= 0 and before[MOD] != expected:
            return Proposal((CONFLICT, before[MOD]))
        revision = self._clock.issue()
        reply = (OK, revision, before[HEADER], before[VALUE])
        return Proposal(reply, revision, (tombstone(key, revision),), ((OP_DELETE, key),))

    def delete_range(self, request: StoreRequest) -> Proposal:
        checked_delete_range(request)
        _, start, end, want_previous = request
        tentative = Tentative(self._keyspace, self._pending)
        found = tentative.between(start, end)
        if not found:
            return Proposal((OK, self._clock.last, 0, []))
        revision = self._clock.issue()
        reply = (OK, revision, len(found), found if want_previous else [])
        writes = tuple([tombstone(record[KEY], revision) for record in found])
        ops = tuple([(OP_DELETE, record[KEY]) for record in found])
        return Proposal(reply, revision, writes, ops)

    def transaction(self, request: StoreRequest) -> Proposal:
        """Decide the branch and its writes now; its reads are due when it is applied. All writes
        share one revision, which is only issued if there are any."""
        checked_transaction(request)
        tentative = Tentative(self._keyspace, self._pending)
        taken = taken_of(tentative, request)
        for put in puts_of(taken):
            if put[5] and not self._lease_lives(put[5]):
                return Proposal((NOT_FOUND,))
        branch = Branch(tentative, self._clock.following(), self._clock.last)
        refusal = branch.run(taken)
        if refusal is not None:
            return Proposal(refusal)
        revision = self._clock.issue() if branch.ops else 0
        answer = (OK, self._clock.last, taken.succeeded, branch.replies)
        plan = TransactionReads(tuple(branch.reads), branch.replies, taken.succeeded)
        return Proposal(answer, revision, tuple(branch.writes), tuple(branch.ops), plan)

    def alarm(self, raised: bool) -> Proposal:
        op = (OP_ALARM, raised)
        return Proposal((OK, raised), self._clock.mark(), (), (op,), AlarmSet(raised))

    def compact(self, revision: int) -> Proposal:
        """A revision that exists and is not compacted."""
        op = (OP_COMPACT, revision)
        return Proposal((OK, revision), self._clock.mark(), (), (op,), Compacted(revision))

    def grant(self, request: StoreRequest) -> Proposal:
        lease, ttl_s = integers(request, 2)
        if not 0 < ttl_s <= TTL_S_MAX:
            raise Malformed("etcdserver: too large lease TTL" if ttl_s > 0 else "TTL must be > 0")
        if lease and self._lease_lives(lease):
            raise Malformed("etcdserver: lease already exists")
        revision = self._clock.mark()
        lease = lease or revision
        op = (OP_GRANT, lease, ttl_s)
        return Proposal((OK, lease), revision, (), (op,), LeaseGranted(lease, ttl_s))

    def adopt(self, lease: int) -> Proposal:
        if self._lease_lives(lease):
            return Proposal((OK, lease))
        op = (OP_GRANT, lease, ADOPTED_TTL_S)
        granted = LeaseGranted(lease, ADOPTED_TTL_S)
        return Proposal((OK, lease), self._clock.mark(), (), (op,), granted)

    def revoke(self, lease: int) -> Proposal:
        """Delete what hangs on the lease, and the lease, at one revision."""
        if not self._lease_lives(lease):
            return Proposal((NOT_FOUND,))
        held = self._leases.granted.get(lease)
        keys = dict(held.keys) if held is not None else {}
        keys.update(
            (key, None) for key, record in self._pending.records.items() if record[LEASE] == lease
        )
        gone: list[bytes] = []
        for key in sorted(keys):
            record = self.visible(key)
            if record is not None and record[LEASE] == lease:
                gone.append(key)
        revision = self._clock.issue() if gone else self._clock.mark()
        writes: list[Record] = [tombstone(key, revision) for key in gone]
        ops: list[Op] = [(OP_DELETE, key) for key in gone]
        ops.append((OP_REVOKE, lease))
        return Proposal((OK, revision), revision, tuple(writes), tuple(ops), LeaseRevoked(lease))

    def _lease_lives(self, lease: int) -> bool:
        word = self._pending.leases.get(lease)
        return lease in self._leases.granted if word is None else isinstance(word, LeaseGranted)
