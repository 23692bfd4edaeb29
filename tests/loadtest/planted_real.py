"""Bottlenecks planted in real clusters: ``python -m tests.loadtest.planted_real [KIND ...]``.

Each campaign is run as it is, then once more with the suspect relieved and once with the next one:
about a minute a kind. Prints a line for each; exit code 1 where one was not named or not confirmed.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.core import JsonObject
from loadtest.experiments.culprit import Culprit, find_culprit
from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base
from sim.campaign.costs import DEFAULT


@dataclass(frozen=True, slots=True)
class Plant:
    """What makes one component the bottleneck: it needs about twice the time there is."""

    named: tuple[str, ...]
    """The component; of a way, its two directions."""
    faults: JsonObject
    watchers: int = 0
    read_rate: int = 0
    shards: int = 1


def slow(component: str, per_operation: str) -> JsonObject:
    return {"slow": [{"component": component, "perOperation": per_operation}]}


LINE = {"bandwidth": 100_000, "between": ["apiserver-0", "store-0"]}
PLANTS = {
    "shard": Plant(("store-1",), slow("store-1", "20ms"), shards=2),
    "api-server": Plant(("apiserver-0",), slow("apiserver-0", "8ms")),
    "scheduler": Plant(("scheduler",), slow("scheduler", "25ms")),
    "link": Plant(("apiserver-0>store-0/link", "store-0>apiserver-0/link"), {"network": LINE}),
    "watcher": Plant(("apiserver-0/watchers",), {}, watchers=1, read_rate=200_000),
}


def campaign_of(plant: Plant, seconds: int, rate: int) -> JsonObject:
    """The load is the same for all: pods, and who reads them."""
    load: list[JsonObject] = [
        {"scenario": "pods", "rate": rate},
        {"scenario": "readers", "rate": rate // 2},
    ]
    if plant.watchers:
        watching = {"scenario": "watchers", "count": plant.watchers, "readRate": plant.read_rate}
        load.append(watching)
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "planted"},
        "spec": {
            "settle": "1s",
            "cluster": {
                "nodes": 20,
                "storeShards": plant.shards,
                "shardBy": "hash" if plant.shards > 1 else "kind",
                "schedulerPartitions": 0,
                "controllerShards": 1,
            },
            "generator": {"inFlightMax": 10_000},
            "faults": plant.faults,
            "phases": [{"name": "load", "duration": f"{seconds}s", "load": load}],
        },
    }


def named_rightly(kind: str, found: Culprit) -> bool:
    return found.near and found.name in PLANTS[kind].named


def main(argv: Sequence[str]) -> int:
    wrong = 0
    for kind in argv or PLANTS:
        with tempfile.TemporaryDirectory(prefix="planted-") as place:
            out = Path(place)
            (out / "trials").mkdir()
            base = Base(campaign_of(PLANTS[kind], 15, 40), "planted", out, "real")
            found = find_culprit(base, DEFAULT, 1, Runner(out, 1), lambda text: None)
        right = named_rightly(kind, found) and found.confirmed is True
        wrong += not right
        print(f"{'right' if right else 'WRONG'}  {kind}: {found.text()}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
