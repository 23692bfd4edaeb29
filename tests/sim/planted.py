"""Bugs planted into real cores and disks, to show that the simulator finds such bugs.

Nothing of the product knows of them: each is a subclass that breaks one promise. ``BUGS`` is the
table; ``python -m tests.sim.planted NAME SEED`` runs one and prints its digest and what was found.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from api.core import JsonObject
from api.storage import OK
from apiserver.core import ApiServerCore
from apiserver.messages import Effect, Event, StreamBodies
from controllers.core import ControllersCore
from hollow_node.core import HollowNodes
from scheduler.leader import SchedulerCore
from scheduler.pod_book import PodRecord
from sim.disk import Disk
from sim.kernel import Kernel
from sim.run import run_seed
from sim.world import Makers
from store.core import StoreCore, StoreSettings
from store.messages import Append, Persisted, SendWatchFrames, StoreEffect, StoreEvent
from store.recovery import Recovered, recovered_core

Put = Callable[[Any], Any]


class RepliesBeforePersist(StoreCore):
    """Tells itself that the disk has what it has only just been given."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        events = [event for event in events if not isinstance(event, Persisted)]
        effects = list(super().step(events, now_ns))
        for effect in list(effects):
            if isinstance(effect, Append):
                last = effect.first_index + len(effect.records) - 1
                effects += super().step([Persisted(last)], now_ns)
        return effects


class TellsTooHighWatermarks(StoreCore):
    """Says that nothing more will come of the next tenth of a second."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        return [
            replace(effect, watermark=effect.watermark + 64 * 100_000)
            if isinstance(effect, SendWatchFrames)
            else effect
            for effect in super().step(events, now_ns)
        ]


def _ignores_expected_revision(put: Put, request: tuple[Any, ...]) -> Any:
    """Writes although another has written in between."""
    return put((*request[:4], -1, request[5]))


def _forgets_some_writes(put: Put, request: tuple[Any, ...]) -> Any:
    """Says yes to one write in about thirty, and does not do it."""
    proposal = put(request)
    reply, revision = proposal[:2]
    if reply[0] == OK and revision // 64 % 30 == 0:
        return reply, 0, (), (), None
    return proposal


class SkipsFsync(Disk):
    """Reports what is only in the page cache."""

    def __init__(self, kernel: Kernel, shard: int, durability: str, segment_bytes: int) -> None:
        super().__init__(kernel, shard, "buffered", segment_bytes)


def _forgets_newest(settings: StoreSettings, found: Recovered) -> StoreCore:
    """A recovery that takes the last record of the log for a torn one."""
    return recovered_core(settings, replace(found, records=list(found.records)[:-1]))


class _OfStreams(ApiServerCore):
    """Alters one body in twenty on its way to the watchers."""

    bodies = 0

    def step(self, events: Sequence[Event], now_ns: int) -> Sequence[Effect]:
        return [
            StreamBodies(effect.streams, [self._alter(body) for body in effect.bodies])
            if isinstance(effect, StreamBodies)
            else effect
            for effect in super().step(events, now_ns)
        ]

    def _alter(self, body: tuple[Any, ...]) -> tuple[Any, ...]:
        self.bodies += 1
        if body[0] != "items" or self.bodies % 20:
            return body
        return ("items", *(self.altered(list(column)) for column in body[1:]))

    def altered(self, column: list[Any]) -> list[Any]:
        raise NotImplementedError


class DuplicatesEvent(_OfStreams):
    def altered(self, column: list[Any]) -> list[Any]:
        return [*column, column[-1]]


class DropsEvent(_OfStreams):
    def altered(self, column: list[Any]) -> list[Any]:
        return column[:-1]


class SwapsEvents(_OfStreams):
    """The order after a merge is not that of revisions."""

    def altered(self, column: list[Any]) -> list[Any]:
        return [*column[:-2], *reversed(column[-2:])]


class ReadsStale(ApiServerCore):
    """Takes its cache for fresh without asking the shards."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        for feed in self._feeds:
            feed.fresh = _at_once  # type: ignore[method-assign]


def _at_once(then: Callable[[bool], None]) -> None:
    then(True)


class RepeatsUids(ApiServerCore):
    """Draws the same uids in each of its lives."""

    def step(self, events: Sequence[Event], now_ns: int) -> Sequence[Effect]:
        first = not self._started
        effects = super().step(events, now_ns)
        if first:
            self._registry.begin(0)
        return effects


class OverCommits(SchedulerCore):
    """Takes one node for a hundred times as large as it is."""

    def _put_node(self, node: JsonObject) -> bool:
        if node["metadata"]["name"] == "hollow-0":
            node["status"]["allocatable"] = {"cpu": "400", "memory": "1600Gi", "pods": "1400"}
        return super()._put_node(node)


