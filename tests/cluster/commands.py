"""How the cluster tests run hollowfleet's commands, and tell its processes from others."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODES = 200
COMMAND_TIMEOUT_S = 400
PATIENT = "--timeout=240s"
"""Of kubectl's own waits: more than any takes on a busy machine."""

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
