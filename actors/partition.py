"""The program of a scoring partition: one call, one step of its core, one answer."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from actors.hold import Hold
from actors.net import FrameServer, PeerError, ServerStream
from actors.plan import PartitionConfig
from actors.plugins import scheduler_configuration
from actors.program import Resolve
from scheduler.kernel import kernel_of
from scheduler.partition import PartitionCore, RowsChanged, ScoreRequested
from scheduler.partition_wire import answer_body, request_from


async def start(config: PartitionConfig, resolve: Resolve) -> "Partition":
    """Serve an empty partition; the leader fills it. PortInUse. ``resolve`` is not needed: a
    partition calls nobody."""
    profiles = scheduler_configuration(config.configuration).profiles
    partition = Partition(PartitionCore(profiles, kernel_of(config.kernel)))
    await partition.listen(config)
    return partition


class Partition:
    """A running partition."""

    def __init__(self, core: PartitionCore) -> None:
        self.core = core
        self._server: FrameServer | None = None
        self._requests = self._pods = 0
        self._busy_ns = 0
        self.hold = Hold()

    async def listen(self, config: PartitionConfig) -> None:
        self._server = await FrameServer.start(config.host, config.port, config.security, self)

    @property
    def address(self) -> str:
        assert self._server is not None
        return self._server.address

    def gauges(self) -> Mapping[str, float]:
        gauges = {
            "nodes": self.core.nodes,
            "requests_total": self._requests,
            "pods_scored_total": self._pods,
            "busy_s": self._busy_ns / 1e9,
            **self.hold.gauges(),
        }
        return gauges | (self._server.gauges() if self._server else {})

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self.hold.close()

    # Handler of the frame port

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        begin = time.perf_counter_ns()
        try:
            changed, request = request_from(body)
        except (TypeError, ValueError) as error:
            reply(PeerError(f"not a scoring request: {error}"))
            return
        self._busy_ns += time.perf_counter_ns() - begin
        self.hold.enter(len(request.pods), partial(self._score, changed, request, reply))

    def _score(
        self, changed: RowsChanged, request: ScoreRequested, reply: Callable[[object], None]
    ) -> None:
        begin = time.perf_counter_ns()
        (answer,) = self.core.step([changed, request], time.time_ns())
        reply(answer_body(answer))
        self._requests += 1
        self._pods += len(request.pods)
        self._busy_ns += time.perf_counter_ns() - begin

    def on_open(self, stream: ServerStream, body: Any) -> None:
        stream.end("invalid: a partition has no streams")

    def on_closed(self, stream: ServerStream) -> None:
        pass