class LosesRequeue(SchedulerCore):
    """Gives up a pod that found no node."""

    def _fail(self, pod: str, record: PodRecord, now_ns: int) -> None:
        super()._fail(pod, record, now_ns)
        self.queue.remove(pod)


class GivesUp(HollowNodes):
    """Forgets pods whose first status write failed."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        effects = super().step(events, now_ns)
        for row in self.life.pods.values():
            if row.attempts:
                row.due_ns = 0
        return effects


class RunsAway(SchedulerCore):
    """Asks to be woken at once, for ever."""

    def next_wakeup_ns(self) -> int | None:
        return 1


class NeverCollects(ControllersCore):
    """The garbage collector's keys are dropped, so what has lost its owner stays."""

    def __init__(self, *words: Any) -> None:
        names = [lane.controller.name for lane in ControllersCore(*words)._lanes]
        super().__init__(*words, only=[name for name in names if "garbage" not in name])


class ReadsClock(SchedulerCore):
    """Its choices depend on what the wall clock says."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        return super().step(events, now_ns + time.time_ns() % 1000 * 1_000_000)


class OrdersByHash(SchedulerCore):
    """Takes events in the order of their hashes."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        for event in events:
            if hasattr(event, "replies"):
                names = {str(reply.id) for reply in event.replies}
                order = {name: place for place, name in enumerate(names)}
                replies = sorted(event.replies, key=lambda reply: order[str(reply.id)])
                events = [replace(e, replies=replies) if e is event else e for e in events]
        return super().step(events, now_ns)


def _store_of(planted: type[StoreCore]) -> Callable[[StoreSettings, Recovered], StoreCore]:
    """A recovery that makes cores of this class."""

    def make(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        core.__class__ = planted
        return core

    return make


def _store_with(
    planted: Callable[[Put, tuple[Any, ...]], Any],
) -> Callable[[StoreSettings, Recovered], StoreCore]:
    """A recovery that makes cores with another way to put."""

    def make(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        core._writes["put"] = partial(planted, core._writes["put"])
        return core

    return make


@dataclass(frozen=True, slots=True)
class Bug:
    """One row of the table."""

    makers: Makers
    checkers: tuple[str, ...]
    """Which promises it breaks; the first one that is found ends a run."""
    seed: int
    """The first seed from 1 that found it."""


BUGS: dict[str, Bug] = {
    "reply before persist": Bug(
        Makers(store=_store_of(RepliesBeforePersist)), ("store watches", "acknowledged"), 2
    ),
    "watermark too high": Bug(
        Makers(store=_store_of(TellsTooHighWatermarks)), ("store watches", "watermarks"), 1
    ),
    "compare-and-swap ignored": Bug(
        Makers(store=_store_with(_ignores_expected_revision)),
        ("identities", "linearizable", "bindings"),
        1,
    ),
    "acknowledged and not done": Bug(
        Makers(store=_store_with(_forgets_some_writes)), ("acknowledged",), 1
    ),
    "fsync skipped": Bug(Makers(disk=SkipsFsync), ("durability",), 7),
    "newest record forgotten": Bug(Makers(store=_forgets_newest), ("durability",), 2),
    "event duplicated": Bug(Makers(api_server=DuplicatesEvent), ("api watches",), 1),
    "event dropped": Bug(Makers(api_server=DropsEvent), ("api watches",), 1),
    "events out of order": Bug(Makers(api_server=SwapsEvents), ("api watches",), 1),
    "stale read": Bug(Makers(api_server=ReadsStale), ("linearizable",), 10),
    "uids repeated": Bug(Makers(api_server=RepeatsUids), ("identities",), 1),
    "over-commit": Bug(Makers(scheduler=OverCommits), ("bindings",), 1),
    "requeue lost": Bug(Makers(scheduler=LosesRequeue), ("core", "convergence"), 1),
    "timer runs away": Bug(Makers(scheduler=RunsAway), ("timers",), 1),
    "status write not retried": Bug(Makers(hollow=GivesUp), ("convergence",), 6),
    "garbage not collected": Bug(Makers(controllers=NeverCollects), ("convergence",), 1),
}

NOISE: dict[str, Makers] = {
    "clock read": Makers(scheduler=ReadsClock),
    "hash order": Makers(scheduler=OrdersByHash),
}
"""Bugs that only show as another digest."""


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    makers = BUGS[name].makers if name in BUGS else NOISE.get(name, Makers())
    outcome = run_seed(seed, "", makers)
    print("digest", outcome.digest, outcome.checker, outcome.failure[:300])


if __name__ == "__main__":
    main()
