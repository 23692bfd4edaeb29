"""``hollowfleet run``: a campaign from its file to its report."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from loadtest.bundle import RunState, new_bundle
from loadtest.campaign import read_campaign
from loadtest.cli.verdict import USAGE, exit_code, print_verdict
from loadtest.compiled import compile_campaign, describe
from loadtest.fields import CampaignError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the campaign: a short name (nodes=3000) or a path below spec "
    "(phases.0.duration=30s). May be repeated.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the run, instead of the file's.")
@click.option("--dry-run", is_flag=True, help="Print the compiled plan and stop.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Where the directory of the run is made.",
)
def run(file: Path, overrides: tuple[str, ...], seed: int | None, dry_run: bool, out: Path) -> None:
    """Run the campaign of FILE and write a report."""
    try:
        campaign = read_campaign(file, overrides, seed)
        compiled = compile_campaign(campaign, file.parent)
    except CampaignError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    click.echo(describe(compiled))
    if dry_run:
        return
    try:
        directory, run_id = new_bundle(out.resolve(), campaign.name)
    except OSError as error:
        raise click.ClickException(f"cannot write to {out}: {error.strerror}") from None
    (directory / "campaign.yaml").write_bytes(file.read_bytes())
    # What starts a cluster or draws is imported only here: --help and --dry-run stay quick.
    from actors.cluster import start_cluster
    from loadtest.progress import display_for
    from loadtest.report import render
    from loadtest.run import CampaignRun

    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    display = display_for(sys.stdout)
    state = RunState(run_id=run_id, started=started)
    try:
        CampaignRun(compiled, directory, state, display).execute(start_cluster)
    finally:
        display.close()
    if state.error:
        click.echo(f"Error: {state.error}", err=True)
    summary = render(directory)
    print_verdict(summary)
    click.echo(f"\nReport {directory / 'report.html'}")
    sys.exit(exit_code(summary))
