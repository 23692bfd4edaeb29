"""Kills each program of a cluster once with SIGKILL, and sees the work go on.

    python -m tests.ray.kill_each DIRECTORY

A script, as Ray's environment must stand before Ray is imported.
"""

import os
import signal
import sys
import time

from actors.lives import Life
from actors.outages import outages_of, serving
from actors.plan import ClusterPlan, NodeSpec
from actors.ray.cluster import RayCluster
from tests.ray.client import PatientClient

NODES = 100
REPLICAS = 10
BACK_S = 60.0
VICTIMS = (
    "store-0",
    "store-1",
    "partition-0",
    "controllers-0",
    "scheduler",
    "hollow-0",
    "apiserver-0",
)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def main(directory: str) -> None:
    plan = ClusterPlan(directory, nodes=(NodeSpec(NODES),), lease_period_s=1.0)
    cluster = RayCluster.start(plan, lambda text: print(text, flush=True))
    try:
        client = PatientClient(cluster)
        client.wait_nodes(NODES)
        for victim in VICTIMS:
            kill(cluster, client, victim)
        for victim in VICTIMS:
            read = client.get(f"/api/v1/namespaces/default/configmaps/{victim}")
            assert read["data"] == {"written-before": victim}
        assert [outage.program for outage in outages_of(cluster.lives())] == list(VICTIMS)
        assert not cluster.failures(), cluster.failures()
    finally:
        cluster.stop()


def kill(cluster: RayCluster, client: PatientClient, victim: str) -> None:
    """Kill one; new work runs, nodes stay Ready and renew their Leases, another process stands."""
    data = {"metadata": {"name": victim}, "data": {"written-before": victim}}
    client.create("/api/v1/namespaces/default/configmaps", data)
    before = serving(cluster.lives())[victim]
    renewed = renewals(client)
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    client.run_deployment(f"after-{victim}", REPLICAS)
    ran_s = time.monotonic() - killed
    client.wait_nodes(NODES)
    client.until(
        LEASES,
        lambda leases: all(
            leases[name]["spec"]["renewTime"] > time_ for name, time_ in renewed.items()
        ),
    )

    def back(lives: list[Life]) -> bool:
        return serving(lives).get(victim, before) != before

    assert cluster.await_lives(back, BACK_S), f"{victim} did not come back"
    whole_s = time.monotonic() - killed
    print(f"{victim}: pods Running after {ran_s:.1f} s, all well after {whole_s:.1f} s", flush=True)


def renewals(client: PatientClient) -> dict[str, str]:
    leases = client.until(LEASES, lambda leases: len(leases) == NODES)
    return {name: lease["spec"]["renewTime"] for name, lease in leases.items()}


if __name__ == "__main__":
    main(sys.argv[1])
