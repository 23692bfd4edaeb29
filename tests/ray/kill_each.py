"""Kills each program of a cluster once with SIGKILL, and sees the work go on.

    python -m tests.ray.kill_each DIRECTORY

A script, as Ray's environment must stand before Ray is imported.
"""

import os
import signal
import sys
import time

from actors.plan import ClusterPlan, NodeSpec
from actors.ray.cluster import RayCluster
from tests.ray.client import PatientClient, anything

NODES = 100
REPLICAS = 10
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
    plan = ClusterPlan(directory, nodes=(NodeSpec(NODES),), lease_period_s=2.0)
    cluster = RayCluster.start(plan, lambda text: print(text, flush=True))
    try:
        client = PatientClient(cluster)
        client.wait_nodes(NODES)
        for victim in VICTIMS:
            kill(cluster, client, victim)
        for victim in VICTIMS:
            read = client.until(f"/api/v1/namespaces/default/configmaps/{victim}", anything)
            assert read["data"] == {"written-before": victim}
        again = [line.split()[0] for line in cluster.failures()]
        assert again == list(VICTIMS), cluster.failures()
    finally:
        cluster.stop()


def kill(cluster: RayCluster, client: PatientClient, victim: str) -> None:
    """Kill one; new work runs, nodes stay Ready and renew their Leases, another process stands."""
    data = {"metadata": {"name": victim}, "data": {"written-before": victim}}
    client.until("/api/v1/namespaces/default/configmaps", anything, data)
    before = pid_of(cluster, victim)
    renewed = renewals(client)
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    client.run_deployment(f"after-{victim}", REPLICAS)
    ran_s = time.monotonic() - killed
    client.wait_nodes(NODES)
    client.until(
        LEASES,
        lambda answer: all(
            lease["spec"]["renewTime"] > renewed[lease["metadata"]["name"]]
            for lease in answer["items"]
        ),
    )
    while (after := pid_of(cluster, victim)) == before:
        assert time.monotonic() - killed < 60, f"{victim} did not come back"
        time.sleep(0.2)
    whole_s = time.monotonic() - killed
    print(f"{victim}: pods Running after {ran_s:.1f} s, all well after {whole_s:.1f} s", flush=True)
    assert after != before


def renewals(client: PatientClient) -> dict[str, str]:
    leases = client.until(LEASES, lambda answer: len(answer["items"]) == NODES)
    return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases["items"]}


def pid_of(cluster: RayCluster, name: str) -> int:
    (pid,) = [sample.pid for sample in cluster.samples() if sample.role == name]
    return pid


if __name__ == "__main__":
    main(sys.argv[1])
