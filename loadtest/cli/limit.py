"""``hollowfleet limit``: the largest value of a knob that keeps every SLO."""

import os
import sys
from pathlib import Path

import click

from loadtest.bundle import read_json
from loadtest.cli.codes import INVALID, OK, SLO_FAILED
from loadtest.cli.verdict import BadInput, check_writable, needs_virtual
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides


class Number(click.ParamType[float]):
    """A number that remembers whether it is a whole one."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return int(str(value))
        except ValueError:
            pass
        try:
            return float(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--knob", required=True, metavar="KEY", help="What to vary, as in --set.")
@click.option("--from", "begin", type=Number(), required=True, help="A value that should hold.")
@click.option("--to", "end", type=Number(), required=True, help="A value that should not.")
@click.option("--unit", default="", help="After the number, for durations: ms, s, m.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0.001, 0.5),
    default=0.05,
    show_default=True,
    help="Width of the interval to reach, as a share of the value.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(3, 1000),
    default=12,
    show_default=True,
    help="Of one value, at most.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As in run.")
@click.option("--virtual", is_flag=True, help="In virtual time, as `hollowfleet sim`.")
@click.option("--profile", type=click.Path(path_type=Path), help="Costs, as calibrate writes them.")
@click.option("--jobs", type=click.IntRange(1, 256), default=os.cpu_count() or 1)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
)
def limit(file: Path, knob: str, begin: float, end: float, unit: str, **options: object) -> None:
    """Find the largest value of a knob of FILE at which every SLO holds, between --from and --to.

    Prints the limit, the interval in which it lies, and the SLO that broke first. The smaller
    number may be the harder one: give it as --to. Runs are kept and shared as those of sweeps.

    Exit codes: 0 found, or every value holds, 3 the first value does not hold, 4 a run is invalid.
    """
    if begin == end:
        raise BadInput("--from and --to must differ")
    _search(file, (knob, begin, end, unit), options)


def _search(file: Path, where: tuple[str, float, float, str], options: dict[str, object]) -> None:
    # Only here: --help stays quick.
    from loadtest.experiments.limit import Axis
    from loadtest.experiments.limit_run import LimitError, Question, find_limit
    from loadtest.experiments.profile import read_profile
    from loadtest.experiments.trials import Base, alone_in

    knob, begin, end, unit = where
    out = Path(str(options["out"]))
    whole = isinstance(begin, int) and isinstance(end, int)
    tolerance = float(str(options["tolerance"]))
    axis = Axis(begin, end, whole, tolerance, int(str(options["repetitions"])))
    overrides = options["overrides"]
    assert isinstance(overrides, tuple)
    profile = options["profile"]
    assert profile is None or isinstance(profile, Path)
    try:
        costs = read_profile(needs_virtual(profile, bool(options["virtual"])))
        document = load_yaml(file)
        apply_overrides(document, overrides)
        shell = "virtual" if options["virtual"] else "real"
        base = Base(document, str(file), file.parent, "virtual" if options["virtual"] else "real")
        question = Question(base, knob, unit, axis, costs)
        for value in (begin, end):
            question.trial(value, 0).campaign()
        check_writable(out)
        out = out.resolve()
        click.echo(f"Searching {knob} from {begin}{unit} to {end}{unit}, {shell}")
        with alone_in(out):
            directory = find_limit(question, out, int(str(options["jobs"])), click.echo)
    except CampaignError as error:
        raise BadInput(str(error)) from None
    except LimitError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(INVALID)
    found = read_json(directory, "limit.json")
    click.echo(f"\n{found['verdict']}\n{found['runs']} runs. Page {directory / 'index.html'}")
    sys.exit(SLO_FAILED if found["holds"] is None else OK)
