"""Which pods go first: the rules one by one, and the 30 recorded choices.

The recorded choice among pods that differ only by uid hangs on the order of a Go map, because the
comparison is not transitive (equal times do not fall back to the uid). So it is checked to be one
that the comparison allows: an insertion sort, as Go's for so few, from some order of the pods.
"""

import pytest

from api.calls import ADDED
from api.core import JsonObject
from api.streams import Stream
from api.times import parse_time
from controllers.ranking import _compare, pods_to_delete
from controllers.records import PODS, Pod, RowReader
from tests.controllers.replay import Replay, each, scenarios
from tests.controllers.world import T0

SECOND = 1_000_000_000
NOW = 1000 * SECOND


def pod(name: str, **changes: object) -> Pod:
    base = RowReader().read(PODS, {"metadata": {"name": name, "namespace": "d", "uid": name}}, 1)
    assert isinstance(base, Pod)
    same = {"node": "n", "phase": "Running", "ready": True, "ready_since_ns": 10, "created_ns": 10}
    return base._replace(**{**same, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"node": "", "phase": "Running"}, {"phase": "Pending"}),
        ({"phase": "Pending"}, {"phase": "Unknown", "ready": False}),
        ({"phase": "Unknown"}, {"ready": False}),
        ({"ready": False}, {"deletion_cost": -5}),
        ({"deletion_cost": -5, "restarts": 0}, {"restarts": 3}),
        ({"ready_since_ns": NOW - 5 * SECOND}, {"ready_since_ns": NOW - 500 * SECOND}),
        ({"restarts": 3}, {"created_ns": NOW - SECOND}),
        ({"created_ns": NOW - 5 * SECOND}, {"created_ns": NOW - 500 * SECOND}),
    ],
)
def test_each_rule_outweighs_those_below(first: dict[str, object], then: dict[str, object]) -> None:
    one, other = pod("a", **first), pod("b", **then)
    assert pods_to_delete([other, one], [], 1, NOW) == [one]
    assert pods_to_delete([one, other], [], 1, NOW) == [one]


def test_the_fuller_node_loses_a_pod_first() -> None:
    alone, one, other = pod("a", node="x"), pod("b", node="y"), pod("c", node="y")
    assert pods_to_delete([alone, one, other], [alone, one, other], 1, NOW) == [one]


def test_times_of_one_magnitude_are_told_apart_by_uid() -> None:
    older, younger = (
        pod("a", ready_since_ns=NOW - 700 * SECOND),
        pod("b", ready_since_ns=NOW - 600 * SECOND),
    )
    assert pods_to_delete([younger, older], [], 1, NOW) == [older]


def insertion_sorted(pods: list[Pod], now_ns: int) -> list[Pod]:
    """As Go's sort does it for up to 12 elements."""
    out = list(pods)
    for i in range(1, len(out)):
        j = i
        while j > 0 and _compare(out[j], out[j - 1], {}, now_ns) < 0:
            out[j], out[j - 1] = out[j - 1], out[j]
            j -= 1
    return out


def recorded(scenario: JsonObject) -> tuple[list[Pod], set[str], int]:
    """Pods as the controller saw them, names of those that it deleted, and when."""
    replay = Replay(scenario)
    doomed = {w["name"] for w in scenario["requests"]["writes"] if w["verb"] == "delete"}
    at_s = min(w["t"] for w in scenario["requests"]["writes"] if w["verb"] == "delete")
    pods = []
    for item in scenario["objects"]:
        if item["resource"] != "pods":
            continue
        alive = [s for s in item["states"] if "deletionTimestamp" not in s["object"]["metadata"]]
        seen = RowReader().read(PODS, replay._real(alive[-1]["object"]), ADDED + 1)
        assert isinstance(seen, Pod)
        pods.append(seen)
    return pods, doomed, replay._start_ns + int(at_s * SECOND)


RANKED = list(each(("cold", "cold2"), ("cold-rank",)))


@pytest.mark.parametrize(("file", "name"), RANKED)
def test_the_recorded_choice_is_one_that_the_ranking_allows(file: str, name: str) -> None:
    pods, doomed, now_ns = recorded(scenarios(file)[name])
    assert parse_time("2026-01-01T00:00:00Z") == T0
    stream = Stream(1, name)
    for _ in range(20_000):
        order = sorted(pods, key=lambda pod: (stream.next_u64(), pod.uid))
        if {pod.name for pod in insertion_sorted(order, now_ns)[: len(doomed)]} == doomed:
            return
    raise AssertionError(f"{sorted(doomed)} cannot come first")
