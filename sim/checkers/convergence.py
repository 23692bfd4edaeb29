"""Promise: when faults end, the cluster becomes what its users asked for, and nothing is left over.

Every Deployment has exactly its replicas, Running and ready, of its newest template; every
ReplicaSet has as many pods as it wants; every node is ready; what was deleted is gone; no object
has only owners that are gone.
"""

from collections import Counter
from collections.abc import Iterator

from api.core import JsonObject
from sim.checkers.history import History

OWNED = ("pods", "apps/replicasets")


class Convergence:
    """Looks at the present state. It is asked, it does not listen."""

    def __init__(self, history: History) -> None:
        self._history = history

    def missing(self, wanted: dict[str, int], pods: list[str], nodes: int) -> Iterator[str]:
        """Why it is not yet so, one sentence each. ``wanted``: name of each Deployment to its
        replicas; ``pods``: names of bare pods that must run."""
        yield from self._nodes(nodes)
        yield from self._orphans()
        yield from self._deployments(wanted)
        yield from self._replica_sets()
        live = self._history.live("pods")
        expected = sum(wanted.values()) + len(pods)
        if len(live) != expected:
            yield f"{len(live)} pods exist, {expected} are wanted"
        for pod in live:
            meta, phase = pod["metadata"], pod.get("status", {}).get("phase")
            if phase != "Running" or "deletionTimestamp" in meta:
                word = "deleting" if "deletionTimestamp" in meta else "staying"
                yield f"pod {meta['name']} is {phase} and {word}"
        names = {pod["metadata"]["name"] for pod in live}
        for name in pods:
            if name not in names:
                yield f"pod {name} is missing"

    def _nodes(self, count: int) -> Iterator[str]:
        nodes = self._history.live("nodes")
        if len(nodes) != count:
            yield f"{len(nodes)} nodes exist, {count} are wanted"
        for node in nodes:
            conditions = node.get("status", {}).get("conditions") or []
            ready = [one["status"] for one in conditions if one["type"] == "Ready"]
            taints = [one["key"] for one in node["spec"].get("taints") or []]
            if ready != ["True"] or taints:
                yield f"node {node['metadata']['name']}: ready {ready}, taints {taints}"

    def _deployments(self, wanted: dict[str, int]) -> Iterator[str]:
        live = {item["metadata"]["name"]: item for item in self._history.live("apps/deployments")}
        for name in live:
            if name not in wanted:
                yield f"deployment {name} should be gone"
        for name, replicas in wanted.items():
            item = live.get(name)
            if item is None:
                yield f"deployment {name} is missing"
                continue
            status = item.get("status") or {}
            counts = [status.get(word, 0) for word in _COUNTS]
            seen = status.get("observedGeneration") == item["metadata"]["generation"]
            if item["spec"]["replicas"] != replicas or counts != [replicas] * 4 or not seen:
                yield f"deployment {name} wants {replicas}, has {counts} ({' '.join(_COUNTS)})"

    def _replica_sets(self) -> Iterator[str]:
        owned = Counter(
            owner["uid"]
            for pod in self._history.live("pods")
            for owner in pod["metadata"].get("ownerReferences") or ()
        )
        for item in self._history.live("apps/replicasets"):
            meta, status, replicas = item["metadata"], item.get("status") or {}, _replicas(item)
            counts = [status.get(word, 0) for word in ("replicas", "readyReplicas")]
            if counts != [replicas] * 2 or owned[meta["uid"]] != replicas:
                pods = f"{owned[meta['uid']]} pods and says {counts} (replicas readyReplicas)"
                yield f"replicaset {meta['name']} wants {replicas}, has {pods}"

    def _orphans(self) -> Iterator[str]:
        uids = {
            item["metadata"]["uid"]
            for resource in ("apps/deployments", "apps/replicasets", "nodes", "pods", "namespaces")
            for item in self._history.live(resource)
        }
        for resource in OWNED:
            for item in self._history.live(resource):
                owners = item["metadata"].get("ownerReferences") or []
                if owners and not any(owner["uid"] in uids for owner in owners):
                    yield f"{resource} {item['metadata']['name']} has no living owner"


def _replicas(item: JsonObject) -> int:
    replicas: int = item["spec"].get("replicas", 1)
    return replicas


_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
