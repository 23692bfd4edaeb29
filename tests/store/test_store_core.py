"""Steps of the store core: order, compare-and-swap, reads, transactions, leases, watches."""

from typing import Any

import pytest

from api.storage import (
    COMPACTED,
    CONFLICT,
    FUTURE,
    INVALID,
    MAX_SHARDS,
    NO_SPACE,
    NOT_FOUND,
    OK,
)
from store.core import StoreSettings
from store.messages import (
    Append,
    AppendFailed,
    Persisted,
    Reply,
    RequestsArrived,
    SendWatchFrames,
    SnapshotWritten,
    WatchFellBehind,
    WriteSnapshot,
)
from store.reads import RANGE_CHUNK_KEYS
from store.snapshots import CHUNK_BYTES, CHUNK_KEYS
from tests.store.shard_in_memory import MS, SECOND, START_NS, ShardInMemory

A, B, C = b"/registry/pods/default/a", b"/registry/pods/default/b", b"/registry/pods/other/c"


def put(key: bytes, value: bytes = b"v", expected: int = -1, lease: int = 0) -> tuple[object, ...]:
    return ("put", key, b"h", value, expected, lease)


def everything(revision: int = 0, limit: int = 0, mode: int = 0) -> tuple[object, ...]:
    return ("range", b"/", b"0", revision, limit, mode)


def test_a_write_is_appended_then_told_then_answered() -> None:
    shard = ShardInMemory()
    watcher = shard.watch(b"/registry/pods/")
    call = shard.ask(put(A))
    assert isinstance(shard.effects[-1], Append)
    assert call not in shard.replies and not shard.events(watcher)
    assert shard.core.keyspace.current(A) is None

    effects = shard.step(Persisted(shard.core.ledger.next_index - 1))
    kinds = [type(effect) for effect in effects]
    assert kinds == [SendWatchFrames, Reply]
    (reply,) = shard.replies[call]
    assert reply[0] == OK and shard.events(watcher)[0][:4] == (0, A, reply[1], reply[1])


def test_revisions_are_time_and_name_the_shard() -> None:
    shard = ShardInMemory()
    first, second = shard.do(put(A), put(B))
    assert first[1] // MAX_SHARDS == START_NS // 1000 + 1
    assert second[1] - first[1] == MAX_SHARDS
    assert {first[1] % MAX_SHARDS, second[1] % MAX_SHARDS} == {3}
    shard.now_ns -= 5 * SECOND
    assert shard.one(*put(A))[1] == second[1] + MAX_SHARDS


def test_reads_do_not_see_what_is_pending() -> None:
    shard = ShardInMemory()
    shard.do(put(A, b"old"))
    shard.ask(put(A, b"new"))
    read = shard.ask(("get", A, 0), everything())
    shard.settle()
    got, listed = shard.replies[read]
    assert got[3] == b"old" and listed[3][0][5] == b"old"


def test_compares_see_what_is_pending_and_their_answer_waits_for_it() -> None:
    shard = ShardInMemory()
    first = shard.ask(put(A, expected=0))
    second = shard.ask(put(A, expected=0))
    assert not shard.replies
    shard.persist()
    (created,), (refused,) = shard.replies[first], shard.replies[second]
    assert refused == (CONFLICT, created[1])


def test_a_refused_append_refuses_everything_behind_it() -> None:
    shard = ShardInMemory()
    shard.do(put(A, b"kept"))
    index = shard.core.ledger.next_index
    lost = shard.ask(put(A, b"lost"))
    conflict = shard.ask(put(A, expected=0))
    shard.queued.clear()
    shard.step(AppendFailed(index, "No space left on device (28)"))
    assert shard.replies[lost] == [(NO_SPACE, "No space left on device (28)")]
    assert shard.replies[conflict][0][0] == NO_SPACE
    assert shard.one("get", A, 0)[3] == b"kept"
    assert shard.one(*put(A, b"later"))[0] == OK
    found = shard.core.keyspace.at(A, shard.core.ledger.watermark)
    assert found is not None and found[3] == 2


