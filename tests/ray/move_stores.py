"""Moves the shards of a running cluster to other actors, and sees the work go on.

    python -m tests.ray.move_stores DIRECTORY

A script, as Ray's environment must stand before Ray is imported.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from actors.lives import Life
from actors.outages import serving
from actors.plan import ClusterPlan, NodeSpec
from actors.ray.cluster import RayCluster
from tests.ray.client import PatientClient

NODES = 20
HEARD_S = 60
MOVES = ("store-0", "store-0", "store-1")


def another_serves(name: str, before: int, lives: list[Life]) -> bool:
    """Lives are heard of a moment after they begin and end."""
    return serving(lives).get(name, before) != before


def main(directory: str) -> None:
    plan = ClusterPlan(directory, nodes=(NodeSpec(NODES),), scheduler_partitions=0)
    cluster = RayCluster.start(plan, lambda text: print(text, flush=True))
    try:
        client = PatientClient(cluster)
        client.wait_nodes(NODES)
        for number, name in enumerate(MOVES):
            data = {"metadata": {"name": f"c{number}"}, "data": {"written-before": name}}
            client.create("/api/v1/namespaces/default/configmaps", data)
            before = serving(cluster.lives())[name]
            cluster.move_store(name)
            other = partial(another_serves, name, before)
            assert cluster.await_lives(other, HEARD_S), cluster.lives()
            client.run_deployment(f"after-{number}", 5)
            print(f"{name}: moved", flush=True)
        # One that moved comes back from its log, where it is now.
        os.kill(serving(cluster.lives())["store-0"], signal.SIGKILL)
        client.run_deployment("after-kill", 5)
        for number, name in enumerate(MOVES):
            read = client.get(f"/api/v1/namespaces/default/configmaps/c{number}")
            assert read["data"] == {"written-before": name}
        assert (Path(directory) / "store-0" / "handed-over").exists()
        assert not cluster.failures(), cluster.failures()
        print("all well", flush=True)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1])
