"""Moves the shards of a running cluster to other actors, and sees the work go on."""

import os
import signal
from functools import partial
from pathlib import Path

from actors.lives import Life
from actors.outages import serving
from actors.ray.cluster import RayCluster
from tests.ray.client import WAIT_S, PatientClient

MOVES = ("store-0", "store-0", "store-1")


def another_serves(name: str, before: int, lives: list[Life]) -> bool:
    """Lives are heard of a moment after they begin and end."""
    return serving(lives).get(name, before) != before


def move_stores(cluster: RayCluster, client: PatientClient) -> None:
    for number, name in enumerate(MOVES):
        data = {"metadata": {"name": f"c{number}"}, "data": {"written-before": name}}
        client.create("/api/v1/namespaces/default/configmaps", data)
        before = serving(cluster.lives())[name]
        cluster.move_store(name)
        other = partial(another_serves, name, before)
        assert cluster.await_lives(other, WAIT_S), cluster.lives()
        client.run_deployment(f"moved-{number}", 5)
        print(f"{name}: moved", flush=True)
    # One that moved comes back from its log, where it is now.
    os.kill(serving(cluster.lives())["store-0"], signal.SIGKILL)
    client.run_deployment("after-kill", 5)
    for number, name in enumerate(MOVES):
        read = client.get(f"/api/v1/namespaces/default/configmaps/c{number}")
        assert read["data"] == {"written-before": name}
    assert (Path(cluster.plan.run_directory) / "store-0" / "handed-over").exists()