def test_appends_made_before_the_failure_is_known_are_taken_back_too() -> None:
    shard = ShardInMemory()
    calls = [shard.ask(put(A)), shard.ask(put(B))]
    shard.queued.clear()
    effects = shard.step(AppendFailed(1, "full"), RequestsArrived((99,), ((put(C),),)))
    assert [shard.replies[call][0][0] for call in calls] == [NO_SPACE, NO_SPACE]
    assert [effect.first_index for effect in effects if isinstance(effect, Append)] == [1]


def test_delete_shows_what_it_deleted() -> None:
    shard = ShardInMemory()
    watcher = shard.watch(b"/", want_previous=True)
    created = shard.one(*put(A, b"last"))[1]
    assert shard.one("del", A, created + 1) == (CONFLICT, created)
    deleted = shard.one("del", A, created)
    assert deleted[0] == OK and deleted[2:] == (b"h", b"last")
    assert shard.one("del", A, -1) == (CONFLICT, 0)
    before = (A, created, created, 1, b"h", b"last", 0)
    assert shard.events(watcher)[1] == (1, A, deleted[1], created, 1, b"h", b"last", before)


def test_range_bounds_limit_modes_and_old_revisions() -> None:
    shard = ShardInMemory()
    first, second, third = (reply[1] for reply in shard.do(put(A), put(B), put(C)))
    gone = shard.one("del", B, -1)[1]
    assert [item[0] for item in shard.one(*everything())[3]] == [A, C]
    assert [item[0] for item in shard.one(*everything(third))[3]] == [A, B, C]
    assert [item[0] for item in shard.one(*everything(second))[3]] == [A, B]
    limited = shard.one(*everything(third, limit=2))
    assert limited[:3] == (OK, third, True) and len(limited[3]) == 2
    assert shard.one(*everything(third, limit=3))[2] is False
    assert shard.one(*everything(mode=2))[1:] == (gone, False, 2)
    assert shard.one(*everything(first, mode=1))[3] == [(A, first, first, 1, b"h", b"", 0)]
    inside = shard.one("range", A, B, 0, 0, 0)
    assert [item[0] for item in inside[3]] == [A]
    assert shard.one(*everything(gone + MAX_SHARDS)) == (FUTURE, gone)


def test_a_long_range_goes_on_in_later_steps_at_its_revision() -> None:
    shard = ShardInMemory(check=False)
    shard.do(*[put(b"/k/%06d" % number) for number in range(9000)])
    call = shard.ask(everything())
    assert call not in shard.replies and shard.core.next_wakeup_ns() == shard.now_ns
    shard.ask(("del", b"/k/008000", -1))
    shard.persist()
    shard.settle()
    (reply,) = shard.replies[call]
    keys = [item[0] for item in reply[3]]
    assert len(keys) == 9000 and keys == sorted(keys)
    assert shard.one(*everything(mode=2))[3] == 8999


def test_a_lease_that_was_due_while_its_revocation_was_refused_ends_all_the_same() -> None:
    shard = ShardInMemory()
    shard.one("grant", 7, 10)
    shard.one(*put(A, lease=7))
    revoking = shard.ask(("revoke", 7))
    shard.now_ns += 11 * SECOND
    shard.step()
    shard.queued.clear()
    shard.step(AppendFailed(shard.core.ledger.persisted_index + 1, "full"))
    assert shard.replies[revoking] == [(NO_SPACE, "full")]
    shard.now_ns += 2 * SECOND
    shard.settle()
    shard.persist()
    assert shard.one("get", A, 0)[1] == 0 and not shard.core.leases.granted


def test_what_is_only_counted_is_not_visited() -> None:
    shard = ShardInMemory(check=False)
    shard.do(*[put(b"/k/%06d" % number) for number in range(9000)])
    before = shard.core.ledger.watermark
    shard.do(("delrange", b"/k/001", b"/k/002", False), put(b"/k/001500"), put(b"/k/x"))
    span = (b"/k/", b"/k0")
    for revision, count in ((0, 8002), (before, 9000)):
        steps = len(shard.effects)
        call = shard.ask(("range", *span, revision, 0, 2), ("range", *span, revision, 3, 3))
        counted, page = shard.replies[call]
        assert len(shard.effects) == steps + 1, "more than one step"
        assert counted[3] == page[4] == count and page[2] is True and len(page[3]) == 3


