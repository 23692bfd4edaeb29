"""Campaigns in virtual time: the same bundle as a real run, the same digest every time."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from loadtest.bundle import read_rows
from loadtest.cli import cli
from tests.simcampaign.campaigns import document, simulated, write

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = {"nodes": 6, "storeShards": 2, "schedulerPartitions": 1, "controllerShards": 2}


def test_a_campaign_runs_and_leaves_the_bundle_of_a_run(tmp_path: Path) -> None:
    bundle, state, summary = simulated(document(SMALL), tmp_path)
    assert (state.outcome, state.error, state.simulated) == ("complete", "", True)
    assert (summary.stamp, summary.headline) == ("VALID", "PASS")
    assert state.nodes_ready == 6 and state.settled
    codes = Counter(row["code"] for row in read_rows(bundle / "samples-0.csv.gz"))
    assert set(codes) == {"200", "201"}
    owners = Counter(row["owner"] for row in read_rows(bundle / "pods.csv.gz"))
    assert owners["ReplicaSet"] >= 15 and owners[""] >= 30
    assert summary.pod_start is not None and 0.0005 < summary.pod_start.p50 < 0.1
    found = json.loads((bundle / "summary.json").read_text())
    assert found["simulated"] is True
    assert found["simulation"]["digest"] == state.digest
    for name in ("campaign.json", "versions.json", "nodes.csv", "series.csv", "allocation.csv"):
        assert (bundle / name).stat().st_size > 50, name
    counts = json.loads((bundle / "generator-0.json").read_text())["counts"]
    assert counts["watch_events"] > 4 * len(summary.pods.created_s)


def test_a_closed_loop_sends_as_fast_as_it_is_answered_and_the_report_says_so(
    tmp_path: Path,
) -> None:
    load = [
        {"scenario": "readers", "arrivals": "closed", "users": 2, "count": 2000},
        {"scenario": "pods", "rate": 20},
    ]
    doc = document(SMALL, load)
    doc["spec"]["phases"][0]["duration"] = "200ms"
    doc["spec"]["generator"] = {"inFlightMax": 1}
    bundle, _, summary = simulated(doc, tmp_path)
    assert (summary.stamp, summary.reasons) == ("VALID", [])
    (facts,) = summary.generators
    opened = len(summary.pods.created_s)
    assert facts.unreached > 0 and facts.sent + facts.unreached == 2000 + opened
    reads = sorted(
        (int(row["intended_us"]), int(row["latency_us"]))
        for row in read_rows(bundle / "samples-0.csv.gz")
        if row["scenario"] == "readers"
    )
    # Two users: the third request of any three waits for the first or the second.
    for (first, took), (second, also), (third, _) in zip(reads, reads[1:], reads[2:], strict=False):
        assert third + 1 >= min(first + took, second + also)
    assert reads[0][0] >= 0 and reads[-1][0] < 200_000
    assert float(summary.offered.sum()) == opened
    found = json.loads((bundle / "summary.json").read_text())
    assert found["closed"] == ["readers of phase 1: 2 users, at most 2000 requests"]
    page = (bundle / "report.html").read_text()
    assert found["closed"][0] in page and "coordinated omission" in page


def test_knobs_of_the_literature_change_what_the_cluster_does(tmp_path: Path) -> None:
    """Of nodes that report by status instead of by Lease: who asks for what, counted."""
    asked = {}
    for by in ("lease", "status"):
        knobs = {"heartbeatBy": by, "leasePeriod": "1s", "encodeOnce": False}
        knobs |= {"consistentListFromCache": False, "percentageOfNodesToScore": 50}
        (tmp_path / by).mkdir()
        _, state, summary = simulated(document(SMALL | knobs, seconds=5), tmp_path / by)
        assert (state.outcome, summary.headline) == ("complete", "PASS")
        asked[by] = state.asked
    reports = [asked[by].get("patch nodes/status", 0) for by in ("lease", "status")]
    assert reports[0] <= 2 * 6 and reports[1] >= reports[0] + 4 * 6
    renewals = [asked[by]["update coordination.k8s.io/leases"] for by in ("lease", "status")]
    assert renewals[0] >= renewals[1] + 4 * 6


def test_every_figure_is_marked_simulated(tmp_path: Path) -> None:
    bundle, _, _ = simulated(document(SMALL, seconds=10), tmp_path)
    page = (bundle / "report.html").read_text()
    assert page.count("<figure>") == page.count(" Simulated.</figcaption>") > 5
    for section in ("Service level objectives", "Requests", "Components", "From created to bound"):
        assert f"<h2>{section} (simulated)</h2>" in page
    junit = (bundle / "junit.xml").read_text()
    assert junit.count("(simulated)") == junit.count("<testcase") + 1


def test_the_same_seed_gives_the_same_digest_under_any_hash_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", document(SMALL, seconds=5))
    ours = CliRunner().invoke(cli, ["sim", str(path), "--seed", "9", "--out", str(tmp_path)])
    assert ours.exit_code == 0, ours.output
    script = f"""
