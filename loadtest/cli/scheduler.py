"""``hollowfleet scheduler``: our scheduler in kube-scheduler's place, beside any kube-apiserver."""

import asyncio
import signal
import ssl
from dataclasses import replace
from pathlib import Path

import click
import uvloop

from actors.kube_scheduler import KubeSchedulerOptions, serve
from actors.kubeconfig import KubeconfigError, read_kubeconfig
from actors.net import NetError
from actors.plugins import scheduler_configuration
from loadtest.cli.verdict import BadInput
from loadtest.compiled import read_scheduler_configuration
from loadtest.fields import CampaignError

HINTS_GATE = "SchedulerQueueingHints"


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    required=True,
    help="Of the cluster to schedule for.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A KubeSchedulerConfiguration file.",
)
@click.option(
    "--bind-address",
    default="127.0.0.1",
    show_default=True,
    help="Where /healthz and /metrics are served.",
)
@click.option(
    "--secure-port",
    type=click.IntRange(0, 65535),
    default=10259,
    show_default=True,
    help="HTTPS port of /healthz and /metrics; 0: any free one.",
)
@click.option(
    "--feature-gates",
    default="",
    help=f"{HINTS_GATE}=false: every change gives all unschedulable pods another try.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Decides between equal nodes.",
)
def scheduler(
    kubeconfig: Path,
    config: Path | None,
    bind_address: str,
    secure_port: int,
    feature_gates: str,
    seed: int,
) -> None:
    """Schedule the pods of a cluster until interrupted, while no other scheduler has the Lease."""
    try:
        access = read_kubeconfig(str(kubeconfig))
        text = read_scheduler_configuration(config) if config else ""
        configuration = scheduler_configuration(text)
    except (KubeconfigError, CampaignError) as error:
        raise BadInput(str(error)) from None
    configuration = replace(configuration, queueing_hints=_hints_wanted(feature_gates))
    for field in configuration.without_effect:
        click.echo(f"{config}: {field} has no effect here", err=True)
    options = KubeSchedulerOptions(access, configuration, seed, bind_address, secure_port)

    async def main() -> BaseException | None:
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        return await serve(options, stopping, lambda line: print(line, flush=True))

    try:
        failure = uvloop.run(main())
    except (NetError, ssl.SSLError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if failure is not None:
        raise click.ClickException(f"the scheduler has failed: {failure!r}")


def _hints_wanted(gates: str) -> bool:
    """BadInput for a gate that is not known."""
    wanted = True
    for gate in filter(None, gates.split(",")):
        name, _, value = gate.partition("=")
        if name != HINTS_GATE or value not in ("true", "false"):
            raise BadInput(f"--feature-gates: {gate!r} must be {HINTS_GATE}=true or =false")
        wanted = value == "true"
    return wanted
