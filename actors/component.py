"""The shell of a client core: its watches stay open, its calls go out, its timers fire.

All events of one turn of the loop reach the core in one step. A watch that broke is opened again
at the last revision seen; one whose revision is too old is listed anew. A call whose answer was
lost comes back as code 0: the shell never retries, the core decides.

A core that raises is stopped at once: ``runner.failure`` holds the error, and ``on_failure`` hears;
without it the error is raised in the loop, where whoever hosts the program ends it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actors.net.outbox import Outbox, OutboxBounds, RateLimit
from actors.net.transport import EXPIRED, INVALID, LOST, FrameTransport, OpenWatch, Transport
from actors.span_points import OwnerSpans, PodSpans
from actors.turns import Turns, raise_in_loop
from api.calls import (
    ApiReply,
    CallsDone,
    Component,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
    followed,
)
from api.core import JsonObject

__all__ = [
    "ComponentRunner",
    "FrameTransport",
    "OutboxBounds",
    "RateLimit",
    "RunnerOptions",
    "run_component",
]


class WatchRefused(Exception):
    """The API server says that a watch of this core can never be served."""


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    outbox: OutboxBounds = field(default_factory=OutboxBounds)
    reopen_s: tuple[float, float] = (0.05, 2.0)
    """First and longest pause before a broken watch is opened again; it doubles."""
    check_every_steps: int = 10_000
    """How often the core checks its invariants; 0: never."""
    on_failure: Callable[[BaseException], None] | None = None
    spans: PodSpans | OwnerSpans | None = None
    """What is written down of sampled pods or workloads, if anything is."""


async def run_component(
    core: Component,
    transport: Transport,
    now_ns: Callable[[], int],
    options: RunnerOptions | None = None,
) -> "ComponentRunner":
    """Start a core. It returns at once; the API server may come up later."""
    runner = ComponentRunner(core, transport, now_ns, options or RunnerOptions())
    runner.start()
    return runner


class ComponentRunner:
    """One running core. All methods on one event loop."""

    def __init__(
        self,
        core: Component,
        transport: Transport,
        now_ns: Callable[[], int],
        options: RunnerOptions,
    ) -> None:
        self.core = core
        self.transport = transport
        self.options = options
        self.failure: BaseException | None = None
        self.failed: asyncio.Event = asyncio.Event()
        self._turns = Turns(self._step, now_ns)
        self._events: list[ComponentEvent] = []
        self._replies: list[ApiReply] = []
        self._running = False
        self._specs: Sequence[WatchSpec] = core.watches
        self._watches = {spec.name: _Watch(self, spec) for spec in self._specs}
        self._outbox = Outbox(transport, options.outbox, self._on_replies, self.wake)
        self._events_total = 0
        self.hold = self._outbox.hold

    def start(self) -> None:
        """Open the watches and take the first step."""
        self._running = True
        for watch in self._watches.values():
            watch.open()
        self.wake()

    async def stop(self) -> None:
        """Close the watches and drop what waits; answers still on their way are lost. Idempotent.
        The transport stays open: it belongs to the caller."""
        self._halt()

    def gauges(self) -> dict[str, float]:
        return {
            "component_steps_total": self._turns.steps,
            "component_events_total": self._events_total,
            "component_failed": float(self.failure is not None),
            "watches_open": sum(watch.opened is not None for watch in self._watches.values()),
            "watches_synced": sum(watch.revision > 0 for watch in self._watches.values()),
            "watch_reopenings_total": sum(watch.reopenings for watch in self._watches.values()),
            **self._outbox.gauges(),
            **self.transport.gauges(),
            **(self.options.spans.log.gauges() if self.options.spans else {}),
        }

    def report(self, event: ComponentEvent) -> None:
        """An event for the next step."""
        if self._running:
            self._events.append(event)
            self.wake()

    def last_seen(self, watch: str) -> ObjectsSeen | None:
        """The batch still waiting for the next step that objects of this watch may join."""
        last = self._events[-1] if self._events else None
        return last if isinstance(last, ObjectsSeen) and last.watch == watch else None

    def fail(self, error: BaseException) -> None:
        """Stop for good and say why."""
        if self.failure is None:
            self.failure = error
            self._halt()
            self.failed.set()
            if self.options.on_failure is not None:
                self.options.on_failure(error)
            else:
                raise_in_loop(error)

    def _halt(self) -> None:
        self._running = False
        for watch in self._watches.values():
            watch.close()
        self._outbox.close()
        self._turns.stop()
        if self.options.spans is not None:
            self.options.spans.log.flush()
        self._events.clear()
        self._replies.clear()

    def _on_replies(self, replies: Sequence[ApiReply]) -> None:
        if self.options.spans is not None:
            self.options.spans.answered(replies)
        if self._running:
            self._replies += replies
            self.wake()

    def wake(self) -> None:
        """Step in the next turn of the loop, whatever happened."""
        self._turns.wake()

    def _step(self, now_ns: int) -> int | None:
        events, self._events = self._events, []
        if self._replies:
            events.append(CallsDone(self._replies))
            self._replies = []
        self._events_total += len(events)
        try:
            effects = self.core.step(events, now_ns)
            every = self.options.check_every_steps
            if every and self._turns.steps % every == 0:
                self.core.check()
            if self.options.spans is not None:
                for calls in effects:
                    self.options.spans.asks(calls.requests, now_ns)
            self._outbox.put(effects)
            self._follow(self.core.watches)
            return self.core.next_wakeup_ns()
        except Exception as error:  # the supervisor of the core
            self.fail(error)
            return None

    def _follow(self, specs: Sequence[WatchSpec]) -> None:
        """Open what the core wants to follow from now on, close what it no longer follows."""
        if specs is self._specs or specs == self._specs or not self._running:
            return
        self._specs = specs
        closing, opening = followed(self._watches, specs)
        for name in closing:
            self._watches.pop(name).close()
        for spec in opening:
            watch = self._watches[spec.name] = _Watch(self, spec)
            watch.open()


class _Watch:
    """One collection that the core follows; a WatchSink that opens itself again."""

    def __init__(self, runner: ComponentRunner, spec: WatchSpec) -> None:
        self._runner = runner
        self._spec = spec
        self._reset_said = False
        self._pause_s = runner.options.reopen_s[0]
        self._loop = asyncio.get_running_loop()
        self._reopening: asyncio.TimerHandle | None = None
        self._closed = False
        self.opened: OpenWatch | None = None
        self.revision = 0
        """Where to go on after a loss; 0: from a new list."""
        self.reopenings = 0

    def open(self) -> None:
        self._reset_said = False
        self._reopening = None
        self.opened = self._runner.transport.watch(self._spec, self.revision, self)

    def close(self) -> None:
        """For good."""
        self._closed = True
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    def items(
        self, types: Sequence[int], revisions: Sequence[int], objects: Sequence[JsonObject]
    ) -> None:
        self._hear()
        spans = self._runner.options.spans
        if spans is not None and self._spec.resource in spans.watches:
            spans.saw(types, objects)
        waiting = self._runner.last_seen(self._spec.name)
        if self._spec.as_text or waiting is None:
            batch_of = objects if self._spec.as_text else list(objects)
            seen = ObjectsSeen(self._spec.name, list(types), batch_of, list(revisions))
            self._runner.report(seen)
        else:
            for batch, more in (
                (waiting.types, types),
                (waiting.objects, objects),
                (waiting.revisions, revisions),
            ):
                assert isinstance(batch, list)
                batch += more
        if self.revision and revisions:
            self.revision = revisions[-1]

    def synced(self, revision: int) -> None:
        self._hear()
        self.revision = revision
        self._runner.report(WatchSynced(self._spec.name))

    def bookmark(self, revision: int) -> None:
        self._hear()
        if self.revision:
            self.revision = max(self.revision, revision)

    def ended(self, reason: str) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()
        if self._closed:
            return
        if self._spec.optional and reason not in (LOST, EXPIRED):
            if not self.revision:
                self._hear()
                self._runner.report(WatchSynced(self._spec.name))
            self._pause_s = self._runner.options.reopen_s[1]
        elif reason.startswith(INVALID):
            self._runner.fail(WatchRefused(f"watch {self._spec.name}: {reason}"))
            return
        if reason == EXPIRED:
            self.revision = 0
        self.reopenings += 1
        self._reopening = self._loop.call_later(self._pause_s, self.open)
        self._pause_s = min(self._pause_s * 2, self._runner.options.reopen_s[1])

    def _hear(self) -> None:
        """The watch works. A list begins with its first word, so that a core keeps what it knew
        while the API server is away."""
        self._pause_s = self._runner.options.reopen_s[0]
        if not self.revision and not self._reset_said:
            self._reset_said = True
            self._runner.report(WatchReset(self._spec.name))
