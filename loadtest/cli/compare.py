"""``hollowfleet compare``: is B worse than A?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from loadtest.bundle import BundleError
from loadtest.cli.codes import INVALID, OK, REGRESSION, UNDECIDED
from loadtest.cli.verdict import BadInput
from loadtest.fields import CampaignError

if TYPE_CHECKING:
    from loadtest.experiments.compare import Difference, Side

_COLOURS = {"WORSE": "red", "BETTER": "green", "UNDECIDED": "yellow"}


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Judge this metric only, for example pod_start_p99_s. May be repeated.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0, 1.0),
    default=0.05,
    show_default=True,
    help="Share by which a metric may change without being called worse.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the bootstrap."
)
def compare(a: Path, b: Path, metrics: tuple[str, ...], tolerance: float, seed: int) -> None:
    """Compare B with A: bundles of runs, or directories of sweeps arm by arm.

    Exit codes: 0 nothing is worse, 4 a side has no valid run, 5 something is worse, 6 something is
    undecided and nothing worse.
    """
    from loadtest.experiments.compare import chosen_metrics, read_side
    from loadtest.experiments.compare import compare as differences_of

    try:
        names = chosen_metrics(metrics)
        before, after = read_side(a), read_side(b)
    except (BundleError, CampaignError) as error:
        raise BadInput(str(error)) from None
    _print_sides(before, after)
    found = differences_of(before, after, names, tolerance, seed)
    if not found:
        if before.invalid == before.runs or after.invalid == after.runs:
            click.echo("Nothing to compare: a side has no valid run.", err=True)
            sys.exit(INVALID)
        raise BadInput("the two have no arm and no metric in common")
    for difference in found:
        click.echo(_line(difference))
    words = [difference.verdict for difference in found]
    counts = ", ".join(
        f"{words.count(word)} {word.lower()}"
        for word in ("WORSE", "BETTER", "SAME", "UNDECIDED")
        if word in words
    )
    click.echo(f"\n{counts}")
    if "WORSE" in words:
        sys.exit(REGRESSION)
    sys.exit(UNDECIDED if "UNDECIDED" in words else OK)


def _print_sides(before: "Side", after: "Side") -> None:
    for letter, side in (("A", before), ("B", after)):
        how = "simulated" if side.simulated else "measured"
        left_out = f", {side.invalid} left out as not valid" if side.invalid else ""
        click.echo(f"{letter}  {side.name}: {how}, {side.runs} run(s){left_out}")
    only = [f"A has {arm}" for arm in before.arms if arm not in after.arms]
    only += [f"B has {arm}" for arm in after.arms if arm not in before.arms]
    if only and len(before.arms) + len(after.arms) > 2:
        click.echo("Not in both: " + "; ".join(only))
    click.echo()


def _line(difference: "Difference") -> str:
    word = click.style(f"{difference.verdict:<9}", fg=_COLOURS.get(difference.verdict), bold=True)
    ratio, text = difference.ratio, ""
    if ratio is not None:
        text = f"x{ratio.value:.3f}"
        if np.isfinite(ratio.low):
            text += f" [{ratio.low:.3f}, {ratio.high:.3f}], noise {difference.noise:.1%}"
        else:
            text += ", one run: no interval"
    arm = f"  {difference.arm}" if difference.arm else ""
    return (
        f"  {word} {difference.metric:<22} {difference.before:>10.4g} -> {difference.after:<10.4g} "
        f"{text}{arm}"
    )
