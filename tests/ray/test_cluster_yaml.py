"""cluster.yaml as Ray's own cluster launcher reads it; nothing is contacted."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).parents[2] / "cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


def test_it_fits_the_schema_of_the_launcher(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))
    config["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(prepare_config(config))


def test_every_listed_machine_is_wanted(config: dict[str, Any]) -> None:
    config["provider"]["worker_ips"] = ["127.0.0.2", "127.0.0.3"]
    prepared = prepare_config(config)
    validate_config(prepared)
    (machines,) = prepared["available_node_types"].values()
    assert (machines["min_workers"], prepared["max_workers"]) == (2, 2)


def test_every_ray_it_starts_asks_for_a_token(config: dict[str, Any]) -> None:
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        starts = [command for command in commands if "ray start" in command]
        assert starts
        assert all("RAY_AUTH_MODE=token" in command for command in starts)
