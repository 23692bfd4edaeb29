"""Pods that are on a node, or not on it, for a trial: nominated ones and victims."""

from api.core import JsonObject
from scheduler.explain import Pod, explain, filters_for, refusal_beside_nominees
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.placed import Nominee
from scheduler.pod_shape import Shape
from scheduler.preemption import trials
from scheduler.shapes import Shapes
from tests.scheduler.scheduler_objects import node, pod

SHAPES = Shapes()


def spread(name: str) -> Shape:
    """Over all pods of the namespace."""
    constraint = {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {},
    }
    return SHAPES.of_pod(pod(name, cpu="1", topologySpreadConstraints=[constraint]))


def table_of(*nodes: JsonObject) -> NodeTable:
    table = NodeTable(len(nodes))
    for item in nodes:
        table.put_node(node_facts(item))
    return table


def test_an_empty_selector_of_a_spread_means_pods_on_trial_alone() -> None:
    """Those that are there it does not mean."""
    table, shape = table_of(node("a"), node("b")), spread("p")
    who = Pod("default/p", 0)
    for name in ("d/1", "d/2"):
        table.add_pod(name, "a", spread("q"))
    assert explain(shape, table, who).feasible.tolist() == [0, 1]
    table.nominations.add(Nominee("default/other", spread("other"), 5), "a")
    found = refusal_beside_nominees(shape, table, 0, who, filters_for(shape, table))
    assert found is not None and found.plugin == "PodTopologySpread"
    assert explain(shape, table, who).feasible.tolist() == [1]
    elsewhere = SHAPES.of_pod({**pod("far"), "metadata": {"namespace": "far", "name": "far"}})
    table.nominations.add(Nominee("default/other", elsewhere, 5), "a")
    assert explain(shape, table, who).feasible.tolist() == [0, 1]
    table.check()


def test_victims_make_room_in_a_spread_over_all_pods() -> None:
    """Each that goes is one less than the none that were counted."""
    table, shape = table_of(node("a", cpu="2"), node("b", cpu="2")), spread("p")
    who = Pod("default/p", 9)
    for name, place in (("default/1", "a"), ("default/2", "a"), ("default/3", "b")):
        table.add_pod(name, place, spread("q"), 1)
    table.add_pod("default/4", "b", spread("q"), 10)
    explanation = explain(shape, table, who)
    assert not len(explanation.feasible)
    tried = trials(shape, table, who, explanation, ())
    assert [[victim.pod for victim in trial.victims] for trial in tried] == [
        ["default/2"],
        ["default/3"],
    ]
    assert explain(shape, table, who).feasible.tolist() == []
    table.check()
