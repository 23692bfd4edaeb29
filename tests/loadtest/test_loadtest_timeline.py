"""Timelines from watch events."""

from typing import Any

from loadtest.timeline import NodeTimeline, PodTimeline


def pod(uid: str, node: str = "", phase: str = "Pending", owner: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"uid": uid, "name": uid, "namespace": "n"}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner}]
    spec = {"nodeName": node} if node else {}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def test_the_first_sight_of_each_stage_counts() -> None:
    timeline = PodTimeline()
    timeline.see("ADDED", pod("a", owner="ReplicaSet"), 10)
    assert not timeline.at_rest
    timeline.see("MODIFIED", pod("a", "n1"), 20)
    timeline.see("MODIFIED", pod("a", "n1", "Running"), 30)
    timeline.see("MODIFIED", pod("a", "n1", "Running"), 40)
    assert timeline.at_rest
    timeline.see("DELETED", pod("a", "n1", "Running"), 50)
    assert timeline.pods["a"].row() == ("n", "a", "ReplicaSet", "n1", 10, 20, 30, 50)
    counts = (timeline.created, timeline.bound, timeline.running, timeline.deleted)
    assert counts == (1, 1, 1, 1)


def test_a_relist_ends_what_is_gone() -> None:
    timeline = PodTimeline()
    timeline.see_all([pod("a"), pod("b")], 10)
    timeline.see_all([pod("b", "n1")], 20)
    assert timeline.pods["a"].deleted_ns == 20
    assert timeline.pods["b"].bound_ns == 20
    timeline.see("DELETED", pod("a"), 30)
    assert timeline.deleted == 1


def node(name: str, ready: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_nodes_ready() -> None:
    nodes = NodeTimeline()
    nodes.see("ADDED", node("a", "Unknown"))
    nodes.see("ADDED", node("b", "True"))
    nodes.see("MODIFIED", node("a", "True"))
    assert (nodes.ready, nodes.known) == (2, 2)
    nodes.see("MODIFIED", node("b", "False"))
    nodes.see("DELETED", node("a", "True"))
    assert (nodes.ready, nodes.known) == (0, 1)
    nodes.see_all([node("c", "True")])
    assert (nodes.ready, nodes.known) == (1, 1)
