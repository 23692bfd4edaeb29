"""An API server whose shards live in its own program: the same answers, and nothing lost."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvloop

from actors import apiserver
from actors.disk import DirectoryError
from actors.net import FrameClient, NetError
from actors.plan import ApiServerConfig, Security, StoreConfig
from actors.security import create_security
from tests.actors.following import Heard
from tests.actors.killed_process import KilledProcess
from tests.golden_api.run import replay

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "api"
SHARDS = ("store-0", "store-1")
PATIENCE_S = 180.0
SERVE = """
import asyncio, pickle, resource, sys
import uvloop
from actors.apiserver import start

async def main():
    config, limit = pickle.loads(bytes.fromhex(sys.argv[1]))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    server = await start(config, None)
    print(server.address, flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


def configured(home: Path, security: Security) -> ApiServerConfig:
    shards = tuple(
        StoreConfig(number, f"{home}/{name}", security) for number, name in enumerate(SHARDS)
    )
    return ApiServerConfig("apiserver-0", SHARDS, security, seed=1, embedded=shards)


async def nowhere(name: str) -> str:
    raise LookupError(name)


def started(config: ApiServerConfig, file_bytes_max: int = 0) -> KilledProcess:
    """API server and shards."""
    return KilledProcess(SERVE, pickle.dumps((config, file_bytes_max)).hex())


@asynccontextmanager
async def reached(config: ApiServerConfig, address: str) -> AsyncIterator[FrameClient]:
    async def resolve(name: str) -> str:
        return address

    client = FrameClient("apiserver-0", config.security, resolve, "test/1.0")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def served(config: ApiServerConfig, file_bytes_max: int = 0) -> AsyncIterator[FrameClient]:
    """A client of a process, which is killed at the end."""
    process = started(config, file_bytes_max)
    try:
        async with asyncio.timeout(PATIENCE_S), reached(config, process.address) as client:
            yield client
    finally:
        process.kill()


def creation(name: str, size: int = 100) -> list[Any]:
    body = orjson.dumps({"metadata": {"name": name}, "data": {"k": "x" * size}})
    return ["create", "configmaps", "default", "", "", "", body, "", True]


async def names(client: FrameClient) -> list[str]:
    listing = ["list", "configmaps", "default", "", "", "", None, "", False]
    ((code, _, body),) = await client.call(("api", [listing]))
    assert code == 200
    return [item["metadata"]["name"] for item in orjson.loads(body)["items"]]


def test_recorded_answers_are_the_same_in_one_program() -> None:
    async def play() -> list[dict[str, str | None]]:
        patches = await replay(GOLDEN, files=("patches",), embedded=True)
        watches = [
            await replay(GOLDEN, only, ("watch",), embedded=True)
            for only in ("watch-cm", "watch-compaction")
        ]
        return [outcomes for played in (patches, *watches) for outcomes in played.values()]

    played = asyncio.run(play())
    assert [len(outcomes) for outcomes in played] == [41, 1, 1]
    assert {case: why for outcomes in played for case, why in outcomes.items() if why} == {}


def test_an_answer_to_a_component_is_written_in_the_step_that_gives_it(tmp_path: Path) -> None:
    """And not in a turn of its own, which under load is that of many others."""
    config = configured(tmp_path, create_security(f"{tmp_path}/security"))

    async def scenario() -> None:
        server = await apiserver.start(config, nowhere)
        try:
            async with reached(config, server.address) as client:
                assert await names(client) == []
                assert server._frames is not None
                (peer,) = server._frames.peers
                server.hold.slow(3600.0)
                # A word that is refused at once, without a look at the store.
                words = ["create", "configmaps", "default", "name", "", "", b"{}", "", False]
                waiting = asyncio.ensure_future(client.call(("api", [words])))
                while not server.hold.gauges().get("held_operations"):
                    await asyncio.sleep(0)
                server.hold.slow(0.0)
                assert peer.pending == 1
                server._turns._run()
                assert peer.pending == 0 and not peer._answered and not peer.link._out
                assert (await waiting)[0][0] == 405
        finally:
            await server.stop()

    uvloop.run(scenario())


async def write_until_killed(
    config: ApiServerConfig, written: dict[str, int], kill_after: int
) -> None:
    """Many writers; the process is killed in the middle of their writes."""
    process = started(config)
    done = asyncio.Event()
    count = 0

    async def writer(client: FrameClient, number: int) -> None:
        nonlocal count
        for turn in range(10_000):
            name = f"c-{number}-{turn}"
            try:
                ((code, revision, _),) = await client.call(("api", [creation(name)]))
            except NetError:
                return
            assert code == 201
            written[name] = revision
            count += 1
            if count >= kill_after:
                done.set()

    try:
        async with asyncio.timeout(PATIENCE_S), reached(config, process.address) as client:
            writers = [asyncio.create_task(writer(client, number)) for number in range(20)]
            await done.wait()
            process.kill()
            await asyncio.gather(*writers)
    finally:
        process.kill()


async def watch_goes_on(client: FrameClient) -> None:
    """From the revision of one write all later ones come, in order."""
    revisions = []
    for number in range(6):
        ((code, revision, _),) = await client.call(("api", [creation(f"w-{number}")]))
        assert code == 201
        revisions.append(revision)
    heard = Heard()
    watch = client.open(("watch", "configmaps", "default", "", "", revisions[2]), heard, heard)
    seen: list[int] = []
    for bodies in range(1, 4):
        seen += (await heard.until("items", bodies))[bodies - 1][2]
        if len(seen) >= 3:
            break
    assert seen == revisions[3:]
    watch.close()


def test_nothing_acknowledged_is_lost_by_kill_9_of_the_one_program(tmp_path: Path) -> None:
    config = configured(tmp_path, create_security(f"{tmp_path}/security"))
    written: dict[str, int] = {}

    async def scenario() -> None:
        await write_until_killed(config, written, 401)
        async with served(config) as client:
            assert set(written) <= set(await names(client)) and len(written) >= 401
            await watch_goes_on(client)

    uvloop.run(scenario())


def test_a_full_disk_refuses_writes_and_serves_reads_in_one_program(tmp_path: Path) -> None:
    config = configured(tmp_path, create_security(f"{tmp_path}/security"))

    async def scenario() -> None:
        taken: list[str] = []
        async with served(config, file_bytes_max=1_000_000) as client:
            for number in range(40):
                name = f"c-{number:02}"
                ((code, _, body),) = await client.call(("api", [creation(name, 100_000)]))
                if code == 201:
                    taken.append(name)
            assert 1 <= len(taken) < 40 and code == 503, body
            assert "File too large" in orjson.loads(body)["message"]
            assert await names(client) == taken
            ((code, _, _),) = await client.call(("api", [creation("small", 1)]))
            assert code == 201
        async with served(config) as client:
            assert await names(client) == [*taken, "small"]

    uvloop.run(scenario())


def test_a_shard_that_cannot_be_opened_ends_the_start_and_gives_up_the_others(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path, create_security(f"{tmp_path}/security"))

    async def scenario() -> None:
        first, second = config.embedded
        gone = replace(config, embedded=(first, replace(second, begun=True)))
        with pytest.raises(DirectoryError, match="what shard 1 acknowledged is gone"):
            await apiserver.start(gone, nowhere)
        server = await apiserver.start(config, nowhere)
        gauges = server.gauges()
        assert gauges["store-0_keys"] + gauges["store-1_keys"] > 50
        assert gauges["store-0_watchers"] == 1
        await server.stop()

    uvloop.run(scenario())
