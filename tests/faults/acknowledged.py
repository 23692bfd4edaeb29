"""A loader that remembers what it was told, and what a server may say after it was killed.

Each writer owns its keys and has one write under way, so after a crash a key is as its last
acknowledged write left it, or as the one write left it whose answer never came.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.etcd.client import EtcdClient
from api.streams import Stream
from store.etcd.errors import EtcdError

WRITERS = 16
KEYS = 4
"""Of each writer."""
PREFIX = b"/kill/"
ABSENT = b""


@dataclass(slots=True)
class Writer:
    """The keys of one writer; a value of ABSENT is no key."""

    number: int
    acknowledged: dict[bytes, bytes] = field(default_factory=dict)
    pending: dict[bytes, bytes] = field(default_factory=dict)
    """The write whose answer did not come: all of it happened, or nothing."""


class Ledger:
    """What all writers know, over restarts of the server."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.writers = [Writer(number) for number in range(WRITERS)]
        self.acknowledged_total = 0
        self.revision = 0
        """Newest that anybody was told."""
        self._turn = 0

    async def load(self, address: str, told: Callable[[int], None]) -> None:
        """Write until the server is gone. ``told`` gets the number of answers so far."""
        client = EtcdClient(address)
        done = 0

        async def write(writer: Writer) -> None:
            nonlocal done
            while True:
                message, effect = self._next(writer)
                writer.pending = effect
                try:
                    answer = await client.call("KV", "Txn", {"success": message})
                except EtcdError:
                    return
                writer.acknowledged |= effect
                writer.pending = {}
                self.revision = max(self.revision, answer["header"]["revision"])
                self.acknowledged_total += 1
                done += 1
                told(done)

        try:
            await asyncio.gather(*(write(writer) for writer in self.writers))
        finally:
            await client.close()

    def _next(self, writer: Writer) -> tuple[list[dict[str, Any]], dict[bytes, bytes]]:
        """A put, two puts at once, or a delete."""
        self._turn += 1
        first = self._stream.below(KEYS)
        kind = self._stream.below(8)
        numbers = {first, (first + 1) % KEYS} if kind == 0 else {first}
        effect: dict[bytes, bytes] = {}
        operations: list[dict[str, Any]] = []
        for number in sorted(numbers):
            key = PREFIX + b"%d/%d" % (writer.number, number)
            if kind == 1:
                effect[key] = ABSENT
                operations.append({"request_delete_range": {"key": key}})
            else:
                value = b"%d" % self._turn + b"." * self._stream.below(3000)
                effect[key] = value
                operations.append({"request_put": {"key": key, "value": value}})
        return operations, effect

    async def check(self, address: str) -> None:
        """Every key is as it may be. What happened of the pending writes is known then."""
        client = EtcdClient(address)
        try:
            message = {"key": PREFIX, "range_end": PREFIX[:-1] + b"0"}
            answer = await client.call("KV", "Range", message)
        finally:
            await client.close()
        told, now = self.revision, answer["header"]["revision"]
        assert now >= told, f"revision {now}, and {told} was acknowledged"
        found = {kv["key"]: kv["value"] for kv in answer.get("kvs", ())}
        for writer in self.writers:
            happened = {found.get(key, ABSENT) == value for key, value in writer.pending.items()}
            if happened == {True}:
                writer.acknowledged |= writer.pending
            for key, value in writer.acknowledged.items():
                kept = found.pop(key, ABSENT)
                assert kept == value, f"{key!r} is {kept[:40]!r}, acknowledged was {value[:40]!r}"
            writer.pending = {}
        assert not found, f"keys that nobody wrote: {list(found)[:5]}"
