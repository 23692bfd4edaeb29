"""``hollowfleet run --predict PROFILE``: virtual time's word on a real run."""

import json
from collections.abc import Callable
from pathlib import Path

import click

from loadtest.bundle import write_json
from loadtest.cli.verdict import BadInput
from loadtest.experiments.predict import figures_of, prediction_document
from loadtest.experiments.profile import read_profile
from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Trial
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides
from loadtest.predicted import FILE, prediction_text
from loadtest.summary import Summary
from loadtest.virtual import check_scheduler


def predictor(
    file: Path, overrides: tuple[str, ...], profile: Path, out: Path
) -> Callable[[Path, Summary], None]:
    """What writes the prediction into a bundle. Everything that can be wrong with it is found
    now, before the real run."""
    try:
        costs = read_profile(profile)
        document = load_yaml(file)
        apply_overrides(document, overrides)
        trial = Trial(Base(document, str(file), file.parent, "virtual"), (), 0, costs)
        check_scheduler(trial.compiled(), str(file))
    except CampaignError as error:
        raise BadInput(str(error)) from None
    measured = load_yaml(profile).get("measured")
    facts = measured if isinstance(measured, dict) else {}

    def predict(directory: Path, summary: Summary) -> None:
        click.echo("\nPredicting the run in virtual time")
        (finished,) = Runner(out.resolve(), 1).run([trial])
        if finished.outcome != "complete":
            click.echo(f"No prediction: {finished.error or finished.outcome}", err=True)
            return
        real = json.loads((directory / "summary.json").read_text())
        figures = figures_of(real, finished.summary, facts, summary.state.load_s)
        digest = str(finished.summary["simulation"]["digest"])
        document = prediction_document(figures, facts, summary.stamp == "VALID", digest)
        write_json(directory, FILE, document)
        for figure in figures:
            click.echo(
                f"  {figure.name:<34} {figure.measured:>10.4g} predicted {figure.predicted:>10.4g}"
                f"  {figure.error_share:>5.0%} off"
            )
        click.echo(prediction_text(document))

    return predict
