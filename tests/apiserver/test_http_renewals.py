"""Renewals of Leases over HTTP: the short way answers and stores what the general way does.

Two servers get the same PUTs, one as JSON, the other as YAML, which never goes the short way.
"""

from collections.abc import Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
ODD: Sequence[JsonObject] = (
    {"spec": {"renewTime": "2026-11-21T10:00:00Z"}},
    {"spec": {"renewTime": "2026-13-21T10:00:00.000000Z"}},
    {"spec": {"leaseDurationSeconds": 41}},
    {"spec": {"leaseDurationSeconds": True}},
    {"spec": {"unheardOf": 1}},
    {"metadata": {"unheardOf": 1}},
    {"metadata": {"labels": {"a": "b"}}},
    {"metadata": {"resourceVersion": "1"}},
    {"metadata": {"resourceVersion": ""}},
    {"metadata": {"name": "n2"}},
    {"apiVersion": "coordination.k8s.io/v2"},
    {"status": {}},
)
QUERIES = ("", "", "", "?dryRun=All", "?fieldManager=other", "?fieldValidation=Strict")


def lease(revision: str, number: int, change: JsonObject) -> bytes:
    meta = {"resourceVersion": revision, "name": "n1", "namespace": "kube-node-lease"}
    moment = f"2026-11-21T10:00:{number % 60:02}.{number:06}Z"
    spec = {"holderIdentity": "n1", "leaseDurationSeconds": 40, "renewTime": moment}
    whole = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    parts = {"metadata": meta, "spec": spec}
    for part, fields in change.items():
        if part in parts:
            parts[part] = {**parts[part], **fields}
        else:
            whole[part] = fields
    return orjson.dumps({**whole, **parts})


class Pair:
    """Both servers and the Lease that each has."""

    def __init__(self) -> None:
        self.servers = ((Rig(), "application/json"), (Rig(), "application/yaml"))
        self.number = 0
        for rig, _ in self.servers:
            assert rig.call("POST", LEASES, lease("", 0, {}))[0] == 201

    def put(self, change: JsonObject, query: str = "") -> int:
        self.number += 1
        answers, stored = [], []
        for rig, media in self.servers:
            rig.now_ns += 10**9
            _, now = rig.call("GET", f"{LEASES}/n1")
            body = lease(now["metadata"]["resourceVersion"], self.number, change)
            answers.append(rig.ask("PUT", f"{LEASES}/n1{query}", body, content_type=media))
            stored.append(rig.call("GET", f"{LEASES}/n1"))
        assert answers[0].code == answers[1].code
        assert answers[0].headers == answers[1].headers
        if answers[0].code < 300:
            # The message about a body that is not understood names its format.
            assert orjson.loads(answers[0].body) == orjson.loads(answers[1].body)
        assert stored[0] == stored[1]
        return answers[0].code


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.just({}), st.sampled_from(ODD)), st.sampled_from(QUERIES)),
        max_size=6,
    )
)
def test_whatever_is_put_the_two_ways_agree(puts: list[tuple[JsonObject, str]]) -> None:
    pair = Pair()
    for change, query in puts:
        pair.put({}, "")
        pair.put(change, query)


def test_a_renewal_goes_the_short_way_and_yaml_does_not() -> None:
    pair = Pair()
    for _ in range(3):
        assert pair.put({}) == 200
    kept = [len(rig.core._registry.renewals) for rig, _ in pair.servers]
    assert kept == [1, 0]


def test_a_key_that_comes_twice_is_warned_of_each_time() -> None:
    (rig, media), _ = Pair().servers
    for number in range(1, 4):
        _, now = rig.call("GET", f"{LEASES}/n1")
        body = lease(now["metadata"]["resourceVersion"], number, {})
        body = body.replace(b'"kind":"Lease"', b'"kind":"Lease","kind":"Lease"')
        answer = rig.ask("PUT", f"{LEASES}/n1", body, content_type=media)
        assert answer.code == 200
        assert answer.headers == (("Warning", '299 - "duplicate field \\"kind\\""'),)
