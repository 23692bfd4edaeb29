"""cluster.yaml as Ray's own cluster launcher reads it; nothing is contacted."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FILE = ROOT / "cluster.yaml"
CLOUD = ROOT / "examples" / "machines" / "aws.yaml"
SCHEMA = Path(ray.autoscaler.__file__).with_name("ray-schema.json")


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
    for file in (config, yaml.safe_load(CLOUD.read_text())):
        for commands in (file["head_start_ray_commands"], file["worker_start_ray_commands"]):
            starts = [command for command in commands if "ray start" in command]
            assert starts
            assert all("RAY_AUTH_MODE=token" in command for command in starts)


def test_the_example_of_a_cloud_fits_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    cloud = yaml.safe_load(CLOUD.read_text())
    jsonschema.validate(cloud, schema)
    cloud["provider"]["regoin"] = cloud["provider"].pop("type")
    with pytest.raises(jsonschema.ValidationError, match="type"):
        jsonschema.validate(cloud, schema)
