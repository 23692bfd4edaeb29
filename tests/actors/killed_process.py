"""A program in a process of its own, ended by SIGKILL."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class KilledProcess:
    """``source``: Python that prints the address it serves; ``told``: its arguments."""

    def __init__(self, source: str, *told: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", source, *told],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address, "the program did not start"

    def kill(self) -> None:
        """Idempotent."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
