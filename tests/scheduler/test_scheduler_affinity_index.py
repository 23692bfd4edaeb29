"""Counting placed pods anew for each pod, or keeping the numbers: the same choice."""

import pytest

from loadtest.experiments.reference.r09_constraints import WORKLOADS, Workload, placed_asked
from scheduler.engine import Engine
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.shapes import Shapes

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


@pytest.mark.parametrize("workload", WORKLOADS, ids=[one.name for one in WORKLOADS])
def test_the_index_changes_no_choice_and_saves_the_asking(workload: Workload) -> None:
    assert _chosen(workload, True) == _chosen(workload, False)
    indexed, naive = placed_asked(workload, True, 9, 30), placed_asked(workload, False, 9, 30)
    assert naive > 10 * indexed or not workload.terms


def _chosen(workload: Workload, indexed: bool) -> list[int]:
    table, shapes = NodeTable(), Shapes()
    for number in range(9):
        labels = {HOSTNAME: f"n{number}", ZONE: f"z{number % 3}"}
        allocatable = {"cpu": str(8 + number), "memory": "64Gi", "pods": "110"}
        document = {
            "metadata": {"name": f"n{number}", "labels": labels},
            "spec": {},
            "status": {"allocatable": allocatable},
        }
        table.put_node(node_facts(document))
    requests = {"requests": {"cpu": "100m", "memory": "500Mi"}}
    shape = shapes.of_pod(
        {
            "metadata": {"namespace": "default", "name": "p", "labels": {"app": "perf"}},
            "spec": {
                "containers": [{"name": "c", "image": "app:1", "resources": requests}],
                **workload.spec,
            },
        }
    )
    engine = Engine(table, affinity_index=indexed)
    rows = []
    for number in range(25):
        rows.append(engine.choose(shape, 1 + number))
        table.add_pod(f"default/p{number}", table.names[rows[-1]], shape)
    return rows
