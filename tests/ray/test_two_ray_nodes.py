"""Programs spread over two Ray nodes that are joined, used and left as they were."""

from pathlib import Path

import pytest

from tests.ray.scripts import run_script

pytestmark = pytest.mark.cluster


def test_a_cluster_over_two_ray_nodes(tmp_path: Path) -> None:
    said = run_script("tests.ray.two_nodes", tmp_path, 120)
    assert "joining Ray at 127.0.0.1:" in said
