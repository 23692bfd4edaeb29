"""``hollowfleet reproduce``: published scaling limits, run again."""

import sys
from pathlib import Path
from typing import Literal

import click

from loadtest.cli.codes import ERROR, INTERRUPTED, NOT_REPRODUCED, OK
from loadtest.cli.verdict import BadInput, check_writable
from loadtest.fields import CampaignError


@click.command()
@click.argument("experiments", nargs=-1)
@click.option(
    "--scale",
    type=click.Choice(["ci", "small"]),
    default="small",
    show_default=True,
    help="Sizes: minutes in all (small), or seconds (ci).",
)
@click.option("--list", "only_list", is_flag=True, help="Print the experiments and stop.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/reproduce"),
    show_default=True,
    help="Directory of the page and its data.",
)
def reproduce(
    experiments: tuple[str, ...], scale: Literal["ci", "small"], only_list: bool, out: Path
) -> None:
    """Run the reference experiments EXPERIMENTS (R1, R3 ...; all, if none is named).

    They are the files of `campaigns`; a copy of one with other sizes or positions of its knob is
    run by its path.

    Each has a published limit, a knob in both positions and acceptances that do not depend on this
    machine. Writes one page, with the data beside it.

    Exit codes: 0 every acceptance held, 1 an experiment failed to run, 7 an acceptance did not
    hold, 130 interrupted; the page then has what there is.
    """
    # Only here: --help stays quick.
    from loadtest.experiments.reference.page import page_html
    from loadtest.experiments.reference.registry import MISSING, UnknownExperiment, chosen
    from loadtest.experiments.reference.session import Session, begin, execute, write_tables

    try:
        wanted = chosen(experiments)
    except (UnknownExperiment, CampaignError) as error:
        raise BadInput(str(error)) from None
    if only_list:
        for one in wanted:
            click.echo(f"{one.id:4} {one.title}  [{one.knob}]")
        for place in MISSING:
            click.echo(f"{place.id:4} {place.title}  not yet: needs {place.needs}")
        return
    check_writable(out)

    def keep(session: Session) -> None:
        write_tables(session, out)
        (out / "index.html").write_text(page_html(session))

    session = begin(wanted, scale, out)
    keep(session)
    execute(session, click.echo, keep)
    click.echo(f"\n{session.word}  Page {out / 'index.html'}")
    if session.interrupted:
        sys.exit(INTERRUPTED)
    words = [one.word for one in session.outcomes]
    sys.exit(ERROR if "ERROR" in words else NOT_REPRODUCED if "FAIL" in words else OK)
