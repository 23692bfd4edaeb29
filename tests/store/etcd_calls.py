"""What is asked of ours and of a real etcd alike: calls, and streams of watches, by name."""

from typing import Any

Call = tuple[str, str, dict[str, Any]]
PUT, GET, DEL = "request_put", "request_range", "request_delete_range"


def kv(method: str, **fields: Any) -> Call:
    return "KV", method, fields


def put(key: str, value: str = "v", **fields: Any) -> Call:
    return kv("Put", key=key.encode(), value=value.encode(), **fields)


def get(key: str, end: str = "", **fields: Any) -> Call:
    return kv("Range", key=key.encode(), range_end=end.encode(), **fields)


def delete(key: str, end: str = "", **fields: Any) -> Call:
    return kv("DeleteRange", key=key.encode(), range_end=end.encode(), **fields)


def op(call: Call) -> dict[str, Any]:
    name = {"Put": PUT, "Range": GET, "DeleteRange": DEL, "Txn": "request_txn"}[call[1]]
    return {name: call[2]}


def txn(compare: list[dict[str, Any]], then: list[Any], otherwise: list[Any] | None = None) -> Call:
    return kv(
        "Txn",
        compare=compare,
        success=[op(call) for call in then],
        failure=[op(call) for call in otherwise or []],
    )


def check(key: str, target: int, result: int, **operand: Any) -> dict[str, Any]:
    return {"key": key.encode(), "target": target, "result": result, **operand}


def lease(method: str, **fields: Any) -> Call:
    return "Lease", f"Lease{method}", fields


Step = tuple[Any, ...]


def create(key: str, end: str = "", **fields: Any) -> Step:
    """A watch. ``back``: from so many revisions before the present one."""
    return "create", {"key": key.encode(), "range_end": end.encode(), **fields}


