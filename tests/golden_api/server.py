"""An API server with two store shards in a temporary directory, and a client of it."""

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from actors import apiserver, store
from actors.net import FrameClient
from actors.plan import ApiServerConfig, StoreConfig
from actors.security import admin_token, create_security

SHARDS = ("store-0", "store-1")


class Server:
    """What a replay needs of a running server."""

    def __init__(self, http: httpx.AsyncClient, stores: list[FrameClient], admin: str) -> None:
        self.http = http
        self.stores = stores
        self.tokens = {"": admin, "alice": "usertok", "invalid": "no-such-token"}

    async def compact(self) -> None:
        """Forget the history of the store up to now."""
        for client in self.stores:
            [[_, status]] = await client.call(("store", [("status",)]))
            await client.call(("store", [("compact", status["revision"])]))


@asynccontextmanager
async def running_server() -> AsyncIterator[Server]:
    """Start everything, and stop it at the end."""
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        tokens = Path(security.directory) / "tokens.csv"
        tokens.write_text(f"{tokens.read_text()}usertok,alice,u-alice,dev\n")
        shards = [
            await store.start(
                StoreConfig(number, f"{home}/{name}", security, durability="buffered"), _nowhere
            )
            for number, name in enumerate(SHARDS)
        ]
        addresses = {name: shard.address for name, shard in zip(SHARDS, shards, strict=True)}

        async def resolve(name: str) -> str:
            return addresses[name]

        server = await apiserver.start(
            ApiServerConfig("apiserver-0", SHARDS, security, seed=1), resolve
        )
        clients = [FrameClient(name, security, resolve, "golden") for name in SHARDS]
        context = ssl.create_default_context(cafile=f"{security.directory}/ca.crt")
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{server.https_port}",
            verify=context,
            limits=limits,
            timeout=60,
            headers={"user-agent": "golden/1.0"},
        ) as http:
            yield Server(http, clients, admin_token(security))
        for client in clients:
            await client.close()
        await server.stop()
        for shard in shards:
            await shard.stop()


async def _nowhere(name: str) -> str:
    raise LookupError(name)
