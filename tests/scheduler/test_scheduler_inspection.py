"""What the plugins say of one pod, from the objects of a cluster."""

from dataclasses import replace

import pytest

from api.core import JsonObject
from scheduler.configuration import DEFAULT
from scheduler.extender import Extender
from scheduler.inspection import Answer, UnknownPod, inspect
from tests.scheduler.scheduler_objects import node, pod

LICENCES = Extender("http://licences.test", {"filter": "filter"}, managed=("test/licence",))
CONFIGURATION = replace(DEFAULT, extenders=(LICENCES,))


def bound(item: JsonObject, name: str, **status: object) -> JsonObject:
    item["spec"]["nodeName"] = name
    item["status"] |= status
    return item


def asked(items: list[JsonObject], nodes: list[JsonObject], name: str = "p") -> Answer:
    return inspect([("nodes", nodes), ("pods", items)], CONFIGURATION, f"default/{name}", 2)


def test_counts_by_plugin_and_the_best_nodes_with_their_points() -> None:
    nodes = [
        node("full", cpu="1"),
        node("large", cpu="16"),
        node("small", cpu="4"),
        node("off", taints=["k=v:NoSchedule"]),
    ]
    others = [bound(pod("q", cpu="1"), "full"), bound(pod("done"), "small", phase="Succeeded")]
    answer = asked([*others, pod("p", cpu="1", memory="2Gi")], nodes)
    assert (answer.node, answer.nodes, answer.feasible, answer.message) == ("", 4, 2, "")
    assert answer.rejected == (("TaintToleration", 1), ("NodeResourcesFit", 1))
    assert dict(answer.reasons) == {"node(s) had untolerated taint(s)": 1, "Insufficient cpu": 1}
    first, second = answer.best
    # large: (93 + 75) / 2; small: 75 both.
    assert (first.node, dict(first.by_plugin)["NodeResourcesFit"]) == ("large", 84)
    assert (second.node, dict(second.by_plugin)["NodeResourcesFit"]) == ("small", 75)
    assert first.total == sum(points for _, points in first.by_plugin)


def test_a_bound_pod_is_taken_from_its_node_first() -> None:
    answer = asked([bound(pod("p", cpu="3"), "a")], [node("a", cpu="4"), node("b", cpu="2")])
    assert (answer.node, answer.feasible, [one.node for one in answer.best]) == ("a", 1, ["a"])


def test_nowhere_says_what_the_event_says() -> None:
    answer = asked([pod("p", cpu="8")], [node("a")])
    assert answer.message.startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert answer.best == ()


def test_a_node_kept_for_a_more_important_pod_is_full() -> None:
    chief = pod("chief", cpu="3", priority=9)
    chief["status"]["nominatedNodeName"] = "a"
    assert asked([chief, pod("p", cpu="2")], [node("a", cpu="4")]).feasible == 0


def test_whoever_is_not_ours_is_said_so() -> None:
    with pytest.raises(UnknownPod, match="there is no pod default/p"):
        asked([], [])
    with pytest.raises(UnknownPod, match="left to the scheduler 'other'"):
        asked([pod("p", schedulerName="other")], [])


def test_extenders_with_a_say_in_the_pod_are_named() -> None:
    """They decide too, and are not asked: what is feasible here may be nowhere for them."""
    licensed = pod("p")
    licensed["spec"]["containers"][0]["resources"]["limits"] = {"test/licence": "1"}
    assert asked([pod("p")], [node("a")]).not_asked == ()
    assert asked([licensed], [node("a")]).not_asked == ("http://licences.test",)