import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from tests.simcampaign.campaigns import digest_of
print(*(digest_of(Path({str(path)!r}), seed) for seed in (9, 10)))
"""
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    same, another = other.stdout.split()
    assert ours.output.splitlines()[-1] == f"digest {same}"
    assert another != same


def test_without_heartbeats_nothing_is_renewed(tmp_path: Path) -> None:
    """Half a day; with heartbeats it would be 26,000 renewals, and nodes that fall silent."""
    quiet = {"nodes": 6, "heartbeats": "off", "schedulerPartitions": 0, "storeShards": 1}
    load = [{"scenario": "pods", "rate": "4/h", "lifetime": "2h"}]
    bundle, state, summary = simulated(document(quiet, load, seconds=12 * 3600), tmp_path)
    assert (summary.headline, state.nodes_ready) == ("PASS", 6)
    assert 30 < len(summary.pods.created_s) < 70
    assert summary.scheduling is not None and summary.scheduling.max < 0.01
    assert state.steps < 5000
    assert "off. Nodes register" in (bundle / "report.html").read_text()


def test_heartbeats_go_through_the_cores(tmp_path: Path) -> None:
    """30 nodes renew 30 Leases every ten seconds, and up to 4 % later."""
    doc = document({"nodes": 30, "schedulerPartitions": 0}, [], seconds=100)
    bundle, state, _ = simulated(doc, tmp_path)
    assert state.nodes_ready == 30
    assert state.asked["create coordination.k8s.io/leases"] == 30 + 2
    # The controllers' own two Leases are renewed every two seconds.
    renewed = state.asked["update coordination.k8s.io/leases"] - 2 * 100 / 2
    assert 30 * 100 / 10.4 - 30 < renewed < 30 * 100 / 10 + 30
    assert "update coordination.k8s.io/leases" in (bundle / "report.html").read_text()


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pods_wait_for_room(tmp_path: Path, resource: str) -> None:
    """Two pods fill the node; the others start as those before them end."""
    capacity = {"cpu": "2", "memory": "2Gi", "pods": "110"}
    requests = {"cpu": "1", "memory": "1Mi"} if resource == "cpu" else {"memory": "1Gi"}
    load = [
        {
            "scenario": "pods",
            "arrivals": "constant",
            "rate": 1,
            "requests": requests,
            "lifetime": "4s",
        }
    ]
    cluster = {"nodes": 1, "nodeCapacity": capacity, "schedulerPartitions": 0}
    _, _, summary = simulated(document(cluster, load, seconds=8), tmp_path)
    waits = summary.pods.bound_s - summary.pods.created_s
    assert np.nanmax(waits[:2]) < 0.01
    assert 1.9 < waits[2] < 3.1
    allocation = summary.allocation
    assert allocation is not None
    share = allocation.cpu_share if resource == "cpu" else allocation.memory_share
    assert share.max() == 1.0 and share[0] == 0.0
