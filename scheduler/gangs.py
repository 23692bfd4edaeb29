"""Gangs: pods that are bound all together or not at all.

A pod with the labels of a pod group is given a node like any other, but its binding waits until
the group has so many pods on nodes as it needs. When that takes too long, or a member finds no
node, the waiting ones give their nodes back. Members bound earlier count.

Source: the coscheduling plugin of sigs.k8s.io/scheduler-plugins in its form without PodGroup
objects (labels of KEP 42), with its time-out of one minute.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

NAME_LABEL = "pod-group.scheduling.sigs.k8s.io/name"
NAME_LABEL_OF_OBJECTS = "scheduling.x-k8s.io/pod-group"
"""The later form; how many it needs still has to be on the pod."""
LEAST_LABEL = "pod-group.scheduling.sigs.k8s.io/min-available"
WAIT_NS = 60_000_000_000
DENIED_NS = 3_000_000_000
"""So long a gang that was given up is not tried, or two of them would take turns for ever.
Source: the plugin's lastDeniedPGExpirationTime."""
NAME = "Coscheduling"


class Gang(NamedTuple):
    """A pod group."""

    namespace: str
    name: str
    least: int
    """So many of its pods run, or none."""


def gang_of(namespace: str, labels: Mapping[str, str]) -> Gang | None:
    """None: the pod is scheduled alone, as are pods whose label is not a number above 1."""
    name = labels.get(NAME_LABEL) or labels.get(NAME_LABEL_OF_OBJECTS)
    least = labels.get(LEAST_LABEL, "")
    if not name or not least.isdecimal() or int(least) < 2:
        return None
    return Gang(namespace, name, int(least))


class Gangs:
    """Members, how many are on nodes, and who waits to be bound. Pods are NAMESPACE/NAME."""

    def __init__(self) -> None:
        self._gang_of: dict[str, Gang] = {}
        self._members: dict[Gang, dict[str, None]] = {}
        self._placed: dict[Gang, int] = {}
        """On a node: assumed, waiting or bound."""
        self._waiting: dict[Gang, dict[str, int]] = {}
        """Pods and when they give up."""
        self._denied: dict[Gang, int] = {}
        """Given up gangs and until when they are not tried."""

    def join(self, pod: str, gang: Gang | None) -> bool:
        """A pod came, or its labels changed; it is on no node. Whether it came to a gang."""
        if self._gang_of.get(pod) == gang:
            return False
        self.leave(pod)
        if gang is not None:
            self._gang_of[pod] = gang
            self._members.setdefault(gang, {})[pod] = None
        return gang is not None

    def leave(self, pod: str) -> None:
        """It is gone, and from its node before."""
        gang = self._gang_of.pop(pod, None)
        if gang is None:
            return
        del self._members[gang][pod]
        if not self._members[gang]:
            del self._members[gang]
            self._denied.pop(gang, None)

    def came_to_node(self, pod: str) -> None:
        gang = self._gang_of.get(pod)
        if gang is not None:
            self._placed[gang] = self._placed.get(gang, 0) + 1

    def left_node(self, pod: str) -> None:
        gang = self._gang_of.get(pod)
        if gang is not None:
            self._placed[gang] -= 1
            if not self._placed[gang]:
                del self._placed[gang]
            self._stop_waiting(gang, pod)

    def too_few(self, pod: str) -> str:
        """Why the pod need not be tried yet; empty when it may."""
        gang = self._gang_of.get(pod)
        present = len(self._members.get(gang, ())) if gang else 0
        if gang is None or present >= gang.least:
            return ""
        return f"pod group {gang.name} has {present} of at least {gang.least} pods"

    def admit(self, pod: str, now_ns: int) -> list[str]:
        """The pod was given a node: those to bind now, itself among them; none: it waits."""
        gang = self._gang_of.get(pod)
        if gang is None:
            return [pod]
        waiting = self._waiting.setdefault(gang, {})
        waiting[pod] = now_ns + WAIT_NS
        if self._placed.get(gang, 0) < gang.least:
            return []
        return list(self._waiting.pop(gang))

    def waiting_since(self, pod: str) -> dict[str, int]:
        """Members of its gang that wait to be bound, and since when."""
        gang = self._gang_of.get(pod)
        waiting = self._waiting.get(gang, {}) if gang else {}
        return {member: due_ns - WAIT_NS for member, due_ns in waiting.items()}

    def missing(self, pod: str) -> list[str]:
        """When the pod waits: members for which it waits, who may be tried at once."""
        gang = self._gang_of.get(pod)
        waiting = self._waiting.get(gang) if gang else None
        if gang is None or waiting is None:
            return []
        return [member for member in self._members[gang] if member not in waiting]

    def give_up(self, pod: str, now_ns: int) -> list[str]:
        """The gang of this pod cannot be complete now: its members that wait to be bound."""
        gang = self._gang_of.get(pod)
        waiting = self._waiting.get(gang) if gang else None
        if gang is None or waiting is None:
            return []
        self._denied[gang] = now_ns + DENIED_NS
        return list(waiting)

    def denied(self, pod: str, now_ns: int) -> bool:
        """Whether its gang was given up a moment ago."""
        gang = self._gang_of.get(pod)
        return gang is not None and self._denied.get(gang, 0) > now_ns

    def overdue(self, now_ns: int) -> Iterator[str]:
        """One waiting pod of each gang that has waited too long."""
        for waiting in self._waiting.values():
            pod, due_ns = next(iter(waiting.items()))
            if due_ns <= now_ns:
                yield pod

    def next_wakeup_ns(self) -> int | None:
        return min((next(iter(w.values())) for w in self._waiting.values()), default=None)

    def _stop_waiting(self, gang: Gang, pod: str) -> None:
        waiting = self._waiting.get(gang)
        if waiting is not None and waiting.pop(pod, None) is not None and not waiting:
            del self._waiting[gang]
