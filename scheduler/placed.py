"""Pods on nodes, and pods for which room on a node is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scheduler.pod_shape import Shape


@dataclass(frozen=True, slots=True)
class PodReference:
    """Which pod it is, to the API server."""

    namespace: str
    name: str
    uid: str
    generation: int
    scheduler: str
    """The scheduler name it asks for: who reports about it."""


class Placed(NamedTuple):
    """A pod that counts on a node."""

    shape: Shape
    priority: int
    started_ns: int
    """NOT_STARTED until its node says otherwise."""


NOT_STARTED = 1 << 62


class Nominee(NamedTuple):
    """A pod that waits for its victims to leave a node."""

    pod: str
    shape: Shape
    priority: int


class Nominations:
    """Which pods wait for their victims to leave which node."""

    def __init__(self) -> None:
        self.node_of: dict[str, str] = {}
        """Pod to the node it is nominated to."""
        self.version = 0
        self._by_node: dict[str, dict[str, Nominee]] = {}

    def add(self, nominee: Nominee, node: str) -> None:
        """Reserve room on a node against pods of lower priority."""
        self.drop(nominee.pod)
        self.version += 1
        self.node_of[nominee.pod] = node
        self._by_node.setdefault(node, {})[nominee.pod] = nominee

    def drop(self, pod: str) -> None:
        node = self.node_of.pop(pod, None)
        if node is not None:
            self.version += 1
            del self._by_node[node][pod]
            if not self._by_node[node]:
                del self._by_node[node]

    def of_node(self, node: str) -> Sequence[Nominee]:
        return tuple(self._by_node.get(node, {}).values())

    def reserved_rows(self, row_of: Mapping[str, int], pod: str, priority: int) -> list[int]:
        """Rows where a pod must leave room for others that are nominated there, in order."""
        rows = [
            row_of[node]
            for node, nominees in self._by_node.items()
            if node in row_of
            and any(n.pod != pod and n.priority >= priority for n in nominees.values())
        ]
        return sorted(rows)
