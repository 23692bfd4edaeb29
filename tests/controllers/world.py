"""A cluster on a virtual clock: the API in memory, controllers, and stand-ins for kubelets.

Calls take ``CALL_NS`` there and back, watch events half of it, so the order of things is that of
a small real cluster. Everything is a heap of (time, sequence, action): deterministic.
"""

import heapq
from collections.abc import Callable, Sequence

from api.calls import (
    ADDED,
    DELETED,
    STRATEGIC_PATCH,
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSynced,
)
from api.core import JsonObject
from api.times import micro_time, rfc3339
from controllers.core import WATCHED, ControllersCore
from controllers.limits import ControllerLimits
from tests.controllers.memory_api import MemoryApi

MS = 1_000_000
SECOND = 1_000_000_000
CALL_NS = 2 * MS
T0 = 1_767_225_600 * SECOND
LEASES = "coordination.k8s.io/leases"


class World:
    """Time, the API, and who lives with it."""

    def __init__(self, seed: int = 1) -> None:
        self.now_ns = T0 - 10 * SECOND
        self.api = MemoryApi(seed)
        self.programs: list[Program] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (max(time_ns, self.now_ns), self._sequence, action))

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        self.at(self.now_ns + delay_ns, action)

    def run(self, until_ns: int) -> None:
        while self._heap and self._heap[0][0] <= until_ns:
            time_ns, _, action = heapq.heappop(self._heap)
            self.now_ns = time_ns
            action()
        self.now_ns = max(self.now_ns, until_ns)

    def call(self, request: ApiRequest) -> ApiReply:
        return self.api.call(request, self.now_ns)


