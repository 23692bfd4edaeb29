"""Bugs 1, 3 and 4 of docs/bugs.md, which the simulator found, with real sockets and a real log.

A door stands between the API server and each shard. It can hold back what the shard says, and it
can break the connection, so that the schedules of those seeds happen here without luck.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop

from actors import apiserver
from actors.clock import WallClock
from actors.component import ComponentRunner, FrameTransport, RunnerOptions
from actors.net import FrameClient, FrameServer, ServerStream
from actors.plan import ApiServerConfig, Security
from actors.security import create_security
from actors.shard import Shard, open_shard
from api.calls import Calls, ComponentEvent, WatchSpec, WatchSynced
from store.core import StoreSettings

PATIENCE_S = 240.0


class Door:
    """The frame port of a shard: handler of its server and, for each watch, the shard's sink."""

    def __init__(self, shard: Shard, security: Security) -> None:
        self.shard = shard
        self.holds_events = False
        self.holds_replies = False
        self.held: dict[ServerStream, tuple[list[Any], int]] = {}
        """Events, and the last watermark. Replies that are held are lost."""
        self.streams: dict[ServerStream, int] = {}
        self.asked: list[str] = []
        """Names of all requests so far."""
        self._security = security
        self._server: FrameServer | None = None
        self._news = asyncio.Event()

    @property
    def address(self) -> str:
        if self._server is None:
            raise LookupError("the door is shut")
        return self._server.address

    async def unlock(self) -> None:
        self._server = await FrameServer.start("127.0.0.1", 0, self._security, self)

    async def shut(self) -> None:
        """Break every connection. What was held for it is lost."""
        server, self._server = self._server, None
        assert server is not None
        await server.stop()
        self.held.clear()
        for stream in list(self.streams):
            self.on_closed(stream)

    def release(self) -> None:
        """Everything in one body, as a shard sends what one step brought."""
        self.holds_events = False
        held, self.held = self.held, {}
        for stream, body in held.items():
            stream.send(body)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        self.asked += [request[0] for request in body[1]]
        self.shard.call(body[1], partial(self._reply, reply))
        self._news.set()

    def _reply(self, reply: Callable[[object], None], answers: object) -> None:
        if not self.holds_replies:
            reply(answers)

    def on_open(self, stream: ServerStream, body: Any) -> None:
        _, prefix, start, _ = body
        self.streams[stream] = self.shard.open_watch(_Sink(self, stream), (prefix, None), start)

    def on_closed(self, stream: ServerStream) -> None:
        watch = self.streams.pop(stream, None)
        if watch is not None:
            self.shard.close_watch(watch)


@dataclass
class _Sink:
    door: Door
    stream: ServerStream

    def send(self, events: Sequence[Any], watermark: int) -> bool:
        if self.door.holds_events:
            before, _ = self.door.held.get(self.stream, ([], 0))
            self.door.held[self.stream] = ([*before, *events], watermark)
        else:
            self.stream.send((events, watermark))
        return True

    def end(self, reason: str) -> None:
        del self.door.streams[self.stream]
        self.stream.end(reason)


@dataclass
class Reader:
    """A watch on the frame port of the API server, as words that can be waited for."""

    items: dict[str, int] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    """Names, one for each event."""
    synced: int = 0
    reason: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def body(self, body: Any) -> None:
        if body[0] == "items":
            for revision, encoded in zip(body[2], body[3], strict=True):
                name = orjson.loads(encoded)["metadata"]["name"]
                self.items[name] = revision
                self.heard.append(name)
        elif body[0] == "synced":
            self.synced = body[1]
        self.news.set()

    def end(self, reason: str) -> None:
        self.reason = reason
        self.news.set()

    async def until(self, condition: Callable[["Reader"], bool]) -> None:
        while not condition(self):
            self.news.clear()
            await self.news.wait()


@dataclass
class Started:
    server: apiserver.ApiServer
    doors: list[Door]
    frames: FrameClient

    def watch(self, resource: str = "configmaps") -> Reader:
        reader = Reader()
        words = ("watch", resource, "default", "", "", 0)
        self.frames.open(words, reader.body, reader.end)
        return reader

    def create(self, name: str) -> "asyncio.Future[Any]":
        body = orjson.dumps({"metadata": {"name": name}})
        words = ["create", "configmaps", "default", "", "", "", body, "", False]
        return self.frames.send(("api", [words]))


