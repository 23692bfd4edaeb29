"""The store program over real sockets: requests, watches, restart, kill -9, a full disk."""

import asyncio
import gc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from actors.disk import DirectoryError, DirectoryInUse
from actors.net import FrameClient, NetError, PeerError
from actors.plan import Durability, Security, StoreConfig
from actors.shard import YOUNG_RECORDS
from actors.store import Store, start
from api.storage import CONFLICT, INVALID, NO_SPACE, OK
from tests.actors.killed_process import KilledProcess

PATIENCE_S = 180.0
SECURITY = Security("cluster-a", "right-token", "/nonexistent")


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(coroutine, PATIENCE_S)

    uvloop.run(bounded())


async def nobody(name: str) -> str:
    raise AssertionError(f"a store asked for {name}")


async def started(path: Path, durability: Durability = "fsync", port: int = 0) -> Store:
    return await start(StoreConfig(1, str(path), SECURITY, durability, port=port), nobody)


def client_of(address: str) -> FrameClient:
    async def resolve(name: str) -> str:
        return address

    return FrameClient("store-1", SECURITY, resolve, "tester")


async def ask(client: FrameClient, *requests: object) -> Any:
    return await client.call(("store", requests), timeout_s=PATIENCE_S)


def put(key: bytes, value: bytes = b"v", expected: int = -1) -> tuple[object, ...]:
    return ("put", key, b"h", value, expected, 0)


class Follower:
    """A watch over the wire, gathered."""

    def __init__(self, client: FrameClient, *body: object) -> None:
        self.bodies: list[Any] = []
        self.reason = ""
        self._news = asyncio.Event()
        self.stream = client.open(("watch", *body), self._on_body, self._on_end)

    def _on_body(self, body: Any) -> None:
        self.bodies.append(body)
        self._news.set()

    def _on_end(self, reason: str) -> None:
        self.reason = reason
        self._news.set()

    @property
    def events(self) -> list[Any]:
        return [event for events, _ in self.bodies for event in events]

    async def until(self, count: int) -> None:
        while len(self.events) < count and not self.reason:
            self._news.clear()
            await self._news.wait()

    async def until_end(self) -> None:
        while not self.reason:
            self._news.clear()
            await self._news.wait()


@pytest.mark.parametrize("durability", ["fsync", "buffered", "none"])
def test_requests_and_watches(tmp_path: Path, durability: Durability) -> None:
    async def scenario() -> None:
        store = await started(tmp_path, durability)
        client = client_of(store.address)
        first, second = await ask(client, put(b"/a"), put(b"/a", b"w", 0))
        assert first[0] == OK and second == [CONFLICT, first[1]]
        follower = Follower(client, b"/", first[1], True)
        replies = await ask(client, put(b"/b"), ("del", b"/a", -1), ("nonsense",))
        assert [reply[0] for reply in replies] == [OK, OK, INVALID]
        await follower.until(2)
        assert follower.bodies[0] == [[], first[1]]
        assert [event[:2] for event in follower.events] == [[0, b"/b"], [1, b"/a"]]
        assert follower.events[1][7] == [b"/a", first[1], first[1], 1, b"h", b"v", 0]
        ((status, revision),) = await ask(client, ("promise", replies[1][1]))
        assert status == OK and revision >= replies[1][1] <= follower.bodies[-1][1]
        ((status, revision),) = await ask(client, ("promise", 0))
        assert status == OK and follower.bodies[-1][1] >= revision
        follower.stream.close()
        ((_, shown),) = await ask(client, ("status",))
        assert shown["keys"] == 1 and shown["durability"] == durability
        gauges = store.gauges()
        assert gauges["keys"] == 1 and (gauges["fsyncs"] > 0) == (durability == "fsync")
        await client.close()
        await store.stop()
        await store.stop()

    run(scenario())


