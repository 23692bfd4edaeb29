"""However a run is ended, none of its processes is left."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray.private_head import await_none, command_lines
from tests.ray.scripts import ROOT
from tests.ray.test_ray_job import CAMPAIGN

pytestmark = pytest.mark.cluster

FAULTS = """
  faults:
    disconnect: [{component: scheduler, at: 1s, for: 1m}]
    pause: [{component: store-0, at: 1s, for: 1m}]
"""
AMID_FAULTS = "store-0 stands still\n"
"""Said of the deed; and the scheduler is cut off, a moment before."""
GONE_S = 120.0
EXIT_S = 120.0
INTERRUPTED = 130


@pytest.fixture
def temporary() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hf-"))
    yield directory
    shutil.rmtree(directory)


def run_until(said: str, temporary: Path) -> subprocess.Popen[str]:
    """A run in a process group of its own, as a shell starts it, once it has said that."""
    campaign = temporary / "long.yaml"
    campaign.write_text(CAMPAIGN % "10m" + FAULTS)
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest", "run", str(campaign), "--out", str(temporary / "runs")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert process.stdout
    heard = ""
    for line in process.stdout:
        heard += line
        if said in line:
            return process
    raise AssertionError(heard)


@pytest.mark.parametrize("phase", ["starting Ray", "starting apiserver-0", AMID_FAULTS])
def test_ctrl_c_stops_everything(phase: str, temporary: Path) -> None:
    process = run_until(phase, temporary)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=EXIT_S)
    assert process.returncode == INTERRUPTED, said
    assert "did not end" not in said
    assert not command_lines(temporary)
    assert [entry.name for entry in temporary.glob("hf-*")] == []
    assert not list(temporary.glob("runs/*/cluster"))


def test_everything_ends_with_a_driver_that_is_killed(temporary: Path) -> None:
    process = run_until(AMID_FAULTS, temporary)
    process.kill()
    process.wait()
    await_none(temporary, "", GONE_S)
    assert [entry.name for entry in temporary.glob("hf-*")] == []
    (cluster,) = temporary.glob("runs/*/cluster")
    kept = {entry.name for entry in cluster.iterdir()}
    assert "store-0" in kept and not kept & {"security", "kubeconfig"}
    assert process.stdout
    process.stdout.close()
