"""``hollowfleet sweep``: a campaign over a grid of knobs."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from loadtest.cli.codes import ERROR, INVALID, OK
from loadtest.cli.options import JOBS, OUT, PROFILE, VIRTUAL
from loadtest.cli.verdict import BadInput, check_writable, needs_virtual
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@VIRTUAL
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the campaign, as in `hollowfleet run`. May be repeated.",
)
@PROFILE
@click.option("--dry-run", is_flag=True, help="Print the arms and stop.")
@JOBS
@OUT
def sweep(
    file: Path, virtual: bool, overrides: tuple[str, ...], profile: Path | None, **how: object
) -> None:
    """Run the campaign of FILE once for each arm of its spec.sweep and each repetition.

    Runs that are there already are not made again: the same command goes on with a sweep that was
    interrupted. Exit codes: 0 every run is valid, whether its SLOs held or not, 1 a run failed,
    4 a run is invalid.
    """
    needs_virtual(profile, virtual)
    plan = (bool(how["dry_run"]), int(str(how["jobs"])), Path(str(how["out"])))
    run_sweep(file, overrides, "virtual" if virtual else "real", plan, profile)


def with_seed(overrides: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    return overrides if seed is None else (*overrides, f"seed={seed}")


def has_sweep(file: Path) -> bool:
    """Whether a campaign file is one of a sweep. A file that cannot be read is none: who reads it
    next says why."""
    try:
        spec = load_yaml(file).get("spec")
    except CampaignError:
        return False
    return isinstance(spec, dict) and spec.get("sweep") is not None


def run_sweep(
    file: Path,
    overrides: tuple[str, ...],
    shell: str,
    how: tuple[bool, int, Path],
    profile: Path | None = None,
) -> NoReturn:
    """Ends the program with its exit code. ``how``: dry run, jobs, directory."""
    # Only here: --help stays quick.
    from loadtest.experiments.profile import read_profile
    from loadtest.experiments.sweep import describe_sweep, parse_sweep
    from loadtest.experiments.sweep_page import write_page
    from loadtest.experiments.sweep_run import execute, read_sweep
    from loadtest.experiments.trials import Base, alone_in

    dry_run, jobs, out = how
    try:
        document = load_yaml(file)
        apply_overrides(document, overrides)
        base = Base(document, str(file), file.parent, "virtual" if shell == "virtual" else "real")
        plan = parse_sweep(base, read_profile(profile))
        click.echo(describe_sweep(plan))
        if dry_run:
            sys.exit(OK)
        check_writable(out)
        out = out.resolve()
        with alone_in(out):
            directory = out / f"sweep-{plan.name}-{plan.key()}"
            try:
                execute(plan, out, jobs, click.echo)
            finally:
                write_page(directory)
                click.echo(f"\nPage {directory / 'index.html'}")
    except CampaignError as error:
        raise BadInput(str(error)) from None
    runs = read_sweep(directory)["runs"]
    if any(row["outcome"] != "complete" for row in runs):
        sys.exit(ERROR)
    sys.exit(INVALID if any(row["stamp"] != "VALID" for row in runs) else OK)
