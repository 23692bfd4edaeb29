"""Which changes of the cluster may help which unschedulable pods: every plugin that refused a pod
is asked about the changes that concern it, and the pod is tried again when one of them says yes.

A hint may say yes too often, never no too often: a pod that would fit now and stays where it is
waits for minutes. Where Kubernetes compares a node before and after, these look at it after alone.

Source: EventsToRegister and the isSchedulableAfter... functions of each plugin under
pkg/scheduler/framework/plugins, and backend/queue/scheduling_queue.go, v1.36.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from scheduler.node_facts import NodeFacts
from scheduler.node_table import NodeTable
from scheduler.pod_shape import Shape
from scheduler.volumes import CLAIMS, RESOURCES

What = Literal[
    "node added", "node labels", "node taints", "node allocatable", "node gone",
    "pod came", "pod left", "object",
]  # fmt: skip


class Change(NamedTuple):
    """One fact. Pods that come and go are those on nodes."""

    what: What
    row: int = -1
    """Of the node."""
    pod: Shape | None = None
    resource: str = ""
    key: str = ""
    """NAMESPACE/NAME of an object."""


Hint = Callable[[Shape, Change, NodeTable], bool]


def node_changes(row: int, before: NodeFacts | None, after: NodeFacts) -> list[Change]:
    """What of a Node object changed that a filter reads."""
    if before is None:
        return [Change("node added", row)]
    changes = []
    if before.labels != after.labels:
        changes.append(Change("node labels", row))
    if (before.taints, before.unschedulable) != (after.taints, after.unschedulable):
        changes.append(Change("node taints", row))
    if before.allocatable != after.allocatable:
        changes.append(Change("node allocatable", row))
    return changes


def _always(_pod: Shape, _change: Change, _table: NodeTable) -> bool:
    return True


def _passes_there(plugin: str) -> Hint:
    """The plugin itself says whether the node would do now."""

    def hint(pod: Shape, change: Change, table: NodeTable) -> bool:
        rows = np.array([change.row], np.int64)
        return all(
            not one.applies(pod, table) or bool(one.passes(pod, table, rows)[0])
            for one in pod.profile.filters
            if one.name == plugin
        )

    return hint


def _frees_port(pod: Shape, change: Change, _table: NodeTable) -> bool:
    assert change.pod is not None
    held = {(port.protocol, port.port) for port in change.pod.key.ports}
    return any((port.protocol, port.port) in held for port in pod.key.ports)


def _spreads_with(pod: Shape, change: Change, _table: NodeTable) -> bool:
    assert change.pod is not None
    key, labels = pod.relations.key, change.pod.relations.labels
    if not key.spread:
        # Constraints by default have selectors of services and controllers.
        return True
    same = key.namespace == change.pod.relations.key.namespace
    return same and any(one.selector.matches(labels) for one in key.spread)


def _is_wanted_near(pod: Shape, change: Change, table: NodeTable) -> bool:
    assert change.pod is not None
    namespaces = table.pod_counts.namespaces
    return any(term.names(change.pod.relations, namespaces) for term in pod.relations.key.required)


def _was_shunned(pod: Shape, change: Change, table: NodeTable) -> bool:
    assert change.pod is not None
    left, namespaces = change.pod.relations, table.pod_counts.namespaces
    return any(term.names(left, namespaces) for term in pod.relations.key.anti) or any(
        term.names(pod.relations, namespaces) for term in left.key.anti
    )


def _is_its_object(pod: Shape, change: Change, _table: NodeTable) -> bool:
    """Claims concern the pods that name them, other objects of storage all that have claims."""
    if change.resource == CLAIMS:
        namespace, _, name = change.key.partition("/")
        key = pod.relations.key
        return namespace == key.namespace and any(name == claim for claim, _ in key.claims)
    return change.resource in RESOURCES


def _is_no_storage(_pod: Shape, change: Change, _table: NodeTable) -> bool:
    """Namespaces, services, controllers: selectors depend on them."""
    return change.resource not in RESOURCES


_NODE: Mapping[What, Hint] = {"node added": _always, "node labels": _always}
HINTS: Mapping[str, Mapping[What, Hint]] = {
    "NodeUnschedulable": dict.fromkeys(
        ("node added", "node taints"), _passes_there("NodeUnschedulable")
    ),
    "NodeName": {"node added": _passes_there("NodeName")},
    "TaintToleration": dict.fromkeys(
        ("node added", "node taints"), _passes_there("TaintToleration")
    ),
    "NodeAffinity": dict.fromkeys(("node added", "node labels"), _passes_there("NodeAffinity")),
    "NodePorts": {"node added": _always, "pod left": _frees_port},
    "NodeResourcesFit": {
        "node added": _passes_there("NodeResourcesFit"),
        "node allocatable": _passes_there("NodeResourcesFit"),
        "pod left": _always,
    },
    "VolumeRestrictions": {**_NODE, "pod left": _always, "object": _is_its_object},
    "NodeVolumeLimits": {**_NODE, "pod left": _always, "object": _is_its_object},
    "VolumeBinding": {**_NODE, "object": _is_its_object},
    "VolumeZone": {**_NODE, "object": _is_its_object},
    "PodTopologySpread": {
        **_NODE,
        "node gone": _always,
        # With nodeTaintsPolicy these too decide which nodes are counted.
        "node taints": _always,
        "pod came": _spreads_with,
        "pod left": _spreads_with,
        "object": _is_no_storage,
    },
    "InterPodAffinity": {
        **_NODE,
        "pod came": _is_wanted_near,
        "pod left": _was_shunned,
        "object": _is_no_storage,
    },
}
"""Plugin to the changes that it is asked about. Whoever is not here says yes to all."""
