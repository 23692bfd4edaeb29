"""A program that dies comes back, and the cluster goes on."""

from pathlib import Path

import pytest

from tests.ray.kill_each import VICTIMS
from tests.ray.scripts import run_script


@pytest.mark.cluster
def test_each_program_comes_back_from_a_kill(tmp_path: Path) -> None:
    said = run_script("tests.ray.kill_each", tmp_path, 240)
    assert [line.split(":")[0] for line in said.splitlines() if "all well" in line] == [*VICTIMS]
