"""``hollowfleet report``: make the report of a run again from its raw data."""

from pathlib import Path

import click

from loadtest.bundle import BundleError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Make summary.json, junit.xml and report.html of the directory RUN again."""
    from loadtest.cli.verdict import BadInput, print_verdict
    from loadtest.report import render

    try:
        summary = render(run)
    except BundleError as error:
        raise BadInput(str(error)) from None
    print_verdict(summary)
    click.echo(f"\nReport {run / 'report.html'}")
