"""Decisions a second of the scheduler's core over 1,000,000 nodes on one CPU, and what they weigh.

    python -m benchmarks.bench_scheduler_million [NODES]

All nodes are filtered and scored for every pod, the pod counted on its node before the next one.
CPU time; memory is what the process grew by.
"""

import sys
import time
from collections.abc import Callable

from api.core import JsonObject
from api.streams import Stream
from benchmarks.bench_scheduler import SEED, cluster_node, different_pod, equal_pod
from scheduler.engine import Engine
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.shapes import Shapes

PAGE = 4096


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{nodes:,} nodes, all scored; one core; seed {SEED}")
    print(f"{'case':52} {'decisions/s':>12} {'us each':>9}")
    for kind, equal, different in (("homogeneous", True, 4000), ("heterogeneous", False, 200)):
        before, table = resident(), NodeTable()
        for number in range(nodes):
            table.put_node(node_facts(cluster_node(number, equal)))
        grown = (resident() - before) / nodes
        engine, shapes = Engine(table), Shapes()
        for name, pods, pod_of in (
            ("identical plain pods", 40_000, equal_pod),
            ("all different", different, different_pod),
        ):
            seconds = decide(engine, shapes, pods, pod_of, name)
            print(f"{name + ', ' + kind:52} {pods / seconds:12,.0f} {seconds / pods * 1e6:9.1f}")
        print(f"memory a node, {kind}: {grown:.0f} bytes", flush=True)


def decide(
    engine: Engine, shapes: Shapes, pods: int, pod_of: Callable[[int], JsonObject], name: str
) -> float:
    """CPU seconds. The first pod of a kind is decided before: it scores every node."""
    table, ties = engine.table, Stream(SEED, "ties")
    wanted = [shapes.of_pod(pod_of(number)) for number in range(pods + 1)]
    engine.choose(wanted.pop(), 1)
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
