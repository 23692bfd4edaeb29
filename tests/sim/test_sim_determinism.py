"""One seed, one digest: in another process, under another hash seed, from another directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.run import run_seed

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (2, 3)


def digests(hash_seed: str, directory: Path, name: str = "none") -> list[str]:
    """Of SEEDS, from a fresh process. ``name``: of a planted bug."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    out = []
    for seed in SEEDS:
        command = [sys.executable, "-m", "tests.sim.planted", name, str(seed)]
        run = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, check=True
        )
        out.append(run.stdout.split()[1])
    return out


def test_a_seed_has_one_digest(tmp_path: Path) -> None:
    here = [run_seed(seed).digest for seed in SEEDS]
    assert here == [run_seed(seed).digest for seed in SEEDS]
    assert here == digests("0", ROOT) == digests("1", tmp_path)
    assert len(dict.fromkeys(here)) == len(SEEDS)


def test_a_story_changes_nothing() -> None:
    plain, told = run_seed(2), run_seed(2, "pods/default/bare-1")
    assert plain.digest == told.digest
    words = " ".join(told.story)
    for part in ("users", "apiserver-0", "store-", "scheduler", "hollow-", "logs put", "sees"):
        assert part in words
    assert not plain.story


@pytest.mark.parametrize("name", ["clock read", "hash order"])
def test_noise_changes_the_digest(name: str) -> None:
    assert digests("0", ROOT, name) != digests("1", ROOT, name)
