"""``hollowfleet sim CAMPAIGN``: a campaign in virtual time, from its file to its report."""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from loadtest.bundle import BundleError, RunState, new_bundle
from loadtest.campaign import read_campaign
from loadtest.cli.codes import ERROR, INTERRUPTED
from loadtest.cli.sweep import has_sweep, run_sweep, with_seed
from loadtest.cli.verdict import (
    BadInput,
    check_writable,
    exit_code,
    print_verdict,
    refuse_too_large,
)
from loadtest.compiled import compile_campaign, describe
from loadtest.fields import CampaignError


def simulate(
    file: Path, overrides: tuple[str, ...], seed: int | None, out: Path, profile: Path | None
) -> NoReturn:
    """Run the campaign of ``file``; ends the program with its exit code."""
    if has_sweep(file):
        run_sweep(
            file, with_seed(overrides, seed), "virtual", (False, os.cpu_count() or 1, out), profile
        )
    # Only here: what the other uses of this command do not need.
    from loadtest.experiments.profile import read_profile
    from loadtest.progress import display_for
    from loadtest.report import render
    from loadtest.virtual import VirtualCampaign, check_scheduler, check_virtual_time

    try:
        costs = read_profile(profile)
        campaign = read_campaign(file, overrides, seed)
        check_virtual_time(campaign, str(file))
        compiled = compile_campaign(campaign, file.parent)
        check_scheduler(compiled, str(file))
    except CampaignError as error:
        raise BadInput(str(error)) from None
    refuse_too_large(compiled, "virtual", str(file))
    check_writable(out)
    click.echo(describe(compiled))
    directory, run_id = new_bundle(out.resolve(), campaign.name)
    shutil.copyfile(file, directory / "campaign.yaml")
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = RunState(run_id=run_id, started=started)
    display = display_for(sys.stdout)
    try:
        campaign_run = VirtualCampaign(compiled, directory, state, display, costs)
        campaign_run.show_progress(sys.stderr)
        campaign_run.execute()
    finally:
        display.close()
    if state.error:
        click.echo(f"Error: {state.error}", err=True)
    try:
        summary = render(directory)
    except BundleError:
        sys.exit(INTERRUPTED if state.outcome == "interrupted" else ERROR)
    print_verdict(summary)
    click.echo(
        f"\nSimulated {state.load_s:,.0f} s in {state.cpu_s:.1f} s of CPU: {state.steps:,} steps "
        f"and {state.messages:,} messages"
    )
    click.echo(f"Report {directory / 'report.html'}")
    click.echo(f"digest {state.digest}")
    sys.exit(exit_code(summary))
