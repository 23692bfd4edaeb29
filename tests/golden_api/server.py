"""An API server with two store shards in a temporary directory, and a client of it."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from actors import apiserver, store
from actors.apiserver import ApiServer
from actors.net import FrameClient
from actors.plan import ApiServerConfig, Security, StoreConfig
from actors.security import admin_token, create_security
from actors.shard_links import FrameShard, ShardLink

SHARDS = ("store-0", "store-1")


class Server:
    """What a replay needs of a running server."""

    def __init__(self, http: httpx.AsyncClient, stores: Sequence[ShardLink], admin: str) -> None:
        self.http = http
        self.stores = stores
        self.tokens = {"": admin, "alice": "usertok", "invalid": "no-such-token"}

    async def compact(self) -> None:
        """Forget the history of the store up to now."""
        for shard in self.stores:
            [_, status] = await asked(shard, ("status",))
            await asked(shard, ("compact", status["revision"]))


async def asked(shard: ShardLink, request: tuple[Any, ...]) -> Any:
    """The reply to one request."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    shard.ask([request], told.set_result)
    replies = await told
    return replies[0]


@asynccontextmanager
async def running_server(*, embedded: bool = False) -> AsyncIterator[Server]:
    """Start everything, and stop it at the end. ``embedded``: in one program."""
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        tokens = Path(security.directory) / "tokens.csv"
        tokens.write_text(f"{tokens.read_text()}usertok,alice,u-alice,dev\n")
        configs = tuple(
            StoreConfig(number, f"{home}/{name}", security, durability="buffered")
            for number, name in enumerate(SHARDS)
        )
        start = _in_one_program if embedded else _each_alone
        server, shards, links = await start(configs, security)
        context = ssl.create_default_context(cafile=f"{security.directory}/ca.crt")
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{server.https_port}",
            verify=context,
            limits=limits,
            timeout=60,
            headers={"user-agent": "golden/1.0"},
        ) as http:
            yield Server(http, links, admin_token(security))
        await server.stop()
        for link in links:
            await link.close()
        for shard in shards:
            await shard.stop()


Started = tuple[ApiServer, list[store.Store], Sequence[ShardLink]]
"""The API server, the programs of the store, and a way to its shards."""


async def _each_alone(configs: tuple[StoreConfig, ...], security: Security) -> Started:
    shards = [await store.start(config, _nowhere) for config in configs]
    addresses = {name: shard.address for name, shard in zip(SHARDS, shards, strict=True)}

    async def resolve(name: str) -> str:
        return addresses[name]

    server = await apiserver.start(
        ApiServerConfig("apiserver-0", SHARDS, security, seed=1), resolve
    )
    links = [FrameShard(FrameClient(name, security, resolve, "golden")) for name in SHARDS]
    return server, shards, links


async def _in_one_program(configs: tuple[StoreConfig, ...], security: Security) -> Started:
    config = ApiServerConfig("apiserver-0", SHARDS, security, seed=1, embedded=configs)
    server = await apiserver.start(config, _nowhere)
    return server, [], server.shards


async def _nowhere(name: str) -> str:
    raise LookupError(name)
