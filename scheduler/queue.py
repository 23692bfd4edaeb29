"""Pods that wait to be scheduled, in four places:

active         ready, by priority, then by when they came in
backing off    failed a moment ago; ready again after 1 s, 2 s, 4 s ... at most 10 s
unschedulable  failed, and nothing has happened since that could help; after 5 minutes tried anyway
gated          has scheduling gates; not tried at all

A pod that was popped is in none of them until it is reported failed, lost or done. Source:
pkg/scheduler/backend/queue/scheduling_queue.go and backoff_queue.go, v1.36. Which events
help whom: scheduler.requeue.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from typing import NamedTuple

from api.core import InvariantError

SECOND_NS = 1_000_000_000
BACKOFF_FIRST_NS = 1 * SECOND_NS
BACKOFF_MAX_NS = 10 * SECOND_NS
FLUSH_AFTER_NS = 300 * SECOND_NS


POD_ADDED = "UnschedulablePodAdd"
ATTEMPT_FAILED = "ScheduleAttemptFailure"
BACKOFF_OVER = "BackoffComplete"
TIME_OUT = "UnschedulableTimeout"
ACTIVATED = "ForceActivate"
"""Why a pod came into a queue, in Kubernetes' words. Source: framework/events.go."""


class Backoff(NamedTuple):
    """A failed pod waits so long, twice as long each time. Source: apis/config/v1/defaults.go."""

    first_ns: int = BACKOFF_FIRST_NS
    most_ns: int = BACKOFF_MAX_NS


BACKOFF = Backoff()


class Place(Enum):
    """Where in the queue a pod is. POPPED: taken out, to be decided now."""

    POPPED = "popped"
    ACTIVE = "active"
    BACKING_OFF = "backing off"
    UNSCHEDULABLE = "unschedulable"
    GATED = "gated"


@dataclass(slots=True)
class Waiting:
    """One pod of the queue."""

    priority: int
    place: Place
    ticket: int
    """Order of arrival; an entry of a heap with an older ticket is void."""
    attempts: int = 0
    ready_ns: int = 0
    """End of its back-off."""
    failed_ns: int = 0
    queued_ns: int = -1
    """When it first was active; -1: not yet."""
    popped_ns: int = 0


