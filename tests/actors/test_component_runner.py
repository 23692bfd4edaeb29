"""The component driver against a small API server on the frame port."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from actors.component import (
    ComponentRunner,
    FrameTransport,
    OutboxBounds,
    RateLimit,
    RunnerOptions,
    run_component,
)
from actors.net import FrameClient, FrameServer, ServerStream
from api.calls import (
    ADDED,
    DELETED,
    MODIFIED,
    ApiRequest,
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.core import InvariantError
from tests.actors.loopback import BRISK, SECURITY, run

PODS = WatchSpec("mine", "pods", "default", "app=web", "spec.nodeName=n1")
QUICK = RunnerOptions(reopen_s=(0.005, 0.02))


def pod(revision: int) -> bytes:
    return orjson.dumps({"metadata": {"name": "p", "resourceVersion": str(revision)}})


class FakeApi:
    """Speaks the frame-port words of api/calls.py; the test feeds its streams."""

    def __init__(self) -> None:
        self.opened: list[list[Any]] = []
        self.streams: list[ServerStream] = []
        self.batches: list[list[Any]] = []
        self.hold = False
        self.held: list[Callable[[], None]] = []
        self.news = asyncio.Event()

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        word, requests = body
        assert word == "api"
        self.batches.append(requests)
        answers = [[201, 7, request[6] or b""] for request in requests]
        if self.hold:
            self.held.append(lambda: reply(answers))
        else:
            reply(answers)
        self.news.set()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        self.opened.append(body)
        self.streams.append(stream)
        self.news.set()

    def on_closed(self, stream: ServerStream) -> None:
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()


class Core:
    """Keeps what it is told; sends what the test puts into ``orders``."""

    def __init__(self, watches: Sequence[WatchSpec] = (PODS,)) -> None:
        self.watches = watches
        self.steps: list[list[ComponentEvent]] = []
        self.orders: list[ApiRequest] = []
        self.wakeup_ns: int | None = None
        self.broken = False
        self.news = asyncio.Event()

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        if self.broken:
            raise InvariantError("rows do not add up")
        self.steps.append(list(events))
        self.news.set()
        if self.wakeup_ns is not None and now_ns >= self.wakeup_ns:
            self.wakeup_ns = None
        orders, self.orders = self.orders, []
        return [Calls(orders)] if orders else []

    def next_wakeup_ns(self) -> int | None:
        return self.wakeup_ns

    def check(self) -> None: ...

    @property
    def events(self) -> list[ComponentEvent]:
        return [event for step in self.steps for event in step]

    @property
    def replies(self) -> list[Any]:
        done = [event for event in self.events if isinstance(event, CallsDone)]
        return [reply for event in done for reply in event.replies]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()


class Rig:
    """API server, client and runner of one test."""

    def __init__(self, core: Core, options: RunnerOptions = QUICK) -> None:
        self.core = core
        self.options = options
        self.api = FakeApi()

    async def __aenter__(self) -> "Rig":
        self.server = await FrameServer.start("127.0.0.1", 0, SECURITY, self.api, BRISK)
        self.client = FrameClient("api", SECURITY, self.resolve, "core", BRISK)
        transport = FrameTransport(self.client)
        self.runner: ComponentRunner = await run_component(
            self.core, transport, lambda: 1000, self.options
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.stop()
        await self.client.close()
        await self.server.stop()

    async def resolve(self, name: str) -> str:
        return self.server.address

    async def listed(self, revision: int = 10) -> ServerStream:
        """Answer the newest watch with an empty list."""
        stream = self.api.streams[-1]
        stream.send(["synced", revision])
        await self.core.until(lambda: WatchSynced("mine") in self.core.events)
        return stream

    def order(self, *requests: ApiRequest) -> None:
        self.core.orders += requests
        self.runner.wake()


def test_a_list_then_changes_reach_the_core_in_order_and_in_few_steps() -> None:
    async def scenario() -> None:
        core = Core()
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            words = ["watch", "pods", "default", "app=web", "spec.nodeName=n1", 0]
            assert rig.api.opened == [words]
            stream = rig.api.streams[0]
            stream.send(["items", [ADDED, ADDED], [3, 9], [pod(3), pod(9)]])
            stream.send(["items", [ADDED], [4], [pod(4)]])
            stream.send(["synced", 10])
            stream.send(["items", [MODIFIED], [11], [pod(11)]])
            stream.send(["items", [DELETED], [12], [pod(12)]])
            await core.until(lambda: len(core.events) == 4)
            reset, listed, synced, changes = core.events
            assert (reset, synced) == (WatchReset("mine"), WatchSynced("mine"))
            assert isinstance(listed, ObjectsSeen) and isinstance(changes, ObjectsSeen)
            assert (listed.types, listed.revisions) == ([ADDED] * 3, [3, 9, 4])
            assert (changes.types, changes.revisions) == ([MODIFIED, DELETED], [11, 12])
            assert changes.objects[1]["metadata"]["resourceVersion"] == "12"
            assert len([step for step in core.steps if step]) <= 2

    run(scenario())


def test_a_lost_watch_goes_on_at_the_last_revision_without_a_new_list() -> None:
    async def scenario() -> None:
        core = Core()
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            stream = await rig.listed()
            stream.send(["items", [ADDED], [15], [pod(15)]])
            await core.until(lambda: len(core.events) == 3)
            for peer in list(rig.server.peers):
                peer.link.fail("crash")
            await rig.api.until(lambda: len(rig.api.opened) == 2)
            assert rig.api.opened[1][-1] == 15
            rig.api.streams[1].send(["bookmark", 20])
            rig.api.streams[1].end("stopping")
            await rig.api.until(lambda: len(rig.api.opened) == 3)
            assert rig.api.opened[2][-1] == 20
            assert core.events.count(WatchReset("mine")) == 1
            assert rig.runner.gauges()["watch_reopenings_total"] == 2

    run(scenario())


def test_an_expired_watch_is_listed_anew() -> None:
    async def scenario() -> None:
        core = Core()
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            (await rig.listed()).end("expired")
            await rig.api.until(lambda: len(rig.api.opened) == 2)
            assert rig.api.opened[1][-1] == 0
            assert len(core.events) == 2, "the core keeps what it knows until the list comes"
            rig.api.streams[1].send(["items", [ADDED], [30], [pod(30)]])
            rig.api.streams[1].send(["synced", 31])
            await core.until(lambda: core.events.count(WatchSynced("mine")) == 2)
            assert core.events[2] == WatchReset("mine")

    run(scenario())


def test_a_list_that_breaks_off_starts_again() -> None:
    async def scenario() -> None:
        core = Core()
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            rig.api.streams[0].send(["items", [ADDED], [5], [pod(5)]])
            await core.until(lambda: len(core.events) == 2)
            rig.api.streams[0].end("slow")
            await rig.api.until(lambda: len(rig.api.opened) == 2)
            assert rig.api.opened[1][-1] == 0
            rig.api.streams[1].send(["synced", 6])
            await core.until(lambda: WatchSynced("mine") in core.events)
            assert core.events.count(WatchReset("mine")) == 2

    run(scenario())


@pytest.mark.parametrize("object_bytes", [b"{", None])
def test_a_watch_that_cannot_be_served_or_read_fails_the_component(object_bytes: Any) -> None:
    async def scenario() -> None:
        heard: list[BaseException] = []
        options = RunnerOptions(on_failure=heard.append)
        async with Rig(Core(), options) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            if object_bytes:
                rig.api.streams[0].send(["items", [ADDED], [5], [object_bytes]])
            else:
                rig.api.streams[0].end("invalid: no such field label")
            await rig.runner.failed.wait()
            expected = "JSON" if object_bytes else "no such field label"
            assert expected in str(rig.runner.failure)
            assert heard == [rig.runner.failure]

    run(scenario())


def test_an_optional_watch_that_is_refused_is_an_empty_list_and_is_asked_again() -> None:
    async def scenario() -> None:
        core = Core((WatchSpec("mine", "nothing", optional=True),))
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            rig.api.streams[0].end("invalid: no such resource")
            await core.until(lambda: WatchSynced("mine") in core.events)
            assert core.events == [WatchReset("mine"), WatchSynced("mine")]
            assert rig.runner.failure is None
            await rig.api.until(lambda: len(rig.api.opened) == 2)

    run(scenario())


def test_the_requests_of_a_step_travel_in_few_frames_and_come_back_by_id() -> None:
    async def scenario() -> None:
        core = Core(())
        async with Rig(core) as rig:
            rig.order(
                *(
                    ApiRequest(n, "create", "pods", "default", f"p{n}", body={"n": n})
                    for n in range(1200)
                )
            )
            await core.until(lambda: len(core.replies) == 1200)
            assert [len(batch) for batch in rig.api.batches] == [500, 500, 200]
            first = rig.api.batches[0][0]
            assert first == ["create", "pods", "default", "p0", "", "", b'{"n":0}', "", False]
            assert [reply.id for reply in core.replies] == list(range(1200))
            assert core.replies[17] == (17, 201, 7, b'{"n":17}')
            assert len([step for step in core.steps if step]) <= 3

    run(scenario())


def test_requests_in_flight_and_bytes_of_a_frame_are_bounded() -> None:
    async def scenario() -> None:
        core = Core(())
        bounds = OutboxBounds(in_flight_max=10, batch_bytes_max=300)
        async with Rig(core, RunnerOptions(outbox=bounds)) as rig:
            rig.api.hold = True
            requests = [ApiRequest(n, "create", "pods", body=bytes(100)) for n in range(25)]
            rig.order(*requests)
            await rig.api.until(lambda: sum(map(len, rig.api.batches)) == 10)
            assert [len(batch) for batch in rig.api.batches] == [3, 3, 3, 1]
            gauges = rig.runner.gauges()
            assert (gauges["requests_in_flight"], gauges["requests_waiting"]) == (10, 15)
            rig.api.hold = False
            for answer in rig.api.held:
                answer()
            await core.until(lambda: len(core.replies) == 25)
            assert [reply.id for reply in core.replies] == list(range(25))

    run(scenario())


def test_a_rate_limit_lets_the_burst_through_and_then_the_rate() -> None:
    async def scenario() -> None:
        core = Core(())
        bounds = OutboxBounds(rate_limit=RateLimit(qps=200.0, burst=20))
        async with Rig(core, RunnerOptions(outbox=bounds)) as rig:
            loop = asyncio.get_running_loop()
            start = loop.time()
            rig.order(*(ApiRequest(n, "get", "pods") for n in range(30)))
            await core.until(lambda: len(core.replies) == 30)
            assert len(rig.api.batches[0]) == 20
            assert loop.time() - start >= 9 / 200

    run(scenario())


def test_answers_lost_with_the_connection_come_back_as_code_0() -> None:
    async def scenario() -> None:
        core = Core(())
        async with Rig(core) as rig:
            rig.api.hold = True
            rig.order(ApiRequest(1, "get", "pods"), ApiRequest(2, "get", "pods"))
            await rig.api.until(lambda: len(rig.api.batches) == 1)
            for peer in list(rig.server.peers):
                peer.link.fail("crash")
            await core.until(lambda: len(core.replies) == 2)
            assert core.replies == [(1, 0, 0, b""), (2, 0, 0, b"")]
            assert rig.runner.gauges()["requests_lost_total"] == 2

    run(scenario())


def test_a_core_is_woken_when_it_asked() -> None:
    async def scenario() -> None:
        core = Core(())
        core.wakeup_ns = 1000 + 2_000_000
        clock = [1000]
        server = await FrameServer.start("127.0.0.1", 0, SECURITY, FakeApi(), BRISK)

        async def resolve(name: str) -> str:
            return server.address

        client = FrameClient("api", SECURITY, resolve, "core", BRISK)
        runner = await run_component(core, FrameTransport(client), lambda: clock[0])
        await core.until(lambda: len(core.steps) == 1)
        clock[0] += 3_000_000
        await core.until(lambda: len(core.steps) == 2)
        assert core.steps == [[], []] and core.wakeup_ns is None
        await runner.stop()
        await client.close()
        await server.stop()

    run(scenario())


def test_a_core_that_raises_is_stopped_loudly() -> None:
    async def scenario() -> None:
        core = Core()
        async with Rig(core) as rig:
            await rig.api.until(lambda: bool(rig.api.opened))
            core.broken = True
            rig.runner.wake()
            await rig.runner.failed.wait()
            assert isinstance(rig.runner.failure, InvariantError)
            assert rig.runner.gauges()["component_failed"] == 1
            await rig.api.until(lambda: not rig.api.streams[0].open)

    run(scenario())
