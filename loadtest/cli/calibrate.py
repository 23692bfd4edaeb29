"""``hollowfleet calibrate``: a cost profile of this machine for virtual time."""

import sys
from pathlib import Path

import click

from loadtest.bundle import write_json
from loadtest.cli.codes import ERROR
from loadtest.cli.options import OUT, OVERRIDES
from loadtest.cli.verdict import BadInput, check_writable
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@OVERRIDES
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("profile.json"),
    show_default=True,
    help="Where the profile is written.",
)
@OUT
def calibrate(file: Path, overrides: tuple[str, ...], write: Path, out: Path) -> None:
    """Measure what steps cost on this machine, with short real runs of the sweep in FILE.

    The sweep should be of at least three loads that this machine carries. `--profile` of sim,
    sweep, limit and culprit uses what is written.
    """
    # Only here: --help stays quick.
    from loadtest.experiments.calibrate import CalibrationError
    from loadtest.experiments.calibrate import calibrate as measured
    from loadtest.experiments.sweep import describe_sweep, parse_sweep
    from loadtest.experiments.trials import Base, alone_in

    try:
        document = load_yaml(file)
        apply_overrides(document, overrides)
        plan = parse_sweep(Base(document, str(file), file.parent, "real"))
        click.echo(describe_sweep(plan))
        check_writable(out)
        check_writable(write.absolute().parent)
        with alone_in(out.resolve()):
            profile = measured(plan, out.resolve(), 1, click.echo)
    except CampaignError as error:
        raise BadInput(str(error)) from None
    except CalibrationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ERROR)
    write_json(write.absolute().parent, write.name, profile)
    facts = profile["measured"]
    click.echo("\nCOMPONENT     FACTOR  IDLE CORES  ERROR OF PREDICTION")
    for role, factor in facts["factor"].items():
        apart = facts["error_share"][role]
        text = "unknown: fewer than three runs" if apart is None else f"{apart:.0%}"
        click.echo(f"{role:<12} {factor:>7.2f} {facts['idle_cores'][role]:>11.3f}  {text}")
    click.echo(f"fsync        {profile['syncNs']['fsync'] / 1e6:.3f} ms\nProfile {write}")
