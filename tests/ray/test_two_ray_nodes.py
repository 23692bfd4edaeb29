"""Programs spread over two Ray nodes that are joined, used and left as they were: each comes back
from its death, and shards move while the cluster works."""

from pathlib import Path

import pytest

from tests.ray.kill_each import VICTIMS
from tests.ray.move_stores import MOVES
from tests.ray.scripts import run_script

pytestmark = pytest.mark.cluster


def test_a_cluster_over_two_ray_nodes_lives_through_deaths_and_moves(tmp_path: Path) -> None:
    said = run_script("tests.ray.two_nodes", tmp_path, 900).splitlines()
    assert said[0].startswith("joining Ray at 127.0.0.1:")
    assert [line.partition(":")[0] for line in said if "all well" in line] == [*VICTIMS]
    assert [line for line in said if "moved" in line] == [f"{name}: moved" for name in MOVES]
