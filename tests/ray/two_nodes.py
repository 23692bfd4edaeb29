"""A cluster over two Ray nodes of one host, joined by address: what it lives through.

    python -m tests.ray.two_nodes DIRECTORY

A script, as Ray's environment must stand before Ray is imported.
"""

import os
import sys
from pathlib import Path

from actors.plan import ClusterPlan, NodeSpec
from actors.ray.cluster import RayCluster
from actors.ray.environment import prepare_private_ray
from tests.ray.client import PatientClient
from tests.ray.kill_each import kill_each
from tests.ray.move_stores import move_stores

NODES = 50
REPLICAS = 20


def main(directory: str) -> None:
    temporary = Path(os.environ["RAY_TMPDIR"])
    prepare_private_ray(temporary)
    import ray
    from ray.cluster_utils import Cluster

    two = Cluster()
    try:
        for _ in range(2):
            two.add_node(num_cpus=1, object_store_memory=100 * 1024 * 1024, include_dashboard=False)
        ray.init(address=two.address, log_to_driver=False)
        assert len({node["NodeID"] for node in ray.nodes() if node["Alive"]}) == 2
        ray.shutdown()
        use(two.address, directory)
        ray.init(address=two.address, log_to_driver=False)
        assert sum(node["Alive"] for node in ray.nodes()) == 2, "what we joined is still there"
        ray.shutdown()
    finally:
        two.shutdown()


def use(address: str, directory: str) -> None:
    plan = ClusterPlan(directory, nodes=(NodeSpec(NODES),), lease_period_s=1.0)
    cluster = RayCluster.start(plan, lambda text: print(text, flush=True), address)
    try:
        client = PatientClient(cluster)
        client.wait_nodes(NODES)
        client.run_deployment("two", REPLICAS)
        assert len({parent(sample.pid) for sample in cluster.samples()}) == 2, "not spread"
        kill_each(cluster, client, NODES)
        move_stores(cluster, client)
        assert not cluster.failures(), cluster.failures()
    finally:
        cluster.stop()


def parent(pid: int) -> int:
    """The raylet that started a program's process."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text[text.rindex(")") + 2 :].split()[1])


if __name__ == "__main__":
    main(sys.argv[1])
