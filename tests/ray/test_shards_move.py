"""A shard moves to another actor while the cluster works."""

from pathlib import Path

import pytest

from tests.ray.scripts import run_script


@pytest.mark.cluster
def test_shards_move_to_other_actors(tmp_path: Path) -> None:
    said = run_script("tests.ray.move_stores", tmp_path, 240)
    moved = [line for line in said.splitlines() if line.endswith(": moved")]
    assert moved == ["store-0: moved", "store-0: moved", "store-1: moved"]
    assert "all well" in said
