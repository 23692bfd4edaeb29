"""Pods on nodes: as objects while they may still be taken back, as columns once they are bound and
somebody has settled them."""

from collections.abc import Iterator

from scheduler.placed import Placed
from scheduler.pod_columns import NONE, PodColumns
from scheduler.pod_shape import Shape

EVERYBODY = 1 << 40
"""Above any priority."""


class PlacedPods:
    """Pods are NAMESPACE/NAME. Those that are not settled are found by the name of their node,
    there or not; settled ones by its row, which stays with the name as long as they are there."""

    def __init__(self) -> None:
        self.settled = PodColumns()
        self._open: dict[str, dict[str, Placed]] = {}

    def add(self, pod: str, node: str, placed: Placed) -> None:
        pods = self._open.get(node)
        if pods is None:
            self._open[node] = {pod: placed}
        else:
            assert pod not in pods, pod
            pods[pod] = placed

    def pop(self, pod: str, node: str) -> Placed:
        """One that is not settled."""
        pods = self._open[node]
        placed = pods.pop(pod)
        if not pods:
            del self._open[node]
        return placed

    def number(self, pod: str, node: str) -> int:
        """In the columns; NONE: it is not settled."""
        return NONE if pod in self._open.get(node, ()) else self.settled.find(pod)

    def set_started(self, pod: str, node: str, started_ns: int) -> None:
        at = self.number(pod, node)
        if at == NONE:
            self._open[node][pod] = self._open[node][pod]._replace(started_ns=started_ns)
        else:
            self.settled.set_started(at, started_ns)

    def on(self, node: str, row: int, below: int = EVERYBODY) -> dict[str, Placed]:
        """Those of a lower priority than ``below``. ``row``: NONE when nothing is settled there."""
        found = {p: one for p, one in self._open.get(node, {}).items() if one.priority < below}
        for at in self.settled.below(row, below):
            found[self.settled.key(at)] = self.settled.placed(at)
        return found

    def shapes(self, node: str, row: int) -> Iterator[tuple[Shape, bool]]:
        """Of each pod there, and whether it is settled."""
        for placed in self._open.get(node, {}).values():
            yield placed.shape, False
        for at in self.settled.on_row(row):
            yield self.settled.shape(at), True
