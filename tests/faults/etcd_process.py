"""``hollowfleet etcd`` as a user starts it, in a process that can be killed or starved."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0


def command(directory: Path, *options: str) -> list[str]:
    listen = ("--listen", "127.0.0.1:0", "--data", str(directory))
    return [sys.executable, "-m", "loadtest", "etcd", *listen, *options]


class EtcdProcess:
    """Started, but perhaps not serving yet: ``address`` waits for that."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            command(directory, *options), cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    @property
    def address(self) -> str:
        """HOST:PORT that it names once it serves. AssertionError when it ends instead."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("etcd API at "), f"it did not start: {line!r}"
        return line.removeprefix("etcd API at ").partition(",")[0]

    def kill(self) -> None:
        """SIGKILL; idempotent."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def limit_files(self, size: int) -> None:
        """From now on no file of it grows beyond this, as on a full disk. -1: without limit."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def refusal(directory: Path) -> str:
    """What it says on standard error when it will not start; it ends with code 1."""
    ended = subprocess.run(
        command(directory),
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 1, (ended.returncode, ended.stdout, ended.stderr)
    assert not ended.stdout, "it must not serve"
    return ended.stderr.strip()
