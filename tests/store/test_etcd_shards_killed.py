"""A door over three shards, killed with -9 amid writes and leases: what was acknowledged is there,
and a watch from the first revision tells each of it once, in one order."""

import asyncio
import subprocess
import sys
from pathlib import Path

from store.etcd.errors import EtcdError
from tests.store.door_in_process import Client, run

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = (150, 400)
"""Writes acknowledged before each kill."""


class Process:
    """``hollowfleet etcd --shards 3`` in a process of its own."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "loadtest", "etcd", "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, "--data", str(data), "--shards", "3"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def address(self) -> str:
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line.startswith("etcd API at "), line
        return line.split()[3].rstrip(",")

    def kill(self) -> None:
        """Idempotent."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def write(
    client: Client, writer: str, acknowledged: dict[bytes, int], done: asyncio.Event
) -> None:
    """Until the server is gone; ``done`` is set when so many were acknowledged."""
    for turn in range(10_000):
        key = f"/k/{writer}/{turn}".encode()
        try:
            revision = await client.put(key, key, lease=7 if turn % 3 else 0)
        except EtcdError:
            return
        acknowledged[key] = revision
        if len(acknowledged) >= ROUNDS[int(writer[0])]:
            done.set()


def test_nothing_acknowledged_is_lost_by_kill_9_over_shards(tmp_path: Path) -> None:
    every: dict[bytes, int] = {}

    async def scenario() -> None:
        for number in range(len(ROUNDS) + 1):
            process = Process(tmp_path / "data")
            client = Client(await process.address())
            try:
                await check(client, every)
                if number == len(ROUNDS):
                    await client.revoke(7)
                    left = await client.values(b"/k/")
                    assert all(int(key.rpartition(b"/")[2]) % 3 == 0 for key in left)
                    return
                if not number:
                    await client.grant(7, 600)
                acknowledged: dict[bytes, int] = {}
                done = asyncio.Event()
                writers = [
                    asyncio.create_task(write(client, f"{number}.{one}", acknowledged, done))
                    for one in range(20)
                ]
                await done.wait()
                process.kill()
                await asyncio.gather(*writers)
                every.update(acknowledged)
            finally:
                await client.close()
                process.kill()

    run(scenario())


async def check(client: Client, acknowledged: dict[bytes, int]) -> None:
    listed = await client.range(b"/k/", b"/k0")
    held = {kv["key"]: kv["mod_revision"] for kv in listed.get("kvs", ())}
    assert {key: held.get(key) for key in acknowledged} == acknowledged
    if held:
        first = min(held.values())
        following = await client.following(b"/k/", start_revision=first)
        await following.until(len(held))
        seen = [(revision, key) for revision, key, _ in following.seen()]
        assert seen == sorted((revision, key) for key, revision in held.items())
        assert listed["header"]["revision"] >= seen[-1][0]
        following.call.cancel()
