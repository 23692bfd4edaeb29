"""The scenarios of examples: each runs small, in virtual time, and is what its name says."""

import copy
from pathlib import Path
from typing import Any

import pytest

from api.core import JsonObject
from loadtest.bundle import RunState
from loadtest.campaign import check_real_time, parse_campaign
from loadtest.compiled import compile_campaign
from loadtest.experiments.runner import Silent
from loadtest.fields import load_yaml
from loadtest.summary import summarise
from loadtest.virtual import VirtualCampaign, check_virtual_time

HOME = Path(__file__).parents[2] / "examples" / "scenarios"
FILES = sorted(HOME.glob("*.yaml"))
KNOWN = (
    *("cluster-density", "density", "lease-flood", "list-storm", "load", "node-density"),
    *("node100-pod10k", "scheduler-throughput", "watch-fan-out"),
)
SCALE = 100
"""By which a phase is shorter."""


def small(document: JsonObject) -> JsonObject:
    """The same scenario with fewer nodes, for a shorter time."""
    found: Any = copy.deepcopy(document)
    found["spec"]["settle"] = "30s"
    found["spec"]["cluster"]["nodes"] = 8
    for phase in found["spec"]["phases"]:
        length_s = int(phase["duration"].removesuffix("s"))
        phase["duration"] = f"{max(500, length_s * 1000 // SCALE)}ms"
        for load in phase["load"]:
            load |= {"count": min(load["count"], 10)} if "count" in load else {}
            load |= {"replicas": 4, "rate": "4/s"} if "replicas" in load else {}
            if load.get("rate") == "300/s":
                load["rate"] = "60/s"
    return found


def test_all_well_known_names_are_there() -> None:
    assert tuple(file.stem for file in FILES) == KNOWN


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_runs(file: Path, tmp_path: Path) -> None:
    document = load_yaml(file)
    whole = parse_campaign(document, file.name)
    assert whole.name == file.stem
    check_real_time(whole, file.name)
    check_virtual_time(whole, file.name)
    campaign = parse_campaign(small(document), file.name)
    compiled = compile_campaign(campaign, HOME)
    state = VirtualCampaign(compiled, tmp_path, RunState("x", "x"), Silent()).execute()
    assert (state.outcome, state.error, state.settled) == ("complete", "", True)
    found = summarise(tmp_path)
    assert (found.stamp, found.reasons) == ("VALID", [])
    assert found.slo_failed is False, found.verdicts
    assert {phase.name for phase in whole.phases} == {p.name for p in campaign.phases}
    assert len(found.requests.code) == len(compiled.arrivals) > 0


def total(file: str) -> JsonObject:
    """Arrivals of the whole scenario, by verb."""
    campaign = parse_campaign(load_yaml(HOME / f"{file}.yaml"), file)
    counts: dict[str, int] = {}
    for arrival in compile_campaign(campaign, HOME).arrivals:
        counts[arrival.verb] = counts.get(arrival.verb, 0) + 1
    return counts | {"nodes": campaign.cluster.nodes}


def test_sizes_are_those_that_the_names_promise() -> None:
    assert total("node100-pod10k")["nodes"] == 100
    assert total("node100-pod10k")["create"] >= 10_000
    density = total("density")
    assert density["create"] == 30 * density["nodes"] + 150
    assert total("node-density")["create"] == 245 * total("node-density")["nodes"]
    assert total("cluster-density")["create"] == 5 * 60
