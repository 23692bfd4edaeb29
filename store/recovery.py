"""A shard's core as it was: from the newest snapshot and the log behind it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from store.core import StoreCore, StoreSettings
from store.keyspace import Keyspace, tombstone
from store.messages import (
    CREATE,
    KEY,
    LEASE,
    OP_ALARM,
    OP_COMPACT,
    OP_DELETE,
    OP_GRANT,
    OP_PUT,
    OP_REVOKE,
    VERSION,
    LogRecord,
    Op,
    Record,
)

BATCH = 1000
"""Puts that are applied together, at most."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the disk holds. Iterables are read once, in order."""

    first_index: int = 1
    """Of the first record in ``records``."""
    records: Iterable[LogRecord] = ()
    log_bytes: int = 0
    snapshot_revision: int = 0
    leases: Sequence[tuple[int, int]] = ()
    """(lease, ttl_s) of the snapshot."""
    rows: Iterable[Sequence[Record]] = ()
    """The snapshot, in chunks."""
    alarm: bool = False
    """Whether the snapshot has the alarm raised; what the log says of it comes later."""


def recovered_core(settings: StoreSettings, found: Recovered) -> StoreCore:
    """Rebuild a core. Its clock starts at what any earlier run can have told anybody; the time of
    leases starts anew with the first step."""
    core = StoreCore(settings)
    core.ledger.quota.raised = found.alarm
    for lease, ttl_s in found.leases:
        core.leases.grant(lease, ttl_s, 0)
    for chunk in found.rows:
        core.keyspace.load(chunk)
        for record in chunk:
            core.leases.attach(record[KEY], 0, record[LEASE])
    core.keyspace.compact_revision = core.keyspace.kept_after = found.snapshot_revision
    core.clock.recover(found.snapshot_revision)
    core.resume(_replay_log(core, found), found.log_bytes)
    return core


def _replay_log(core: StoreCore, found: Recovered) -> int:
    """Do the log's records again; returns the index of the last. Puts of different keys that
    follow each other are applied together."""
    index = found.first_index - 1
    newest = 0
    puts: dict[bytes, Record] = {}
    known = core.keyspace.latest
    for revision, ops in found.records:
        index += 1
        if revision > newest:
            newest = revision
        if len(ops) == 1 and ops[0][0] == OP_PUT and revision > found.snapshot_revision:
            _, key, header, value, lease = ops[0]
            if key in puts or len(puts) >= BATCH:
                _apply(core, puts)
            if key in known:
                puts[key] = _put_again(core.keyspace, revision, ops[0])
            else:
                puts[key] = (key, revision, revision, 1, header, value, lease)
        else:
            _apply(core, puts)
            _replay(core, revision, ops, found.snapshot_revision)
    _apply(core, puts)
    core.clock.recover(newest)
    return index


def _apply(core: StoreCore, puts: dict[bytes, Record]) -> None:
    for record, before in core.keyspace.apply(tuple(puts.values())):
        if record[LEASE] or before is not None:
            core.leases.attach(record[KEY], before[LEASE] if before else 0, record[LEASE])
    puts.clear()


def _put_again(keyspace: Keyspace, revision: int, op: Op) -> Record:
    _, key, header, value, lease = op
    before = keyspace.current(key)
    if before is None:
        return (key, revision, revision, 1, header, value, lease)
    return (key, before[CREATE], revision, before[VERSION] + 1, header, value, lease)


def _replay(core: StoreCore, revision: int, ops: Sequence[Op], snapshot_revision: int) -> None:
    """A record at the snapshot's revision may be newer than the snapshot if it changes no key:
    such ones are done again, which changes nothing."""
    keyspace, leases = core.keyspace, core.leases
    if revision < snapshot_revision:
        return
    for op in ops:
        record: Record
        if revision == snapshot_revision and op[0] in (OP_PUT, OP_DELETE):
            continue
        if op[0] == OP_PUT:
            record = _put_again(keyspace, revision, op)
        elif op[0] == OP_DELETE:
            record = tombstone(op[1], revision)
        else:
            if op[0] == OP_GRANT:
                if op[1] not in leases.granted:
                    leases.grant(op[1], op[2], 0)
            elif op[0] == OP_REVOKE:
                leases.forget(op[1])
            elif op[0] == OP_COMPACT:
                keyspace.compact(op[1])
            elif op[0] == OP_ALARM:
                core.ledger.quota.raised = op[1]
            continue
        ((_, replaced),) = keyspace.apply((record,))
        leases.attach(record[KEY], replaced[LEASE] if replaced is not None else 0, record[LEASE])