class SchedulingQueue:
    """Pods are known by NAMESPACE/NAME. Every operation costs O(log n) at most, but for
    ``something_changed``, which is O(unschedulable)."""

    def __init__(self, backoff: Backoff = BACKOFF) -> None:
        self._backoff = backoff
        self._pods: dict[str, Waiting] = {}
        self._active: list[tuple[int, int, str]] = []
        """(-priority, ticket, pod)."""
        self._backing_off: list[tuple[int, int, str]] = []
        """(ready_ns, ticket, pod)."""
        self._unschedulable: dict[str, int] = {}
        """Pod to when it failed, oldest first."""
        self._ticket = 0
        self.now_ns = 0
        """The time that arriving pods get; whoever adds them keeps it."""
        self.incoming: Counter[tuple[str, str]] = Counter()
        """Pods that came into a queue, by its name in Kubernetes and the event."""

    def __contains__(self, pod: str) -> bool:
        return pod in self._pods

    def add(self, pod: str, priority: int, gated: bool) -> None:
        """A new pod, or a known one whose object changed: tried again at once."""
        old = self._pods.get(pod)
        if old is not None and old.place is Place.POPPED:
            return
        attempts = old.attempts if old else 0
        self.remove(pod)
        waiting = self._pods[pod] = Waiting(priority, Place.GATED, self._next(), attempts)
        waiting.queued_ns = old.queued_ns if old else -1
        if gated:
            self.incoming["unschedulable", POD_ADDED] += 1
        else:
            self._activate(pod, waiting, self.now_ns, POD_ADDED)

    def remove(self, pod: str) -> None:
        """It is gone, or bound."""
        self._pods.pop(pod, None)
        self._unschedulable.pop(pod, None)

    def pop(self, count: int, now_ns: int) -> list[str]:
        """The next pods to schedule, at most so many, best first."""
        self._pass_time(now_ns)
        pods: list[str] = []
        while self._active and len(pods) < count:
            _, ticket, pod = heappop(self._active)
            waiting = self._pods.get(pod)
            if waiting is not None and waiting.ticket == ticket:
                waiting.place = Place.POPPED
                waiting.attempts += 1
                waiting.popped_ns = now_ns
                pods.append(pod)
        return pods

    def attempt(self, pod: str) -> Waiting | None:
        """What is known of the present attempt of a popped pod; None: it is not of the queue."""
        return self._pods.get(pod)

    def failed(self, pod: str, now_ns: int) -> None:
        """No node took the popped pod."""
        waiting = self._pods.get(pod)
        if waiting is None or waiting.place is not Place.POPPED:
            return
        self._set_backoff(waiting, now_ns)
        waiting.place = Place.UNSCHEDULABLE
        self._unschedulable[pod] = now_ns
        self.incoming["unschedulable", ATTEMPT_FAILED] += 1

    def retry(self, pod: str, now_ns: int) -> None:
        """Something other than the nodes went wrong with the popped pod: again after a while."""
        waiting = self._pods.get(pod)
        if waiting is None or waiting.place is not Place.POPPED:
            return
        self._set_backoff(waiting, now_ns)
        self._back_off(pod, waiting, ATTEMPT_FAILED)

    def something_changed(self, now_ns: int, event: str = ACTIVATED) -> None:
        """A node came or changed, or a pod left one: unschedulable pods may fit now."""
        for pod in self._unschedulable:
            self._release(pod, now_ns, event)
        self._unschedulable.clear()

    @property
    def waits_for_change(self) -> bool:
        """Some pod is unschedulable."""
        return bool(self._unschedulable)

    def is_unschedulable(self, pod: str) -> bool:
        return pod in self._unschedulable

    def wake(self, pod: str, now_ns: int, event: str = ACTIVATED) -> None:
        """This unschedulable pod may fit now."""
        if self._unschedulable.pop(pod, None) is not None:
            self._release(pod, now_ns, event)

    def next_wakeup_ns(self) -> int | None:
        """When a waiting pod becomes ready; 0 when one is."""
        if self._active:
            return 0
        times = [self._backing_off[0][0]] if self._backing_off else []
        for failed_ns in self._unschedulable.values():
            times.append(failed_ns + FLUSH_AFTER_NS)
            break
        return min(times, default=None)

    def lengths(self) -> dict[str, int]:
        """Pods by place."""
        counts = {place.value: 0 for place in Place}
        for waiting in self._pods.values():
            counts[waiting.place.value] += 1
        return counts

    def check(self) -> None:
        for pod in self._unschedulable:
            if self._pods[pod].place is not Place.UNSCHEDULABLE:
                raise InvariantError(f"{pod} is listed as unschedulable")
        active = {(pod, ticket) for _, ticket, pod in self._active}
        for pod, waiting in self._pods.items():
            if waiting.place is Place.ACTIVE and (pod, waiting.ticket) not in active:
                raise InvariantError(f"{pod} is active but not in the heap")

    def _next(self) -> int:
        self._ticket += 1
        return self._ticket

    def _activate(self, pod: str, waiting: Waiting, now_ns: int, event: str) -> None:
        waiting.place = Place.ACTIVE
        if waiting.queued_ns < 0:
            waiting.queued_ns = now_ns
        self.incoming["active", event] += 1
        heappush(self._active, (-waiting.priority, waiting.ticket, pod))

    def _set_backoff(self, waiting: Waiting, now_ns: int) -> None:
        doublings = min(max(waiting.attempts - 1, 0), 10)
        waiting.failed_ns = now_ns
        waiting.ready_ns = now_ns + min(self._backoff.first_ns << doublings, self._backoff.most_ns)
        waiting.ticket = self._next()

    def _back_off(self, pod: str, waiting: Waiting, event: str) -> None:
        waiting.place = Place.BACKING_OFF
        self.incoming["backoff", event] += 1
        heappush(self._backing_off, (waiting.ready_ns, waiting.ticket, pod))

    def _release(self, pod: str, now_ns: int, event: str) -> None:
        waiting = self._pods[pod]
        if waiting.ready_ns > now_ns:
            self._back_off(pod, waiting, event)
        else:
            self._activate(pod, waiting, now_ns, event)

    def _pass_time(self, now_ns: int) -> None:
        while self._backing_off and self._backing_off[0][0] <= now_ns:
            _, ticket, pod = heappop(self._backing_off)
            waiting = self._pods.get(pod)
            if waiting and waiting.ticket == ticket and waiting.place is Place.BACKING_OFF:
                self._activate(pod, waiting, now_ns, BACKOFF_OVER)
        overdue = []
        for pod, failed_ns in self._unschedulable.items():
            if failed_ns + FLUSH_AFTER_NS > now_ns:
                break
            overdue.append(pod)
        for pod in overdue:
            del self._unschedulable[pod]
            self._release(pod, now_ns, TIME_OUT)
