"""Leases that come as text: controllers do what they do with parsed ones, and parse few."""

from collections.abc import Sequence

import orjson

from api.calls import (
    ADDED,
    DELETED,
    MODIFIED,
    ApiReply,
    ApiRequest,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    Texts,
    WatchReset,
    WatchSynced,
)
from api.core import JsonObject
from controllers.core import ControllersCore
from controllers.lease_texts import LeaseTexts
from controllers.limits import limits_of

LEASES = "coordination.k8s.io/leases"
SECOND = 10**9
T0 = 1_800_000_000 * SECOND


def lease(name: str, revision: int, uid: str = "u", **meta: str) -> JsonObject:
    return {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {
            "name": name,
            "namespace": "kube-node-lease",
            "uid": uid,
            "resourceVersion": str(revision),
            **meta,
        },
        "spec": {"holderIdentity": name, "renewTime": f"2027-01-15T08:00:00.{revision:06}Z"},
    }


def node(name: str) -> JsonObject:
    conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2027-01-15T08:00:00Z"}]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "5"},
        "spec": {},
        "status": {"conditions": conditions},
    }


def seen(kinds: Sequence[int], leases: Sequence[JsonObject], as_text: bool) -> ObjectsSeen:
    objects: Sequence[JsonObject] = leases
    if as_text:
        objects = Texts([orjson.dumps(one) for one in leases])
    revisions = [int(one["metadata"]["resourceVersion"]) for one in leases]
    return ObjectsSeen(LEASES, kinds, objects, revisions)


def answer(request: ApiRequest) -> ApiReply:
    """Whatever is written is there."""
    body = orjson.loads(request.body) if isinstance(request.body, bytes) else request.body or {}
    body.setdefault("metadata", {})["resourceVersion"] = "77"
    return ApiReply(request.id, 201 if request.verb == "create" else 200, 77, orjson.dumps(body))


def life(as_text: bool) -> list[ApiRequest]:
    """Three nodes: one is heard of all the time, one falls silent, one gets another Lease."""
    core = ControllersCore("c-0", 1, limits_of("kubernetes"), only=("node-lifecycle",))
    first: list[ComponentEvent] = []
    for spec in core.watches:
        first.append(WatchReset(spec.name))
        if spec.name == "nodes":
            first.append(ObjectsSeen("nodes", [ADDED] * 3, [node(n) for n in "abc"], [5, 6, 7]))
        if spec.name == LEASES:
            first.append(seen([ADDED] * 3, [lease(n, 9) for n in "abc"], as_text))
        first.append(WatchSynced(spec.name))
    made: list[ApiRequest] = []
    events: list[ComponentEvent] = []
    for tick in range(40):
        events = first if not tick else []
        if tick:
            kinds, renewed = [MODIFIED], [lease("a", 10 * tick)]
            if tick == 5:
                kinds, renewed = [*kinds, DELETED], [*renewed, lease("c", 51)]
            if tick > 5:
                kinds = [*kinds, ADDED if tick == 6 else MODIFIED]
                renewed = [*renewed, lease("c", 10 * tick + 1, "another")]
            elif tick < 5:
                kinds, renewed = [*kinds, MODIFIED], [*renewed, lease("c", 10 * tick + 1)]
            events = [seen(kinds, renewed, as_text)]
        now_ns = T0 + tick * 2 * SECOND
        while asked := [one for calls in core.step(events, now_ns) for one in calls.requests]:
            made += asked
            events = [CallsDone([answer(one) for one in asked])]
        core.check()
    return made


def test_texts_and_objects_come_to_the_same() -> None:
    made = life(True)
    assert made == life(False)
    given_up = [one.name for one in made if one.subresource == "status"]
    assert set(given_up) == {"b"}


def test_a_renewal_is_parsed_once_a_lease() -> None:
    texts = LeaseTexts()
    texts.learn(orjson.dumps(lease("a", 1)), "a")

    def take(kind: int, item: JsonObject) -> tuple[list[str], list[int]]:
        text = Texts([orjson.dumps(item)])
        names, others = texts.take(ObjectsSeen(LEASES, [kind], text, [1]), text)
        return names, list(others)

    assert take(MODIFIED, lease("a", 2)) == (["a"], [])
    assert take(MODIFIED, lease("b", 3)) == ([], [0])
    assert take(MODIFIED, lease("a", 4, "another")) == ([], [0])
    assert take(MODIFIED, lease("a", 5, deletionTimestamp="x")) == ([], [0])
    assert take(DELETED, lease("a", 6)) == ([], [0])
    assert take(MODIFIED, lease("a", 7)) == ([], [0])


def test_texts_are_a_sequence_of_objects() -> None:
    texts = Texts([b'{"a":1}', b'{"b":2}'])
    assert list(texts) == [{"a": 1}, {"b": 2}] and list(texts[1:]) == [{"b": 2}]
