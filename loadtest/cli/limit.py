"""``hollowfleet limit``: the largest value of a knob that keeps every SLO."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from api.core import JsonObject
from api.strict_yaml import YamlError, read_yaml
from loadtest.bundle import read_json
from loadtest.cli.codes import INVALID, OK, SLO_FAILED
from loadtest.cli.options import JOBS, OUT, OVERRIDES, PROFILE, VIRTUAL
from loadtest.cli.verdict import BadInput, check_writable, needs_virtual
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides

if TYPE_CHECKING:
    from loadtest.experiments.envelope import Envelope
    from loadtest.experiments.limit_run import Question


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
    "--across",
    metavar="KEY=V1,V2,...",
    help="Another knob: find the limit at each of its values, the envelope.",
)
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
@OVERRIDES
@VIRTUAL
@PROFILE
@JOBS
@OUT
def limit(file: Path, knob: str, begin: float, end: float, unit: str, **options: object) -> None:
    """Find the largest value of a knob of FILE at which every SLO holds, between --from and --to.

    Prints the limit, the interval in which it lies, and the SLO that broke first. The smaller
    number may be the harder one: give it as --to. With --across, one limit for each value of
    another knob. Runs are kept and shared as those of sweeps.

    Exit codes: 0 found, or every value holds, 3 the first value does not hold (with --across, at
    any value of the other knob), 4 a run is invalid.
    """
    if begin == end:
        raise BadInput("--from and --to must differ")
    _search(file, (knob, begin, end, unit), options)


def _search(file: Path, where: tuple[str, float, float, str], options: dict[str, object]) -> None:
    # Only here: --help stays quick.
    from loadtest.experiments.envelope import Envelope
    from loadtest.experiments.limit_run import LimitError
    from loadtest.experiments.trials import alone_in

    knob, begin, end, unit = where
    out = Path(str(options["out"]))
    across = options["across"]
    jobs = int(str(options["jobs"]))
    try:
        question = _question(file, where, options)
        envelope = None
        if across is not None:
            envelope = Envelope(question, *_values(str(across)))
            envelope.check()
        else:
            for value in (begin, end):
                question.trial(value, 0).campaign()
        check_writable(out)
        out = out.resolve()
        shell = f"{question.base.shell}{f', across {across}' if across else ''}"
        click.echo(f"Searching {knob} from {begin}{unit} to {end}{unit}, {shell}")
        with alone_in(out):
            if envelope is not None:
                _find_envelope(envelope, out, jobs)
            else:
                _find_limit(question, out, jobs)
    except CampaignError as error:
        raise BadInput(str(error)) from None
    except LimitError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(INVALID)


def _question(
    file: Path, where: tuple[str, float, float, str], options: dict[str, object]
) -> "Question":
    """Errors: CampaignError."""
    from loadtest.experiments.limit import Axis
    from loadtest.experiments.limit_run import Question
    from loadtest.experiments.profile import read_profile
    from loadtest.experiments.trials import Base

    knob, begin, end, unit = where
    whole = isinstance(begin, int) and isinstance(end, int)
    tolerance = float(str(options["tolerance"]))
    axis = Axis(begin, end, whole, tolerance, int(str(options["repetitions"])))
    overrides, profile = options["overrides"], options["profile"]
    assert isinstance(overrides, tuple)
    assert profile is None or isinstance(profile, Path)
    costs = read_profile(needs_virtual(profile, bool(options["virtual"])))
    document = load_yaml(file)
    apply_overrides(document, overrides)
    base = Base(document, str(file), file.parent, "virtual" if options["virtual"] else "real")
    return Question(base, knob, unit, axis, costs)


def _values(across: str) -> tuple[str, tuple[object, ...]]:
    """Key and values of --across; values are YAML. Errors: CampaignError."""
    key, _, text = across.partition("=")
    try:
        values = read_yaml(f"[{text}]")
    except YamlError:
        raise CampaignError(f"--across {across}: {text!r} are not YAML values") from None
    if not key or not isinstance(values, list) or len(values) < 2:
        raise CampaignError(f"--across {across}: must be KEY=V1,V2,... with two values at least")
    if any(value in values[:place] for place, value in enumerate(values)):
        raise CampaignError(f"--across {across}: a value is given twice")
    if not all(isinstance(value, str | int | float) for value in values):
        raise CampaignError(f"--across {across}: values must be plain")
    return key, tuple(values)


def _find_limit(question: "Question", out: Path, jobs: int) -> NoReturn:
    from loadtest.experiments.limit_run import find_limit

    directory = find_limit(question, out, jobs, click.echo)
    found = read_json(directory, "limit.json")
    click.echo(f"\n{found['verdict']}\n{found['runs']} runs. Page {directory / 'index.html'}")
    sys.exit(SLO_FAILED if found["holds"] is None else OK)


def _find_envelope(envelope: "Envelope", out: Path, jobs: int) -> NoReturn:
    from loadtest.experiments.envelope import ENVELOPE_FILE, find_envelope

    directory = find_envelope(envelope, out, jobs, click.echo)
    rows = cast(JsonObject, read_json(directory, ENVELOPE_FILE))["rows"]
    lines = "\n".join(f"{envelope.across}={row['value']}: {row['verdict']}" for row in rows)
    runs = sum(row.get("runs", 0) for row in rows)
    click.echo(f"\n{lines}\n{runs} runs. Page {directory / 'index.html'}")
    if any(row["error"] for row in rows):
        sys.exit(INVALID)
    sys.exit(SLO_FAILED if all(row["holds"] is None for row in rows) else OK)
