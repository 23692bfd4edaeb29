"""Campaign files of a few virtual seconds, for sweeps and searches."""

import copy
from pathlib import Path

import yaml

from api.core import JsonObject
from loadtest.experiments.trials import Base

SMALL: JsonObject = {
    "apiVersion": "hollowfleet.dev/v1alpha1",
    "kind": "Campaign",
    "metadata": {"name": "small"},
    "spec": {
        "seed": 3,
        "namespaces": 1,
        "settle": "1s",
        "cluster": {
            "nodes": 4,
            "storeShards": 1,
            "schedulerPartitions": 0,
            "controllerShards": 1,
            "heartbeats": False,
        },
        "phases": [
            {"name": "all", "duration": "1s", "load": [{"scenario": "pods", "rate": "10/s"}]},
        ],
    },
}
RATE = "phases.0.load.0.rate"


def small(**spec: object) -> JsonObject:
    """SMALL with other keys below spec."""
    doc = copy.deepcopy(SMALL)
    doc["spec"].update(spec)
    return doc


def write(path: Path, doc: JsonObject) -> Path:
    path.write_text(yaml.safe_dump(doc))
    return path


def virtual(doc: JsonObject, directory: Path) -> Base:
    return Base(doc, "test", directory, "virtual")
