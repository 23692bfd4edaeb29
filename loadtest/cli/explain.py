"""``hollowfleet explain``: what the scheduler's plugins say of one pod."""

from collections.abc import Iterator
from pathlib import Path

import click

from actors.kubeconfig import KubeconfigError, read_kubeconfig
from actors.plugins import scheduler_configuration
from api.core import JsonObject
from api.kinds import kind_of
from api.quantity import QuantityError
from api.selectors import SelectorError
from loadtest.cli.verdict import BadInput
from loadtest.client import ApiClient, ServerUnreachable
from loadtest.compiled import read_scheduler_configuration
from loadtest.entry import entered
from loadtest.fields import CampaignError
from scheduler.follower import NODES, PODS
from scheduler.inspection import RESOURCES, Answer, UnknownPod, inspect

PAGE = 500
"""Objects of one request."""


@click.command()
@click.argument("pod")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    required=True,
    help="Of any cluster; nothing is written to it.",
)
@click.option("--namespace", "-n", default="default", show_default=True, help="That of POD.")
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="So many of the best nodes.",
)
@click.option(
    "--scheduler-config",
    type=click.Path(path_type=Path),
    help="A KubeSchedulerConfiguration file, as the cluster's scheduler has it.",
)
def explain(
    pod: str, kubeconfig: Path, namespace: str, top: int, scheduler_config: Path | None
) -> None:
    """Why POD is where it is, or nowhere: nodes refused by plugin, and the best nodes with points.

    The answer is worked out from the objects as they are now; a bound pod is taken from its node
    first.
    """
    try:
        access = read_kubeconfig(str(kubeconfig))
        text = read_scheduler_configuration(scheduler_config) if scheduler_config else ""
        configuration = scheduler_configuration(text)
    except (KubeconfigError, CampaignError) as error:
        raise BadInput(str(error)) from None
    with entered(access) as endpoint:
        client = ApiClient(endpoint)
        try:
            answer = inspect(_objects(client), configuration, f"{namespace}/{pod}", top)
        except ServerUnreachable as error:
            raise click.ClickException(str(error)) from None
        except (UnknownPod, QuantityError, SelectorError) as error:
            raise BadInput(str(error)) from None
        finally:
            client.close()
    _print(answer)


def _objects(client: ApiClient) -> Iterator[tuple[str, list[JsonObject]]]:
    """Pods come last: by then everything that selects them is known."""
    for resource in sorted(RESOURCES, key=lambda name: (name == PODS, name != NODES)):
        yield resource, _listed(client, resource)


def _listed(client: ApiClient, resource: str) -> list[JsonObject]:
    kind = kind_of(resource)
    root = f"/apis/{kind.group}" if kind.group else "/api"
    path = f"{root}/{kind.version}/{kind.resource}?limit={PAGE}"
    found: list[JsonObject] = []
    token = ""
    while True:
        code, body = client.request("GET", path + (f"&continue={token}" if token else ""))
        if code == 404 and not found:
            # A cluster without this kind has none of its objects.
            return []
        if code != 200:
            raise click.ClickException(f"list {kind.resource}: {code}: {body.get('message', '')}")
        found += body["items"]
        token = body["metadata"].get("continue", "")
        if not token:
            return found


def _print(answer: Answer) -> None:
    where = f"bound to {answer.node}" if answer.node else "not bound"
    click.echo(f"{where}; {answer.feasible} of {answer.nodes} nodes are feasible now")
    for url in answer.not_asked:
        click.echo(f"The extender {url} has a say in this pod and was not asked.")
    if answer.message:
        click.echo(answer.message)
    if answer.rejected:
        click.echo("\nREFUSED BY                        NODES")
        for plugin, nodes in answer.rejected:
            click.echo(f"{plugin:<32} {nodes:>6}")
        click.echo("\nREASON")
        for reason, nodes in answer.reasons:
            click.echo(f"{nodes:>6} {reason}")
    if answer.best:
        click.echo("\nBEST NODES                         TOTAL")
        for one in answer.best:
            points = ", ".join(f"{plugin} {value}" for plugin, value in one.by_plugin)
            click.echo(f"{one.node:<32} {one.total:>7}  {points or 'the only one: not scored'}")
