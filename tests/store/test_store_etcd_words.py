"""What etcd's clients need from the core: dense revisions, deleted, ordered and watched ranges,
flags of a put, the lease's data, the quota and its alarm."""

from typing import Any

import msgpack
import pytest

from api.storage import (
    COMPACTED,
    CONFLICT,
    FUTURE,
    INVALID,
    KEEP_LEASE,
    KEEP_VALUE,
    MAX_SHARDS,
    NO_SPACE,
    NOT_FOUND,
    OK,
    WANT_PREVIOUS,
)
from store.core import StoreSettings
from store.journal import encoded_log
from store.messages import AppendFailed, WatchOpened
from store.revisions import Revisions
from tests.store.shard_in_memory import SECOND, ShardInMemory

A, B, C, D = b"/a", b"/b", b"/c", b"/d"
NO_SPACE_TEXT = "etcdserver: mvcc: database space exceeded"


def dense(**settings: Any) -> ShardInMemory:
    return ShardInMemory(StoreSettings(shard=0, retain_ns=0, revisions="dense", **settings))


def put(key: bytes, value: bytes = b"v", lease: int = 0, flags: int = 0) -> tuple[object, ...]:
    return ("put", key, b"", value, -1, lease, flags)


def items(shard: ShardInMemory, *request: object) -> list[tuple[object, ...]]:
    reply = shard.one("range", *request)
    assert reply[0] == OK
    return [(item[0], item[5]) for item in reply[3]]


def test_dense_revisions_count_transactions_that_write() -> None:
    shard = dense()
    assert shard.core.ledger.watermark == 1
    assert shard.one(*put(A)) == (OK, 2)
    assert shard.one("del", B, -1) == (CONFLICT, 0)
    assert shard.one("delrange", B, C, True) == (OK, 2, 0, [])
    assert shard.one("grant", 7, 10) == (OK, 7)
    assert shard.one("revoke", 7) == (OK, 2)
    both = [put(B), ("delrange", A, B, False), put(D)]
    assert shard.one("txn", [], both, [])[:3] == (OK, 3, True)
    assert shard.one("txn", [], [("delrange", A, B, False)], [])[:3] == (OK, 3, True)
    assert shard.one("compact", 2) == (OK, 2)
    assert shard.one(*put(A)) == (OK, 4)
    assert shard.crash().one(*put(A)) == (OK, 5)


def test_a_refused_write_leaves_no_gap() -> None:
    shard = dense()
    shard.one(*put(A))
    kept, refused = shard.ask(put(A)), shard.ask(put(B))
    shard.persist(1)
    shard.queued.clear()
    shard.step(AppendFailed(shard.core.ledger.next_index - 1, "full"))
    assert shard.replies[kept] == [(OK, 3)] and shard.replies[refused] == [(NO_SPACE, "full")]
    assert shard.one(*put(C)) == (OK, 4)


def test_a_dense_shard_promises_nothing_of_the_future_and_watches_wait_for_it() -> None:
    shard = dense()
    shard.one(*put(A))
    assert shard.one("promise", 9) == (FUTURE, 2)
    assert shard.one("promise", 0) == (OK, 2)
    watcher = shard.watch(b"/", 3)
    for _ in range(3):
        shard.one(*put(A))
    assert [event[2] for event in shard.events(watcher)] == [4, 5]


def test_flags_of_a_put() -> None:
    shard = dense()
    assert shard.one(*put(A, flags=KEEP_VALUE)) == (INVALID, "etcdserver: key not found")
    shard.one("grant", 7, 10)
    assert shard.one(*put(A, b"1", 7, WANT_PREVIOUS)) == (OK, 2, None)
    previous = (A, 2, 2, 1, b"", b"1", 7)
    assert shard.one(*put(A, b"2", 0, WANT_PREVIOUS | KEEP_LEASE)) == (OK, 3, previous)
    assert shard.one(*put(A, b"", 0, KEEP_VALUE)) == (OK, 4)
    assert shard.core.keyspace.current(A) == (A, 2, 4, 3, b"", b"2", 0)
    assert shard.one("put", A, b"", b"", -1, 0, 8)[0] == INVALID


def test_a_range_is_deleted_at_one_revision_pending_writes_included() -> None:
    shard = dense()
    shard.do(put(A), put(C), put(D))
    shard.ask(put(B, b"pending"))
    call = shard.ask(("delrange", A, D, True))
    watcher = shard.watch(b"/")
    shard.persist()
    (reply,) = shard.replies[call]
    assert reply[:3] == (OK, 6, 3)
    assert [(item[0], item[5]) for item in reply[3]] == [(A, b"v"), (B, b"pending"), (C, b"v")]
    assert [(event[0], event[1], event[2]) for event in shard.events(watcher)] == [
        (0, B, 5), (1, A, 6), (1, B, 6), (1, C, 6)
    ]  # fmt: skip
    assert shard.one("delrange", A, b"", False) == (OK, 7, 1, [])


