"""The same seed gives the same orders, byte for byte, whatever the hash seed of Python."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def digest(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.scheduler.run_scheduler"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return done.stdout


def test_hash_seeds_do_not_matter() -> None:
    first = digest("1")
    assert int(first.split()[0]) > 240
    assert digest("2") == first
