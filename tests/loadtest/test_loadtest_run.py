"""A whole run against the fake server: real generators, real TLS, real bundle."""

import json
from collections.abc import Callable
from pathlib import Path

from loadtest.bundle import RunState, new_bundle, read_rows
from loadtest.campaign import parse_campaign
from loadtest.compiled import compile_campaign
from loadtest.measure import failed_requests
from loadtest.progress import Progress
from loadtest.report import render
from loadtest.run import CampaignRun


class ListDisplay:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.shown: list[Progress] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def close(self) -> None:
        pass


def campaign_document(nodes: int, duration: str = "3s") -> dict[str, object]:
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "tiny"},
        "spec": {
            "settle": "3s",
            "namespaces": 2,
            "cluster": {"nodes": nodes},
            "phases": [
                {
                    "name": "mix",
                    "duration": duration,
                    "load": [
                        {"scenario": "pods", "rate": 20, "lifetime": "1s"},
                        {"scenario": "readers", "rate": 20, "arrivals": "constant"},
                        {"scenario": "watchers", "count": 3},
                        {
                            "scenario": "deployments",
                            "rate": 4,
                            "scaleTo": 3,
                            "scaleAfter": "500ms",
                            "deleteAfter": "1s",
                        },
                    ],
                }
            ],
        },
    }


def execute(tmp_path: Path, handle: object, nodes: int) -> tuple[Path, RunState, ListDisplay]:
    compiled = compile_campaign(parse_campaign(campaign_document(nodes), "test"), tmp_path)
    directory, run_id = new_bundle(tmp_path / "runs", "tiny")
    display = ListDisplay()
    run = CampaignRun(compiled, directory, RunState(run_id, "2026-01-01T00:00:00Z"), display)
    state = run.execute(lambda plan, progress: handle)  # type: ignore[arg-type,return-value]
    return directory, state, display


def test_a_run_is_complete_and_valid(tmp_path: Path, fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=3)
    directory, state, display = execute(tmp_path, handle, nodes=3)
    assert state.error == ""
    assert state.outcome == "complete"
    assert handle.stopped
    assert state.nodes_ready == 3
    summary = render(directory)
    assert failed_requests(summary.requests) == 0
    # The machine of a test may be busy: only the generator's own limits may spoil the run.
    assert all("lateness" in reason or "cores" in reason for reason in summary.reasons)
    results = {v.sli.split(" ")[0]: v for v in summary.verdicts}
    assert results["Mutating"].count > 50
    assert results["Pod"].count > 30
    assert results["Watch"].count > 30
    rows = list(read_rows(directory / "samples-0.csv.gz"))
    scheduled = json.loads((directory / "campaign.json").read_text())["arrivals_total"]
    assert len(rows) == scheduled
    assert {row["code"] for row in rows if row["verb"] == "watch"} == {"200"}
    generator = json.loads((directory / "generator-0.json").read_text())
    assert generator["counts"]["watch_events"] > 100
    assert "apiserver" in (directory / "report.html").read_text()
    assert any(progress.phase == "mix" for progress in display.shown)
    assert not (directory / "cluster").exists()


def test_the_token_is_not_in_the_bundle(tmp_path: Path, fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=1)
    directory, _, _ = execute(tmp_path, handle, nodes=1)
    for path in directory.iterdir():
        assert handle.token.encode() not in path.read_bytes(), path
