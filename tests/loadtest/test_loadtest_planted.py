"""A bottleneck planted in a real cluster is named; all kinds of them: ``planted_real``."""

from pathlib import Path

import pytest

from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Trial
from loadtest.faults import kind_of
from loadtest.report import render
from tests.loadtest.planted_real import Plant, campaign_of, slow


@pytest.mark.cluster
def test_a_scheduler_that_is_held_is_named(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    plant = Plant(("scheduler",), slow("scheduler", "1s"))
    campaign = campaign_of(plant, 9, 10)
    pause = {"component": "controllers", "at": "3s", "for": "1s"}
    cut = {"component": "hollow", "at": "5s", "for": "1s"}
    campaign["spec"]["faults"] |= {"pause": [pause], "disconnect": [cut]}
    base = Base(campaign, "planted", tmp_path, "real")
    (run,) = Runner(tmp_path, 1).run([Trial(base, (), 0)])
    assert run.outcome == "complete", run.error
    # How full it was in 5 s depends on when the first pods came; that nothing else was fuller, not.
    fullest = run.summary["components"][0]
    assert fullest["name"] in plant.named, run.summary["limited_by"]
    render(run.directory)
    page = (run.directory / "report.html").read_text()
    assert "scheduler: 1000 ms an operation, from 0 to 9 s" in page
    told = run.summary["outages"]
    kinds = {(kind_of(one["program"]), one["how"]) for one in told}
    assert kinds == {("controllers", "pause"), ("hollow", "disconnect")}
    assert all(one["away_s"] >= 1.0 for one in told)
    assert "<td>paused by the campaign</td>" in page
    assert "<td>cut off by the campaign</td>" in page
