"""Programs that are paused or cut off for a time, in virtual time: when nothing happens, and when
all that waited does."""

from pathlib import Path

import numpy as np
import pytest

from api.core import JsonObject
from loadtest.absences import Absence
from loadtest.bundle import RunState, new_bundle
from loadtest.campaign import parse_campaign
from loadtest.fields import CampaignError
from loadtest.summary import summarise
from loadtest.virtual import VirtualCampaign, check_virtual_time
from tests.simcampaign.campaigns import Quiet, compiled, document, simulated

LOAD = [{"scenario": "pods", "rate": 20, "arrivals": "constant"}]
CLUSTER = {"nodes": 6, "schedulerPartitions": 2, "controllerShards": 1, "hollowActors": 1}
HOW = {"pause": "paused by the campaign", "disconnect": "cut off by the campaign"}
STOPS = {
    "scheduler": {"bound", "running"},
    "hollow-0": {"running"},
    "store-0": {"answered", "bound", "running"},
    "apiserver-0": {"answered", "bound", "running"},
}
"""What does not happen while one of them is away."""
MOMENT_S = 0.05
"""What was under way when the time began."""


def campaign(seconds: int, **faults: object) -> JsonObject:
    doc = document(CLUSTER, LOAD, seconds)
    doc["spec"]["faults"] = faults
    return doc


def test_what_a_program_does_waits_until_it_is_back(tmp_path: Path) -> None:
    """Each in its turn, for a second, with as much between two of them."""
    times = [(how, program) for how in HOW for program in STOPS]
    faults: dict[str, list[object]] = {how: [] for how in HOW}
    for place, (how, program) in enumerate(times):
        faults[how].append({"component": program, "at": f"{2 * place + 1}s", "for": "1s"})
    seconds = 2 * len(times) + 1
    bundle, _, summary = simulated(campaign(seconds, **faults), tmp_path)
    pods, requests = summary.pods, summary.requests
    seen = {
        "answered": requests.intended_s + requests.latency_s,
        "bound": pods.bound_s,
        "running": pods.running_s,
    }
    for place, (_, program) in enumerate(times):
        since_s = 2.0 * place + 1
        stopped = {
            name
            for name, at_s in seen.items()
            if not ((at_s > since_s + MOMENT_S) & (at_s < since_s + 1)).any()
        }
        assert stopped == STOPS[program], program
    assert not np.isnan(pods.running_s).any() and len(pods.running_s) == 20 * seconds
    assert summary.stamp == "VALID", summary.reasons
    assert summary.outages == [
        Absence(program, 2.0 * place + 1, 1.0, planned=True, how=how)
        for place, (how, program) in enumerate(times)
    ]
    page = (bundle / "report.html").read_text()
    assert all(page.count(word) == len(STOPS) for word in HOW.values())


def test_partitions_that_are_cut_off_are_given_up_in_time(tmp_path: Path) -> None:
    """Pods of a shape that nobody has scored wait for them, for two seconds and no longer."""
    doc = campaign(3, disconnect=[{"component": "partition", "at": "0s", "for": "3s"}])
    bundle, run_id = new_bundle(tmp_path, "virtual")
    VirtualCampaign(compiled(doc, tmp_path), bundle, RunState(run_id, ""), Quiet([])).execute()
    bound_s = np.sort(summarise(bundle).pods.bound_s)
    assert 1.9 < bound_s[0] < 2.2
    assert not np.isnan(bound_s).any() and len(bound_s) == 60


def test_longer_than_calls_wait_is_refused_in_virtual_time() -> None:
    doc = campaign(60, disconnect=[{"component": "store-0", "at": "1s", "for": "31s"}])
    with pytest.raises(CampaignError, match=r"disconnect: store-0 is away for more than 30 s"):
        check_virtual_time(parse_campaign(doc, "test"), "file")
