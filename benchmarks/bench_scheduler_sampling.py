"""percentageOfNodesToScore: nodes filtered and scored for a pod by the number of nodes, and what
the choice loses by not looking at all.

    python -m benchmarks.bench_scheduler_sampling

Counts, not times: kube-scheduler's adaptive formula on an empty cluster of unequal nodes, and for a
pod that fits nowhere. Regret: points of the best of all nodes less points of the node chosen, mean
over 50 pods, of a total of about 300.
"""

from dataclasses import replace

from api.streams import Stream
from benchmarks.bench_scheduler import SEED, cluster_node, pod_asking
from scheduler.engine import Engine
from scheduler.explain import explain
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.profile import DEFAULT
from scheduler.sampling import ADAPTIVE
from scheduler.shapes import Shapes

PUBLISHED = {
    100: 100, 200: 100, 500: 230, 1000: 420, 2000: 680, 3000: 780, 4000: 720, 5000: 500, 6000: 300,
    7000: 350, 10000: 500, 20000: 1000,
}  # fmt: skip
"""Source: kubernetes/kubernetes#139088, column "before"."""
PODS = 50


def main() -> None:
    profile = replace(DEFAULT, percentage_of_nodes_to_score=ADAPTIVE)
    table, shapes, ties = NodeTable(), Shapes({profile.name: profile}), Stream(SEED, "ties")
    engine = Engine(table)
    shape = shapes.of_pod(pod_asking(0, "500m", "1Gi"))
    too_large = shapes.of_pod(pod_asking(0, "4000", "1Gi"))
    print(f"{'nodes':>7} {'published':>10} {'filtered':>9} {'scored':>7} {'full':>7} {'regret':>7}")
    for nodes, published in PUBLISHED.items():
        for number in range(table.count, nodes):
            table.put_node(node_facts(cluster_node(number, False)))
        lost = 0
        for number in range(PODS):
            row = engine.choose(shape, max(ties.next_u64(), 1))
            filtered, scored = engine.sampler.looked_at, engine.sampler.found
            every = explain(shape, table)
            points = dict(zip(every.feasible.tolist(), every.total.tolist(), strict=True))
            lost += max(points.values()) - points[row]
            table.add_pod(f"{nodes}/p{number}", table.names[row], shape)
        engine.choose(too_large, 1)
        full = engine.sampler.looked_at
        print(f"{nodes:7} {published:10} {filtered:9} {scored:7} {full:7} {lost / PODS:7.2f}")


if __name__ == "__main__":
    main()
