"""The program of a scheduler: its core as a client of the API server, with one frame connection to
each of the scoring partitions. Of several programs the one that holds the Lease schedules."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from actors.blueprint import SCHEDULER
from actors.clock import WallClock
from actors.component import ComponentRunner, FrameTransport, RunnerOptions, run_component
from actors.net import FrameClient, NetError
from actors.net.transport import Transport
from actors.plan import SchedulerConfig
from actors.plugin_times import PluginTimes
from actors.plugins import scheduler_configuration
from actors.program import Resolve
from actors.span_points import TRACED, OwnerSpans, PodSpans
from actors.spans import span_log
from api.calls import Calls, ComponentEvent, WatchSpec
from scheduler.election import ElectedScheduler
from scheduler.extender import AskExtender, Extender
from scheduler.leader import (
    AskPartition,
    PartitionAnswered,
    PartitionLost,
    SchedulerCore,
    SchedulerEvent,
)

if TYPE_CHECKING:
    from actors.net.extenders import ExtenderClient, Hear

NAME = "kube-scheduler"
ANSWER_TIMEOUT_S = 2.0
"""A partition that takes longer counts as lost; the leader then scores its nodes itself."""
RESIGN_S = 2.0
"""How long a scheduler that stops waits until its Lease is given back."""


async def start(config: SchedulerConfig, resolve: Resolve) -> "Scheduler":
    """Start scheduling. The API server and the partitions may come up later."""
    configuration = replace(
        scheduler_configuration(config.configuration),
        queueing_hints=config.queueing_hints,
        gather_quorum_percent=config.gather_quorum_percent,
        kernel=config.kernel,
    )
    inner = SchedulerCore(config.seed, len(config.partitions), configuration)
    core = ElectedScheduler(inner, config.name, first=config.name == SCHEDULER)
    clients = [FrameClient(name, config.security, resolve, NAME) for name in config.partitions]
    pooled = PooledCore(core, clients, configuration.extenders)
    for number in range(len(clients)):
        pooled.connect(number)
    client = FrameClient(config.api_server, config.security, resolve, NAME)
    clock = WallClock()
    log = span_log(config.spans, clock)
    options = RunnerOptions(spans=PodSpans(log, "") if log else None)
    runner = await run_component(pooled, FrameTransport(client), clock, options)
    pooled.runner = runner
    return Scheduler(pooled, runner, [client, *clients])


class PooledCore:
    """The leader's core as a Component: its questions to partitions go out by frames, those to
    extenders by HTTP, and their answers come back with the events of the next step."""

    def __init__(
        self,
        core: ElectedScheduler,
        clients: Sequence[FrameClient],
        extenders: Sequence[Extender] = (),
        times: PluginTimes | None = None,
    ) -> None:
        self.runner: ComponentRunner | None = None
        self.core = core
        self._clients = clients
        self._answers: list[SchedulerEvent] = []
        self._extenders = _extender_client(extenders, self._hear) if extenders else None
        self._connecting: dict[int, asyncio.Task[None]] = {}
        self._times = times
        if times is not None:
            times.measures = core.core.measures

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return self.core.watches

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        answers, self._answers = self._answers, []
        calls = []
        began_ns = time.perf_counter_ns()
        effects = self.core.step([*events, *answers], now_ns)
        spent_ns = {} if self._times is None else self._times.take()
        self.core.core.measures.end_step(time.perf_counter_ns() - began_ns, spent_ns)
        spans = self.runner.options.spans if self.runner is not None else None
        assert not isinstance(spans, OwnerSpans)
        if spans is not None:
            spans.taken(self.core.core.open_batch, now_ns)
        for effect in effects:
            if isinstance(effect, AskPartition):
                pods = spans.sampled(self.core.core.open_batch) if spans is not None else ()
                self._ask(effect, [TRACED, pods, effect.body] if pods else effect.body)
            elif isinstance(effect, AskExtender):
                assert self._extenders is not None
                self._extenders.ask(effect)
            else:
                calls.append(effect)
        return calls

    def next_wakeup_ns(self) -> int | None:
        return self.core.next_wakeup_ns()

    def check(self) -> None:
        self.core.check()

    def connect(self, number: int) -> None:
        """See to it that there is a connection some time."""
        task = self._connecting.get(number)
        if task is None or task.done():
            client = self._clients[number]
            self._connecting[number] = asyncio.create_task(_connected(client))

    async def stop(self) -> None:
        if self._extenders is not None:
            await self._extenders.close()
        for task in self._connecting.values():
            task.cancel()
        await asyncio.gather(*self._connecting.values(), return_exceptions=True)

    def _ask(self, order: AskPartition, body: object) -> None:
        """A peer that is not there is lost at once: the batch must not wait for its return."""
        number, client = order.partition, self._clients[order.partition]
        if client.connected:
            future = client.send(body, ANSWER_TIMEOUT_S)
            future.add_done_callback(partial(self._heard, number))
        else:
            self.connect(number)
            self._hear(PartitionLost(number))

    def _heard(self, number: int, future: "asyncio.Future[Any]") -> None:
        try:
            self._hear(PartitionAnswered(number, future.result()))
        except NetError:
            self._hear(PartitionLost(number))

    def _hear(self, event: SchedulerEvent) -> None:
        self._answers.append(event)
        if self.runner is not None:
            self.runner.wake()


def _extender_client(extenders: Sequence[Extender], hear: "Hear") -> "ExtenderClient":
    # Imported here: an HTTP client costs 0.3 s of CPU that few schedulers need.
    from actors.net.extenders import ExtenderClient

    return ExtenderClient(extenders, hear)


async def _connected(client: FrameClient) -> None:
    with contextlib.suppress(NetError):
        await client.connect()


class Scheduler:
    """A running scheduler; see actors.program.Running."""

    address = ""

    def __init__(
        self, pooled: PooledCore, runner: ComponentRunner, clients: Sequence[FrameClient]
    ) -> None:
        self.core = pooled.core
        self._pooled = pooled
        self.runner = runner
        self.hold = runner.hold
        self.lines = self._clients = clients

    def gauges(self) -> Mapping[str, float]:
        return {**self.core.gauges(), **self.runner.gauges()}

    async def stop(self) -> None:
        await self.runner.stop()
        await self._resign()
        await self._pooled.stop()
        await asyncio.gather(*(client.close() for client in self._clients))

    async def _resign(self) -> None:
        if self._clients[0].connected:
            await resign(self.core, self.runner.transport)


async def resign(core: ElectedScheduler, transport: Transport) -> None:
    """Give the Lease back, so that a standby need not wait until it runs out."""
    requests = core.resign(time.time_ns())
    if not requests:
        return
    answered = asyncio.Event()
    batch = [request._replace(body=orjson.dumps(request.body)) for request in requests]
    transport.send(batch, lambda replies: answered.set())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(answered.wait(), RESIGN_S)
