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
from loadtest.preflight import COSTS, GIB, available_bytes, check_memory, pods_at_once

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


def compiled(nodes: int, *load: dict[str, object]) -> Compiled:
    doc = document(nodes)
    if load:
        doc["spec"]["phases"][0]["load"] = list(load)  # type: ignore[index]
    return compile_campaign(parse_campaign(doc, "x"), ROOT)


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


@pytest.mark.parametrize("shell", ["real", "virtual"])
def test_each_api_server_keeps_what_there_is(shell: str) -> None:
    doc = document(100_000)
    room = COSTS[shell].of(100_000)
    check_memory(compile_campaign(parse_campaign(doc, "x"), ROOT), shell, room)  # type: ignore[arg-type]
    doc["spec"]["cluster"]["apiServers"] = 16  # type: ignore[index]
    many = compile_campaign(parse_campaign(doc, "x"), ROOT)
    with pytest.raises(CampaignError, match=r"100,000 nodes need about .* at most"):
        check_memory(many, shell, room)  # type: ignore[arg-type]


PODS = {"scenario": "pods", "arrivals": "constant", "rate": 400}
WEB = {"scenario": "deployments", "arrivals": "constant", "rate": 10, "replicas": 20}


def test_pods_that_are_there_together_count() -> None:
    def most(*load: dict[str, object]) -> int:
        return pods_at_once(compiled(1, *load).arrivals)

    assert most({"scenario": "readers", "rate": 5}) == 0
    assert most(PODS) == 4000
    assert 399 <= most(PODS | {"lifetime": "1s"}) <= 401
    assert most({"scenario": "pods", "arrivals": "closed", "users": 8, "count": 500}) == 500
    assert most(WEB) == 2000 and most(WEB, PODS) == 6000
    assert most(WEB | {"scaleTo": 5, "scaleAfter": "1ms"}) == 515
    assert 399 <= most(WEB | {"deleteAfter": "2s"}) <= 420


@pytest.mark.parametrize("shell", ["real", "virtual"])
def test_the_refusal_of_pods_says_how_many_would_fit(shell: str) -> None:
    costs = COSTS[shell]
    room = costs.of(100, 2000)
    with pytest.raises(CampaignError, match="100 nodes and 4,000 pods at a time need") as caught:
        check_memory(compiled(100, PODS), shell, room)  # type: ignore[arg-type]
    fitting = int(str(caught.value).split("at most ")[1].split(" pods")[0].replace(",", ""))
    assert 1900 <= fitting <= 2000
    check_memory(compiled(100, PODS | {"rate": fitting // 10}), shell, room)  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="at most 90 nodes, without pods"):
        check_memory(compiled(100, PODS), shell, costs.of(90))  # type: ignore[arg-type]


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
