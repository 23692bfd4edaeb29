"""More that is asked of ours and of a real etcd alike: transactions inside others, and extremes."""

from tests.store.etcd_calls import Call, check, delete, get, kv, lease, put, txn

HAS_A = check("/n/a", 0, 1, version=0)
HAS_B = check("/n/b", 0, 1, version=0)
MOST, LEAST = 2**63 - 1, -(2**63)


def deep(levels: int, innermost: list[Call]) -> Call:
    """A transaction with nothing else in it than another, so many times."""
    call = txn([], innermost)
    for _ in range(levels):
        call = txn([], [call])
    return call


MORE_CALLS: dict[str, list[Call]] = {
    "transactions inside": [
        txn([], [txn([], [])]),
        txn([], [txn([], [put("/n/a", "1")])]),
        txn([HAS_A], [txn([HAS_B], [put("/n/b", "no")], [put("/n/b", "1"), get("/n/b")])], []),
        txn([], [put("/n/c"), txn([check("/n/c", 0, 1, version=0)], [put("/n/d")])]),
        txn([], [txn([HAS_A], [get("/n/a")]), put("/n/a", "2"), txn([HAS_A], [get("/n/a")])]),
        txn([], [txn([], [put("/n/e")]), txn([], [get("/n/", "/n0")]), put("/n/f")]),
        txn([], [delete("/n/f", prev_kv=True), txn([], [get("/n/f"), delete("/n/e")])]),
        txn([HAS_B], [txn([], [txn([HAS_A], [], [put("/n/no")])])], [put("/n/no")]),
        txn([], [txn([HAS_A, HAS_B], [put("/n/a", prev_kv=True), put("/n/b", prev_kv=True)])]),
        txn([], [txn([], [get("/n/", "/n0", count_only=True)]), get("/n/", "/n0", limit=1)]),
        txn([], [txn([], [delete("/n/x")]), txn([], [get("/n/x")])]),
        txn([], [], [put("/n/no")]),
        deep(5, [put("/n/deep"), get("/n/deep")]),
        deep(40, [get("/n/deep")]),
        get("/n/", "/n0"),
    ],
    "transactions inside that are refused": [
        txn([], [put("/n/a"), txn([], [put("/n/a")])]),
        txn([], [txn([], [put("/n/a")]), put("/n/a")]),
        txn([], [txn([], [put("/n/a")]), txn([], [put("/n/a")])]),
        txn([], [txn([], [put("/n/a")]), txn([], [], [put("/n/a")])]),
        txn([], [txn([HAS_A], [put("/n/a", "then")], [put("/n/a", "else")]), get("/n/a")]),
        txn([], [txn([], [put("/n/a")], [put("/n/a")]), txn([], [put("/n/a")])]),
        txn([], [txn([], [put("/n/a")], [delete("/n/a")])]),
        txn([], [delete("/n/a"), txn([], [put("/n/a")])]),
        txn([], [txn([], [delete("/n/", "/n0")]), put("/n/a")]),
        txn([], [txn([], [delete("/n/a")]), txn([], [put("/n/a")])]),
        txn([], [delete("/n/", "/n/b"), txn([], [], [put("/n/a")])]),
        txn([], [delete("/n/", "/n/b"), txn([], [delete("/n/a"), put("/n/c")])]),
        txn([], [], [txn([], [put("/n/a"), put("/n/a")])]),
        txn([], [txn([], [put("")])]),
        txn([], [], [txn([], [], [get("")])]),
        txn([], [txn([check("", 0, 0, version=0)], [])]),
        txn([], [txn([], [put("/n/a", lease=77)])]),
        txn([], [txn([HAS_A], [], [put("/n/a", lease=77)])]),
        txn([], [put("/n/z"), txn([], [get("/n/a", revision=100_000)])]),
        txn([], [put("/n/z"), txn([], [get("/n/a", revision=1)])]),
        txn([], [txn([HAS_A], [], [get("/n/a", revision=100_000)])]),
        txn([], [txn([], [put("/n/none", "", ignore_value=True)])]),
        txn([], [txn([], [put("/n/a", "x", ignore_value=True)])]),
        txn([], [txn([], [put("/n/a", lease=1, ignore_lease=True)])]),
        txn([], [txn([], [put(f"/n/{number}") for number in range(128)])]),
        txn([], [txn([], [get(f"/n/{number}") for number in range(127)])]),
        txn([HAS_A] * 100, [txn([], [get(f"/n/{number}") for number in range(29)])]),
        txn([HAS_A] * 100, [txn([HAS_A] * 28, [get("/n/a")])]),
        ("KV", "Txn", {"success": [{"request_txn": {"success": [{}]}}]}),
        get("/n/", "/n0"),
    ],
    "extremes of a range": [
        get("/n/", "/n0", limit=MOST, keys_only=True),
        get("/n/", "/n0", limit=LEAST, keys_only=True),
        get("/n/", "/n0", revision=MOST),
        get("/n/", "/n0", revision=LEAST, limit=1),
        get("/n/", "/n0", keys_only=True, count_only=True),
        get("/n/", "/n0", min_mod_revision=MOST),
        get("/n/", "/n0", max_mod_revision=-1),
        get("/n/", "/n0", min_create_revision=-5, keys_only=True, limit=2),
        get("/n/", "/n0", max_create_revision=1, count_only=True),
        get("/n/b", "/n/a"),
        get("/n/a", "/n/a"),
        get("/n/a", "/n/a\0"),
        get("\0", "\0", keys_only=True, limit=1),
        get("\0", "/n/b", keys_only=True),
        get("/n/", "/n0", serializable=True, sort_order=1, sort_target=4),
        get("/n/", "/n0", sort_order=2, sort_target=1, limit=2),
        get("/n/", "/n0", sort_order=0, sort_target=2),
        delete("/n/b", "/n/a", prev_kv=True),
        delete("/n/a", "/n/a"),
        delete("\xff", "\0"),
        put("/n/v", "", prev_kv=True),
        put("/n/v", "", ignore_value=True, ignore_lease=True, prev_kv=True),
        put("/n/v", "", lease=LEAST),
        put("", "", ignore_value=True),
        put("/n/v", "x", ignore_value=True, lease=3, ignore_lease=True),
        kv("Compact", revision=MOST),
        kv("Compact", revision=LEAST),
    ],
    "extremes of leases": [
        lease("Grant", TTL=600, ID=MOST),
        lease("Grant", TTL=600, ID=LEAST),
        lease("Grant", TTL=MOST, ID=51),
        lease("Grant", TTL=LEAST, ID=52),
        put("/o/a", lease=MOST),
        put("/o/b", lease=LEAST),
        put("/o/c", lease=LEAST),
        lease("TimeToLive", ID=LEAST, keys=True),
        lease("TimeToLive", ID=MOST),
        delete("/o/c"),
        lease("TimeToLive", ID=LEAST, keys=True),
        txn([], [txn([], [put("/o/c", lease=MOST)]), get("/o/c")]),
        txn([check("/o/", 4, 0, lease=MOST, range_end=b"/o0")], [get("/o/", "/o0")], []),
        lease("Revoke", ID=MOST),
        lease("Revoke", ID=LEAST),
        get("/o/", "/o0"),
        lease("Leases"),
        lease("TimeToLive", ID=MOST, keys=True),
    ],
}
