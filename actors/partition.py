"""The program of a scoring partition: one call, one step of its core, one answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from actors.hold import Hold
from actors.net import FrameServer, PeerError, ServerStream
from actors.plan import PartitionConfig
from actors.plugins import scheduler_configuration
from actors.program import Line, Resolve
from actors.span_points import TRACED, ScoreSpans
from actors.spans import span_log
from scheduler.kernel import kernel_of
from scheduler.partition import PartitionCore, RowsChanged, ScoreRequested
from scheduler.partition_wire import answer_body, request_from


async def start(config: PartitionConfig, resolve: Resolve) -> "Partition":
    """Serve an empty partition; the leader fills it. PortInUse. ``resolve`` is not needed: a
    partition calls nobody."""
    profiles = scheduler_configuration(config.configuration).profiles
    log = span_log(config.spans, time.time_ns)
    core = PartitionCore(profiles, kernel_of(config.kernel))
    partition = Partition(core, ScoreSpans(log) if log else None)
    await partition.listen(config)
    return partition


class Partition:
    """A running partition."""

    def __init__(self, core: PartitionCore, spans: ScoreSpans | None = None) -> None:
        self.core = core
        self._spans = spans
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

    @property
    def lines(self) -> Sequence[Line]:
        return [self._server] if self._server is not None else []

    def gauges(self) -> Mapping[str, float]:
        gauges = {
            "nodes": self.core.nodes,
            "requests_total": self._requests,
            "pods_scored_total": self._pods,
            "busy_s": self._busy_ns / 1e9,
            **self.hold.gauges(),
            **(self._spans.log.gauges() if self._spans else {}),
        }
        return gauges | (self._server.gauges() if self._server else {})

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self.hold.close()
        if self._spans is not None:
            self._spans.log.flush()

    # Handler of the frame port

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        begin = time.perf_counter_ns()
        if type(body) is list and len(body) == 3 and body[0] == TRACED:
            _, pods, body = body
            if self._spans is not None:
                reply = self._noted(pods, reply)
        try:
            changed, request = request_from(body)
        except (TypeError, ValueError) as error:
            reply(PeerError(f"not a scoring request: {error}"))
            return
        self._busy_ns += time.perf_counter_ns() - begin
        self.hold.enter(len(request.pods), partial(self._score, changed, request, reply))

    def _noted(
        self, pods: Sequence[tuple[str, str]], reply: Callable[[object], None]
    ) -> Callable[[object], None]:
        """``reply``, or what also writes the spans of these pods."""
        spans = self._spans
        assert spans is not None
        begin_ns = spans.log.now_ns()

        def replied(answer: object) -> None:
            spans.scored(pods, begin_ns)
            reply(answer)

        return replied

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