@asynccontextmanager
async def started(home: Path, shards: int) -> AsyncIterator[Started]:
    security = create_security(f"{home}/security")
    doors = []
    for number in range(shards):
        settings = StoreSettings(number, epoch_ns=security.created_ns)
        doors.append(Door(await open_shard(f"{home}/store-{number}", settings), security))
        await doors[-1].unlock()

    async def resolve(name: str) -> str:
        return server.address if name == "apiserver-0" else doors[int(name[-1])].address

    names = tuple(f"store-{number}" for number in range(shards))
    config = ApiServerConfig("apiserver-0", names, security, seed=1, shard_by="hash")
    server = await apiserver.start(config, resolve)
    frames = FrameClient("apiserver-0", security, resolve, "test")
    try:
        yield Started(server, doors, frames)
    finally:
        await frames.close()
        await server.stop()
        for door in doors:
            await door.shut()
            await door.shard.stop()


def run(home: Path, shards: int, test: Callable[[Started], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S), started(home, shards) as it:
            await test(it)

    uvloop.run(bounded())


def test_a_list_of_the_step_that_brings_news_names_them(tmp_path: Path) -> None:
    """Bug 1. The list waits for events, and they move the frontier in the step that serves it."""

    async def test(it: Started) -> None:
        (door,) = it.doors
        await it.create("before")
        door.holds_events = True
        await it.create("meanwhile")
        asked = len(door.asked)
        reader = it.watch()
        await door.until(lambda: "promise" in door.asked[asked:])
        # The shard refuses this after it has promised; the list then waits for the events only.
        ((code, _, _),) = await it.create("before")
        assert code == 409 and not reader.synced
        door.release()
        await reader.until(lambda one: one.synced > 0)
        assert list(reader.items) == ["before", "meanwhile"]
        assert reader.synced >= max(reader.items.values())
        await it.create("after")
        await reader.until(lambda one: "after" in one.items)
        assert reader.heard == ["before", "meanwhile", "after"]

    run(tmp_path, 1, test)


class Follower:
    """A core that watches ConfigMaps and remembers that it has seen all of them."""

    watches = (WatchSpec("maps", "configmaps"),)

    def __init__(self) -> None:
        self.synced = asyncio.Event()

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        if any(isinstance(event, WatchSynced) for event in events):
            self.synced.set()
        return []

    def next_wakeup_ns(self) -> int | None:
        return None

    def check(self) -> None: ...


def test_a_watch_is_opened_again_when_a_shard_did_not_answer(tmp_path: Path) -> None:
    """Bug 3. The shard is lost while the watch waits for its promise."""

    async def test(it: Started) -> None:
        door = it.doors[1]
        door.holds_replies = True
        asked = len(door.asked)
        reader = it.watch()
        core = Follower()
        runner = ComponentRunner(core, FrameTransport(it.frames), WallClock(), RunnerOptions())
        runner.start()
        await door.until(lambda: "promise" in door.asked[asked:])
        await door.shut()
        await reader.until(lambda one: bool(one.reason))
        assert reader.reason == "unavailable"
        door.holds_replies = False
        await door.unlock()
        await core.synced.wait()
        assert runner.failure is None
        await runner.stop()

    run(tmp_path, 2, test)


def test_a_shard_whose_history_is_gone_is_followed_once(tmp_path: Path) -> None:
    """Bug 4. One shard of a group comes back without the changes that the API server needs."""

    async def test(it: Started) -> None:
        lost, kept = it.doors
        names = [f"map-{number}" for number in range(8)]
        for name in names[:4]:
            await it.create(name)
        reader = it.watch()
        await reader.until(lambda one: one.synced > 0)
        await lost.shut()
        _, revision = await lost.shard.ask(("put", b"/registry/probes/x", b"", b"", -1, 0))
        assert (await lost.shard.ask(("compact", revision)))[0] == 0
        await lost.unlock()
        await reader.until(lambda one: bool(one.reason))
        assert reader.reason == "expired"
        again = it.watch()
        await again.until(lambda one: one.synced > 0)
        for name in names[4:]:
            await it.create(name)
        await again.until(lambda one: len(one.items) == len(names))
        assert sorted(again.heard) == names
        assert len(kept.streams) == len(lost.streams) == 1

    run(tmp_path, 2, test)
