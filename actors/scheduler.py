"""The program of the scheduler: the leader's core as a client of the API server, with one frame
connection to each of its scoring partitions."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from actors.clock import WallClock
from actors.component import ComponentRunner, FrameTransport, run_component
from actors.net import FrameClient, NetError
from actors.plan import SchedulerConfig
from actors.program import Resolve
from api.calls import Calls, CallsDone, ComponentEvent, WatchSpec
from scheduler.leader import (
    AskPartition,
    PartitionAnswered,
    PartitionLost,
    SchedulerCore,
    SchedulerEvent,
)

NAME = "scheduler"
ANSWER_TIMEOUT_S = 2.0
"""A partition that takes longer counts as lost; the leader then scores its nodes itself."""


async def start(config: SchedulerConfig, resolve: Resolve) -> "Scheduler":
    """Start scheduling. The API server and the partitions may come up later."""
    core = SchedulerCore(config.seed, len(config.partitions))
    clients = [FrameClient(name, config.security, resolve, NAME) for name in config.partitions]
    pooled = PooledCore(core, clients)
    client = FrameClient(config.api_server, config.security, resolve, NAME)
    runner = await run_component(pooled, FrameTransport(client), WallClock())
    pooled.runner = runner
    return Scheduler(core, runner, [client, *clients])


class PooledCore:
    """The leader's core as a Component: its questions to partitions go out by frames, and their
    answers come back with the events of the next step."""

    def __init__(self, core: SchedulerCore, clients: Sequence[FrameClient]) -> None:
        self.runner: ComponentRunner | None = None
        self._core = core
        self._clients = clients
        self._answers: list[SchedulerEvent] = []

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return self._core.watches

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        answers, self._answers = self._answers, []
        calls = []
        for effect in self._core.step([*events, *answers], now_ns):
            if isinstance(effect, AskPartition):
                client = self._clients[effect.partition]
                future = client.send(effect.body, ANSWER_TIMEOUT_S)
                future.add_done_callback(partial(self._heard, effect.partition))
            else:
                calls.append(effect)
        return calls

    def next_wakeup_ns(self) -> int | None:
        return self._core.next_wakeup_ns()

    def check(self) -> None:
        self._core.check()

    def _heard(self, number: int, future: "asyncio.Future[Any]") -> None:
        try:
            self._answers.append(PartitionAnswered(number, future.result()))
        except NetError:
            self._answers.append(PartitionLost(number))
        if self.runner is not None:
            # No replies: it only makes the runner take a step.
            self.runner.report(CallsDone(()))


class Scheduler:
    """A running scheduler; see actors.program.Running."""

    address = ""

    def __init__(
        self, core: SchedulerCore, runner: ComponentRunner, clients: Sequence[FrameClient]
    ) -> None:
        self.core = core
        self.runner = runner
        self._clients = clients

    def gauges(self) -> Mapping[str, float]:
        return {**self.core.gauges(), **self.runner.gauges()}

    async def stop(self) -> None:
        await self.runner.stop()
        await asyncio.gather(*(client.close() for client in self._clients))
