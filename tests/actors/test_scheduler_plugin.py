"""The example plugin, installed as a user installs it, decides in running programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from actors.net import FrameClient
from actors.plugins import installed_plugins, scheduler_configuration
from api.sections import ConfigurationError
from loadtest.compiled import read_scheduler_configuration
from tests.actors.loopback import run
from tests.actors.test_scheduler_programs import (
    SERVICE_ACCOUNT,
    Programs,
    create,
    node,
    pod,
    until_bound,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "scheduler_plugin"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution of the example, on the path."""
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "rack_plugin.py"):
        (source / name).write_text((EXAMPLE / name).read_text())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    monkeypatch.syspath_prepend(str(target))


def test_the_example_plugin_decides(tmp_path: Path, installed: None) -> None:
    async def main() -> None:
        text = read_scheduler_configuration(EXAMPLE / "scheduler.yaml")
        programs = Programs(tmp_path, text)
        for name in ("store-0", "partition-0", "partition-1", "apiserver-0"):
            await programs.start(name)
        client = FrameClient("apiserver-0", programs.security, programs.resolve, "tester")
        try:
            await create(client, "serviceaccounts", SERVICE_ACCOUNT)
            for number in range(1, 5):
                item = node(f"n{number}")
                item["metadata"]["labels"] = {"example.com/rack": str(number)}
                await create(client, "nodes", item)
            # It hears of nodes and of pods by watches of their own, and either may be ahead.
            await programs.start("scheduler")
            for number in range(3):
                # Each of its own shape, so that the partitions are asked.
                item = pod(f"p{number}", f"{3000 + number}m")
                if number < 2:
                    rack = {"key": "example.com/rack", "operator": "Exists"}
                    item["spec"]["tolerations"].append(rack)
                await create(client, "pods", item)
            # A node holds one of them: the first two take the even racks, the higher first.
            assert await until_bound(client, 3) == {"p0": "n4", "p1": "n2", "p2": "n3"}
        finally:
            await client.close()
            await programs.stop()

    run(main())


def test_without_the_distribution_the_name_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match=r"enabled\[0\].name: unknown plugin 'EvenRacks'"):
        read_scheduler_configuration(EXAMPLE / "scheduler.yaml")
    assert installed_plugins() == {}


def test_no_configuration_is_the_default() -> None:
    (profile,) = scheduler_configuration("").profiles.values()
    assert profile.percentage_of_nodes_to_score == 100