def test_a_transaction_counts_all_that_is_there() -> None:
    shard = ShardInMemory()
    shard.do(*(put(b"/k/%04d" % number) for number in range(RANGE_CHUNK_KEYS + 1)))
    reply = shard.one("txn", [], [put(A), everything(mode=2), everything()], [])
    assert reply[0] == OK
    _, counted, listed = reply[3]
    assert counted[2:] == (False, RANGE_CHUNK_KEYS + 2)
    assert counted[2] is False and listed[2] is True, "only what is listed has a limit"


def test_transaction_branches_reads_and_one_revision() -> None:
    shard = ShardInMemory()
    created = shard.one(*put(A, b"1"))[1]
    compare = ("mod", "=", A, created)
    reply = shard.one(
        "txn",
        [compare, ("version", "=", B, 0)],
        [("get", A, 0), put(A, b"2"), put(B), ("get", A, 0), ("del", C, -1)],
        [("get", A, 0)],
    )
    status, revision, succeeded, replies = reply
    assert (status, succeeded) == (OK, True)
    assert replies[0] == (OK, created, b"h", b"1")
    assert replies[3] == (OK, revision, b"h", b"2") and replies[4] == (CONFLICT, 0)
    assert {item[2] for item in shard.one(*everything())[3]} == {revision}
    again = shard.one("txn", [compare], [put(A)], [("get", A, 0), everything()])
    assert again[2] is False and again[3][0][3] == b"2" and len(again[3][1][3]) == 2


@pytest.mark.parametrize(
    "request_",
    [
        ("put", A, b"", b"", -1),
        ("put", A, "text", b"", -1, 0),
        ("put", b"", b"", b"", -1, 0),
        ("put", A, b"", bytes(1_600_000), -1, 0),
        ("get", A),
        ("range", A, B, 0, -1, 0),
        ("txn", [], [put(A), put(A)], []),
        ("txn", [("size", "=", A, 0)], [], []),
        ("txn", [], [put(A, expected=3)], []),
        ("txn", 1, [], []),
        ("txn", [1], [], []),
        ("txn", [], [1], []),
        ("txn", [], [("get", 1, 0)], []),
        ("txn", [], [("put", A)], []),
        ("grant", 0, 0),
        ("promise", -1),
        ("keepalive",),
        ("nonsense",),
        (),
        7,
    ],
)
def test_malformed_requests_are_refused_one_by_one(request_: Any) -> None:
    shard = ShardInMemory()
    refused, taken = shard.do(request_, put(B))
    if refused[0] == OK:
        refused = refused[3][0]
    assert refused[0] == INVALID and isinstance(refused[1], str)
    assert taken[0] == OK


def test_lease_takes_its_keys_with_it() -> None:
    shard = ShardInMemory()
    watcher = shard.watch(b"/")
    status, lease = shard.one("grant", 0, 10)
    assert status == OK
    shard.do(put(A, lease=lease), put(B, lease=lease), put(C))
    shard.do(put(B))
    shard.now_ns += 9 * SECOND
    assert shard.one("keepalive", lease) == (OK, 10)
    shard.now_ns += 9 * SECOND
    shard.settle()
    assert shard.one(*everything(mode=2))[3] == 3
    shard.now_ns += SECOND
    assert shard.core.next_wakeup_ns() <= shard.now_ns
    shard.settle()
    shard.persist()
    assert [event[1] for event in shard.events(watcher) if event[0] == 1] == [A]
    assert shard.one("keepalive", lease) == (NOT_FOUND,)
    assert shard.one(*put(A, lease=lease)) == (NOT_FOUND,)


