"""The page docs/many-machines.md, typed: three machines, a job from a fourth, its bundle back."""

import csv
import gzip
import json
import time
from pathlib import Path

import pytest

from tests.hosts.launched import WAIT_S, launched, page_commands
from tests.hosts.rig import missing

WHY = missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(WHY), reason=f"many machines: {WHY}"),
]


def test_a_job_from_another_machine_runs_over_three_and_comes_back(tmp_path: Path) -> None:
    with launched(workers=2) as cluster:
        up_s = time.monotonic() - cluster.began
        _, _, submit, fetch = page_commands()
        job = cluster.type(submit)
        said, _ = job.communicate(timeout=WAIT_S)
        assert "Report /root/runs/many-machines-" in said, said
        cluster.typed(fetch)
        run = cluster.bundle(said, tmp_path)
        whole_s = time.monotonic() - cluster.began
    state = json.loads((run / "state.json").read_text())
    assert (state["outcome"], state["error"], state["failures"]) == ("complete", "", [])
    assert (state["nodes_ready"], state["outages"]) == (60, [])
    assert "Store: 2 shards, each on a machine of its own." in state["placement"]
    assert (run / "report.html").read_text().count("each on a machine of its own") == 1
    with gzip.open(run / "pods.csv.gz", "rt") as file:
        running = [int(row["running_ns"]) for row in csv.DictReader(file)]
    assert len(running) >= 5
    assert all(running)
    first_s = state["boot_s"] + (min(running) - state["load_start_wall_ns"]) / 1e9
    print(f"ray up {up_s:.1f} s; cluster to first pod {first_s:.1f} s; all {whole_s:.1f} s")
