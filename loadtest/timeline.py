"""When each pod was seen created, bound, Running and deleted, and how many nodes are Ready.

Pure bookkeeping over watch events; the times are the observer's, wall clock ns, because a
creationTimestamp has whole seconds only. 0 means: not seen.
"""

from dataclasses import dataclass
from hashlib import blake2b

from api.core import JsonObject
from api.tracing import INTERNAL, Context, Span, context_on

SEEN = "seen to Running"
"""The span of a pod's life in the eyes of whoever watches."""
POD_COLUMNS = (
    "namespace",
    "name",
    "owner",
    "node",
    "added_ns",
    "bound_ns",
    "running_ns",
    "deleted_ns",
)


@dataclass(slots=True)
class PodTimes:
    namespace: str
    name: str
    owner: str
    """Kind of the controller, empty for a pod made directly."""
    node: str = ""
    added_ns: int = 0
    bound_ns: int = 0
    running_ns: int = 0
    deleted_ns: int = 0
    context: Context | None = None
    """Its trace, if it is sampled."""

    def row(self) -> tuple[str | int, ...]:
        return (
            self.namespace,
            self.name,
            self.owner,
            self.node,
            self.added_ns,
            self.bound_ns,
            self.running_ns,
            self.deleted_ns,
        )


class PodTimeline:
    """Timelines by uid, and cumulative counts. Grows with the pods of the run, 300 B each."""

    def __init__(self) -> None:
        self.pods: dict[str, PodTimes] = {}
        self.created = 0
        self.bound = 0
        self.running = 0
        self.deleted = 0

    def see(self, event_type: str, pod: JsonObject, now_ns: int) -> None:
        """Take one watch event. Repeated and out-of-date events change nothing."""
        metadata = pod["metadata"]
        times = self.pods.get(metadata["uid"])
        if times is None:
            owners = metadata.get("ownerReferences") or ()
            owner = owners[0].get("kind", "") if owners else ""
            times = PodTimes(metadata["namespace"], metadata["name"], owner, added_ns=now_ns)
            times.context = context_on(pod)
            self.pods[metadata["uid"]] = times
            self.created += 1
        if not times.bound_ns and (node := pod.get("spec", {}).get("nodeName")):
            times.bound_ns = now_ns
            times.node = node
            self.bound += 1
        if not times.running_ns and pod.get("status", {}).get("phase") == "Running":
            times.running_ns = now_ns
            self.running += 1
        if event_type == "DELETED" and not times.deleted_ns:
            times.deleted_ns = now_ns
            self.deleted += 1

    def see_all(self, pods: list[JsonObject], now_ns: int) -> None:
        """Take a full list: what is not in it is gone."""
        present = {pod["metadata"]["uid"]: pod for pod in pods}
        for pod in pods:
            self.see("ADDED", pod, now_ns)
        for uid, times in self.pods.items():
            if uid not in present and not times.deleted_ns:
                times.deleted_ns = now_ns
                self.deleted += 1

    def spans(self) -> list[Span]:
        """Of sampled pods: from the first sight of them to that of their Running."""
        out = []
        for uid, times in self.pods.items():
            if times.context is not None and times.running_ns:
                facts = {"k8s.namespace.name": times.namespace, "k8s.pod.name": times.name}
                own = blake2b(uid.encode(), digest_size=8).hexdigest()
                ends = (times.added_ns, times.running_ns)
                out.append(Span(times.context, own, SEEN, INTERNAL, *ends, facts))
        return out

    @property
    def at_rest(self) -> bool:
        """Whether every pod that was seen is Running or gone."""
        return all(times.running_ns or times.deleted_ns for times in self.pods.values())


class NodeTimeline:
    """Which nodes are Ready."""

    def __init__(self) -> None:
        self._ready: dict[str, bool] = {}
        self.ready = 0

    @property
    def known(self) -> int:
        return len(self._ready)

    def see(self, event_type: str, node: JsonObject) -> None:
        name = node["metadata"]["name"]
        before = self._ready.get(name, False)
        if event_type == "DELETED":
            self._ready.pop(name, None)
            now = False
        else:
            conditions = node.get("status", {}).get("conditions") or ()
            now = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
            self._ready[name] = now
        self.ready += int(now) - int(before)

    def see_all(self, nodes: list[JsonObject]) -> None:
        self._ready.clear()
        self.ready = 0
        for node in nodes:
            self.see("ADDED", node)