CALLS: dict[str, list[Call]] = {
    "some keys": [
        put("/k/a", "3"),
        put("/k/b", "2"),
        put("/k/c", "1"),
        put("/k/b", "2"),
        put("/k/d", ""),
        put("/k/a", "4", prev_kv=True),
        put("/k/new", prev_kv=True),
    ],
    "sorted by key": [get("/k/", "/k0", sort_order=order) for order in (0, 1, 2)],
    "sorted by every target": [
        get("/k/", "/k0", sort_order=order, sort_target=target)
        for order in (0, 1, 2)
        for target in range(5)
    ],
    "limits": [
        get("/k/", "/k0", limit=limit, sort_order=order, sort_target=target)
        for limit in (1, 4, 5, 6, -1)
        for order, target in ((0, 0), (2, 0), (1, 4))
    ],
    "bounds of revisions": [
        get("/k/", "/k0", **{bound: at})
        for bound in (
            "min_mod_revision",
            "max_mod_revision",
            "min_create_revision",
            "max_create_revision",
        )
        for at in (-1, 1, 3, 5, 100)
    ],
    "bounds and a limit": [
        get("/k/", "/k0", min_mod_revision=4, limit=2),
        get("/k/", "/k0", max_mod_revision=5, limit=1, sort_order=2, sort_target=3),
        get("/k/", "/k0", min_create_revision=3, max_mod_revision=6, count_only=True),
        get("/k/", "/k0", min_mod_revision=6, max_mod_revision=4),
        get("/k/", "/k0", min_mod_revision=5, keys_only=True),
    ],
    "counts": [
        get("/k/", "/k0", count_only=True),
        get("/k/", "/k0", count_only=True, limit=1),
        get("/k/", "/k0", count_only=True, keys_only=True),
        get("/k/none", count_only=True),
        get("/k/a", count_only=True),
        get("/k/", "/k0", count_only=True, revision=3),
        get("/k/", "/k0", count_only=True, sort_order=2, sort_target=3),
    ],
    "keys only": [
        get("/k/", "/k0", keys_only=True),
        get("/k/a", keys_only=True, revision=2),
        get("/k/", "/k0", keys_only=True, limit=2, sort_order=2),
        get("/k/", "/k0", keys_only=True, sort_order=1, sort_target=4),
    ],
    "serializable": [
        get("/k/a", serializable=True),
        get("/k/", "/k0", serializable=True, limit=1),
        get("/k/", "/k0", serializable=True, revision=4),
    ],
    "spans": [
        get("/k/a", "\x00"),
        get("\x00", "\x00", limit=2),
        get("\x00", "\x00", count_only=True),
        get("/k/b", "/k/a"),
        get("/k/b", "/k/b"),
        get("/k/b", "/k/b\x00"),
        get(""),
        get("", "\x00"),
        get("/k/a", "/k/b\xff"),
    ],
    "revisions": [
        get("/k/a", revision=1),
        get("/k/a", revision=2),
        get("/k/a", revision=-1),
        get("/k/a", revision=1000),
        get("/k/", "/k0", revision=5, limit=1),
    ],
    "puts that are refused": [
        put(""),
        put("", ignore_value=True),
        put("/k/a", "x", ignore_value=True),
        put("/k/none", "", ignore_value=True),
        put("/k/none", "x", ignore_lease=True),
        put("/k/a", "x", ignore_lease=True, lease=7),
        put("/k/a", "x", lease=7),
        put("/k/a", "x", lease=-1),
        put("/k/a", "", ignore_value=True, lease=7),
        put("/k/none", "", ignore_value=True, ignore_lease=True),
    ],
    "puts that keep something": [
        put("/k/a", "", ignore_value=True, prev_kv=True),
        put("/k/a", "5", ignore_lease=True),
        put("/k/a", "", ignore_value=True, ignore_lease=True, prev_kv=True),
        get("/k/a"),
    ],
    "deletes": [
        delete("/k/none"),
        delete("/k/none", prev_kv=True),
        delete(""),
        delete("", "\x00"),
        delete("/k/d", prev_kv=True),
        delete("/k/d"),
        delete("/k/x", "/k/a"),
        put("/z/1"),
        put("/z/2"),
        delete("/z/", "/z0", prev_kv=True),
        get("/z/1"),
        put("/z/1"),
        get("/z/1"),
        delete("/z/", "\x00"),
        get("/z/", "/z0", revision=2),
    ],
    "compares of a key": [
        txn([check("/k/b", target, result, **{field: operand})], [], [])
        for target, field, operands in (
            (0, "version", (1, 2)),
            (1, "create_revision", (3, 0)),
            (2, "mod_revision", (5, 3)),
            (3, "value", (b"2", b"3", b"")),
            (4, "lease", (0, 1)),
        )
        for operand in operands
        for result in range(4)
    ],
    "compares of a key that is not there": [
        txn([check("/k/none", target, result, **({field: operand} if operand else {}))], [], [])
        for target, field, operand in (
            (0, "version", 0),
            (1, "create_revision", 0),
            (2, "mod_revision", 0),
            (3, "value", b""),
            (3, "value", b"x"),
            (4, "lease", 0),
            (0, "version", 1),
        )
        for result in range(4)
    ],
    "compares of a range": [
        txn([check("/k/", 0, 1, version=0, range_end=b"/k0")], []),
        txn([check("/k/", 0, 0, version=1, range_end=b"/k0")], []),
        txn([check("/none/", 0, 0, version=0, range_end=b"/none0")], []),
        txn([check("/none/", 3, 0, value=b"", range_end=b"/none0")], []),
        txn([check("/k/", 2, 2, mod_revision=100, range_end=b"\x00")], []),
        txn([check("/k/b", 0, 1, version=0, range_end=b"/k/a")], []),
        txn([check("", 0, 0, version=0)], []),
        txn([check("", 0, 0, version=0, range_end=b"\x00")], []),
    ],
    "compares that do not exist": [
        txn([check("/k/b", 0, 4, version=2)], []),
        txn([check("/k/b", 5, 0)], []),
        txn([check("/k/b", 0, -1)], []),
        txn([check("/k/b", -1, 0)], []),
        txn([check("/k/b", 5, 3)], []),
        txn([check("/k/b", 0, 4, version=2)], [put("/k/never")]),
    ],
    "an operand of another target": [
        txn([check("/k/b", 0, 0, mod_revision=2)], []),
        txn([check("/k/b", 3, 0, version=2)], []),
        txn([check("/k/b", 2, 0, version=2)], []),
        txn([check("/k/b", 4, 0, version=9)], []),
        txn([check("/k/b", 1, 3, value=b"x")], []),
    ],
    "branches": [
        txn([], []),
        txn([], [get("/k/a"), get("/k/", "/k0", count_only=True)]),
        txn([check("/k/b", 0, 0, version=9)], [put("/t/no")], [get("/k/b", keys_only=True)]),
        txn([], [put("/t/1", "1"), get("/t/1"), delete("/t/1", prev_kv=True), get("/t/1")]),
        txn([], [delete("/t/none"), get("/t/none")]),
        txn([], [put("/t/1"), get("/t/", "/t0")]),
        txn([], [delete("/t/1"), get("/t/1"), delete("/t/1", prev_kv=True)]),
        txn([], [put("/t/1", "2", prev_kv=True), put("/t/2", prev_kv=True)]),
        txn([], [get("/t/", "/t0", revision=3), put("/t/3"), get("/t/", "/t0", limit=1)]),
        txn([], [get("/t/", "/t0", sort_order=2, sort_target=3), delete("/t/", "/t0")]),
        txn([], [get("/k/", "/k0", min_mod_revision=5), get("/k/", "/k0", limit=2)]),
    ],
    "branches that are refused": [
        txn([], [put("/t/1"), put("/t/1")]),
        txn([], [put("/t/1"), delete("/t/", "/t0")]),
        txn([], [delete("/t/", "/t0"), put("/t/1")]),
        txn([], [delete("/t/1"), delete("/t/1")]),
        txn([], [delete("/t/", "/t0"), delete("/t/1", "/t/2")]),
        txn([], [put("")]),
        txn([], [get("")]),
        txn([], [delete("")]),
        txn([], [put("/t/1", lease=7)]),
        txn([], [put("/t/1"), put("/t/2", lease=7)]),
        txn([], [get("/k/a", revision=1000)]),
        txn([], [put("/t/1"), get("/k/a", revision=1000)]),
        txn([], [get("/k/a", revision=-1)]),
        txn([], [put("/t/none", "", ignore_value=True)]),
        txn([], [put("/t/none", "x", ignore_value=True)]),
        txn([], [put("/t/none", ignore_lease=True)]),
        txn([check("/k/b", 0, 0, version=9)], [put("/t/1"), put("/t/1")], []),
        txn([check("/k/b", 0, 0, version=9)], [put("/t/1", lease=7)], []),
        txn([], [put(f"/t/{number}") for number in range(129)]),
        txn([check("/k/b", 0, 1)] * 129, []),
        txn([check("/k/b", 0, 1)] * 128, []),
        ("KV", "Txn", {"success": [{}]}),
    ],
    "a large transaction": [
        txn([], [put(f"/large/{number}") for number in range(128)]),
        txn([], [], [put(f"/large/{number}") for number in range(128)]),
        get("/large/", "/large0", count_only=True),
        delete("/large/", "/large0"),
    ],
    "too large": [
        put("/big", "x" * 1_572_864),
        put("/big", "x" * 1_572_000, prev_kv=True),
        txn([], [put("/big/1", "x" * 800_000), put("/big/2", "x" * 800_000)]),
        delete("/big"),
    ],
    "leases": [
        lease("Grant", TTL=600, ID=7),
        lease("Grant", TTL=600, ID=7),
        lease("Grant", TTL=9_000_000_000, ID=10),
        lease("Grant", TTL=9_000_000_001, ID=11),
        lease("Grant", TTL=700, ID=-3),
        lease("Grant", TTL=500, ID=12),
        lease("Leases"),
        put("/l/a", "", lease=7),
        put("/l/c", lease=-3),
        lease("TimeToLive", ID=7, keys=True),
        lease("TimeToLive", ID=13),
        lease("TimeToLive", ID=13, keys=True),
        lease("TimeToLive"),
        lease("TimeToLive", ID=12),
        txn([check("/l/a", 4, 0, lease=7)], [get("/l/a")]),
        put("/l/b", lease=7),
        put("/l/b", "2"),
        lease("TimeToLive", ID=7, keys=True),
        put("/l/a", "3", ignore_lease=True),
        get("/l/", "/l0"),
        lease("Revoke", ID=13),
        lease("Revoke"),
        lease("Revoke", ID=7),
        lease("Revoke", ID=7),
        get("/l/", "/l0"),
        lease("Revoke", ID=-3),
        lease("Revoke", ID=10),
        lease("Revoke", ID=11),
        get("/l/", "/l0"),
        lease("Revoke", ID=12),
        lease("Grant", TTL=0, ID=14),
        lease("Grant", TTL=-5, ID=15),
    ],
    "a lease that moves": [
        lease("Grant", TTL=600, ID=21),
        lease("Grant", TTL=600, ID=22),
        put("/m/a", lease=21),
        put("/m/a", lease=22, prev_kv=True),
        lease("TimeToLive", ID=21, keys=True),
        lease("TimeToLive", ID=22, keys=True),
        lease("Revoke", ID=21),
        get("/m/a"),
        delete("/m/a", prev_kv=True),
        lease("TimeToLive", ID=22, keys=True),
        lease("Revoke", ID=22),
        txn([], [put("/m/a"), put("/m/b")]),
        delete("/m/", "/m0"),
    ],
    "compaction": [
        put("/c/a", "1"),
        put("/c/a", "2"),
        delete("/c/a"),
        put("/c/b"),
        kv("Compact", revision=1),
        kv("Compact", revision=1),
        kv("Compact", revision=0),
        kv("Compact", revision=-1),
        kv("Compact", revision=100_000),
        kv("Compact", revision=20, physical=True),
        kv("Compact", revision=20),
        kv("Compact", revision=19),
        get("/c/a", revision=19),
        get("/c/", "/c0", revision=20),
        get("/c/a", revision=1),
        txn([], [get("/c/a", revision=1)]),
        txn([], [put("/c/c"), get("/c/a", revision=1)]),
        get("/c/c"),
        get("/c/", "/c0", revision=1000),
        get("/c/", "/c0", revision=1, count_only=True),
    ],
    "alarms": [
        ("Maintenance", "Alarm", {}),
        ("Maintenance", "Alarm", {"action": 2, "alarm": 1}),
        ("Maintenance", "Alarm", {"action": 0, "alarm": 2}),
        ("Maintenance", "Alarm", {"action": 2, "alarm": 0}),
        ("Maintenance", "Alarm", {"action": 2, "alarm": 2}),
    ],
    "defragmented": [("Maintenance", "Defragment", {}), ("Maintenance", "Defragment", {})],
}


