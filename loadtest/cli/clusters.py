"""``hollowfleet up`` and ``hollowfleet down``: a cluster that stays."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import click

from actors.plan import ClusterPlan, Durability
from loadtest.cli.verdict import BadInput
from loadtest.compiled import read_scheduler_configuration
from loadtest.fields import CampaignError
from loadtest.standing import (
    Standing,
    StandingError,
    check_kubeconfig,
    check_port,
    forget_standing,
    plan_of_nodes,
    read_standing,
    state_directory,
    stop_standing,
)
from loadtest.trace_file import read_nodes

START_TIMEOUT_S = 600.0


@click.command()
@click.option(
    "--nodes",
    type=click.IntRange(1, 2_000_000),
    default=100,
    show_default=True,
    help="Hollow ones.",
)
@click.option(
    "--node-list",
    type=click.Path(path_type=Path),
    help="CSV in openb's columns; its rows are the first nodes.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write the kubeconfig; removed by down.",
)
@click.option(
    "--https-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the API on loopback; 0: any free one.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Decides names, ties and jitter of the cluster.",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "buffered", "none"]),
    default="fsync",
    show_default=True,
    help="What a write waits for: the disk, the system's buffers, or nothing.",
)
@click.option(
    "--scheduler-config",
    type=click.Path(path_type=Path),
    help="A KubeSchedulerConfiguration file.",
)
@click.option(
    "--scheduler/--no-scheduler",
    default=True,
    show_default=True,
    help="Without one, pods wait for a scheduler from outside.",
)
def up(
    nodes: int,
    node_list: Path | None,
    kubeconfig: Path,
    https_port: int,
    seed: int,
    durability: str,
    scheduler_config: Path | None,
    scheduler: bool,
) -> None:
    """Start a cluster that stays until `hollowfleet down`."""
    directory = state_directory(dict(os.environ))
    try:
        rows = len(read_nodes(node_list)) if node_list else 0
        check_kubeconfig(kubeconfig)
        configured = read_scheduler_configuration(scheduler_config) if scheduler_config else ""
    except (StandingError, CampaignError) as error:
        raise BadInput(str(error)) from None
    try:
        _check_free(directory)
        if https_port:
            check_port(https_port)
        plan = replace(
            plan_of_nodes(nodes, node_list, rows),
            seed=seed,
            https_port=https_port,
            durability=cast(Durability, durability),
            scheduler_configuration=configured,
            schedulers=int(scheduler),
        )
        standing = _start(directory, nodes, plan, kubeconfig.resolve())
    except StandingError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{nodes} nodes Ready. API at {standing.server}")
    click.echo(f"kubectl --kubeconfig {kubeconfig} get nodes")


def _check_free(directory: Path) -> None:
    standing = read_standing(directory)
    if standing and standing.is_alive:
        raise StandingError(
            f"a cluster is up already (process {standing.pid}, {standing.server or 'starting'}); "
            "run `hollowfleet down` first"
        )


def _start(directory: Path, nodes: int, plan: ClusterPlan, kubeconfig: Path) -> Standing:
    """Start the supervisor and wait until it is ready. Raises StandingError."""
    # The supervisor starts Ray; this process does not import it.
    from loadtest.supervise import SupervisorConfig, write_config

    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        forget_standing(directory)
        log = directory / "cluster.log"
        config = directory / "supervisor.json"
        write_config(
            SupervisorConfig(plan, nodes, str(kubeconfig), str(directory), str(log)), config
        )
        output = log.open("wb")
    except OSError as error:
        raise StandingError(f"cannot write to {directory}: {error.strerror}") from None
    with output:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.supervise", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
    try:
        return _await(process, directory, log)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        forget_standing(directory)
        raise


def _await(process: "subprocess.Popen[bytes]", directory: Path, log: Path) -> Standing:
    """Show the supervisor's lines until its state says ready."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with log.open() as lines:
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            for line in lines:
                click.echo(line.rstrip())
            standing = read_standing(directory)
            if standing and standing.phase == "ready":
                return standing
            if ended:
                error = standing.error if standing else ""
                forget_standing(directory)
                raise StandingError(f"the cluster did not start: {error or f'see {log}'}")
            time.sleep(0.1)
    process.terminate()
    raise StandingError(f"the cluster did not become ready in {START_TIMEOUT_S:g} s; see {log}")


@click.command()
def down() -> None:
    """Stop the cluster that `hollowfleet up` started."""
    directory = state_directory(dict(os.environ))
    standing = read_standing(directory)
    if standing is None or not standing.is_alive:
        forget_standing(directory)
        raise click.ClickException("no cluster is up")
    left = stop_standing(standing, lambda pid: os.kill(pid, signal.SIGTERM))
    if left:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        forget_standing(directory)
        raise click.ClickException(
            f"{len(left)} processes did not stop in time and were killed; log: {standing.log}"
        )
    forget_standing(directory)
    click.echo("The cluster is down; nothing is left running.")
