"""A real etcd as the engine of a store shard: the same protocol by frames, and a whole API server
over it."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.etcd.engine import EtcdStore, start
from actors.etcd.process import EtcdProcess, NoEtcd
from actors.net import FrameClient, PeerError
from actors.plan import EtcdStoreConfig, Security, StoreConfig
from actors.store import start as start_own
from api.storage import COMPACTED, CONFLICT, FUTURE, INVALID, NOT_FOUND, OK
from tests.store.door_in_process import run

SECURITY = Security("cluster-a", "right-token", "/nonexistent")
A, B, C = b"/registry/pods/a/1", b"/registry/pods/a/2", b"/registry/nodes/1"
needs_etcd = pytest.mark.skipif(
    not shutil.which("etcd"), reason="no etcd: apt-get install etcd-server"
)


async def nobody(name: str) -> str:
    raise AssertionError(f"a store asked for {name}")


@asynccontextmanager
async def engine(path: Path) -> AsyncIterator[tuple[EtcdStore, FrameClient]]:
    store = await start(EtcdStoreConfig(0, str(path), SECURITY), nobody)
    client = client_of(store.address)
    try:
        yield store, client
    finally:
        await client.close()
        await store.stop()
        await store.stop()


def client_of(address: str) -> FrameClient:
    async def resolve(name: str) -> str:
        return address

    return FrameClient("store-0", SECURITY, resolve, "tester")


async def ask(client: FrameClient, *requests: object) -> Any:
    return await client.call(("store", requests))


async def one(client: FrameClient, *request: object) -> Any:
    return (await ask(client, request))[0]


def put(key: bytes, value: bytes = b"v", expected: int = -1, lease: int = 0) -> tuple[object, ...]:
    return ("put", key, b"head", value, expected, lease)


class Watch:
    """A watch over frames, gathered."""

    def __init__(self, client: FrameClient, *body: object) -> None:
        self.bodies: list[Any] = []
        self.reason = ""
        self._news = asyncio.Event()
        client.open(("watch", *body), self._came, self._ended)

    def _came(self, body: Any) -> None:
        self.bodies.append(body)
        self._news.set()

    def _ended(self, reason: str) -> None:
        self.reason = reason
        self._news.set()

    @property
    def events(self) -> list[Any]:
        return [event for events, _ in self.bodies for event in events]

    async def until(self, count: int) -> list[Any]:
        while len(self.events) < count and not self.reason:
            self._news.clear()
            await self._news.wait()
        assert len(self.events) == count, self.reason
        return self.events

    async def end(self) -> str:
        while not self.reason:
            self._news.clear()
            await self._news.wait()
        return self.reason


def numbered(found: Any, revisions: list[int]) -> Any:
    """Revisions as their places, so that clock and dense ones compare."""
    if isinstance(found, (list, tuple)):
        return [numbered(part, revisions) for part in found]
    if type(found) is int and found in revisions:
        return f"r{revisions.index(found)}"
    return found


async def transcript(client: FrameClient) -> list[Any]:
    """Requests that both engines must answer alike."""
    revisions: list[int] = []

    async def say(*request: object) -> Any:
        reply = await one(client, *request)
        if request[0] in ("put", "del", "txn", "delrange") and reply[0] == OK:
            revisions.append(reply[1])
        said.append(reply)
        return reply

    said: list[Any] = []
    # Dense revisions are then no numbers that mean something else, too.
    for _ in range(20):
        await one(client, *put(b"/elsewhere"))
    watch = Watch(client, b"/registry/pods/", 0, True)
    while not watch.bodies:
        await say("get", A, 0)
    del said[1:]
    first = (await say(*put(A, b"1", 0)))[1]
    await say(*put(A, b"x", 0))
    await say(*put(A, b"2", first))
    await say(*put(A, b"x", first))
    await say(*put(B))
    await say(*put(C))
    for mode in (0, 1, 2):
        await say("range", b"/registry/", b"/registry0", 0, 0, mode)
    await say("range", b"/registry/", b"/registry0", 0, 2, 0)
    await say("range", b"/registry/", b"/registry0", revisions[1], 0, 0)
    await say("get", A, first)
    await say("get", b"/registry/none", 0)
    await say("del", b"/registry/none", -1)
    await say("del", A, first)
    await say("del", A, revisions[1])
    await say("del", B, -1)
    compare = ("mod", "=", C, revisions[3])
    await say("txn", [compare], [("get", C, 0), put(A, b"t"), ("del", B, -1)], [("get", A, 0)])
    await say("txn", [compare, ("version", ">", A, 7)], [], [("get", C, 0), ("del", C, -1)])
    await say("txn", [], [put(B), ("txn", [compare], [("get", C, 0)], [put(A), ("get", B, 0)])], [])
    await say("delrange", b"/registry/", b"/registry0", True)
    await say("put", b"", b"", b"", -1, 0)
    await say("put", A, b"", bytes(1_600_000), -1, 0)
    await say(*put(A, lease=99))
    reply = await one(client, "promise", 0)
    assert reply[0] == OK and reply[1] >= revisions[-1] and watch.bodies[-1][1] >= revisions[-1]
    events = await watch.until(10)
    said.append(events)
    said.append(await Watch(client, b"/registry/nodes/", revisions[3], False).until(1))
    return list(numbered(said, revisions))


@needs_etcd
def test_the_same_answers_as_our_own_engine(tmp_path: Path) -> None:
    async def scenario() -> None:
        own = await start_own(StoreConfig(0, str(tmp_path / "own"), SECURITY), nobody)
        mine = client_of(own.address)
        try:
            ours = await transcript(mine)
        finally:
            await mine.close()
            await own.stop()
        async with engine(tmp_path / "etcd") as (_, theirs):
            etcds = await transcript(theirs)
        for said, expected in zip(etcds, ours, strict=True):
            assert said == expected

    run(scenario())


@needs_etcd
def test_leases_compaction_and_what_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with engine(tmp_path) as (_, client):
            assert await one(client, "grant", 7, 60) == [OK, 7]
            assert await one(client, "keepalive", 7) == [OK, 60]
            revisions = [(await one(client, *put(A, b"%d" % n, lease=7)))[1] for n in range(4)]
            assert (await one(client, "lease", 7))[3] == [A]
            assert await one(client, "leases") == [OK, [7], []]
            assert (await one(client, "revoke", 7))[0] == OK
            for request in (("revoke", 7), ("keepalive", 7), ("lease", 7)):
                assert await one(client, *request) == [NOT_FOUND]
            assert await one(client, "get", A, 0) == [OK, 0, b"", b""]
            assert await one(client, "compact", revisions[2]) == [OK, revisions[2]]
            assert (await one(client, "compact", revisions[2]))[0] == COMPACTED
            assert (await one(client, "get", A, revisions[1]))[0] == COMPACTED
            assert (await one(client, "get", A, revisions[3] + 99))[0] == FUTURE
            assert (await one(client, "promise", revisions[3] + 99))[0] == FUTURE
            assert await Watch(client, b"/", revisions[0], False).end() == "compacted"
            status = (await one(client, "status"))[1]
            assert status["keys"] == 0 and status["revision"] == revisions[3] + 1
            assert await one(client, "alarm", 0) == [OK, False]
            for wrong in (("nonsense",), ("adopt", 7), ("get", A), ("range", A, B, 0, 0, 3), 7):
                assert (await ask(client, wrong))[0][0] == INVALID
            with pytest.raises(PeerError):
                await client.call(["api", []])
            # What hangs on a lease may be sent right behind its grant.
            both = await ask(client, ("grant", 8, 60), *[put(B, lease=8)] * 9, put(B, b"", -1, 9))
            assert [reply[0] for reply in both] == [OK] * 10 + [NOT_FOUND]
            assert (await one(client, "revoke", 8))[0] == OK
            conflict = await ask(client, put(B, b"1", 0), put(B, b"2", 0))
            assert sorted(reply[0] for reply in conflict) == [OK, CONFLICT]

    run(scenario())


@needs_etcd
def test_an_etcd_goes_with_its_program_and_its_data_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with engine(tmp_path) as (store, client):
            revision = (await one(client, *put(A, b"kept")))[1]
            (pid,) = store.children
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        async with engine(tmp_path) as (store, client):
            assert await one(client, "get", A, 0) == [OK, revision, b"head", b"kept"]
            # An etcd that dies is a failure that whoever hosts the program hears of.
            loop = asyncio.get_running_loop()
            told: asyncio.Future[Any] = loop.create_future()
            loop.set_exception_handler(
                lambda _, context: None if told.done() else told.set_result(context)
            )
            os.kill(next(iter(store.children)), signal.SIGKILL)
            context = await told
            assert "ended with code -9" in str(context["exception"]) and "handle" in context

    run(scenario())


def test_without_an_etcd_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def scenario() -> None:
        with pytest.raises(NoEtcd, match="no etcd on the PATH"):
            await EtcdProcess(tmp_path, lambda code: None).start()

    run(scenario())
