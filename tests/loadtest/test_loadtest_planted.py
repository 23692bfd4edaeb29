"""A bottleneck planted in a real cluster is named; all kinds of them: ``planted_real``."""

from pathlib import Path

import pytest

from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Trial
from tests.loadtest.planted_real import Plant, campaign_of, slow


@pytest.mark.cluster
def test_a_scheduler_that_is_held_is_named(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    plant = Plant(("scheduler",), slow("scheduler", "200ms"))
    base = Base(campaign_of(plant, 6, 10), "planted", tmp_path, "real")
    (run,) = Runner(tmp_path, 1).run([Trial(base, (), 0)])
    assert run.outcome == "complete", run.error
    fullest = run.summary["components"][0]
    assert fullest["name"] in plant.named, run.summary["limited_by"]
    assert fullest["busiest"] > 0.8 and fullest["queue_max"] > 5
    assert run.summary["limited_by"].startswith("Limited by scheduler at ")