WATCHES: dict[str, tuple[list[Step], int, int]] = {
    "a key from now on": (
        [create("/w/a"), put("/w/a", "1"), put("/w/b"), put("/w/a", "2"), delete("/w/a")],
        1,
        3,
    ),
    "a prefix from a revision, with what was before": (
        [
            put("/w1/a", "1"),
            put("/w1/b", "1"),
            put("/w1/a", "2"),
            delete("/w1/", "/w10"),
            create("/w1/", "/w10", back=3, prev_kv=True),
        ],
        1,
        5,
    ),
    "no puts": ([create("/w2/", "/w20", filters=[0]), put("/w2/a"), delete("/w2/a")], 1, 1),
    "no deletes": (
        [
            create("/w3/", "/w30", filters=[1], prev_kv=True),
            put("/w3/a"),
            delete("/w3/a"),
            put("/w3/a"),
        ],
        1,
        2,
    ),
    "neither, beside one with both": (
        [
            create("/w4/", "/w40", filters=[0, 1]),
            create("/w4/", "/w40"),
            put("/w4/a"),
            delete("/w4/a"),
        ],
        2,
        2,
    ),
    "a filter that does not exist": ([create("/w5", filters=[7]), put("/w5")], 1, 1),
    "a revision to come": (
        [create("/w6", back=-2), put("/w6", "1"), put("/w6", "2"), put("/w6", "3")],
        1,
        2,
    ),
    "a compacted revision": ([create("/c/a", start_revision=1)], 2, 0),
    "a negative revision": ([create("/w7", start_revision=-1)], 2, 0),
    "ids of the reader's own": (
        [
            create("/w8", watch_id=5),
            create("/w8", watch_id=5),
            create("/w8"),
            create("/w8"),
            put("/w8"),
        ],
        4,
        3,
    ),
    "ids that meet": ([create("/w9", watch_id=1), create("/w9"), create("/w9"), put("/w9")], 3, 3),
    "a negative id": ([create("/wa", watch_id=-7), put("/wa")], 1, 1),
    "cancelled": (
        [create("/wb"), ("cancel", 0), create("/wb"), put("/wb"), ("events", 1), ("cancel", 1)],
        4,
        1,
    ),
    "an unknown one cancelled": ([("cancel", 9), create("/wc"), put("/wc")], 1, 1),
    "cancelled twice": ([create("/wd"), ("cancel", 0), ("cancel", 0), create("/wd")], 3, 0),
    "progress of nobody": ([("progress",), create("/we")], 1, 0),
    "empty ranges": ([create("/wf/b", "/wf/a"), create("/wf/b", "/wf/b"), create("/wf")], 3, 0),
    "to the end of all keys": (
        [create("/wg/b", "\0"), put("/wg/a"), put("/wg/b"), put("~last")],
        1,
        2,
    ),
    "all keys": ([create("", "\0"), put("!first"), delete("!first"), put("~last")], 1, 3),
    "no key": ([create(""), put("\0"), delete("\0")], 1, 2),
    "a transaction": (
        [
            create("/wh/", "/wh0", prev_kv=True),
            put("/wh/old"),
            txn([], [put("/wh/a"), put("/wh/b"), delete("/wh/old"), get("/wh/a")]),
            txn([], [delete("/wh/", "/wh0")]),
        ],
        1,
        6,
    ),
    "a lease that is revoked": (
        [
            create("/wi/", "/wi0", prev_kv=True),
            lease("Grant", TTL=600, ID=31),
            put("/wi/b", lease=31),
            put("/wi/a", lease=31),
            lease("Revoke", ID=31),
        ],
        1,
        4,
    ),
    "history of a key that is gone": (
        [
            put("/wj", "1"),
            delete("/wj"),
            put("/wj", "2"),
            delete("/wj"),
            create("/wj", back=3, prev_kv=True, fragment=True),
        ],
        1,
        4,
    ),
    "an empty request": ([("empty",), create("/wk"), put("/wk")], 1, 1),
}
"""What is done, then how many responses without events and how many events come of it."""
