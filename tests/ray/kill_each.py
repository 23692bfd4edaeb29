"""Kills each program of a cluster once with SIGKILL, and sees the work go on."""

import os
import signal
import time

from actors.lives import Life
from actors.outages import outages_of, serving
from actors.ray.cluster import RayCluster
from tests.ray.client import WAIT_S, PatientClient

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


def kill_each(cluster: RayCluster, client: PatientClient, nodes: int) -> None:
    """Of a cluster that nothing has happened to yet, with so many nodes."""
    # Lives are heard of a moment after they begin.
    assert cluster.await_lives(lambda lives: {*VICTIMS} <= {*serving(lives)}, WAIT_S)
    for victim in VICTIMS:
        _kill(cluster, client, victim, nodes)
    for victim in VICTIMS:
        read = client.get(f"/api/v1/namespaces/default/configmaps/{victim}")
        assert read["data"] == {"written-before": victim}
    assert [outage.program for outage in outages_of(cluster.lives())] == list(VICTIMS)


def _kill(cluster: RayCluster, client: PatientClient, victim: str, nodes: int) -> None:
    """Kill one; new work runs, nodes stay Ready and renew their Leases, another process stands."""
    data = {"metadata": {"name": victim}, "data": {"written-before": victim}}
    client.create("/api/v1/namespaces/default/configmaps", data)
    before = serving(cluster.lives())[victim]
    renewed = _renewals(client, nodes)
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    client.run_deployment(f"after-{victim}", REPLICAS)
    ran_s = time.monotonic() - killed
    client.wait_nodes(nodes)
    client.until(
        LEASES,
        lambda leases: all(
            leases[name]["spec"]["renewTime"] > time_ for name, time_ in renewed.items()
        ),
    )

    def back(lives: list[Life]) -> bool:
        return serving(lives).get(victim, before) != before

    assert cluster.await_lives(back, WAIT_S), f"{victim} did not come back"
    whole_s = time.monotonic() - killed
    print(f"{victim}: pods Running after {ran_s:.1f} s, all well after {whole_s:.1f} s", flush=True)


def _renewals(client: PatientClient, nodes: int) -> dict[str, str]:
    leases = client.until(LEASES, lambda leases: len(leases) == nodes)
    return {name: lease["spec"]["renewTime"] for name, lease in leases.items()}