def test_the_young_are_collected_by_what_is_written_and_not_by_what_is_kept(tmp_path: Path) -> None:
    collected: list[int] = []

    def told(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            collected.append(info["generation"])

    async def scenario() -> None:
        store = await started(tmp_path, "none")
        client = client_of(store.address)
        gc.disable()
        gc.callbacks.append(told)
        try:
            for _ in range(6):
                await ask(client, *[put(b"/a") for _ in range(YOUNG_RECORDS // 2)])
        finally:
            gc.callbacks.remove(told)
            gc.enable()
        assert collected == [0, 0, 0]
        await client.close()
        await store.stop()

    run(scenario())


def test_bodies_that_nobody_should_send(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await started(tmp_path)
        client = client_of(store.address)
        for body in (None, ["store"], ["api", []], ["store", 7]):
            with pytest.raises(PeerError):
                await client.call(body, timeout_s=PATIENCE_S)
        assert (await client.call(["store", []], timeout_s=PATIENCE_S))[0][0] == INVALID
        assert (await ask(client, 7, None, put(b"/a")))[2][0] == OK
        for words in (("/", 0, True), (b"/", "0", True), (b"/",)):
            follower = Follower(client, *words)
            await follower.until_end()
            assert follower.reason.startswith("invalid: ")
        await client.close()
        await store.stop()

    run(scenario())


def test_restart_keeps_keys_revisions_and_history(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await started(tmp_path)
        client = client_of(store.address)
        revisions = [(await ask(client, put(b"/a", b"%d" % n)))[0][1] for n in range(3)]
        with pytest.raises(DirectoryInUse):
            await started(tmp_path)
        await client.close()
        await store.stop()
        again = await started(tmp_path)
        client = client_of(again.address)
        replies = await ask(client, ("get", b"/a", 0), ("get", b"/a", revisions[0]))
        assert [reply[3] for reply in replies] == [b"2", b"0"]
        follower = Follower(client, b"/", revisions[0], False)
        await follower.until(2)
        assert [event[2] for event in follower.events] == revisions[1:]
        assert (await ask(client, put(b"/b")))[0][1] > revisions[2]
        await client.close()
        await again.stop()
        with pytest.raises(DirectoryError, match="none cannot continue"):
            await started(tmp_path, "none")

    run(scenario())


def test_a_lease_expires_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await started(tmp_path)
        client = client_of(store.address)
        ((_, lease),) = await ask(client, ("grant", 0, 1))
        await ask(client, ("put", b"/leased", b"", b"", -1, lease))
        follower = Follower(client, b"/", 0, False)
        await follower.until(1)
        assert follower.events[0][:2] == [1, b"/leased"]
        await client.close()
        await store.stop()
        assert follower.reason == ""

    run(scenario())


def test_a_long_range_lets_others_through(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await started(tmp_path, "none")
        client = client_of(store.address)
        for first in range(0, 30_000, 5_000):
            batch = [put(b"/k/%06d" % number) for number in range(first, first + 5_000)]
            await ask(client, *batch)
        steps = store.gauges()["steps"]
        listing = client.send(("store", [("range", b"/k/", b"/k0", 0, 0, 0)]))
        got = await ask(client, ("get", b"/k/000001", 0))
        assert got[0][3] == b"v" and not listing.done()
        ((_, _, more, items),) = await listing
        assert len(items) == 30_000 and more is False
        assert store.gauges()["steps"] - steps >= 7
        await client.close()
        await store.stop()

    run(scenario())


# A real process, killed.

SERVE = """
import asyncio, resource, sys
import uvloop
from actors.plan import Security, StoreConfig
from actors.store import start

async def main():
    limit = int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    security = Security("cluster-a", "right-token", "/nonexistent")
    store = await start(StoreConfig(1, sys.argv[1], security), None)
    print(store.address, flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


def started_apart(path: Path, file_bytes_max: int = 0) -> KilledProcess:
    """The store."""
    return KilledProcess(SERVE, str(path), str(file_bytes_max))


async def write_until_killed(
    process: KilledProcess, acknowledged: dict[str, int], round_: int, kill_after: int
) -> None:
    """Many writers; the process is killed in the middle of their writes."""
    client = client_of(process.address)
    done = asyncio.Event()
    count = 0

    async def writer(number: int) -> None:
        nonlocal count
        for turn in range(10_000):
            key = f"/k/{round_}/{number}/{turn}"
            try:
                ((status, revision),) = await ask(client, put(key.encode(), key.encode() * 20))
            except NetError:
                return
            assert status == OK
            acknowledged[key] = revision
            count += 1
            if count >= kill_after:
                done.set()

    writers = [asyncio.create_task(writer(number)) for number in range(50)]
    await done.wait()
    process.kill()
    for task in writers:
        task.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await client.close()


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[str, int] = {}

    async def scenario() -> None:
        for round_, kill_after in enumerate((37, 1503, 4001)):
            process = started_apart(tmp_path)
            try:
                client = client_of(process.address)
                for key, revision in acknowledged.items():
                    assert (await ask(client, ("get", key.encode(), 0)))[0][1] == revision, key
                await client.close()
                await write_until_killed(process, acknowledged, round_, kill_after)
            finally:
                process.kill()
        store = await started(tmp_path)
        latest = store._shard.core.keyspace.latest
        lost = [
            key for key, revision in acknowledged.items() if latest[key.encode()][2] != revision
        ]
        assert not lost and len(acknowledged) >= 37 + 1503 + 4001
        await store.stop()

    run(scenario())


def test_a_full_disk_refuses_writes_and_serves_reads(tmp_path: Path) -> None:
    async def scenario() -> None:
        process = started_apart(tmp_path, file_bytes_max=20_000)
        try:
            client = client_of(process.address)
            taken = []
            for number in range(40):
                (reply,) = await ask(client, put(b"/%d" % number, bytes(1000)))
                if reply[0] == OK:
                    taken.append(number)
            assert 15 <= len(taken) < 20 and reply == [NO_SPACE, "File too large (27)"]
            ((_, status),) = await ask(client, ("status",))
            assert status["keys"] == len(taken)
            assert (await ask(client, put(b"/small", b"")))[0][0] == OK
            await client.close()
        finally:
            process.kill()
        store = await started(tmp_path)
        assert sorted(store._shard.core.keyspace.latest) == sorted(
            [*(b"/%d" % number for number in taken), b"/small"]
        )
        await store.stop()

    run(scenario())


def test_a_shard_that_has_served_does_not_begin_anew_on_an_empty_disk(tmp_path: Path) -> None:
    async def main() -> None:
        again = StoreConfig(1, str(tmp_path / "s"), SECURITY, begun=True)
        with pytest.raises(DirectoryError, match="has no log: what shard 1 acknowledged is gone"):
            await start(again, nobody)
        assert not (tmp_path / "s").exists()
        store = await started(tmp_path / "s")
        await store.stop()
        store = await start(again, nobody)
        await store.stop()

    run(main())
