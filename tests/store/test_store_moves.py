"""A shard moves to another program: planned, with its files handed over while it is written to, and
after kill -9, from its log. Nothing acknowledged is lost, and a watch goes on where it was."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pytest

from actors.disk import DirectoryError
from actors.handover import Sender
from actors.net import FrameClient, NetError, ServerStream
from actors.plan import Security, StoreConfig
from actors.security import create_security
from actors.store import start
from api.storage import OK
from store.journal import LOG_MAGIC, encoded_header
from tests.store.door_in_process import run
from tests.store.test_etcd_engine_apiserver import MAPS, config_map, serving, version

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
import asyncio, json, sys
import uvloop
from actors.plan import Security, StoreConfig
from actors.store import start

async def main():
    config = json.loads(sys.argv[1])
    present = config.pop("present", "")
    config["security"] = Security(**config["security"])
    async def resolve(name):
        return present
    store = await start(StoreConfig(**config), resolve)
    print(store.address, flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


class Process:
    """A store program in a process of its own."""

    def __init__(self, security: Security, directory: Path, present: str = "") -> None:
        config = {"shard": 0, "directory": str(directory), "security": asdict(security)}
        if present:
            config |= {"take_from": "present", "present": present}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, json.dumps(config)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    async def address(self) -> str:
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line, "the store did not start"
        return line.strip()

    def kill(self) -> None:
        """Idempotent."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Place:
    """Where the shard is now: what clients resolve its name to."""

    def __init__(self) -> None:
        self.address = ""

    async def resolve(self, name: str) -> str:
        return self.address


class Watcher:
    """Follows the shard over all its places, from its watermark on."""

    def __init__(self, client: FrameClient) -> None:
        self.events: list[Any] = []
        self.watermark = 1
        self._client = client
        self._news = asyncio.Event()
        self._open()

    def _open(self, reason: str = "") -> None:
        self._client.open(("watch", b"/", self.watermark, False), self._came, self._open)

    def _came(self, body: Any) -> None:
        events, watermark = body
        assert not events or events[0][2] > self.watermark, "told twice"
        self.events += events
        self.watermark = max(self.watermark, watermark)
        self._news.set()

    async def until(self, revision: int) -> None:
        while self.watermark < revision:
            self._news.clear()
            await self._news.wait()


class Load:
    """Writers, each putting one key after the other, and what was answered OK."""

    def __init__(self, client: FrameClient) -> None:
        self.acknowledged: dict[bytes, int] = {}
        self._client = client
        self._stopping = False
        self._news = asyncio.Event()
        self._writers = [asyncio.create_task(self._write(number)) for number in range(10)]

    async def _write(self, number: int) -> None:
        turn = 0
        while not self._stopping:
            key = b"/k/%d/%d" % (number, turn)
            turn += 1
            try:
                ((status, revision),) = await self._client.call(
                    ("store", [("put", key, b"h", key * 50, -1, 0)])
                )
            except NetError:
                continue
            assert status == OK
            self.acknowledged[key] = revision
            self._news.set()

    async def more(self, count: int) -> int:
        """The newest revision, once so many more writes were acknowledged."""
        count += len(self.acknowledged)
        while len(self.acknowledged) < count:
            self._news.clear()
            await self._news.wait()
        return max(self.acknowledged.values())

    async def stop(self) -> int:
        self._stopping = True
        await asyncio.gather(*self._writers)
        return max(self.acknowledged.values())


async def filled(client: FrameClient, count: int) -> None:
    """So that a move takes many pieces."""
    for first in range(0, count, 100):
        batch = [
            ("put", b"/fill/%06d" % number, b"h", bytes(1000), -1, 0)
            for number in range(first, first + 100)
        ]
        await client.call(("store", batch))


@pytest.mark.parametrize("how", ["planned", "killed"])
def test_a_shard_moves_under_load(how: str, tmp_path: Path) -> None:
    security = Security("cluster-a", "right-token", "/nonexistent")
    place = Place()

    async def scenario() -> None:
        old, new = Process(security, tmp_path / "a"), None
        clients = [FrameClient("store-0", security, place.resolve, "tester") for _ in range(2)]
        try:
            place.address = await old.address()
            await filled(clients[0], 5000)
            watcher, load = Watcher(clients[1]), Load(clients[0])
            await watcher.until(await load.more(300))
            if how == "planned":
                new = Process(security, tmp_path / "b", place.address)
            else:
                old.kill()
                new = Process(security, tmp_path / "a")
            place.address = await new.address()
            await watcher.until(await load.more(300))
            await watcher.until(await load.stop())
            assert clients[1].connections == 2
            seen = {bytes(event[1]): event[2] for event in watcher.events}
            revisions = [event[2] for event in watcher.events]
            assert revisions == sorted(set(revisions))
            acknowledged = load.acknowledged
            assert {key: seen.get(key) for key in acknowledged} == acknowledged
            ((_, _, _, items),) = await clients[0].call(
                ("store", [("range", b"/k/", b"/k0", 0, 0, 0)])
            )
            held = {bytes(item[0]): item[2] for item in items}
            assert {key: held.get(key) for key in acknowledged} == acknowledged
            assert len(watcher.events) == 5000 + len(held)
        finally:
            for client in clients:
                await client.close()
            old.kill()
            if new is not None:
                new.kill()
        if how == "planned":
            with pytest.raises(DirectoryError, match="was handed over: its shard is now store-0"):
                await start(StoreConfig(0, str(tmp_path / "a"), security), place.resolve)

    run(scenario())


