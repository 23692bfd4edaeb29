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

from actors.processes import alive, descendants, start_ticks
from actors.ray.environment import SETTINGS
from actors.ray.port import lasting_port
from tests.cluster.commands import processes_of

HOST = "127.0.0.1"
RAY = Path(sysconfig.get_path("scripts")) / "ray"
START_S = 40
STOP_S = 20


@dataclass(frozen=True)
class Head:
    process: subprocess.Popen[bytes]
    directory: Path
    address: str
    dashboard: str
    environment: dict[str, str]

    def processes(self, word: str) -> list[str]:
        """Command lines with this word, of processes that were started under this head or with its
        token: Ray renames its workers, the environment stays."""
        return [line for line in command_lines(self.directory) if word in line]


def command_lines(state: Path) -> list[str]:
    """Of all processes whose environment names this directory."""
    lines = []
    for pid in processes_of(state):
        with suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{pid}/cmdline").read_text()
            lines.append(text.replace("\0", " "))
    return lines


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
    with (directory / "head.log").open("wb") as log:
        process = subprocess.Popen(
            [
                RAY,
                *("start", "--head", "--block", "--num-cpus=2", f"--node-ip-address={HOST}"),
                *(f"--dashboard-host={HOST}", "--object-store-memory=104857600"),
                f"--temp-dir={directory}/ray",
                *(f"--{name}={port}" for name, port in ports.items()),
            ],
            env=environment,
            stdout=log,
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
        _await_jobs(head)
        yield head
    finally:
        _end(process)
        shutil.rmtree(directory)


def _await_jobs(head: Head) -> None:
    """Return when the head takes jobs."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        asked = subprocess.run(
            [RAY, "job", "list", "--address", head.dashboard],
            check=False,
            env=head.environment,
            capture_output=True,
        )
        if asked.returncode == 0:
            return
        assert head.process.poll() is None, (head.directory / "head.log").read_text()
        time.sleep(0.5)
    raise AssertionError(f"no answer in {START_S} s: {asked.stderr.decode()[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    below = {pid: start_ticks(pid) for pid in descendants(process.pid)}
    process.terminate()
    process.wait(STOP_S)
    deadline = time.monotonic() + STOP_S
    while left := [pid for pid, ticks in below.items() if alive(pid, ticks)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"had to be killed: {left}")
        time.sleep(0.1)
