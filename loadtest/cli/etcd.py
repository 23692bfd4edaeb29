"""``hollowfleet etcd``: the store alone, behind etcd's own API."""

import asyncio
import os
import signal
from pathlib import Path
from typing import cast

import click

from actors.plan import Durability


@click.command()
@click.option(
    "--listen", default="127.0.0.1:2379", show_default=True, help="HOST:PORT; port 0: any free one."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of the log; made if it is not there.",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "buffered", "none"]),
    default="fsync",
    show_default=True,
    help="What a write waits for: the disk, the system's buffers, or nothing.",
)
@click.option(
    "--quota-bytes",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Size of all kept versions at which puts are refused; 0: no quota.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Shards that keys are spread over; fixed for a directory. One counts revisions as etcd "
    "does; several take them from a clock and refuse a transaction over more than one.",
)
@click.option(
    "--restore",
    "snapshot",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file of `etcdctl snapshot save`: the data directory, which must be new, is made of it.",
)
@click.option("--metrics-listen", help="HOST:PORT where Prometheus may ask; left out: nowhere.")
def etcd(
    listen: str,
    data: Path,
    durability: str,
    quota_bytes: int,
    shards: int,
    snapshot: Path | None,
    metrics_listen: str | None,
) -> None:
    """Serve etcd's v3 API from the store alone, without Ray, until interrupted."""
    # Or it writes lines of its own to the terminal about what is one error of ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # gRPC is imported here only: the other commands start faster without it.
    import uvloop

    from actors.disk import DirectoryError
    from actors.etcd import EtcdConfig, restore
    from actors.net import NetError
    from store.journal import JournalError

    host, port = _address("--listen", listen)
    metrics = _address("--metrics-listen", metrics_listen) if metrics_listen else ("", 0)
    durable = cast(Durability, durability)
    config = EtcdConfig(host, port, str(data), durable, quota_bytes, *metrics, shards)
    try:
        if snapshot is not None:
            revision = restore(snapshot, data, shards)
            click.echo(f"restored {snapshot} at revision {revision} to {data}")
        uvloop.run(_serve(config))
    except (DirectoryError, JournalError, NetError) as error:
        raise click.ClickException(str(error)) from None


def _address(option: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host or len(port) > 5 or int(port) > 65535:
        raise click.UsageError(f"{option} {text!r} is not HOST:PORT, with a port of 0 to 65535")
    return host, int(port)


async def _serve(config: "object") -> None:
    from actors.clock import settle_gc
    from actors.etcd import EtcdConfig, start

    assert isinstance(config, EtcdConfig)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    door = await start(config)
    settle_gc()
    click.echo(f"etcd API at {door.address}, data in {config.directory}, {config.durability}")
    await stopping.wait()
    await door.stop()
