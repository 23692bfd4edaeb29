"""Renewals that arrive together: each has its own answer, whatever becomes of its neighbours."""

import re

import orjson

from apiserver.messages import Answers, CallsArrived, FrameCall, StoreCall, StoreReplied
from apiserver.tasks import Limits
from tests.apiserver.apiserver_rig import Rig

LEASES, SPACE = "coordination.k8s.io/leases", "kube-node-lease"


class Fleet:
    """A server and the Leases of a few nodes, each renewed twice, so that it is known."""

    def __init__(self, nodes: int, limits: Limits | None = None) -> None:
        self.rig = Rig(limits=limits)
        self.number = 0
        self.revisions: dict[str, int] = {}
        for name in [f"n{node}" for node in range(nodes)]:
            (made,) = self.rig.frame_calls(("create", LEASES, SPACE, "", "", "", self.body(name)))
            self.revisions[name] = made.revision
            for _ in range(2):
                (answer,) = self.rig.frame_calls(self.words(name))
                assert answer.code == 200
                self.revisions[name] = answer.revision

    def body(self, name: str) -> bytes:
        self.number += 1
        meta = {"name": name, "namespace": SPACE}
        if name in self.revisions:
            meta["resourceVersion"] = str(self.revisions[name])
        moment = f"2026-11-21T10:00:00.{self.number:06}Z"
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
        return orjson.dumps(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": meta,
                "spec": spec,
            }
        )

    def words(self, name: str, quiet: bool = False) -> tuple[object, ...]:
        return ("update", LEASES, SPACE, name, "", "", self.body(name), "", quiet)

    def under_way(self, first_id: int, names: list[str]) -> tuple[list[StoreCall], dict[int, int]]:
        """Renewals of which the store has not answered: what it is asked, the codes so far."""
        calls = [
            FrameCall(first_id + place, *self.words(name))  # type: ignore[arg-type]
            for place, name in enumerate(names)
        ]
        asked, codes = [], {}
        for effect in self.rig.core.step([CallsArrived(calls)], self.rig.now_ns):
            if isinstance(effect, StoreCall):
                asked.append(effect)
            elif isinstance(effect, Answers):
                codes |= {n: one.code for n, one in zip(effect.ids, effect.answers, strict=True)}
        self.rig.core.check()
        return asked, codes

    def counted(self, name: str) -> int:
        """Of renewals, in /metrics."""
        text = self.rig.ask("GET", "/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith(name)]
        found = [line for line in lines if '"PUT"' in line or '"update"' in line or "mutat" in line]
        return sum(int(re.findall(r" (\d+)$", line)[0]) for line in found)


def test_one_batch_with_all_that_can_become_of_a_renewal() -> None:
    fleet = Fleet(5)
    requests = fleet.counted("apiserver_request_total")
    stored = fleet.counted("etcd_request_duration_seconds_count")
    stale = fleet.words("n1")
    odd = list(fleet.words("n3"))
    odd[6] = orjson.dumps({**orjson.loads(fleet.body("n3")), "apiVersion": "v7"})
    answers = fleet.rig.frame_calls(
        fleet.words("n0", quiet=True),
        fleet.words("n1"),
        stale,
        ("get", LEASES, SPACE, "n0"),
        fleet.words("n2"),
        tuple(odd),
        ("delete", LEASES, SPACE, "n4"),
    )
    assert [answer.code for answer in answers] == [200, 200, 409, 200, 200, 400, 200]
    assert answers[0].body == b"" and answers[0].revision > fleet.revisions["n0"]
    for place, name in ((1, "n1"), (4, "n2")):
        (found,) = fleet.rig.frame_calls(("get", LEASES, SPACE, name))
        assert found == answers[place]
    assert fleet.counted("apiserver_request_total") - requests == 5
    # The one that was too late met its conflict there, the odd one got no further than the server.
    assert fleet.counted("etcd_request_duration_seconds_count") - stored == 4
    assert fleet.counted("apiserver_current_inflight_requests") == 0


def test_what_the_store_does_not_answer_is_unknown_and_no_longer_under_way() -> None:
    fleet = Fleet(3)
    ((shard, ids, requests),) = [
        (one.shard, one.ids, one.requests) for one in fleet.under_way(900, ["n0", "n1", "n2"])[0]
    ]
    assert len(requests) == 3
    assert fleet.counted("apiserver_current_inflight_requests") == 3
    assert fleet.rig.core.gauges()["requests_in_flight"] == 3
    assert fleet.rig.core.gauges()["store_calls_in_flight"] == 3
    fleet.rig.step([StoreReplied(shard, ids, None)])
    assert [fleet.rig.answers[900 + place].code for place in range(3)] == [503] * 3
    assert fleet.rig.core.gauges()["requests_in_flight"] == 0
    assert fleet.rig.core.gauges()["store_calls_in_flight"] == 0


def test_another_client_owns_what_it_renews() -> None:
    fleet = Fleet(1)
    (answer,) = fleet.rig.frame_calls((*fleet.words("n0"), "someone/1.0"))
    owners = orjson.loads(answer.body)["metadata"]["managedFields"]
    assert {one["manager"] for one in owners} == {"someone", "unknown"}


def test_renewals_count_against_the_bound_on_all_requests() -> None:
    fleet = Fleet(3, Limits(2))
    asked, codes = fleet.under_way(900, ["n0", "n1", "n2"])
    assert sum(len(one.requests) for one in asked) == 2
    assert codes == {902: 429}
    assert fleet.under_way(910, ["n2"]) == ([], {910: 429})
