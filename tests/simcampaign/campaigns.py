"""Small campaigns for virtual time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from api.core import JsonObject
from loadtest.bundle import RunState, new_bundle
from loadtest.campaign import parse_campaign, read_campaign
from loadtest.compiled import Compiled, compile_campaign
from loadtest.report import render
from loadtest.summary import Summary
from loadtest.virtual import VirtualCampaign

MIXED = [
    {"scenario": "pods", "rate": 3, "lifetime": "5s"},
    {
        "scenario": "deployments",
        "arrivals": "constant",
        "rate": "20/m",
        "replicas": 3,
        "scaleTo": 5,
        "scaleAfter": "2s",
        "deleteAfter": "6s",
    },
    {"scenario": "readers", "rate": 5},
    {"scenario": "watchers", "count": 4},
]


@dataclass
class Quiet:
    """A display that keeps what it is told."""

    lines: list[str]

    def message(self, text: str) -> None:
        self.lines.append(text)

    def show(self, progress: object) -> None:
        self.lines.append(str(progress))

    def close(self) -> None:
        self.lines.append("closed")


def document(cluster: Mapping[str, object], load: object = MIXED, seconds: int = 20) -> JsonObject:
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "virtual"},
        "spec": {
            "seed": 5,
            "settle": "5s",
            "cluster": dict(cluster),
            "phases": [{"name": "all", "duration": f"{seconds}s", "load": load}],
        },
    }


def write(path: Path, doc: JsonObject) -> Path:
    path.write_text(yaml.safe_dump(doc))
    return path


def compiled(doc: JsonObject, directory: Path) -> Compiled:
    return compile_campaign(parse_campaign(doc, "test"), directory)


def simulated(doc: JsonObject, directory: Path) -> tuple[Path, RunState, Summary]:
    """Run it; returns its bundle, state and summary."""
    bundle, run_id = new_bundle(directory, "virtual")
    state = RunState(run_id, "2026-01-01T00:00:00Z")
    VirtualCampaign(compiled(doc, directory), bundle, state, Quiet([])).execute()
    return bundle, state, render(bundle)


def digest_of(path: Path, seed: int) -> str:
    """Of a campaign file, without a report."""
    bundle, run_id = new_bundle(path.parent, "virtual")
    state = RunState(run_id, "2026-01-01T00:00:00Z")
    plan = compile_campaign(read_campaign(path, (), seed), path.parent)
    return VirtualCampaign(plan, bundle, state, Quiet([])).execute().digest
