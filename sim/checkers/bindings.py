"""Promise: a pod is bound once and for all, to a node that exists and that has room for it.

A scheduler may not know yet that a node is gone: for a while it counts as it was at its end.
"""

from api.calls import DELETED
from api.core import JsonObject
from api.quantity import milli_value
from sim.checkers.history import Change, History
from sim.connection import SECOND
from sim.topics import Violation

NAME = "bindings"
PODS, NODES = b"/registry/pods/", b"/registry/nodes/"
RESOURCES = ("cpu", "memory", "pods")
STALE_NS = 12 * SECOND
"""How old the news may be that a scheduler decides by: the longest partition, and what a slow link
and a late call add."""


class Bindings:
    """Adds up what is on each node, at every change of a pod that reaches the disk."""

    def __init__(self, history: History) -> None:
        self.bound = 0
        self._history = history
        self._node_of: dict[str, str] = {}
        """uid of a pod to its node, for ever."""
        self._holds: dict[str, dict[bytes, tuple[int, ...]]] = {}
        """Node to its living pods and what each requests."""
        self._gone: dict[str, Change] = {}
        """Name of a node to its deletion."""
        history.changed.append(self._changed)

    def _changed(self, change: Change) -> None:
        if not change.key.startswith(PODS):
            if change.key.startswith(NODES) and change.kind == DELETED:
                self._gone[change.key.removeprefix(NODES).decode()] = change
            return
        item = change.new or change.old
        assert item is not None, "a change of nothing into nothing"
        pod = item.json
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        known = self._node_of.get(uid, "")
        if known and node != known:
            raise Violation(NAME, f"{change.key!r} moved from {known} to {node or 'nowhere'}")
        ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if not node:
            return
        if change.kind == DELETED or ended:
            self._holds.get(node, {}).pop(change.key, None)
        if not known and change.kind != DELETED:
            self._node_of[uid] = node
            self.bound += 1
            self._bind(change, pod, node)

    def _bind(self, change: Change, pod: JsonObject, node: str) -> None:
        key = change.key
        found = self._history.objects.get(NODES + node.encode())
        gone = self._gone.get(node)
        if found is None and gone is not None and change.at_ns < gone.at_ns + STALE_NS:
            found = gone.old
        if found is None:
            raise Violation(NAME, f"{key!r} was bound to {node}, which does not exist")
        labels = found.json["metadata"].get("labels") or {}
        wanted = pod["spec"].get("nodeSelector") or {}
        if any(labels.get(name) != value for name, value in wanted.items()):
            raise Violation(NAME, f"{key!r} was bound to {node}, which lacks labels of {wanted}")
        tolerated = [one.get("key") for one in pod["spec"].get("tolerations") or ()]
        for taint in found.json["spec"].get("taints") or ():
            # Those of the house come and go with conditions, of which the news may be old.
            if "kubernetes.io/" not in taint["key"] and taint["key"] not in tolerated:
                raise Violation(NAME, f"{key!r} was bound to {node} despite its taint {taint}")
        holds = self._holds.setdefault(node, {})
        holds[key] = _requests(pod)
        room = found.json["status"]["allocatable"]
        for index, resource in enumerate(RESOURCES):
            used = sum(one[index] for one in holds.values())
            if used > milli_value(room[resource]):
                message = f"{key!r} was bound to {node}, which then holds {used}m {resource}"
                raise Violation(NAME, f"{message} of {room[resource]}")


def _requests(pod: JsonObject) -> tuple[int, ...]:
    """In thousandths, in the order of RESOURCES. Pods of the workload have plain containers."""
    sums = [0, 0, 1000]
    for container in pod["spec"]["containers"]:
        requests = (container.get("resources") or {}).get("requests") or {}
        for index, resource in enumerate(RESOURCES[:2]):
            sums[index] += milli_value(requests.get(resource, "0"))
    return tuple(sums)
