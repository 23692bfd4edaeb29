"""What is left of a driver that was killed: no process, no directory, no secret."""

import subprocess
import sys
from pathlib import Path

from actors.ray.reaper import Reaper

PATIENCE_S = 120.0
WAITS = "import sys; print('here', flush=True); sys.stdin.read()"


def begin(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w+b") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITS],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,
        )
    assert process.stdout and process.stdout.readline() == b"here\n"
    return process


def test_it_finds_processes_by_their_environment_and_by_their_open_files(tmp_path: Path) -> None:
    private, secret, token = tmp_path / "private", tmp_path / "security", tmp_path / "kubeconfig"
    for directory in (private, secret):
        directory.mkdir()
        (directory / "auth_token").write_text("secret")
    token.write_text("secret")
    reaper = Reaper(private, secret, token)
    # Ray's agents overwrite their environment; what they hold open still says whose they are.
    renamed = begin({}, private / "agent.log")
    named = begin({"TOKEN": str(private / "auth_token")}, tmp_path / "worker.log")
    # As does this process, which dismisses it and goes on: Ray's driver keeps logs open.
    own = (private / "driver.log").open("w")
    other = begin({}, tmp_path / "other.log")
    try:
        reaper.dismiss()
        assert renamed.wait(PATIENCE_S) == named.wait(PATIENCE_S) == -9
        assert other.poll() is None
        left = {entry.name for entry in tmp_path.iterdir()}
        assert left == {"worker.log", "other.log"}
    finally:
        for process in (renamed, named, other):
            process.communicate()
        own.close()
