"""Decisions a second of the scheduler's core over 1,000,000 nodes on one CPU, and what they weigh.

    python -m benchmarks.bench_scheduler_million [NODES]

All nodes are filtered and scored for every pod, the pod counted on its node before the next one.
CPU time; memory is what the process grew by. Nodes are: all alike; the 1,523 machines of the openb
trace repeated, empty; and the same with one pod on each, hardly any two in one state, so that no
class stands for them.
"""

import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from api.core import JsonObject
from api.streams import Stream
from benchmarks.bench_scheduler import SEED, cluster_node, different_pod, equal_pod, pod_asking
from hollow_node.node_list import NodeShape, read_node_list
from scheduler.engine import Engine
from scheduler.kernel import kernel_named, kernel_of
from scheduler.node_classes import mixed_columns
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.shapes import Shapes

PAGE = 4096
FIRST_PODS = 10
OPENB = Path(__file__).parents[1] / "examples" / "openb" / "openb_node_list_all_node.csv"


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    kernel = kernel_of("auto")
    print(f"{nodes:,} nodes, all scored; one core; seed {SEED}; {kernel_named(kernel)}")
    print(f"{'case':52} {'decisions/s':>12} {'us each':>9}")
    for kind, node_of, different in (
        ("homogeneous", equal_node, 4000),
        ("heterogeneous", openb_node, 1000),
        ("each its own", openb_node, 100),
    ):
        before, table, shapes = resident(), NodeTable(), Shapes()
        for number in range(nodes):
            table.put_node(node_facts(node_of(number)))
        grown = (resident() - before) / nodes
        print(f"memory a node, {kind}: {grown:.0f} bytes; {kinds(table)} kinds of nodes")
        if kind == "each its own":
            fill(table, shapes)
            print(f"{states(table):,} states of nodes")
        engine = Engine(table, kernel=kernel)
        for name, pods, pod_of in (
            ("identical plain pods", 40_000, equal_pod),
            ("all different", different, different_pod),
        ):
            seconds = decide(engine, shapes, pods, pod_of, name)
            print(
                f"{name + ', ' + kind:52} {pods / seconds:12,.0f} {seconds / pods * 1e6:9.1f}",
                flush=True,
            )


def equal_node(number: int) -> JsonObject:
    return cluster_node(number, True)


@cache
def openb_shapes() -> list[NodeShape]:
    return read_node_list(OPENB.read_text(encoding="utf-8"))


def openb_node(number: int) -> JsonObject:
    """The 1,523 machines of the openb trace, again and again."""
    shapes = openb_shapes()
    shape, name = shapes[number % len(shapes)], f"n{number}"
    labels = {"kubernetes.io/hostname": name, "zone": f"z{number % 3}", **dict(shape.labels)}
    return {
        "metadata": {"name": name, "uid": f"u{number}", "labels": labels},
        "spec": {},
        "status": {"allocatable": dict(shape.capacity)},
    }


def kinds(table: NodeTable) -> int:
    """Of nodes by what they have in all."""
    return int(np.unique(table.allocatable[:, : table.rows], axis=1).shape[1])


def states(table: NodeTable) -> int:
    """Of nodes by what is free on them, and what they have in all."""
    columns = [*table.free[:2, : table.rows], *table.allocatable[:2, : table.rows]]
    return len(np.unique(mixed_columns(columns)))


def fill(table: NodeTable, shapes: Shapes) -> None:
    """A pod on every node, so that hardly two nodes are in the same state."""
    for number in range(table.rows):
        pod = pod_asking(number, f"{100 + number * 7 % 1900}m", f"{128 + number * 11 % 7919}Mi")
        table.add_pod(f"filler/p{number}", table.names[number], shapes.of_pod(pod))


def decide(
    engine: Engine, shapes: Shapes, pods: int, pod_of: Callable[[int], JsonObject], name: str
) -> float:
    """CPU seconds. The first pods of a kind are decided before: one scores every node, and by the
    tenth it is known whether classes of nodes pay."""
    table, ties = engine.table, Stream(SEED, "ties")
    wanted = [shapes.of_pod(pod_of(number)) for number in range(pods + FIRST_PODS)]
    for shape in wanted[pods:]:
        engine.choose(shape, 1)
    del wanted[pods:]
    begin = time.process_time()
    for number, shape in enumerate(wanted):
        row = engine.choose(shape, max(ties.next_u64(), 1))
        assert row >= 0
        table.add_pod(f"{name}/p{number}", table.names[row], shape)
    return time.process_time() - begin


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE


if __name__ == "__main__":
    main()
