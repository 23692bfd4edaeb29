"""A campaign by ``ray job submit``, on a Ray cluster that others use too."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.ray.private_head import RAY, Head, await_none, private_head

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
UPLOAD_BYTES_MAX = 5_000_000
JOB_TIMEOUT_S = 400
GONE_S = 120.0

# Valid and passed, however busy the machine is.
CAMPAIGN = """
apiVersion: hollowfleet.dev/v1alpha1
kind: Campaign
metadata: {name: tiny}
spec:
  seed: 1
  settle: 60s
  generator: {latenessMax: 300s, inFlightMax: 10000}
  slos: {mutatingP99: 300s, getP99: 300s, listP99: 300s, podStartP99: 300s}
  cluster: {nodes: 20, storeShards: 1, schedulerPartitions: 1, controllerShards: 1}
  phases:
    - name: load
      duration: %s
      load:
        - {scenario: deployments, arrivals: constant, rate: 1/s, replicas: 2}
        - {scenario: readers, arrivals: constant, rate: 10/s}
"""

BYSTANDER = """
import sys
import ray
ray.init(address=sys.argv[1], namespace="bystander", log_to_driver=False)

@ray.remote(num_cpus=0)
class Bystander:
    def pid(self):
        import os
        return os.getpid()

bystander = Bystander.options(name="bystander").remote()
print(ray.get(bystander.pid.remote()), flush=True)
sys.stdin.readline()
print(ray.get(bystander.pid.remote()), flush=True)
"""


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with private_head() as head:
        yield head


def submit(head: Head, campaign: Path, *options: str) -> "subprocess.Popen[str]":
    """It says what the job says, until that ends."""
    return subprocess.Popen(
        [
            *(RAY, "job", "submit", "--address", head.dashboard, "--working-dir", ".", *options),
            *("--", "python", "-m", "loadtest", "run", str(campaign)),
        ],
        cwd=ROOT,
        env=head.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_job_reports_and_leaves_what_is_not_its_own(head: Head, tmp_path: Path) -> None:
    campaign = tmp_path / "tiny.yaml"
    campaign.write_text(CAMPAIGN % "3s")
    with subprocess.Popen(
        [sys.executable, "-c", BYSTANDER, head.address],
        env=head.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin and other.stdout
        before = other.stdout.readline()
        job = submit(head, campaign)
        said, _ = job.communicate(timeout=JOB_TIMEOUT_S)
        assert job.returncode == 0, said
        other.stdin.write("\n")
        other.stdin.close()
        assert int(before) == int(other.stdout.readline())

    assert "20 nodes Ready" in said
    assert "Run VALID" in said
    report = Path(re.findall(r"^Report (.*)$", said, re.MULTILINE)[-1])
    assert report.stat().st_size > 10_000
    assert not head.processes("ray::ProgramHost")

    upload = report.parents[2]
    assert upload.name.startswith("_ray_pkg_")
    assert upload.is_relative_to(head.directory)
    sent = [f for f in upload.rglob("*") if f.is_file() and not f.is_relative_to(upload / "runs")]
    assert not [f for f in sent if f.relative_to(upload).parts[0] in ("tests", ".git", ".venv")]
    assert sum(f.stat().st_size for f in sent if f.suffix != ".pyc") < UPLOAD_BYTES_MAX


def test_a_stopped_job_leaves_no_process(head: Head, tmp_path: Path) -> None:
    campaign = tmp_path / "long.yaml"
    campaign.write_text(CAMPAIGN % "10m")
    with submit(head, campaign, "--submission-id=stopped") as job:
        assert job.stdout
        heard = list(up_to("load: nodes Ready 20/20", job.stdout))
        assert any("submitted successfully" in line for line in heard), heard
        assert "load: nodes Ready 20/20" in heard[-1], heard
        assert head.processes("ray::ProgramHost")
        assert head.processes("loadtest")
        stop: list[str] = [RAY, "job", "stop", "--address", head.dashboard, "stopped"]
        subprocess.run(
            stop, check=True, env=head.environment, capture_output=True, timeout=JOB_TIMEOUT_S
        )
        job.communicate(timeout=JOB_TIMEOUT_S)
    await_none(head.directory, "ray::ProgramHost", GONE_S)
    await_none(head.directory, "loadtest", GONE_S)


def up_to(word: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if word in line:
            return
