"""Events end an hour after their last write, by leases of the store, on a clock of the test."""

import orjson

from api.storage import LEASES
from store.messages import Reply, RequestsArrived
from tests.apiserver.apiserver_rig import Rig, Shard

HOUR_S = 3600
EVENTS = "/api/v1/namespaces/default/events"


def leases(shard: Shard, now_ns: int) -> list[int]:
    shard.take([RequestsArrived([-1], [[(LEASES,)]])], now_ns)
    replies = [
        effect.replies for effect in shard.out if isinstance(effect, Reply) and -1 in effect.calls
    ]
    shard.out = [e for e in shard.out if not (isinstance(e, Reply) and -1 in e.calls)]
    _, granted, *_ = replies[0][0][0]
    found: list[int] = granted
    return found


def event(name: str) -> dict[str, object]:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    return {"metadata": {"name": name}, "involvedObject": about, "reason": "Scheduled"}


def run(rig: Rig, seconds: int) -> None:
    """Let time pass for the store too."""
    end_ns = rig.now_ns + seconds * 10**9
    while rig.now_ns < end_ns:
        rig.run(min(10, (end_ns - rig.now_ns) / 1e9))
        for shard in rig.stores:
            shard.take([], rig.now_ns)
        rig.step([])


def names(rig: Rig) -> list[str]:
    code, answer = rig.call("GET", EVENTS)
    assert code == 200
    return [item["metadata"]["name"] for item in answer["items"]]


def test_an_event_goes_an_hour_after_its_last_write_and_watchers_hear_of_it() -> None:
    rig = Rig()
    for name in ("first", "again"):
        assert rig.call("POST", EVENTS, event(name))[0] == 201
    other = "/api/v1/namespaces/default/configmaps"
    assert rig.call("POST", other, {"metadata": {"name": "c"}})[0] == 201
    watch = rig.watch(f"{EVENTS}?watch=1&timeoutSeconds=20000")
    run(rig, HOUR_S // 2)
    patch = {"metadata": {"labels": {"seen": "twice"}}}
    merge = "application/merge-patch+json"
    assert rig.call("PATCH", f"{EVENTS}/again", patch, content_type=merge)[0] == 200
    run(rig, HOUR_S // 2 - 1)
    assert names(rig) == ["again", "first"]
    run(rig, 90)
    assert names(rig) == ["again"]
    run(rig, HOUR_S // 2)
    assert names(rig) == []
    gone = [item["metadata"]["name"] for kind, item in watch.events if kind == "DELETED"]
    assert gone == ["first", "again"]
    assert rig.call("GET", f"{other}/c")[0] == 200
    assert leases(rig.stores[0], rig.now_ns) == []


def test_the_events_of_a_minute_share_a_lease_and_a_thousand_at_most() -> None:
    rig = Rig()
    calls = [
        ("create", "events", "default", "", "", "", orjson.dumps(event(f"e{number}")), "", True)
        for number in range(1500)
    ]
    for start in range(0, len(calls), 500):
        assert {answer.code for answer in rig.frame_calls(*calls[start : start + 500])} == {201}
    assert len(leases(rig.stores[0], rig.now_ns)) == 2
    run(rig, 59)
    assert rig.call("POST", EVENTS, event("same-minute"))[0] == 201
    assert len(leases(rig.stores[0], rig.now_ns)) == 2
    run(rig, 1)
    assert rig.call("POST", EVENTS, event("next-minute"))[0] == 201
    assert len(leases(rig.stores[0], rig.now_ns)) == 3


def test_an_unknown_lease_is_replaced() -> None:
    rig = Rig()
    assert rig.call("POST", EVENTS, event("a"))[0] == 201
    (lease,) = leases(rig.stores[0], rig.now_ns)
    rig.stores[0].take([RequestsArrived([-1], [[("revoke", lease)]])], rig.now_ns)
    rig.stores[0].out = [e for e in rig.stores[0].out if not isinstance(e, Reply)]
    calls = [
        ("create", "events", "default", "", "", "", orjson.dumps(event(f"b{n}")), "", True)
        for n in range(3)
    ]
    assert {answer.code for answer in rig.frame_calls(*calls)} == {201}
    assert names(rig) == ["b0", "b1", "b2"]
    assert len(leases(rig.stores[0], rig.now_ns)) == 1
