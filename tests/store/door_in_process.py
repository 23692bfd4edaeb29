"""A door for etcd's clients and a client of it, on the test's own loop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from actors.etcd import Door, EtcdConfig, start
from actors.etcd.client import EtcdClient, WatchCall

PATIENCE_S = 240.0
"""No test takes this long; it turns a hang into a failure."""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(coroutine, PATIENCE_S)

    uvloop.run(bounded())


@asynccontextmanager
async def door_of(path: Path, shards: int = 1, **options: Any) -> AsyncIterator[tuple[Door, Any]]:
    options = {"durability": "buffered"} | options
    config = EtcdConfig("127.0.0.1", 0, str(path), shards=shards, **options)
    door = await start(config)
    client = Client(door.address)
    try:
        yield door, client
    finally:
        await client.close()
        await door.stop()


class Client(EtcdClient):
    """Short words for the tests."""

    async def put(self, key: bytes, value: bytes = b"v", **fields: Any) -> int:
        answer = await self.call("KV", "Put", {"key": key, "value": value, **fields})
        revision: int = answer["header"]["revision"]
        return revision

    async def range(self, key: bytes, range_end: bytes = b"", **fields: Any) -> Any:
        return await self.call("KV", "Range", {"key": key, "range_end": range_end, **fields})

    async def values(self, prefix: bytes, **fields: Any) -> dict[bytes, bytes]:
        found = await self.range(prefix, prefix + b"\xff", **fields)
        return {kv["key"]: kv.get("value", b"") for kv in found.get("kvs", ())}

    async def delete(self, key: bytes, range_end: bytes = b"", **fields: Any) -> Any:
        message = {"key": key, "range_end": range_end, **fields}
        return await self.call("KV", "DeleteRange", message)

    async def txn(self, compares: list[Any], then: list[Any], otherwise: list[Any]) -> Any:
        message = {"compare": compares, "success": then, "failure": otherwise}
        return await self.call("KV", "Txn", message)

    async def compact(self, revision: int) -> None:
        await self.call("KV", "Compact", {"revision": revision})

    async def grant(self, lease: int, ttl_s: int) -> None:
        await self.call("Lease", "LeaseGrant", {"ID": lease, "TTL": ttl_s})

    async def revoke(self, lease: int) -> None:
        await self.call("Lease", "LeaseRevoke", {"ID": lease})

    async def following(self, key: bytes, **fields: Any) -> "Following":
        """A watch of a prefix that is open."""
        call = self.watch()
        fields = {"range_end": key + b"\xff", **fields}
        await call.create(key=key, **fields)
        created = await call.read()
        assert created["created"] and not created.get("canceled"), created
        return Following(call, created["header"]["revision"])


class Following:
    """One watch on a stream of its own, gathered."""

    def __init__(self, call: WatchCall, revision: int) -> None:
        self.call = call
        self.revision = revision
        self.events: list[Any] = []
        self.progress = 0

    async def until(self, count: int) -> list[Any]:
        while len(self.events) < count:
            await self.next()
        assert len(self.events) == count
        return self.events

    async def next(self) -> Any:
        response = await self.call.read()
        self.events += response.get("events", ())
        if not response.get("events") and not response.get("canceled"):
            self.progress = response["header"]["revision"]
        return response

    async def canceled(self) -> Any:
        """The response that ends the watch."""
        while True:
            response = await self.next()
            if response.get("canceled"):
                return response

    def seen(self) -> list[tuple[int, bytes, bytes]]:
        """(mod revision, key, value), a deleted key without one."""
        return [
            (event["kv"]["mod_revision"], event["kv"]["key"], event["kv"].get("value", b""))
            for event in self.events
        ]