class Program:
    """One controllers process: drives its core from watch events, answers and timers."""

    def __init__(
        self, world: World, name: str, shards: int, limits: ControllerLimits, only: Sequence[str]
    ) -> None:
        self.core = ControllersCore(name, shards, limits, only)
        self.alive = True
        self.cut_off = False
        """Its calls no longer reach the API, and nothing reaches it."""
        self.calls: list[ApiRequest] = []
        self._world = world
        self._inbox: list[ComponentEvent] = []
        self._stepping = False
        world.api.watchers.append(self._changed)
        for resource in WATCHED:
            items = world.api.list(resource)
            revisions = [int(item["metadata"]["resourceVersion"]) for item in items]
            self._inbox.append(WatchReset(resource))
            self._inbox.append(ObjectsSeen(resource, [ADDED] * len(items), items, revisions))
            self._inbox.append(WatchSynced(resource))
        self._wake(0)

    def kill(self) -> None:
        self.alive = False
        self._world.api.watchers.remove(self._changed)

    def _changed(self, resource: str, kind: int, item: JsonObject, revision: int) -> None:
        if resource in WATCHED and not self.cut_off:
            event = ObjectsSeen(resource, [kind], [item], [revision])
            self._world.after(CALL_NS // 2, lambda: self._receive(event))

    def _receive(self, event: ComponentEvent) -> None:
        self._inbox.append(event)
        self._wake(0)

    def _wake(self, delay_ns: int) -> None:
        if not self._stepping:
            self._stepping = True
            self._world.after(delay_ns, self._step)

    def _step(self) -> None:
        self._stepping = False
        if not self.alive:
            return
        events, self._inbox = self._inbox, []
        for effect in self.core.step(events, self._world.now_ns):
            self._order(effect)
        self.core.check()
        due = self.core.next_wakeup_ns()
        if due is not None:
            self._world.at(due, lambda: self._wake(0))

    def _order(self, effect: Calls) -> None:
        self.calls.extend(effect.requests)
        for request in effect.requests:
            self._world.after(CALL_NS // 2, lambda request=request: self._serve(request))

    def _serve(self, request: ApiRequest) -> None:
        if not self.alive or self.cut_off:
            return
        reply = self._world.call(request)
        self._world.after(CALL_NS // 2, lambda: self._receive(CallsDone([reply])))


class Kubelets:
    """Binds pods at once, makes them Ready after 0.25 s, removes terminating ones after 0.3 s.

    As in the recordings: a pod with the label ``golden-hold`` never becomes ready. Nodes named by
    ``serve`` also renew their Leases and post Ready.
    """

    READY_NS = 250 * MS
    GONE_NS = 300 * MS
    LEASE_NS = 4 * SECOND
    TURN_NS = 20 * MS

    def __init__(self, world: World, nodes: Sequence[str] = ("n1", "n2", "n3", "n4", "n5", "n6")):
        self._world = world
        self._nodes = list(nodes)
        self._turn = 0
        self.own_nodes = False
        """Nodes that a scenario made are served."""
        self.stopped = False
        """The pods on those nodes are not."""
        world.api.watchers.append(self._changed)
        world.after(0, self._beat_all)

    def _beat_all(self) -> None:
        """The nodes that every scenario has are never silent."""
        for node in self._nodes:
            self._renew(node)
        self._world.after(self.LEASE_NS, self._beat_all)

    def serve(self, on: bool) -> None:
        self.own_nodes, self.stopped = on, not on
        if on:
            for node in self._world.api.list("nodes"):
                self._beat(node["metadata"]["name"])
            for pod in self._world.api.list("pods"):
                self._tend(pod)

    def _changed(self, resource: str, kind: int, item: JsonObject, revision: int) -> None:
        if resource == "nodes" and kind == ADDED and self.own_nodes:
            self._beat(item["metadata"]["name"])
        if resource == "nodes" and kind != DELETED:
            for pod in self._world.api.list("pods"):
                if not pod["spec"].get("nodeName"):
                    self._schedule(pod)
        if resource == "pods" and kind != DELETED:
            self._tend(item)

    def _tend(self, pod: JsonObject) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            self._later(self.GONE_NS, pod, self._remove)
        elif not pod["spec"].get("nodeName"):
            self._schedule(pod)
        elif pod["status"].get("phase") == "Pending" and not _held(pod):
            # Pods that are bound together become ready together.
            ready_ns = -(-(self._world.now_ns + self.READY_NS) // self.TURN_NS) * self.TURN_NS
            self._later(ready_ns - self._world.now_ns, pod, self._make_ready)

    def _later(self, delay_ns: int, pod: JsonObject, act: Callable[[JsonObject], None]) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]

        def run() -> None:
            now = self._world.api.get("pods", namespace, name)
            same = now is not None and now["metadata"]["uid"] == pod["metadata"]["uid"]
            if now is not None and same and not self._unserved(now):
                act(now)

        self._world.after(delay_ns, run)

    def _unserved(self, pod: JsonObject) -> bool:
        node = pod["spec"].get("nodeName")
        return self.stopped and bool(node) and node not in self._nodes

    def _schedule(self, pod: JsonObject) -> None:
        node = self._choose(pod)
        if node is None:
            return

        def bind() -> None:
            now = self._world.api.get("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
            if now is None or now["spec"].get("nodeName") or "deletionTimestamp" in now["metadata"]:
                return
            scheduled = {
                "type": "PodScheduled",
                "status": "True",
                "lastTransitionTime": rfc3339(self._world.now_ns),
            }
            body = {**now, "spec": {**now["spec"], "nodeName": node}}
            body["status"] = {**now["status"], "conditions": [scheduled]}
            # A binding: the only writer of spec.nodeName.
            key = ("pods", now["metadata"]["namespace"], now["metadata"]["name"])
            self._world.api._store(key, body, 1)

        self._world.after(2 * MS, bind)

    def _choose(self, pod: JsonObject) -> str | None:
        wanted = (pod["spec"].get("nodeSelector") or {}).get("golden")
        if wanted is None:
            self._turn += 1
            return self._nodes[self._turn % len(self._nodes)] if self._nodes else None
        pods = [item["spec"].get("nodeName") for item in self._world.api.list("pods")]
        fitting: list[tuple[int, str]] = []
        for node in self._world.api.list("nodes"):
            if (node["metadata"].get("labels") or {}).get("golden") != wanted:
                continue
            taints = (node.get("spec") or {}).get("taints") or ()
            if all(_tolerated(pod, taint) for taint in taints):
                name = node["metadata"]["name"]
                fitting.append((pods.count(name), name))
        return min(fitting)[1] if fitting else None

    def _make_ready(self, pod: JsonObject) -> None:
        if pod["status"].get("phase") != "Pending" or "deletionTimestamp" in pod["metadata"]:
            return
        now = rfc3339(self._world.now_ns)
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("Initialized", "Ready", "ContainersReady")
        ]
        body = {"status": {"phase": "Running", "conditions": conditions}}
        self._status("pods", pod, body)

    def _remove(self, pod: JsonObject) -> None:
        meta = pod["metadata"]
        options = {"gracePeriodSeconds": 0}
        self._world.call(
            ApiRequest(0, "delete", "pods", meta["namespace"], meta["name"], "", "", options)
        )

    def _beat(self, name: str) -> None:
        if not self.own_nodes or self._world.api.get("nodes", "", name) is None:
            return
        self._renew(name)
        node = self._world.api.get("nodes", "", name)
        assert node is not None
        conditions = (node.get("status") or {}).get("conditions") or ()
        ready = next((c for c in conditions if c["type"] == "Ready"), None)
        if ready is None or ready["status"] == "Unknown":
            self._world.after(30 * MS, lambda: self._post(name))
        self._world.after(self.LEASE_NS, lambda: self._beat(name))

    def _post(self, name: str) -> None:
        node = self._world.api.get("nodes", "", name)
        if node is None or not self.own_nodes:
            return
        now = rfc3339(self._world.now_ns)
        states = {
            "Ready": "True",
            "MemoryPressure": "False",
            "DiskPressure": "False",
            "PIDPressure": "False",
            "NetworkUnavailable": "False",
        }
        conditions = [
            {
                "type": kind,
                "status": status,
                "reason": f"Kubelet{kind}",
                "message": "kubelet",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            for kind, status in states.items()
        ]
        self._status("nodes", node, {"status": {"conditions": conditions}})

    def _renew(self, name: str) -> None:
        now = micro_time(self._world.now_ns)
        known = self._world.api.get(LEASES, "kube-node-lease", name)
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
        if known is None:
            body: JsonObject = {"metadata": {"name": name}, "spec": spec}
            verb = "create"
        else:
            body, verb = {**known, "spec": spec}, "update"
        target = "" if verb == "create" else name
        self._world.call(ApiRequest(0, verb, LEASES, "kube-node-lease", target, "", "", body))

    def _status(self, resource: str, item: JsonObject, body: JsonObject) -> None:
        meta = item["metadata"]
        self._world.call(
            ApiRequest(
                0,
                "patch",
                resource,
                meta.get("namespace", ""),
                meta["name"],
                "status",
                "",
                body,
                STRATEGIC_PATCH,
            )
        )


def _held(pod: JsonObject) -> bool:
    return "golden-hold" in (pod["metadata"].get("labels") or {})


def _tolerated(pod: JsonObject, taint: JsonObject) -> bool:
    if taint["effect"] == "PreferNoSchedule":
        return True
    for known in pod["spec"].get("tolerations") or ():
        if known.get("effect") and known["effect"] != taint["effect"]:
            continue
        if known.get("key") and known["key"] != taint["key"]:
            continue
        if known.get("operator") == "Exists" or known.get("value", "") == taint.get("value", ""):
            return True
    return False
