"""Transactions inside transactions. What a real etcd says of the same is compared in
tests/store/test_etcd_neighbours.py; here is what only ours says."""

import pytest

from api.storage import INVALID, NO_SPACE, NOT_FOUND, OK
from store.core import StoreSettings
from store.etcd.errors import EtcdError
from store.etcd.spread import leases_of, shard_of, shard_of_transaction
from store.transaction_forms import TXN_OPS_IN_ALL_MAX, TXN_OPS_MAX
from store.transactions import TWICE
from tests.store.shard_in_memory import ShardInMemory

A, B, C = b"/a", b"/b", b"/c"
Request = tuple[object, ...]


def put(key: bytes, value: bytes = b"v", lease: int = 0) -> Request:
    return ("put", key, b"", value, -1, lease)


def txn(*then: Request, otherwise: tuple[Request, ...] = (), compares: object = ()) -> Request:
    return ("txn", compares, then, otherwise)


def deep(levels: int, innermost: Request) -> Request:
    for _ in range(levels):
        innermost = txn(innermost)
    return innermost


def dense() -> ShardInMemory:
    return ShardInMemory(StoreSettings(shard=0, retain_ns=0, revisions="dense"))


def test_compares_inside_are_of_the_state_before_and_all_writes_share_a_revision() -> None:
    shard = dense()
    absent = [("version", "=", A, 0)]
    request = txn(put(A), txn(put(B), ("get", A, 0), compares=absent, otherwise=(put(C),)))
    inside = (OK, 0, True, [(OK, 2), (OK, 2, b"", b"v")])
    assert shard.one(*request) == (OK, 2, True, [(OK, 2), inside])
    again = shard.crash()
    assert again.one("get", B, 0) == shard.one("get", B, 0) == (OK, 2, b"", b"v")
    assert again.one(*txn(txn(put(A), compares=absent))) == (OK, 2, True, [(OK, 0, False, [])])


def test_a_key_that_one_inside_puts_and_the_next_deletes_is_refused_by_name() -> None:
    shard = dense()
    assert shard.one(*txn(txn(put(A)), txn(("delrange", A, B, False)))) == (INVALID, TWICE)
    assert shard.one("get", A, 0) == (OK, 0, b"", b"")
    assert shard.one(*txn(txn(put(A)), txn(("get", A, 0)))) == (
        *(OK, 2, True),
        [(OK, 0, True, [(OK, 2)]), (OK, 0, True, [(OK, 2, b"", b"v")])],
    )


def test_what_is_inside_counts_in_all() -> None:
    shard = dense()
    inside = txn(*[("get", A, 0)] * 100)
    fitting = TXN_OPS_IN_ALL_MAX // 101
    assert shard.one(*txn(*[inside] * fitting))[0] == OK
    refusal = shard.one(*txn(*[inside] * (fitting + 1)))
    assert refusal[0] == INVALID and str(TXN_OPS_IN_ALL_MAX) in refusal[1]


@pytest.mark.parametrize("raised", [False, True])
def test_depth_is_bounded_before_anything_follows_it(raised: bool) -> None:
    shard = dense()
    if raised:
        shard.one("alarm", 1)
    assert shard.one(*deep(TXN_OPS_MAX, ("get", A, 0)))[0] == OK
    assert shard.one(*deep(TXN_OPS_MAX + 1, ("get", A, 0)))[0] == INVALID
    assert shard.one(*deep(20_000, put(A)))[0] == INVALID
    assert shard.one(*deep(TXN_OPS_MAX, put(A)))[0] == (NO_SPACE if raised else OK)


def test_leases_of_what_is_taken_must_live() -> None:
    shard = dense()
    never = [("version", ">", A, 9)]
    assert shard.one(*txn(txn(put(A, lease=7)))) == (NOT_FOUND,)
    assert shard.one(*txn(txn(put(A, lease=7), compares=never)))[0] == OK
    assert leases_of(txn(put(A, lease=3), txn(put(B, lease=7)))) == [3, 7]


def test_over_several_shards_what_is_inside_counts() -> None:
    here, there = (
        next(b"/%d" % n for n in range(99) if shard_of(b"/%d" % n, 2) == s) for s in (0, 1)
    )
    assert shard_of_transaction(txn(txn(put(there))), 2) == 1
    for inside in (txn(put(there)), txn(compares=[("version", "=", there, 0)])):
        with pytest.raises(EtcdError, match="over several shards"):
            shard_of_transaction(txn(put(here), inside), 2)