def test_expiry_that_the_disk_refused_is_tried_again() -> None:
    shard = ShardInMemory()
    lease = shard.one("grant", 77, 1)[1]
    shard.do(put(A, lease=lease))
    shard.now_ns += SECOND
    shard.settle()
    shard.queued.clear()
    shard.step(AppendFailed(shard.core.ledger.next_index - 1, "full"))
    assert shard.one("get", A, 0)[1] > 0
    shard.now_ns += SECOND
    shard.settle()
    shard.persist()
    assert shard.one("get", A, 0) == (OK, 0, b"", b"")


def test_revoke_covers_keys_that_are_pending() -> None:
    shard = ShardInMemory()
    lease = shard.one("grant", 0, 100)[1]
    shard.ask(put(A, lease=lease), ("revoke", lease), put(B, lease=lease))
    shard.persist()
    assert shard.one(*everything(mode=2))[3] == 0
    assert [reply[0] for reply in shard.replies[2]] == [OK, OK, NOT_FOUND]


def test_watch_from_an_old_revision_replays_then_follows() -> None:
    shard = ShardInMemory(check=False)
    revisions = [reply[1] for reply in shard.do(*[put(b"/k/%d" % n) for n in range(3000)])]
    watcher = shard.watch(b"/k/", revisions[4])
    assert shard.frames[watcher][0] == ([], revisions[4])
    shard.do(put(A), put(b"/k/new"))
    seen = [event[2] for event in shard.events(watcher)]
    assert seen[:-1] == revisions[5:] and len(seen) == len(revisions) - 4
    marks = [mark for _, mark in shard.frames[watcher]]
    assert marks == sorted(marks)


def test_compaction_ends_reads_and_watches_of_the_past() -> None:
    shard = ShardInMemory()
    first, second = shard.one(*put(A, b"1"))[1], shard.one(*put(A, b"2"))[1]
    third = shard.one("del", A, -1)[1]
    assert shard.one("compact", third + MAX_SHARDS) == (FUTURE, third)
    assert shard.one("compact", second) == (OK, second)
    assert shard.one("compact", first) == (COMPACTED, second)
    assert shard.one("get", A, first) == (COMPACTED, second)
    assert shard.one("get", A, second)[3] == b"2"
    assert shard.ended[shard.watch(b"/", first)] == "compacted"
    assert [event[0] for event in shard.events(shard.watch(b"/", second))] == [1]
    assert shard.one("compact", third) == (OK, third)
    assert [event[0] for event in shard.events(shard.watch(b"/", third - 1))] == [1]
    again = shard.crash()
    assert again.one("get", A, first) == (COMPACTED, third)


def test_all_is_freed_one_revision_after_its_compaction() -> None:
    shard = ShardInMemory()
    shard.do(put(A, b"1"), ("del", A, -1))
    shard.one("compact", shard.one("grant", 1, 10)[1] and shard.core.ledger.watermark)
    assert len(shard.core.keyspace.keys) == 0 == len(shard.core.keyspace.latest)


def test_history_is_compacted_by_age() -> None:
    shard = ShardInMemory(StoreSettings(shard=0, retain_ns=20 * SECOND))
    old = shard.one(*put(A, b"1"))[1]
    shard.one(*put(A, b"2"))
    shard.now_ns += 10 * SECOND
    shard.one(*put(A, b"3"))
    shard.now_ns += 12 * SECOND
    shard.settle()
    assert shard.one("get", A, old)[0] == COMPACTED
    assert len(shard.core.keyspace.changes) == 1
    assert shard.one("get", A, 0)[3] == b"3"


def test_a_reader_that_falls_behind_is_ended() -> None:
    shard = ShardInMemory()
    watcher = shard.watch(b"/")
    shard.step(WatchFellBehind(watcher))
    assert shard.ended == {watcher: "slow"}
    shard.do(put(A))
    assert not shard.events(watcher)


