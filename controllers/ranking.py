"""Which pods of a ReplicaSet go first when there are too many.

In order: without a node; Pending, then Unknown, then Running; not ready; lower deletion cost; more
relatives on the same node; ready for a shorter time; more restarts; younger. Times compare by
their order of magnitude (powers of two of nanoseconds) so that old pods are not always spared, and
pods of the same magnitude by uid.

Source: pkg/controller/controller_utils.go (ActivePodsWithRanks), replica_set.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cmp_to_key
from typing import Final

from controllers.records import Pod

_PHASES: Final = {"Pending": 0, "Unknown": 1, "Running": 2}


def pods_to_delete(
    pods: Sequence[Pod], related: Iterable[Pod], count: int, now_ns: int
) -> list[Pod]:
    """The first ``count`` in order of deletion. ``related``: pods of all sibling ReplicaSets."""
    if count >= len(pods):
        return list(pods[:count])
    on_node: dict[str, int] = {}
    for pod in related:
        if pod.active:
            on_node[pod.node] = on_node.get(pod.node, 0) + 1

    def compare(one: Pod, other: Pod) -> int:
        return _compare(one, other, on_node, now_ns)

    return sorted(pods, key=cmp_to_key(compare))[:count]


def _compare(one: Pod, other: Pod, on_node: Mapping[str, int], now_ns: int) -> int:
    """Negative: ``one`` goes first."""
    if bool(one.node) != bool(other.node):
        return 1 if one.node else -1
    if _PHASES[one.phase] != _PHASES[other.phase]:
        return _PHASES[one.phase] - _PHASES[other.phase]
    if one.ready != other.ready:
        return 1 if one.ready else -1
    if one.deletion_cost != other.deletion_cost:
        return one.deletion_cost - other.deletion_cost
    crowd = on_node.get(other.node, 0) - on_node.get(one.node, 0)
    if crowd:
        return crowd
    if one.ready and one.ready_since_ns != other.ready_since_ns:
        return _by_magnitude(one, other, one.ready_since_ns, other.ready_since_ns, now_ns)
    if one.restarts != other.restarts:
        return other.restarts - one.restarts
    if one.created_ns != other.created_ns:
        return _by_magnitude(one, other, one.created_ns, other.created_ns, now_ns)
    return 0


def _by_magnitude(one: Pod, other: Pod, time_ns: int, other_ns: int, now_ns: int) -> int:
    difference = _magnitude(now_ns - time_ns) - _magnitude(now_ns - other_ns)
    if difference:
        return difference
    return -1 if one.uid < other.uid else 1


def _magnitude(duration_ns: int) -> int:
    return duration_ns.bit_length() - 1 if duration_ns > 0 else -1
