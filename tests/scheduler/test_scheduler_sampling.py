"""percentageOfNodesToScore: the published table, and the walk through the zones."""

from dataclasses import replace

import pytest

from scheduler.engine import Engine
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.profile import DEFAULT
from scheduler.sampling import ADAPTIVE, nodes_to_find
from scheduler.shapes import Shapes
from scheduler.tie import FIRST
from tests.scheduler.scheduler_objects import node, pod

PUBLISHED = [
    (100, 100), (200, 100), (500, 230), (1000, 420), (2000, 680), (3000, 780),
    (4000, 720), (5000, 500), (6000, 300), (7000, 350), (10000, 500), (20000, 1000),
]  # fmt: skip
"""Nodes, and feasible nodes sought. Source: kubernetes/kubernetes#139088, column "before"."""


@pytest.mark.parametrize(("nodes", "sought"), [(50, 50), *PUBLISHED])
def test_the_work_for_a_pod_is_not_monotone_in_nodes(nodes: int, sought: int) -> None:
    assert nodes_to_find(nodes, ADAPTIVE) == sought
    assert nodes_to_find(nodes, 100) == nodes


def test_an_empty_cluster_of_a_thousand_nodes() -> None:
    profile = replace(DEFAULT, percentage_of_nodes_to_score=ADAPTIVE)
    table, shapes = NodeTable(), Shapes({profile.name: profile})
    zone = "topology.kubernetes.io/zone"
    for number in range(1000):
        # Two nodes of zone z0, then all of z1: the walk alternates as long as it can.
        labels = {zone: "z0" if number < 400 else "z1"}
        table.put_node(node_facts(node(f"n{number}", labels=labels)))
    engine = Engine(table)
    sampler = engine.sampler
    shape = shapes.of_pod(pod("p"))
    assert engine.choose(shape, FIRST) == 0 and sampler.looked_at == 420
    # 210 of each zone are behind; the next search begins with the 211th of z0.
    table.add_pod("p0", "n0", shape)
    assert engine.choose(shape, FIRST) == 210
    full = shapes.of_pod(pod("q", cpu="64"))
    assert engine.choose(full, FIRST) == -1 and sampler.looked_at == 1000


def test_work_for_a_pod_rises_falls_and_rises_again() -> None:
    """One cluster that grows through the published sizes. Empty, exactly the nodes sought are
    filtered and scored; for a pod that fits nowhere all are filtered and the curve is gone."""
    profile = replace(DEFAULT, percentage_of_nodes_to_score=ADAPTIVE)
    table, shapes = NodeTable(), Shapes({profile.name: profile})
    engine = Engine(table)
    sampler, shape = engine.sampler, shapes.of_pod(pod("p"))
    too_large = shapes.of_pod(pod("q", cpu="64"))
    facts, work = node_facts(node("n")), {}
    for nodes, sought in PUBLISHED:
        for number in range(table.count, nodes):
            table.put_node(facts._replace(name=f"n{number}"))
        assert engine.choose(shape, FIRST) >= 0
        assert (sampler.looked_at, sampler.found) == (sought, sought)
        work[nodes] = sampler.found
        assert engine.choose(too_large, FIRST) == -1
        assert (sampler.looked_at, sampler.found) == (nodes, 0)
    assert work[1000] < work[2000] < work[3000] > work[4000] > work[5000] > work[6000]
    assert work[6000] < work[7000] < work[10000] < work[20000]
    assert work[3000] / work[6000] == 2.6 and 5000 / work[5000] == 10.0
