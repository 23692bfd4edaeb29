"""``hollowfleet run --kubeconfig F``: the load half against a cluster that is there."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from actors.kubeconfig import KubeconfigError, read_kubeconfig
from loadtest.campaign import check_real_time, read_campaign
from loadtest.cli.codes import OK
from loadtest.cli.run import conduct
from loadtest.cli.verdict import BadInput, check_writable
from loadtest.client import ApiClient, Endpoint, ServerUnreachable
from loadtest.compiled import Compiled, describe
from loadtest.entry import entered
from loadtest.fields import CampaignError
from loadtest.foreign.aim import aimed, check_foreign, rights_of
from loadtest.foreign.surroundings import ForeignError, check_rights, look_around


def run_at(
    file: Path,
    overrides: tuple[str, ...],
    where: tuple[str, str],
    how: tuple[bool, Path, int | None],
) -> NoReturn:
    """Ends the program with its exit code. ``where``: kubeconfig, and the namespace to write in or
    nothing; ``how``: dry run, directory of runs, port of a live page or None."""
    kubeconfig, namespace = where
    dry_run, out, live = how
    try:
        access = read_kubeconfig(kubeconfig)
        with entered(access) as endpoint:
            compiled = _compiled(file, overrides, endpoint, namespace)
            if dry_run:
                click.echo(describe(compiled))
                sys.exit(OK)
            check_writable(out)
            from loadtest.foreign.cluster import ForeignCluster

            conduct(
                file,
                compiled,
                (out, live),
                lambda run: ForeignCluster(endpoint, namespace, run).enter,
            )
    except (CampaignError, KubeconfigError) as error:
        raise BadInput(str(error)) from None
    except (ServerUnreachable, ForeignError) as error:
        raise click.ClickException(str(error)) from None


def _compiled(
    file: Path, overrides: tuple[str, ...], endpoint: Endpoint, namespace: str
) -> Compiled:
    """The campaign against what is there, once we know that we may."""
    campaign = read_campaign(file, overrides)
    check_real_time(campaign, str(file))
    check_foreign(campaign, str(file))
    client = ApiClient(endpoint)
    try:
        found = look_around(client)
        compiled = aimed(campaign, file.parent, endpoint.server, found, namespace)
        check_rights(client, rights_of(compiled.arrivals, namespace))
    finally:
        client.close()
    return compiled
