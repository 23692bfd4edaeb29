"""How fast nodes of a zone may be emptied.

One node in ten seconds and zone; hardly any in a zone of which most is down, because then the
network is to blame rather than the nodes; none at all when every zone is down.

Each process counts the nodes of all shards but has buckets of its own, so with several leaders a
zone may lose nodes that much faster. Source: pkg/controller/nodelifecycle (setLimiterInZone,
handleDisruption, ComputeZoneState).
"""

from typing import NamedTuple

from controllers.limits import NodeLimits
from controllers.records import Node
from controllers.workqueue import TokenBucket


class _Seen(NamedTuple):
    zone: str
    well: bool


class Zones:
    """Counts of well and unwell nodes by zone, kept up from changes."""

    def __init__(self, limits: NodeLimits) -> None:
        self._limits = limits
        self._nodes: dict[str, _Seen] = {}
        self._counts: dict[str, list[int]] = {}
        """zone -> [well, unwell]"""
        self._buckets: dict[tuple[str, float], TokenBucket] = {}
        self._asked: dict[str, int] = {}

    def note(self, node: Node) -> None:
        status = node.conditions.get("Ready", ("", ""))[0]
        seen = _Seen(node.zone, status == "True")
        if self._nodes.get(node.name) == seen:
            return
        self.forget(node.name)
        self._nodes[node.name] = seen
        self._counts.setdefault(seen.zone, [0, 0])[0 if seen.well else 1] += 1

    def forget(self, name: str) -> None:
        seen = self._nodes.pop(name, None)
        self._asked.pop(name, None)
        if seen is None:
            return
        counts = self._counts[seen.zone]
        counts[0 if seen.well else 1] -= 1
        if counts == [0, 0]:
            del self._counts[seen.zone]

    @property
    def all_down(self) -> bool:
        """No node of any zone is well: nothing is evicted, and what was tainted is spared."""
        return bool(self._counts) and all(
            well == 0 and unwell > 0 for well, unwell in self._counts.values()
        )

    def admit(self, node: Node, now_ns: int) -> int:
        """When the node may get its NoExecute taint; a time not after ``now_ns`` grants it."""
        qps = self._qps(node.zone)
        if qps <= 0:
            return now_ns + self._limits.monitor_period_ns
        bucket = self._buckets.setdefault((node.zone, qps), TokenBucket(qps, 1))
        due = self._asked.get(node.name)
        if due is None:
            due = self._asked[node.name] = bucket.reserve(now_ns)
        if due <= now_ns:
            del self._asked[node.name]
        return due

    def _qps(self, zone: str) -> float:
        well, unwell = self._counts.get(zone, [0, 0])
        total = well + unwell
        if well == 0 or unwell <= 2 or unwell / total < self._limits.unhealthy_zone_fraction:
            return self._limits.eviction_qps
        return self._limits.secondary_eviction_qps if total > self._limits.large_zone_min else 0.0