def test_idle_watchers_hear_the_watermark_rise() -> None:
    shard = ShardInMemory(StoreSettings(shard=3, retain_ns=0, watermark_period_ns=100 * MS))
    watcher = shard.watch(b"/")
    for _ in range(4):
        shard.now_ns += 100 * MS
        shard.settle()
        shard.persist()
    assert shard.watermark(watcher) // MAX_SHARDS >= (START_NS + 300 * MS) // 1000


def test_status() -> None:
    shard = ShardInMemory()
    revision = shard.one(*put(A))[1]
    status = shard.one("status")[1]
    assert status["shard"] == 3 and status["keys"] == 1 and status["revision"] == revision
    assert sorted(status) == [
        "compact_revision", "durability", "keys", "log_bytes", "revision", "shard"
    ]  # fmt: skip


def test_records_of_the_step_that_learns_of_the_failure_are_taken_back() -> None:
    shard = ShardInMemory()
    shard.ask(put(A))
    shard.queued.clear()
    effects = shard.step(RequestsArrived((98,), ((put(B),),)), AppendFailed(1, "full"))
    assert not [effect for effect in effects if isinstance(effect, Append)]
    assert shard.replies[98] == [(NO_SPACE, "full")]
    assert shard.one(*put(C))[0] == OK


def test_writes_after_a_watch_exceed_the_revision_it_starts_from() -> None:
    shard = ShardInMemory()
    elsewhere = shard.one(*put(A))[1] + 1000 * MAX_SHARDS + 1
    watcher = shard.watch(b"/", elsewhere)
    assert shard.one(*put(B))[1] > elsewhere
    assert [event[1] for event in shard.events(watcher)] == [B]


def test_a_replay_without_matching_changes_still_tells_the_watermark() -> None:
    shard = ShardInMemory(check=False)
    revisions = [reply[1] for reply in shard.do(*[put(b"/k/%d" % n) for n in range(2500)])]
    watcher = shard.watch(b"/none/", revisions[0])
    marks = [revisions[0], revisions[1000], revisions[2000], revisions[-1]]
    assert shard.frames[watcher] == [([], mark) for mark in marks]


def test_compaction_keeps_what_a_snapshot_still_reads() -> None:
    shard = ShardInMemory()
    shard.do(*[put(b"/k/%04d" % number, b"old") for number in range(1500)])
    old = shard.core.ledger.watermark
    shard.one("compact", old)
    order = shard.core.snapshots.begin()
    rows = list(order.rows)
    shard.do(*[put(b"/k/%04d" % number, b"new") for number in range(1500)])
    assert shard.one("compact", shard.core.ledger.watermark)[0] == OK
    while not order.last:
        (effect,) = shard.step(SnapshotWritten(old, 0))
        assert isinstance(effect, WriteSnapshot) and not effect.first
        order = effect
        rows += order.rows
    assert [row[5] for row in rows] == [b"old"] * 1500
    shard.step(SnapshotWritten(old, 0))
    shard.settle()
    # The change at the compacted revision itself may still be watched.
    assert [key for key, _ in shard.core.keyspace.older.items()] == [b"/k/1499"]


def test_a_chunk_of_a_snapshot_ends_by_keys_or_by_bytes() -> None:
    shard = ShardInMemory()
    sizes = [10] * 3 + [CHUNK_BYTES] + [CHUNK_BYTES // 4] * 6 + [10] * (CHUNK_KEYS + 1)
    shard.do(*[put(b"/k/%04d" % number, bytes(size)) for number, size in enumerate(sizes)])
    assert shard.one("del", b"/k/0001", -1)[0] == OK
    shard.one("compact", shard.core.ledger.watermark)
    chunks = [shard.core.snapshots.begin()]
    while not chunks[-1].last:
        following = shard.core.snapshots.written(chunks[-1].revision, 0)
        assert following is not None
        chunks.append(following)
    # Those that end by bytes end with the row that reaches them.
    assert [len(chunk.rows) for chunk in chunks] == [3, 4, CHUNK_KEYS, 3]
    keys = [row[0] for chunk in chunks for row in chunk.rows]
    assert keys == [b"/k/%04d" % n for n in range(len(sizes)) if n != 1]
