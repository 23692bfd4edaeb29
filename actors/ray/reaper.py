"""Ends what a driver leaves when it is killed: ``python -m actors.ray.reaper DIRECTORY PATH...``

Ray's daemons go with their driver, but its agents first tell the head, which is gone as well, and
try for a minute. This process waits for the end of its input, which comes however the driver ends.
Then it kills every process that belongs to DIRECTORY, that of a private Ray, and removes DIRECTORY
and the other paths. After an orderly stop it finds nothing.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from actors.processes import await_exit, belongs_to, start_ticks

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 50
ROUND_S = 1.0
WAIT_S = 10.0


class Reaper:
    """The driver's side. Start it before anything names the directory in its environment."""

    def __init__(self, directory: Path, *paths: Path) -> None:
        # A session of its own: ctrl-C is for the driver.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "actors.ray.reaper", str(directory), *map(str, paths)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=ROOT,
        )

    def dismiss(self) -> None:
        """Let it look once more and go. Idempotent."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(WAIT_S)


def reap(directory: Path, driver: int) -> None:
    """Kill until no process of it is found, as one may start another meanwhile. The driver, if it
    lives, keeps Ray's logs open and is spared."""
    for _ in range(ROUNDS):
        found: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            pid = int(entry.name) if entry.name.isdigit() else driver
            if pid not in (driver, os.getpid()) and belongs_to(pid, directory):
                with suppress(FileNotFoundError, ProcessLookupError):
                    found[pid] = start_ticks(pid)
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await_exit(found, ROUND_S)


def main(arguments: list[str]) -> None:
    directory, *others = map(Path, arguments)
    driver = os.getppid()
    sys.stdin.buffer.read()
    reap(directory, driver)
    shutil.rmtree(directory, ignore_errors=True)
    for path in others:
        shutil.rmtree(path, ignore_errors=True)
        with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
