"""``hollowfleet run``: a campaign from its file to its report."""

import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from actors.imports import unbroken
from loadtest.bundle import BundleError, RunState, new_bundle
from loadtest.campaign import check_real_time, read_campaign
from loadtest.cli.codes import ERROR, INTERRUPTED
from loadtest.cli.sweep import has_sweep, run_sweep, with_seed
from loadtest.cli.verdict import (
    BadInput,
    check_writable,
    exit_code,
    print_verdict,
    refuse_too_large,
)
from loadtest.compiled import Compiled, compile_campaign, describe
from loadtest.fields import CampaignError

if TYPE_CHECKING:
    from loadtest.progress import Display
    from loadtest.run import Starter
    from loadtest.summary import Summary


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
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="Aim the load at the cluster of this kubeconfig instead of one of the run's own. Only "
    "reads, unless --writes-in-namespace allows more.",
)
@click.option(
    "--writes-in-namespace",
    "namespace",
    default="",
    metavar="NAME",
    help="With --kubeconfig: send the writes of the campaign too, all in namespace NAME, which the "
    "run makes and removes however it ends.",
)
@click.option(
    "--live",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=0,
    metavar="[PORT]",
    help="Show the run on a page of loopback while it runs, with Prometheus metrics at /metrics; "
    "without PORT on any free one.",
)
@click.option(
    "--predict",
    type=click.Path(path_type=Path),
    metavar="PROFILE",
    help="Put beside the figures what virtual time says with this profile of `hollowfleet "
    "calibrate`.",
)
def run(
    file: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    dry_run: bool,
    out: Path,
    **where: str | Path | int | None,
) -> None:
    """Run the campaign of FILE and write a report. A file with spec.sweep: as `sweep FILE`."""
    kubeconfig, namespace = where["kubeconfig"], str(where["namespace"] or "")
    live = where["live"]
    assert live is None or isinstance(live, int)
    if namespace and kubeconfig is None:
        raise BadInput("--writes-in-namespace goes with --kubeconfig")
    if kubeconfig is not None:
        if has_sweep(file):
            raise BadInput(f"{file}: spec.sweep needs clusters of its own: leave out --kubeconfig")
        if where["predict"] is not None:
            raise BadInput("--predict goes with a cluster of the run's own: leave out --kubeconfig")
        from loadtest.cli.aim import run_at

        run_at(file, with_seed(overrides, seed), (str(kubeconfig), namespace), (dry_run, out, live))
    if has_sweep(file):
        if live is not None or where["predict"] is not None:
            raise BadInput(f"{file}: a sweep has no page of one run: leave out --live, --predict")
        run_sweep(file, with_seed(overrides, seed), "real", (dry_run, 1, out))
    try:
        campaign = read_campaign(file, overrides, seed)
        check_real_time(campaign, str(file))
        compiled = compile_campaign(campaign, file.parent)
    except CampaignError as error:
        raise BadInput(str(error)) from None
    if dry_run:
        click.echo(describe(compiled))
        return
    refuse_too_large(compiled, "real", str(file))
    then = None
    if where["predict"] is not None:
        from loadtest.cli.predict import predictor

        then = predictor(file, with_seed(overrides, seed), Path(str(where["predict"])), out)
    check_writable(out)
    # What starts a cluster or draws is imported only here: --help and --dry-run stay quick. Before
    # there is a directory of the run, so that ctrl-C meanwhile leaves none.
    with unbroken():
        from actors.cluster import start_cluster

    conduct(file, compiled, (out, live), lambda run_id: start_cluster, then)


def conduct(
    file: Path,
    compiled: Compiled,
    where: tuple[Path, int | None],
    starter: "Callable[[str], Starter]",
    then: "Callable[[Path, Summary], None] | None" = None,
) -> NoReturn:
    """From the compiled campaign to the report and the exit code. ``where``: directory of runs, and
    the port of a live page or None for none; ``starter``: what starts, or enters, the cluster of a
    run, by the run's id; ``then``: what else to do with a bundle that has its summary, before its
    report is made again."""
    out, live = where
    with unbroken():
        from loadtest.progress import display_for
        from loadtest.report import render
        from loadtest.run import CampaignRun

    click.echo(describe(compiled))
    display = display_for(sys.stdout)
    if live is not None:
        display = _on_a_page(display, compiled.campaign.name, live)
    directory, run_id = new_bundle(out.resolve(), compiled.campaign.name)
    shutil.copyfile(file, directory / "campaign.yaml")
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = RunState(run_id=run_id, started=started)
    try:
        CampaignRun(compiled, directory, state, display).execute(starter(run_id))
    finally:
        display.close()
    if state.error:
        click.echo(f"Error: {state.error}", err=True)
    try:
        summary = render(directory)
        if then is not None:
            then(directory, summary)
            summary = render(directory)
    except BundleError:
        # Broken off before the bundle had what a report needs.
        sys.exit(INTERRUPTED if state.outcome == "interrupted" else ERROR)
    print_verdict(summary)
    click.echo(f"\nReport {directory / 'report.html'}")
    sys.exit(exit_code(summary))


def _on_a_page(display: "Display", name: str, port: int) -> "Display":
    from loadtest.live.display import LivePage
    from loadtest.live.server import LiveError

    try:
        return LivePage(display, name, port)
    except LiveError as error:
        display.close()
        raise BadInput(f"--live: {error}") from None
