"""percentageOfNodesToScore: look for so many feasible nodes only, in turn through the zones, from
where the last pod's search ended.

Source: pkg/scheduler/schedule_one.go (numFeasibleNodesToFind, findNodesThatPassFilters) and
backend/cache/node_tree.go, v1.36. The real search runs in parallel and may look at a few more.
"""

import numpy as np

from scheduler.node_table import IntArray, Mask, NodeTable

ALL = 100
ADAPTIVE = 0
FEASIBLE_MIN = 100
ADAPTIVE_TOP = 50
ADAPTIVE_STEP = 125
ADAPTIVE_MIN = 5
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
OLD_REGION = "failure-domain.beta.kubernetes.io/region"


def nodes_to_find(nodes: int, percentage: int) -> int:
    """How many feasible nodes are enough. ``percentage``: ADAPTIVE, or 1 to 100."""
    if nodes < FEASIBLE_MIN:
        return nodes
    if percentage == ADAPTIVE:
        percentage = max(ADAPTIVE_TOP - nodes // ADAPTIVE_STEP, ADAPTIVE_MIN)
    return max(nodes * percentage // 100, FEASIBLE_MIN)


class NodeSampler:
    """Where the search goes on, from pod to pod."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._walk: IntArray = np.zeros(0, np.int64)
        self._version = -1
        self._start = 0
        self.looked_at = 0
        """Nodes filtered for the last pod ..."""
        self.found = 0
        """... and nodes scored."""

    def take(self, feasible: Mask, percentage: int) -> Mask:
        """[row]: those of the feasible rows that the search finds."""
        assert 0 <= percentage <= 100, percentage
        walk = self._walk_now()
        if not len(walk):
            return feasible
        self._start %= len(walk)
        turned = np.concatenate((walk[self._start :], walk[: self._start]))
        found = feasible[turned]
        enough = nodes_to_find(len(walk), percentage)
        reached = int(np.searchsorted(np.cumsum(found), enough)) + 1
        self.looked_at = min(reached, len(walk))
        self._start += self.looked_at
        seen = turned[: self.looked_at]
        result = np.zeros_like(feasible)
        result[seen] = feasible[seen]
        self.found = int(np.count_nonzero(result))
        return result

    def _walk_now(self) -> IntArray:
        """Rows, one zone after the other in turn, zones and nodes in order of arrival."""
        table = self._table
        if self._version != table.static_version:
            self._version = table.static_version
            rows = np.flatnonzero(table.alive[: table.rows])
            rows = rows[np.argsort(table.order[rows], kind="stable")]
            zones: dict[tuple[str, str], list[int]] = {}
            for row in rows.tolist():
                labels = table.facts(row).labels
                zone = labels.get(OLD_ZONE) or labels.get(ZONE) or ""
                region = labels.get(OLD_REGION) or labels.get(REGION) or ""
                zones.setdefault((region, zone), []).append(row)
            turns = [
                (turn, number, row)
                for number, members in enumerate(zones.values())
                for turn, row in enumerate(members)
            ]
            self._walk = np.array([row for _, _, row in sorted(turns)], np.int64)
        return self._walk
