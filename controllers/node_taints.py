"""Which taints the conditions of a node call for.

Source: nodeConditionToTaintKeyStatusMap in
pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from typing import Final

from controllers.records import Node, Taint

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
_BY_CONDITION: Final = (
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
)
_MANAGED: Final = frozenset((*(key for _, _, key in _BY_CONDITION), UNSCHEDULABLE))


def schedule_taints(node: Node, now: str) -> list[Taint]:
    """All taints of the node with its NoSchedule ones as they should be. ``now``: RFC 3339."""
    wanted = [key for kind, status, key in _BY_CONDITION if _status(node, kind) == status]
    if node.unschedulable:
        wanted.append(UNSCHEDULABLE)
    kept = [
        taint
        for taint in node.taints
        if taint.effect != "NoSchedule" or taint.key not in _MANAGED or taint.key in wanted
    ]
    known = {taint.key for taint in kept if taint.effect == "NoSchedule"}
    return [*kept, *(Taint(key, "", "NoSchedule", now) for key in wanted if key not in known)]


def execute_taint(node: Node) -> str | None:
    """The key of the NoExecute taint that drives pods away; None while the node is well."""
    status = _status(node, "Ready")
    if status == "False":
        return NOT_READY
    return UNREACHABLE if status == "Unknown" else None


def _status(node: Node, kind: str) -> str:
    return node.conditions.get(kind, ("", ""))[0]
