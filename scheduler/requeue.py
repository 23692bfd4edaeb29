"""Gives unschedulable pods another try when something happened that may help them."""

from collections import Counter
from collections.abc import Iterator, Mapping

from scheduler.hints import HINTS, Change, What
from scheduler.node_table import NodeTable
from scheduler.pod_book import PodRecord
from scheduler.queue import SchedulingQueue

CHANGES_MAX = 64
"""Different changes of one step that hints are asked about; with more of them all pods move."""
ANYBODY = ""
"""Stands for plugins without hints."""
EVENTS: Mapping[What, str] = {
    "node added": "NodeAdd",
    "node labels": "NodeUpdateNodeLabel",
    "node taints": "NodeUpdateNodeTaint",
    "node allocatable": "NodeUpdateNodeAllocatable",
    "node gone": "NodeDelete",
    "pod came": "AssignedPodAdd",
    "pod left": "AssignedPodDelete",
    "object": "Update",
}
"""Kubernetes' name of each change; an object's begins with its kind's resource here.
Source: kube-scheduler/framework/types.go (ClusterEvent.Label), v1.36."""


def event_of(change: Change) -> str:
    return f"{change.resource}{EVENTS[change.what]}"


class Requeue:
    """Remembers which plugins refused each unschedulable pod."""

    def __init__(
        self,
        table: NodeTable,
        records: Mapping[str, PodRecord],
        queue: SchedulingQueue,
        hints: bool,
    ) -> None:
        """Without ``hints`` every change moves all of them, but for pods that come to a node."""
        self._table = table
        self._records = records
        self._queue = queue
        self._hints = hints
        self._refused: dict[str, dict[str, None]] = {}
        """Plugin to the pods that it refused; some of them may be elsewhere by now."""
        self.asked = 0
        """Hints."""

    def failed(self, pod: str, plugins: tuple[str, ...], now_ns: int) -> None:
        """Nodes refused a popped pod through these plugins; none: nobody knows."""
        self._queue.failed(pod, now_ns)
        for plugin in plugins or (ANYBODY,):
            self._refused.setdefault(plugin if plugin in HINTS else ANYBODY, {})[pod] = None

    def changed(self, changes: list[Change], now_ns: int) -> None:
        """These happened since the last time."""
        if not changes:
            return
        if not self._queue.waits_for_change:
            self._refused.clear()
            return
        distinct = list(dict.fromkeys(changes))
        coming = [change for change in distinct if change.what == "pod came"]
        if len(distinct) > CHANGES_MAX or (not self._hints and len(coming) < len(distinct)):
            self._queue.something_changed(now_ns, event_of(distinct[0]))
            self._refused.clear()
            return
        for change in distinct:
            for pod in list(self._helped(change)):
                self._queue.wake(pod, now_ns, event_of(change))

    def refusals(self) -> Counter[tuple[str, str]]:
        """Unschedulable pods by plugin that refused them and profile. Costs O(unschedulable)."""
        counts: Counter[tuple[str, str]] = Counter()
        for plugin, pods in self._refused.items():
            for pod in pods:
                if plugin != ANYBODY and self._queue.is_unschedulable(pod):
                    counts[plugin, self._records[pod].shape.key.profile] += 1
        return counts

    def _helped(self, change: Change) -> Iterator[str]:
        if change.what != "pod came":
            # Kubernetes: AssignedPodAdded concerns only plugins that look at other pods.
            yield from self._refused.pop(ANYBODY, {})
        for plugin, pods in self._refused.items():
            hint = HINTS[plugin].get(change.what) if plugin in HINTS else None
            if hint is None:
                continue
            answers: dict[tuple[int, int], bool] = {}
            for pod in list(pods):
                if not self._queue.is_unschedulable(pod):
                    del pods[pod]
                    continue
                shape = self._records[pod].shape
                kind = (shape.number, shape.relations.number)
                if kind not in answers:
                    self.asked += 1
                    answers[kind] = hint(shape, change, self._table)
                if answers[kind]:
                    del pods[pod]
                    yield pod
