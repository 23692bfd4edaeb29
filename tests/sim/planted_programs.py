"""Bugs planted into real API servers, schedulers, controllers and hollow nodes."""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from api.calls import ObjectsSeen
from api.core import JsonObject
from api.leadership import Leadership
from api.storage import PUT
from apiserver.core import ApiServerCore
from apiserver.messages import Effect, Event, StoreCall, StreamBodies
from controllers.core import ControllersCore
from controllers.expectations import Expectations
from controllers.limits import ControllerLimits
from hollow_node.core import HollowNodes
from scheduler.election import ElectedScheduler
from scheduler.explain import Explanation
from scheduler.follower import Follower
from scheduler.leader import SchedulerCore
from scheduler.pod_book import PodRecord
from scheduler.preemption import Judged


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


class _OfNodes(SchedulerCore):
    """Sees nodes as something else than they are."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        return super().step([self._mistaken(event) for event in events], now_ns)

    def _mistaken(self, event: Any) -> Any:
        if not isinstance(event, ObjectsSeen) or event.watch != "nodes":
            return event
        nodes = deepcopy(event.objects)
        for node in nodes:
            self.mistake(node)
        return replace(event, objects=nodes)

    def mistake(self, node: JsonObject) -> None:
        raise NotImplementedError


class OverCommits(_OfNodes):
    """Takes one node for a hundred times as large as it is."""

    def mistake(self, node: JsonObject) -> None:
        if node["metadata"]["name"] == "hollow-0":
            node["status"]["allocatable"] = {"cpu": "400", "memory": "1600Gi", "pods": "1400"}


class IgnoresTaints(_OfNodes):
    def mistake(self, node: JsonObject) -> None:
        node["spec"].pop("taints", None)


class ChangesNodes(SchedulerCore):
    """Writes into the nodes that it is shown, which others are shown too."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        for event in events:
            if isinstance(event, ObjectsSeen) and event.watch == "nodes":
                for node in event.objects:
                    node["spec"]["seen"] = True
        return super().step(events, now_ns)


class LosesRequeue(SchedulerCore):
    """Gives up a pod that found no node."""

    def _fail(
        self, pod: str, record: PodRecord, now_ns: int, known: Explanation | Judged | None = None
    ) -> None:
        super()._fail(pod, record, now_ns, known)
        self.queue.remove(pod)


class LeadsForEver(ElectedScheduler):
    """Once it has led it goes on, though its right has run out and another may have the Lease."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._leadership.__class__ = _NeverLosesIt


class _NeverLosesIt(Leadership):
    def leads(self, role: int, now_ns: int) -> bool:
        return self._roles[role].valid_until_ns > 0

    def holder(self, role: int) -> str:
        return self._holder


class DecidesUnloaded(SchedulerCore):
    """Takes what it has seen so far for all there is."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._follower.__class__ = _AlwaysSynced


class _AlwaysSynced(Follower):
    @property
    def synced(self) -> bool:
        return True


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

    def __init__(self, holder: str, shards: int, limits: ControllerLimits) -> None:
        lanes = ControllersCore(holder, shards, limits)._lanes
        names = [lane.controller.name for lane in lanes]
        only = [name for name in names if "garbage" not in name]
        super().__init__(holder, shards, limits, only)


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


class BindsAgain(ApiServerCore):
    """Moves a pod that is bound, with one write in five of it."""

    writes = 0

    def step(self, events: Sequence[Event], now_ns: int) -> Sequence[Effect]:
        return [
            replace(effect, requests=[self._moved(request) for request in effect.requests])
            if isinstance(effect, StoreCall)
            else effect
            for effect in super().step(events, now_ns)
        ]

    def _moved(self, request: Any) -> Any:
        here, there = b'"nodeName":"hollow-1"', b'"nodeName":"hollow-2"'
        if request[0] != PUT or here not in request[3]:
            return request
        self.writes += 1
        if self.writes % 5:
            return request
        return (*request[:3], request[3].replace(here, there), *request[4:])


class NeverClears(Expectations):
    """What was written is expected for ever."""

    __slots__ = ()

    def created(self, key: str, count: int = 1) -> None:
        pass

    def satisfied(self, key: str, now_ns: int) -> bool:
        return key not in self._expected


class ExpectsForEver(ControllersCore):
    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        for lane in self._lanes:
            if lane.controller.name == "replicaset":
                lane.controller._expectations.__class__ = NeverClears  # type: ignore[attr-defined]


class LeavesOrphans(ControllersCore):
    """Whoever takes over does not look for what lost its owner while nobody led."""

    def _take_over(self, shard: int) -> None:
        lanes = self._lanes
        self._lanes = [lane for lane in lanes if "garbage" not in lane.controller.name]
        super()._take_over(shard)
        self._lanes = lanes
