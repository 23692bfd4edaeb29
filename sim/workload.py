"""The users: a script for each Deployment and pod, drawn from the seed, worked off with patience.

A step of a script is asked again until it is known to have happened, as a user with a shell loop
would do. So every script ends, and what it leaves is what the cluster has to become.

There is room for that, whatever happened before. Say a pod waits. Each node that it may run on then
has too little of something, and as no pod asks for more than the largest of CPUS, each such node
holds PODS_PER_NODE pods at least. All of them are of the same crowd as the one that waits, so the
crowd has more than PODS_PER_NODE pods for each of its nodes, and ``crowds`` says that it never
wants so many. Nor does a rollout stay stuck with more pods than wanted: one whose new pods wait has
given up a quarter of its old ones first, so fewer than are wanted hold room.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from api.calls import MERGE_PATCH, ApiReply, ApiRequest, Calls, CallsDone, WatchSpec
from api.core import InvariantError, JsonObject
from api.streams import Stream
from sim.options import SECOND, Options

NAMESPACE: Final = "default"
RETRY_NS: Final = SECOND // 2
DEPLOYMENTS, PODS, NODES = "apps/deployments", "pods", "nodes"
CPUS: Final = ("100m", "250m", "500m")
NODE_CAPACITY: Final = (("cpu", "5"), ("memory", "16Gi"), ("pods", "14"))
"""Small enough that nodes fill up: 10 nodes hold 140 pods at most, and 50 cores."""
PODS_PER_NODE: Final = 10
"""Pods that always fit on an empty node, whatever each of them requests."""
ZONES: Final = ("a", "b")
STEADY: Final = 4
"""Deployments that are not made smaller or deleted. With 8 replicas each and 18 bare pods, or 9 and
14, no run has fewer than 50 pods."""
SPARE: Final = "spare"
"""Taint of nodes that have no kubelet and go away again; Deployments tolerate it."""
DRAINS_NS: Final = (0, SECOND, 10 * SECOND)
"""When what is bound to a removed node is deleted: the last time is after the safety phase, when
no scheduler can still believe in that node."""


@dataclass(slots=True)
class Script:
    """What happens to one object, in order."""

    resource: str
    name: str
    due_ns: list[int] = field(default_factory=list)
    steps: list[tuple[str, JsonObject | None]] = field(default_factory=list)
    """(verb, body)."""
    done: int = 0
    replicas: int | None = None
    """Replicas that users want in the end; None: they have deleted the Deployment."""


class Users:
    """A component (api.calls) without watches."""

    watches: Sequence[WatchSpec] = ()

    def __init__(self, options: Options, start_ns: int) -> None:
        chance = Stream(options.seed, "sim/users")
        self.scripts = [
            *(
                _deployment(n, n < STEADY, (options, chance, start_ns))
                for n in range(options.deployments)
            ),
            *(_pod(n, options, chance, start_ns) for n in range(options.bare_pods)),
            *(_cordon(f"hollow-{n}", options, chance, start_ns) for n in range(options.cordons)),
        ]
        for number in range(options.spare_nodes):
            self.scripts += _spare_node(f"spare-{number}", options, chance, start_ns)
        self.refused: list[str] = []
        """Answers that no patience will change."""
        self._timers = [(script.due_ns[0], n) for n, script in enumerate(self.scripts)]
        heapq.heapify(self._timers)
        self._open: dict[int, int] = {}
        self._next_id = 0

    @property
    def finished(self) -> bool:
        return not self._timers and not self._open

    @property
    def deployments(self) -> dict[str, int]:
        """Deployments that users have not deleted in the end, with the replicas that they want."""
        return {
            script.name: script.replicas
            for script in self.scripts
            if script.resource == DEPLOYMENTS and script.replicas is not None
        }

    @property
    def pods(self) -> list[str]:
        """Bare pods that shall be there in the end."""
        return [
            script.name
            for script in self.scripts
            if script.resource == PODS and script.replicas is not None
        ]

    def step(self, events: Sequence[CallsDone], now_ns: int) -> Sequence[Calls]:
        for event in events:
            for reply in event.replies:
                self._answered(reply, now_ns)
        requests = []
        while self._timers and self._timers[0][0] <= now_ns:
            number = heapq.heappop(self._timers)[1]
            requests.append(self._request(number))
        return [Calls(requests)] if requests else []

    def next_wakeup_ns(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def check(self) -> None:
        if len(self._open) + len(self._timers) > len(self.scripts):
            raise InvariantError("a script is worked off twice at once")

    def _request(self, number: int) -> ApiRequest:
        script = self.scripts[number]
        verb, body = script.steps[script.done]
        self._next_id += 1
        self._open[self._next_id] = number
        query = ""
        if verb == "deletecollection":
            query = f"fieldSelector=spec.nodeName%3D{script.name}&gracePeriodSeconds=0"
        return ApiRequest(
            self._next_id,
            verb,
            script.resource,
            "" if script.resource == NODES else NAMESPACE,
            "" if verb == "create" or query else script.name,
            query=query,
            body=body,
            content_type=MERGE_PATCH if verb == "patch" else "",
        )

    def _answered(self, reply: ApiReply, now_ns: int) -> None:
        number = self._open.pop(reply.id)
        script = self.scripts[number]
        verb = script.steps[script.done][0]
        happened = (
            200 <= reply.code < 300
            or (verb == "create" and reply.code == 409)
            or (verb == "delete" and reply.code == 404)
        )
        if not happened:
            # A node may not have been registered yet.
            early = reply.code == 404 and script.resource == NODES
            early = early or (reply.code == 403 and b"serviceaccount" in reply.body)
            if reply.code and reply.code not in (409, 429) and reply.code < 500 and not early:
                text = f"{verb} {script.resource} {script.name}: {reply.code} {reply.body!r:.300}"
                self.refused.append(text)
            heapq.heappush(self._timers, (now_ns + RETRY_NS, number))
            return
        script.done += 1
        if script.done < len(script.steps):
            heapq.heappush(self._timers, (max(script.due_ns[script.done], now_ns), number))


def crowds(options: Options) -> list[tuple[int, int]]:
    """(pods at most, nodes) of each part of the cluster whose pods run nowhere else."""
    parts = options.zones
    return [
        (
            len(range(part, options.deployments, parts)) * options.replicas_max
            + len(range(part, options.bare_pods, parts)),
            len(range(part, options.nodes, parts)),
        )
        for part in range(parts)
    ]


def _moments(count: int, options: Options, chance: Stream, start_ns: int) -> list[int]:
    """Times within the first nine tenths of the safety phase, in order."""
    span_ns = options.fault_seconds * SECOND * 9 // 10
    return sorted(start_ns + chance.below(span_ns) for _ in range(count))


def _deployment(number: int, steady: bool, what: tuple[Options, Stream, int]) -> Script:
    """``what``: options, chance, time of the start."""
    options, chance, start_ns = what
    name, pod = f"web-{number}", _pod_spec(number, options, chance)
    replicas = options.replicas_max - chance.below(2)
    script = Script(DEPLOYMENTS, name, replicas=replicas)
    script.steps.append(("create", _deployment_object(name, replicas, pod)))
    for _ in range(chance.below(options.changes + 1)):
        if chance.below(2) and not steady:
            script.replicas = chance.below(options.replicas_max + 1)
            script.steps.append(("patch", {"spec": {"replicas": script.replicas}}))
        else:
            # Resources of the newest template count too, so their sum stays the same.
            labels = {"labels": {"app": name, "round": str(chance.below(100))}}
            patch: JsonObject = {"spec": {"template": {"metadata": labels}}}
            script.steps.append(("patch", patch))
    if chance.below(2) and not steady:
        script.replicas = None
        script.steps.append(("delete", None))
    script.due_ns = _moments(len(script.steps), options, chance, start_ns)
    return script


def _deployment_object(name: str, replicas: int, pod: JsonObject) -> JsonObject:
    spec = {**pod, "tolerations": [{"key": SPARE, "operator": "Exists"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def _pod(number: int, options: Options, chance: Stream, start_ns: int) -> Script:
    name = f"bare-{number}"
    script = Script(PODS, name, replicas=1)
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": _pod_spec(number, options, chance),
    }
    script.steps.append(("create", body))
    if chance.below(3) == 0:
        script.steps.append(("delete", None))
        script.replicas = None
    script.due_ns = _moments(len(script.steps), options, chance, start_ns)
    return script


def _cordon(name: str, options: Options, chance: Stream, start_ns: int) -> Script:
    """A node takes no pods for a while."""
    script = Script(NODES, name)
    script.steps = [("patch", {"spec": {"unschedulable": value}}) for value in (True, None)]
    script.due_ns = _moments(2, options, chance, start_ns)
    return script


def _spare_node(name: str, options: Options, chance: Stream, start_ns: int) -> list[Script]:
    """A node comes and goes, perhaps while pods are being bound to it. There is no kubelet to end
    its pods and no collector of them, so the users delete what was bound to it."""
    node = Script(NODES, name)
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"zone": ZONES[chance.below(len(ZONES))]}},
        "spec": {"taints": [{"key": SPARE, "effect": "NoSchedule"}]},
        "status": {
            "allocatable": dict(NODE_CAPACITY),
            "capacity": dict(NODE_CAPACITY),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    node.steps = [("create", body), ("delete", None)]
    node.due_ns = _moments(2, options, chance, start_ns)
    end_ns = start_ns + options.fault_seconds * SECOND
    drain = Script(PODS, name)
    drain.steps = [("deletecollection", None)] * len(DRAINS_NS)
    drain.due_ns = [node.due_ns[-1] + wait_ns for wait_ns in DRAINS_NS[:-1]]
    drain.due_ns.append(end_ns + DRAINS_NS[-1])
    return [node, drain]


def _pod_spec(number: int, options: Options, chance: Stream) -> JsonObject:
    """What all pods of the ``number``-th Deployment, or the ``number``-th bare pod, ask for."""
    requests = {"cpu": CPUS[chance.below(len(CPUS))], "memory": "64Mi"}
    containers = [{"name": "c", "image": "img", "resources": {"requests": requests}}]
    if options.zones == 1:
        return {"containers": containers}
    return {"containers": containers, "nodeSelector": {"zone": ZONES[number % options.zones]}}