def test_ranges_are_counted_ordered_and_filtered() -> None:
    shard = dense()
    shard.do(put(A, b"3"), put(B, b"2"), put(C, b"1"), put(A, b"0"))
    reply = shard.one("range", A, b"", 0, 2, 3)
    assert reply[:3] == (OK, 5, True) and reply[4] == 3 and len(reply[3]) == 2
    by_value = ("value", False, 0, 0, 0, 0)
    assert items(shard, A, b"", 0, 0, 3, by_value) == [(A, b"0"), (C, b"1"), (B, b"2")]
    newest = ("create", True, 0, 0, 0, 0)
    reply = shard.one("range", A, b"", 0, 1, 3, newest)
    assert reply[2] is True and reply[4] == 3 and reply[3][0][0] == C
    assert items(shard, A, b"", 0, 0, 3, ("key", False, 4, 0, 0, 0)) == [(A, b"0"), (C, b"1")]
    assert items(shard, A, b"", 0, 0, 3, ("key", False, 0, 4, 3, 0)) == [(B, b"2"), (C, b"1")]
    assert items(shard, A, b"", 2, 0, 3) == [(A, b"3")]
    assert shard.one("range", A, b"", 2, 0, 3)[1] == 5
    assert shard.one("range", A, b"", 0, 0, 0, newest)[0] == INVALID
    assert shard.one("range", A, b"", 0, 0, 3, (newest[0], 1, *newest[2:]))[0] == INVALID


def test_a_transaction_reads_deletes_and_compares_ranges_in_order() -> None:
    shard = dense()
    shard.do(put(A), put(B))
    everything = ("range", A, b"", 0, 0, 3)
    then = [everything, ("delrange", A, C, True), everything, put(C), everything]
    over_all = ("version", "=", A, 1, b"")
    reply = shard.one("txn", [over_all], then, [])
    assert reply[:3] == (OK, 4, True)
    assert [nested[4] for nested in (reply[3][0], reply[3][2], reply[3][4])] == [2, 0, 1]
    assert reply[3][1][:3] == (OK, 4, 2)
    assert shard.one("txn", [("create", ">", A, 4, b"")], [], [])[2] is False
    assert shard.one("txn", [("version", "=", A, 0, C)], [], [])[2] is True
    assert shard.one("txn", [("value", "=", A, b"", C)], [], [])[2] is False
    for end in (B, b""):
        twice = [put(A), ("delrange", A, end, False)]
        assert "duplicate key" in shard.one("txn", [], twice, [])[1]
    keep = [put(B), put(A, flags=KEEP_VALUE)]
    assert shard.one("txn", [], keep, []) == (INVALID, "etcdserver: key not found")
    assert shard.core.keyspace.current(B) is None


def test_keys_ranges_and_raw_changes_are_watched() -> None:
    shard = dense()
    for number, (start, end) in enumerate([(B, B + b"\x00"), (B, D), (C, b""), (A, None)]):
        shard.step(WatchOpened(100 + number, start, 0, False, end, raw=number == 1))
    shard.do(put(A), put(B), put(C), put(D), put(B), ("del", B, -1))
    keys = {number: [event[1] for event in shard.events(number)] for number in (100, 102, 103)}
    assert keys == {100: [B, B, B], 102: [C, D], 103: [A]}
    records = [change[0][:3] for change in shard.events(101)]
    assert records == [(B, 3, 3), (C, 4, 4), (B, 3, 6), (B, 0, 7)]
    assert shard.events(101)[3][1] == (B, 3, 6, 2, b"", b"v", 0)
    for number in range(4):
        shard.close_watch(100 + number)
    assert not shard.core.watchers.all and not shard.core.watchers._by_span
    replayed = 200
    shard.step(WatchOpened(replayed, B, 2, False, C))
    assert [event[2] for event in shard.events(replayed)] == [3, 6, 7]


def test_what_is_known_of_a_lease() -> None:
    shard = dense()
    shard.one("grant", 7, 10)
    shard.one("grant", 8, 20)
    shard.one(*put(B, lease=7))
    shard.one(*put(A, lease=7))
    shard.now_ns += 3 * SECOND + SECOND // 2
    assert shard.one("lease", 7) == (OK, 10, 6, [B, A])
    assert shard.one("lease", 9) == (NOT_FOUND,)
    assert shard.one("leases") == (OK, [7, 8], [])


