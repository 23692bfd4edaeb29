"""Impossible sizes are refused before anything is started."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loadtest.campaign import parse_campaign
from loadtest.compiled import Compiled, compile_campaign
from loadtest.fields import CampaignError
from loadtest.preflight import COSTS, GIB, available_bytes, check_memory

ROOT = Path(__file__).parents[2]


def document(nodes: int) -> dict[str, object]:
    load = [{"scenario": "readers", "rate": 5}]
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "x"},
        "spec": {
            "cluster": {"nodes": nodes},
            "phases": [{"name": "a", "duration": "10s", "load": load}],
        },
    }


def compiled(nodes: int) -> Compiled:
    return compile_campaign(parse_campaign(document(nodes), "x"), ROOT)


@pytest.mark.parametrize("shell", ["real", "virtual"])
def test_the_refusal_says_what_would_fit_and_that_does(shell: str) -> None:
    costs = COSTS[shell]
    room = costs.of(5000)
    with pytest.raises(CampaignError, match=r"need about .* available") as caught:
        check_memory(compiled(1_000_000), shell, room)  # type: ignore[arg-type]
    fitting = int(str(caught.value).split("at most ")[1].split(" nodes")[0].replace(",", ""))
    assert 4500 <= fitting <= 5100
    check_memory(compiled(fitting), shell, room)  # type: ignore[arg-type]
    with pytest.raises(CampaignError):
        check_memory(compiled(int(fitting * 1.2)), shell, room)  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="not even without nodes"):
        check_memory(compiled(1), shell, 1 << 20)  # type: ignore[arg-type]


def test_a_limit_of_ours_counts() -> None:
    code = "from loadtest.preflight import available_bytes; print(available_bytes())"
    limit = 3 * GIB
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 0 < int(done.stdout) <= min(limit, available_bytes() * 2)


@pytest.mark.parametrize("command", ["run", "sim"])
def test_the_commands_refuse(command: str, tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_text(yaml.safe_dump(document(2_000_000)))
    limit = 4 * GIB
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", command, str(file), "--out", str(tmp_path / "runs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 2, done.stderr
    assert "2,000,000 nodes need about " in done.stderr and "available: at most " in done.stderr
    assert not (tmp_path / "runs").exists()
