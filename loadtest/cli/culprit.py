"""``hollowfleet culprit``: which component limits a campaign."""

import sys
from pathlib import Path

import click

from loadtest.bundle import write_json
from loadtest.cli.codes import ERROR, OK, UNDECIDED
from loadtest.cli.options import JOBS, OUT, OVERRIDES, PROFILE, VIRTUAL
from loadtest.cli.verdict import BadInput, check_writable, needs_virtual
from loadtest.fields import CampaignError, load_yaml
from loadtest.overrides import apply_overrides


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@OVERRIDES
@VIRTUAL
@PROFILE
@click.option(
    "--repetitions",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Runs of each: as it is, and with each of the two relieved.",
)
@JOBS
@OUT
def culprit(
    file: Path,
    overrides: tuple[str, ...],
    virtual: bool,
    profile: Path | None,
    repetitions: int,
    **where: object,
) -> None:
    """Name the component that limits the campaign of FILE, and confirm it by relieving it.

    In virtual time its service times are halved. In real time what the campaign's own faults do to
    it is halved, or else the knob that spreads it is doubled. The next fullest is relieved, too,
    for comparison.

    Exit codes: 0 confirmed, or nothing is near its limit, 1 a run failed, 6 not confirmed.
    """
    # Only here: --help stays quick.
    from loadtest.experiments.culprit import (
        CulpritError,
        culprit_directory,
        culprit_document,
        find_culprit,
    )
    from loadtest.experiments.culprit_page import page_html
    from loadtest.experiments.profile import read_profile
    from loadtest.experiments.runner import Runner
    from loadtest.experiments.trials import Base, alone_in

    out, jobs = Path(str(where["out"])), int(str(where["jobs"]))
    try:
        costs = read_profile(needs_virtual(profile, virtual))
        document = load_yaml(file)
        apply_overrides(document, overrides)
        base = Base(document, str(file), file.parent, "virtual" if virtual else "real")
        directory = culprit_directory(base, out.resolve())
        check_writable(out)
        with alone_in(out):
            runner = Runner(out.resolve(), jobs)
            found = find_culprit(base, costs, repetitions, runner, click.echo)
    except CampaignError as error:
        raise BadInput(str(error)) from None
    except CulpritError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ERROR)
    directory.mkdir(parents=True, exist_ok=True)
    result = culprit_document(base, found)
    write_json(directory, "culprit.json", result)
    (directory / "index.html").write_text(page_html(result))
    click.echo(f"\n{found.text()}\nPage {directory / 'index.html'}")
    sys.exit(OK if found.confirmed or not found.near else UNDECIDED)