def test_over_the_quota_only_what_frees_space_passes_until_the_alarm_is_cleared() -> None:
    shard = dense(quota_bytes=1000)
    refused = (NO_SPACE, NO_SPACE_TEXT)
    assert shard.one(*put(A, bytes(600))) == (OK, 2)
    assert shard.one("alarm", 0) == (OK, False)
    assert shard.one(*put(B, bytes(600))) == refused
    assert shard.one("alarm", 0) == (OK, True)
    assert shard.one(*put(B)) == refused
    assert shard.one("grant", 1, 10) == refused
    assert shard.one("txn", [], [], [put(B)]) == refused
    again = shard.crash()
    assert again.one(*put(B)) == refused
    assert again.one("txn", [], [("del", A, -1)], [])[:2] == (OK, 3)
    assert again.one("compact", 3) == (OK, 3)
    assert again.one(*put(B)) == refused
    # A snapshot stands for the part of the log in which the alarm was raised.
    again.write_snapshot()
    assert not again.log and again.crash().one("alarm", 0) == (OK, True)
    assert again.one("alarm", 2) == (OK, False)
    assert again.one(*put(B)) == (OK, 4)
    assert again.crash().one("alarm", 0) == (OK, False)


def test_leases_granted_at_a_snapshots_revision_survive_it() -> None:
    shard = dense()
    shard.one(*put(A))
    shard.one("grant", 1, 100)
    shard.one("compact", 2)
    shard.write_snapshot()
    shard.one("grant", 2, 100)
    shard.one("revoke", 1)
    again = shard.crash()
    assert again.one("leases") == (OK, [2], [])
    assert again.one(*put(A, lease=2)) == (OK, 3)


def test_a_transaction_with_a_read_that_cannot_be_is_refused_as_a_whole() -> None:
    """And not when its writes are in the log. Source: etcd server/etcdserver/apply.go."""
    shard = dense()
    for value in b"123":
        shard.do(put(A, b"%d" % value))
    present = shard.core.ledger.watermark
    read, counted = ("get", A, present + 1), ("range", A, B, 2, 0, 3)
    assert shard.one("txn", [], [put(A), read], []) == (FUTURE, present)
    assert shard.one("txn", [], [put(A), counted], [read])[:3] == (OK, present + 1, True)
    present += 1
    for malformed in (("get", A), ("get", A, -1), ("range", A, B, 0, -1, 3), (*counted, ("mod",))):
        for branches in ([put(A), malformed], []), ([], [malformed]):
            assert shard.one("txn", [], *branches)[0] == INVALID
    assert shard.core.ledger.watermark == present
    # What is decided but not on the disk yet counts, too.
    compaction, refused = shard.ask(("compact", 3)), shard.ask(("txn", [], [put(A), counted], []))
    shard.persist()
    assert shard.replies[compaction] == [(OK, 3)]
    assert shard.replies[refused] == [(COMPACTED, 3)]
    assert shard.core.ledger.watermark == present


def test_a_transaction_that_only_reads_what_is_not_yet_is_refused() -> None:
    shard = ShardInMemory()
    (_, present) = shard.one(*put(A))
    shard.now_ns += SECOND
    shard.step()
    assert shard.core.clock.last > present + MAX_SHARDS, "the clock knows it, no write does"
    read = ("get", A, present + MAX_SHARDS)
    assert shard.one("txn", [], [read], []) == (FUTURE, present)
    assert shard.one("txn", [], [put(A), read], [])[3][1][0] == OK


REQUESTS = (
    ("grant", 9, 60),
    ("put", A, b"header", b"1", -1, 9),
    put(A, b"2", flags=WANT_PREVIOUS | KEEP_LEASE),
    ("put", B, b"", b"1", 0, 0),
    ("put", B, b"", b"1", 0, 0),
    ("get", A, 0),
    ("range", A, D, 0, 0, 3, ("mod", True, 0, 0, 0, 0)),
    ("txn", [("version", "=", A, 2), ("value", ">", B, b"0", C)], [put(C), ("get", C, 0)], []),
    ("txn", [("mod", "<", A, 1)], [], [("delrange", B, C, True), ("range", A, D, 0, 0, 0)]),
    ("txn", [("mod", "<", A)], [], []),
    ("del", C, -1),
    ("delrange", C, D, True),
    ("promise", 0),
    ("adopt", 8),
    ("keepalive", 9),
    ("lease", 9),
    ("leases",),
    ("compact", 2),
    ("alarm", 1),
    ("put", A, b"", b"3", -1, 0),
    ("alarm", 2),
    ("revoke", 9),
    ("status",),
    ("nonsense", 1),
)


@pytest.mark.parametrize("revisions", ["dense", "hybrid"])
def test_lists_from_a_frame_are_answered_and_logged_as_tuples_are(revisions: Revisions) -> None:
    """Every request of the protocol; ``StoreRequest`` is either."""
    settings = StoreSettings(shard=0, retain_ns=0, revisions=revisions)
    made, brought = ShardInMemory(settings), ShardInMemory(settings)
    watcher = made.watch(b"/", want_previous=True)
    assert brought.watch(b"/", want_previous=True) == watcher
    answered = made.do(*REQUESTS)
    as_lists = msgpack.unpackb(msgpack.packb(REQUESTS))
    assert type(as_lists[0]) is list and len(answered) == len(REQUESTS)
    assert brought.do(*as_lists) == answered
    assert encoded_log(1, brought.log) == encoded_log(1, made.log)
    assert made.events(watcher) == brought.events(watcher)
