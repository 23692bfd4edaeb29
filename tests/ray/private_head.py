"""A Ray head of a test's own, on free ports: started as a user would, ended by its pids."""

import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from actors.processes import await_exit, belongs_to, descendants, start_ticks
from actors.ray.environment import SETTINGS
from actors.ray.port import lasting_port

HOST = "127.0.0.1"
RAY = Path(sysconfig.get_path("scripts")) / "ray"
STARTED = b"Ray runtime started"
STOP_S = 120


@dataclass(frozen=True)
class Head:
    process: subprocess.Popen[bytes]
    directory: Path
    address: str
    dashboard: str
    environment: dict[str, str]

    def processes(self, word: str) -> list[str]:
        """Command lines with this word, of processes that were started under this head or with its
        token."""
        return [line for line in command_lines(self.directory).values() if word in line]


def command_lines(state: Path) -> dict[int, str]:
    """By pid, of all processes but this one that belong to this directory."""
    lines = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            pid = int(entry.name)
            if belongs_to(pid, state):
                with suppress(FileNotFoundError, ProcessLookupError):
                    lines[pid] = (entry / "cmdline").read_text().replace("\0", " ")
    return lines


def await_none(state: Path, word: str, timeout_s: float) -> None:
    """Return when no process that belongs to this directory has this word in its command line.
    AssertionError after the time-out, with those that are left."""
    deadline = time.monotonic() + timeout_s
    while left := {pid: line for pid, line in command_lines(state).items() if word in line}:
        starts = {}
        for pid in left:
            with suppress(FileNotFoundError, ProcessLookupError):
                starts[pid] = start_ticks(pid)
        stayed = await_exit(starts, deadline - time.monotonic())
        assert not stayed, f"left behind: {[left[pid] for pid in stayed]}"


@contextmanager
def private_head() -> Iterator[Head]:
    """``ray start --head --block`` until the end of the block; no process of it is left."""
    directory = Path(tempfile.mkdtemp(prefix="hf-"))
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    environment = {**os.environ, **SETTINGS, "RAY_AUTH_TOKEN_PATH": str(token)}
    environment["PATH"] = f"{RAY.parent}:{environment['PATH']}"
    environment.pop("RAY_ADDRESS", None)
    ports = {
        name: lasting_port(HOST)
        for name in (
            "port",
            "dashboard-port",
            "dashboard-agent-listen-port",
            "dashboard-agent-grpc-port",
            "metrics-export-port",
        )
    }
    process = subprocess.Popen(
        [
            RAY,
            *("start", "--head", "--block", "--num-cpus=2", f"--node-ip-address={HOST}"),
            *(f"--dashboard-host={HOST}", "--object-store-memory=104857600"),
            f"--temp-dir={directory}/ray",
            *(f"--{name}={port}" for name, port in ports.items()),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    head = Head(
        process,
        directory,
        f"{HOST}:{ports['port']}",
        f"http://{HOST}:{ports['dashboard-port']}",
        environment,
    )
    try:
        _await_start(head)
        yield head
    finally:
        _end(process)
        shutil.rmtree(directory)


def _await_start(head: Head) -> None:
    """Return when the head has started: it says so itself."""
    assert head.process.stdout
    said = b""
    for line in head.process.stdout:
        said += line
        if STARTED in line:
            break
    assert STARTED in said, said.decode()


def _end(process: subprocess.Popen[bytes]) -> None:
    below = {pid: start_ticks(pid) for pid in descendants(process.pid)}
    process.terminate()
    process.communicate(timeout=STOP_S)
    left = await_exit(below, STOP_S)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"had to be killed: {left}"
