"""A shard's disk is lost amid a campaign: there is no other copy, so the run ends and says so."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from loadtest.cli.codes import ERROR
from tests.ray.private_head import command_lines

ROOT = Path(__file__).parents[2]
RUN_S = 300.0
CAMPAIGN = """
apiVersion: hollowfleet.dev/v1alpha1
kind: Campaign
metadata: {name: lost}
spec:
  cluster: {nodes: 20, storeShards: 2}
  phases:
    - name: load
      duration: 200s
      load:
        - {scenario: pods, arrivals: constant, rate: 5/s}
"""


@pytest.mark.cluster
def test_the_run_ends_with_its_data_kept_and_stamped(tmp_path: Path) -> None:
    campaign = tmp_path / "lost.yaml"
    campaign.write_text(CAMPAIGN)
    # A short path of its own: Ray's sockets lie below it.
    temporary = Path(tempfile.mkdtemp(prefix="hf-"))
    run = subprocess.Popen(
        [sys.executable, "-m", "loadtest", "run", str(campaign), "--out", str(tmp_path / "runs")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert run.stdout
        said = ""
        while not re.search(r"s\] load: .* pods created [1-9]", said):
            line = run.stdout.readline()
            assert line, said
            said += line
        (bundle,) = (tmp_path / "runs").iterdir()
        shard = bundle / "cluster" / "store-0"
        pid = int((shard / "lock").read_text())
        shutil.rmtree(shard)
        os.kill(pid, signal.SIGKILL)
        said += run.communicate(timeout=RUN_S)[0]
    finally:
        run.kill()
        run.communicate()
        left = command_lines(temporary)
        shutil.rmtree(temporary)
    assert run.returncode == ERROR, said
    assert not left, said
    assert "store-0 has no log: what shard 0 acknowledged is gone with its disk" in said
    assert "store-0 is gone for good, and there is no other copy" in said
    summary = json.loads((bundle / "summary.json").read_text())
    assert summary["stamp"] == "PARTIAL"
    assert summary["pods"]["created"] > 0 and (bundle / "report.html").exists()