def test_an_http_watch_does_not_notice_that_its_shards_move(tmp_path: Path) -> None:
    security = create_security(f"{tmp_path}/security")

    async def scenario() -> None:
        shards: list[Any] = []
        old: list[Any] = []

        async def present(name: str) -> str:
            address: str = shards[0].address
            return address

        for number in range(2):
            config = StoreConfig(number, f"{tmp_path}/store-{number}", security)
            shards.append(await start(config, present))
        try:
            async with serving(shards, security) as http:
                first = await http.post(MAPS, json=config_map("first"))
                path = f"{MAPS}?watch=1&resourceVersion={version(first.json())}"
                async with http.stream("GET", path) as answer:
                    lines = answer.aiter_lines()
                    for turn in range(4):
                        made = await http.post(MAPS, json=config_map(f"c{turn}"))
                        assert made.status_code == 201, made.text
                        event = json.loads(await anext(lines))
                        assert event["object"]["metadata"]["name"] == f"c{turn}"
                        assert version(event["object"]) == version(made.json())
                        config = StoreConfig(
                            0, f"{tmp_path}/moved-{turn}", security, take_from="store-0"
                        )
                        old.append(shards[0])
                        shards[0] = await start(config, present)
                assert len((await http.get(MAPS)).json()["items"]) >= 5
        finally:
            for one in [*shards, *old]:
                await one.stop()

    run(scenario())


def test_a_new_owner_that_is_lost_leaves_the_shard_where_it_is(tmp_path: Path) -> None:
    security = Security("cluster-a", "right-token", "/nonexistent")
    place = Place()

    async def scenario() -> None:
        store = await start(StoreConfig(0, str(tmp_path / "a"), security), place.resolve)
        place.address = store.address
        client = FrameClient("store-0", security, place.resolve, "tester")
        await filled(client, 2_000)
        ready = asyncio.Event()

        def came(body: Any) -> None:
            if body == ["ready"]:
                ready.set()

        stream = client.open(("handover", "nobody"), came, print)
        await ready.wait()
        stream.close()
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        client.open(("handover", 7), print, ended.set_result)
        assert (await ended).startswith("invalid")
        ((status, _),) = await client.call(("store", [("put", b"/a", b"", b"", -1, 0)]))
        assert status == OK and not (tmp_path / "a" / "handed-over").exists()
        # And another can have it.
        config = StoreConfig(0, str(tmp_path / "b"), security, take_from="store-0")
        other = await start(config, place.resolve)
        await client.close()
        place.address = other.address
        client = FrameClient("store-0", security, place.resolve, "tester")
        ((_, _, _, count),) = await client.call(("store", [("range", b"/", b"0", 0, 0, 2)]))
        assert count == 2_001
        await client.close()
        await store.stop()
        await other.stop()

    run(scenario())


def test_of_a_log_that_nobody_knows_yet_only_the_header_is_sent(tmp_path: Path) -> None:
    """It may be one that was made beforehand, all zeros, just when it gets its name."""
    old, new = tmp_path / f"log-{1:020d}", tmp_path / f"log-{9:020d}"
    header = encoded_header(LOG_MAGIC, 0, 9)
    old.write_bytes(b"o" * 500 + bytes(500))
    new.write_bytes(header + bytes(5000))
    sizes = {old.name: 500}
    received: dict[str, bytes] = {}

    class Reader:
        """Of a stream without end."""

        backlog_bytes = 0

        def send(self, body: Any) -> bool:
            if body[0] == "file":
                received[body[1]] = received.get(body[1], b"") + body[2]
            elif body[0] == "ready":
                assert received == {old.name: b"o" * 500, new.name: header}
                sender.called.set()
            return True

    async def freeze() -> None:
        with new.open("r+b") as file:
            file.seek(len(header))
            file.write(b"n" * 300)
        sizes[new.name] = len(header) + 300

    async def scenario() -> None:
        nonlocal sender
        sender = Sender(cast(ServerStream, Reader()), tmp_path, lambda: sizes)
        await sender.run("elsewhere", freeze)

    sender: Sender
    run(scenario())
    assert received == {old.name: b"o" * 500, new.name: header + b"n" * 300}
