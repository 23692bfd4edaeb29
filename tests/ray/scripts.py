"""Runs a test's script in a process of its own: Ray's environment stands before its import."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ray.private_head import command_lines

ROOT = Path(__file__).parents[2]


def run_script(module: str, directory: Path, timeout_s: float) -> str:
    """Run ``python -m MODULE DIRECTORY``; its output. Afterwards no process of it is left."""
    temporary = Path(tempfile.mkdtemp(prefix="hf-"))
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, str(directory)],
            check=False,
            cwd=ROOT,
            env={**os.environ, "RAY_TMPDIR": str(temporary), "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        left = command_lines(temporary)
        assert not left, left
        assert not list(temporary.glob("hf-*"))
    finally:
        shutil.rmtree(temporary)
    return done.stdout
