"""One seed, one digest: twice, in another process, under another hash seed, from another directory.
A clock read and an order by hashes, planted into a core, are caught by it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.run import run_seed

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (4, 5)


def begun(hash_seed: str, directory: Path, name: str = "none") -> "subprocess.Popen[str]":
    """A fresh process that runs SEEDS. ``name``: of a planted bug."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.sim.planted", name, *map(str, SEEDS)]
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True
    )


def digests(process: "subprocess.Popen[str]") -> list[str]:
    out, _ = process.communicate()
    assert process.returncode == 0
    return [line.split()[1] for line in out.splitlines()]


def test_a_seed_has_one_digest(tmp_path: Path) -> None:
    others = [begun("0", ROOT), begun("1", tmp_path)]
    here = [run_seed(seed).digest for seed in SEEDS]
    assert here == [run_seed(seed).digest for seed in SEEDS]
    assert [digests(other) for other in others] == [here, here]
    assert len(dict.fromkeys(here)) == len(SEEDS)


def test_a_story_changes_nothing() -> None:
    plain, told = run_seed(4), run_seed(4, "pods/default/bare-1")
    assert plain.digest == told.digest
    words = " ".join(told.story)
    for part in ("users", "apiserver-0", "store-", "scheduler", "hollow-", "logs put", "sees"):
        assert part in words
    assert not plain.story


@pytest.mark.parametrize(
    ("name", "hash_seeds"), [("clock read", ("0", "0")), ("hash order", ("0", "1"))]
)
def test_noise_changes_the_digest(name: str, hash_seeds: tuple[str, str]) -> None:
    first, second = [begun(hash_seed, ROOT, name) for hash_seed in hash_seeds]
    assert digests(first) != digests(second)
