"""Plays a recorded scenario against our controllers and says where the outcome differs.

Writes are sent at their recorded times; generated names in them (``web-{r1}``) are resolved by the
recorded words of how the object was chosen. What tests/golden/controllers/README.md calls firm is
compared; times, uids, versions, generations and suffixes of pods are not.
"""

import copy
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from api.calls import DELETED, ApiRequest
from api.core import JsonObject
from api.times import rfc3339
from controllers.limits import ControllerLimits, NodeLimits, limits_of
from tests.controllers.world import SECOND, T0, Kubelets, Program, World

GOLDEN = Path(__file__).parents[1] / "golden" / "controllers"
OURS = {
    "deployment-controller": "deployment",
    "replicaset-controller": "replicaset",
    "generic-garbage-collector": "garbage-collector",
    "service-account-controller": "service-account",
    "node-controller": "node-lifecycle",
    "taint-eviction-controller": "node-lifecycle",
    "persistent-volume-binder": "persistent-volume-binder",
    "pvc-protection-controller": "volume-protection",
    "pv-protection-controller": "volume-protection",
}
COMPONENTS = (
    "deployment-controller",
    "replicaset-controller",
    "node-controller",
    "taint-eviction-controller",
    "persistentvolume-controller",
)
SERVED = (
    "namespaces",
    "nodes",
    "pods",
    "leases",
    "services",
    "serviceaccounts",
    "configmaps",
    "replicasets",
    "deployments",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
)
CLUSTER_WIDE = ("nodes", "persistentvolumes")
_GENERATED = re.compile(r"^(.*)\{r\d+\}$")
_SUFFIX = re.compile(r"-(?:\{r\d+\}|[bcdfghjklmnpqrstvwxz2456789]{5})(?![a-z0-9])")
_RANKED = re.compile(r"\bp\d\d\b")
_TIME = re.compile(r"^T([+-]\d+)(?:\.\d+)?$")


@cache
def scenarios(name: str) -> dict[str, JsonObject]:
    """The scenarios of one file by id."""
    with gzip.open(GOLDEN / f"{name}.jsonl.gz") as lines:
        return {item["scenario"]: item for item in map(json.loads, lines)}


def limits() -> ControllerLimits:
    """As the controller manager was started for the recordings."""
    nodes = NodeLimits(monitor_period_ns=SECOND, grace_ns=12 * SECOND, startup_grace_ns=20 * SECOND)
    recorded = limits_of("kubernetes")
    return replace(recorded, qps=5000, burst=5000, nodes=nodes)


class Replay:
    """One scenario, played to its end."""

    def __init__(self, scenario: JsonObject) -> None:
        self.scenario = scenario
        self.world = World()
        self.name: str = scenario["scenario"]
        self._names: dict[str, str] = {}
        api = self.world.api
        for item in scenario["objects"]:
            key = (item["resource"], "" if "{" in item["name"] else item["name"])
            api.known_uids.setdefault(key, []).append(item["uid"])
        for name in ("kube-system", "kube-node-lease"):
            self._call("create", "namespaces", "", "", {"metadata": {"name": name}})
        self.kubelets = Kubelets(self.world)
        for index in range(6):
            self._call("create", "nodes", "", "", _node(f"n{index + 1}"))
        self.world.now_ns = T0 - SECOND
        self.program: Program | None = self._start()
        self._events: dict[str, JsonObject] = {}
        api.watchers.append(self._changed)
        self._start_ns = T0 + _fraction_ns(scenario)

    def _changed(self, resource: str, kind: int, item: JsonObject, revision: int) -> None:
        if resource == "events" and kind != DELETED:
            self._events[item["metadata"]["uid"]] = item

    def _start(self) -> Program:
        return Program(self.world, "controllers-0", 1, limits(), ())

    def play(self) -> "Replay":
        self.world.run(self._start_ns)
        for step in self.scenario["steps"]:
            self.world.run(self._start_ns + int(step["t"] * SECOND))
            if step["do"] == "write":
                self._write(self.scenario["writes"][step["i"]])
            elif step["do"] == "kubelets":
                self.kubelets.serve(step["what"].startswith("start"))
            elif step["do"] == "controllers":
                if step["what"].startswith("stopped"):
                    assert self.program is not None
                    self.program.kill()
                    self.program = None
                else:
                    # The manager took a while to come up; its first write tells how long.
                    self.world.run(self._start_ns + self._awake_ns(step["t"]))
                    self.program = self._start()
        self.world.run(self.world.now_ns + SECOND // 50)
        return self

    def _awake_ns(self, started_s: float) -> int:
        later = [w["t"] for w in self.scenario["requests"]["writes"] if w["t"] >= started_s]
        return int(min(later, default=started_s) * SECOND) - 10_000_000

    def _write(self, write: JsonObject) -> None:
        resource, namespace, name, subresource = _path_of(write["path"])
        if resource.rpartition("/")[2] not in SERVED:
            return
        body = self._real(write["body"])
        name = self._resolve(resource, namespace, name, write.get("pick"))
        verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}[
            write["method"]
        ]
        reply = self._call(
            verb, resource, namespace, name, body, subresource, write.get("contentType") or ""
        )
        assert reply == write["code"], (self.name, write["method"], write["path"], reply)
        if resource == "namespaces" and verb == "create":
            self._call(
                "create",
                "configmaps",
                body["metadata"]["name"],
                "",
                {"metadata": {"name": "kube-root-ca.crt"}},
            )

    def _call(
        self,
        verb: str,
        resource: str,
        namespace: str,
        name: str,
        body: JsonObject | None,
        subresource: str = "",
        content_type: str = "",
    ) -> int:
        request = ApiRequest(
            -1, verb, resource, namespace, name, subresource, "", body, content_type
        )
        return self.world.call(request).code

    def _resolve(self, resource: str, namespace: str, name: str, pick: str | None) -> str:
        if "{" not in name:
            return name
        if name not in self._names:
            assert pick is not None, name
            match = re.fullmatch(r"pod (\d+) in name order", pick)
            assert match is not None, pick
            items = sorted(p["metadata"]["name"] for p in self.world.api.list("pods", namespace))
            # Names come out in another order here: never the same object twice.
            taken = set(self._names.values())
            chosen = [item for item in items[int(match[1]) :] + items if item not in taken]
            self._names[name] = chosen[0]
        return self._names[name]

    def _real(self, value: object) -> JsonObject:
        """The body with placeholders of times replaced."""
        if isinstance(value, dict):
            return {key: self._real(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._real(item) for item in value]  # type: ignore[return-value]
        if isinstance(value, str) and (match := _TIME.match(value)):
            return rfc3339(T0 + int(match[1]) * SECOND)  # type: ignore[return-value]
        return value  # type: ignore[return-value]

    # What came out.

    def final(self, resource: str) -> list[str]:
        key = f"apps/{resource}" if resource in ("deployments", "replicasets") else resource
        items = self.world.api.list(key, "" if resource in CLUSTER_WIDE else self.name)
        if resource in CLUSTER_WIDE:
            items = [item for item in items if item["metadata"]["name"].startswith(self.name)]
        return sorted(_normal(item) for item in items)

    def expected_final(self, resource: str) -> list[str]:
        wanted = {entry.partition("#")[2] for entry in self.scenario["final"]}
        out = []
        for item in self.scenario["objects"]:
            if item["resource"] == resource and item["uid"] in wanted:
                out.append(_normal(item["states"][-1]["object"]))
        return sorted(out)

    def events(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for item in self._events.values():
            if item["involvedObject"].get("namespace", self.name) != self.name:
                continue
            if item["involvedObject"]["kind"] == "Node" and not item["involvedObject"][
                "name"
            ].startswith(self.name):
                continue
            found[_event(item)] += _count(item)
        return found

    def expected_events(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for item in self.scenario["events"]:
            if item["reportingComponent"] in COMPONENTS and _about_ours(item):
                found[_event(item)] += _count(item)
        return found

    def scalings(self) -> list[str]:
        return [i["message"] for i in self._events.values() if i["reason"] == "ScalingReplicaSet"]

    def expected_scalings(self) -> list[str]:
        return [i["message"] for i in self.scenario["events"] if i["reason"] == "ScalingReplicaSet"]

    def writes(self) -> Counter[str]:
        found = []
        for request, code in self.world.api.log:
            ours = request.id > 0 and 200 <= code < 300
            about = request.namespace == self.name or request.name.startswith(self.name)
            if not ours or not about or request.subresource or request.resource == "events":
                continue
            if request.verb not in ("get", "list", "deletecollection"):
                resource = request.resource.rpartition("/")[2]
                found.append((request.verb, resource, request.name))
        return _tally(found)

    def expected_writes(self) -> Counter[str]:
        found = []
        for write in self.scenario["requests"]["writes"]:
            if write["by"] not in OURS or write.get("subresource") or write["code"] >= 300:
                continue
            if write["verb"] == "deletecollection" or write["resource"] not in SERVED:
                continue
            if not (write["name"] or "").startswith("agent-"):
                found.append((write["verb"], write["resource"], write["name"] or ""))
        return _tally(found)


def differences(scenario: JsonObject) -> list[str]:
    """What is firm and differs, in words; empty: the scenario passes."""
    replay = Replay(scenario).play()
    wrong = []
    for resource in ("deployments", "replicasets", *CLUSTER_WIDE, "persistentvolumeclaims"):
        ours, theirs = replay.final(resource), replay.expected_final(resource)
        if ours != theirs:
            wrong.append(f"{resource}:\n  ours   {ours}\n  theirs {theirs}")
    if replay.events() != replay.expected_events():
        more = dict(replay.events() - replay.expected_events())
        less = dict(replay.expected_events() - replay.events())
        wrong.append(f"events: too many {more}\n  missing {less}")
    if replay.scalings() != replay.expected_scalings():
        wrong.append(f"scalings:\n {replay.scalings()}\n {replay.expected_scalings()}")
    if replay.writes() != replay.expected_writes():
        wrong.append(f"writes:\n  ours   {replay.writes()}\n  theirs {replay.expected_writes()}")
    return wrong


def _tally(writes: list[tuple[str, str, str]]) -> Counter[str]:
    """Counts by verb and resource; a second deletion of one object and a second patch of one
    node do not count, as both depend on how soon the first was seen."""
    found: Counter[str] = Counter()
    once: dict[tuple[str, str, str], None] = {}
    for verb, resource, name in writes:
        if verb == "delete" or resource == "nodes":
            once[verb, resource, name] = None
        else:
            found[f"{verb} {resource}"] += 1
    found.update(f"{verb} {resource}" for verb, resource, _ in once)
    return found


def _fraction_ns(scenario: JsonObject) -> int:
    """Where in its second the recording began: ``T+n`` of an object is rounded, ``t`` is not."""
    low, high = 0, SECOND - 1
    created = {
        (item["resource"], item["name"]): item["states"][0]["object"]["metadata"]
        for item in scenario["objects"]
    }
    for step in scenario["steps"]:
        if step["do"] != "write":
            continue
        write = scenario["writes"][step["i"]]
        if write["method"] != "POST":
            continue
        name = write["body"]["metadata"].get("name", "")
        meta = created.get((write["path"].rpartition("/")[2], name))
        if meta is not None:
            whole = int(meta["creationTimestamp"][1:]) * SECOND
            at = int(step["t"] * SECOND)
            low, high = max(low, whole - at), min(high, whole + SECOND - 1 - at)
    return (low + max(low, high)) // 2


def _path_of(path: str) -> tuple[str, str, str, str]:
    """Resource key, namespace, name, subresource."""
    parts = path.strip("/").split("/")
    group = "" if parts[0] == "api" else parts[1]
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = f"{group}/{rest[0]}" if group else rest[0]
    name = rest[1] if len(rest) > 1 else ""
    return resource, namespace, name, rest[2] if len(rest) > 2 else ""


def _node(name: str) -> JsonObject:
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": rfc3339(T0)}
    labels = {"kubernetes.io/hostname": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"conditions": [ready]},
    }


def _about_ours(event: JsonObject) -> bool:
    about = event["involvedObject"]
    if about["kind"] == "Pod" and about["name"].startswith("agent-"):
        return False  # A DaemonSet's pod: that controller comes later.
    storage = ("PersistentVolume", "PersistentVolumeClaim")
    return about["kind"] in ("Deployment", "ReplicaSet", "Node", "Pod", *storage)


def _count(event: JsonObject) -> int:
    """How often a refused creation is tried again is timing, and so is how often a claim is looked
    at; that it was refused is not."""
    often = ("FailedCreate", "ProvisioningFailed", "VolumeMismatch")
    return 0 if event["reason"] in often else event.get("count") or 1


def _event(item: JsonObject) -> str:
    about = item["involvedObject"]
    name = _SUFFIX.sub("-*", about["name"])
    # Which of several equal pods goes first depends on the order of a Go map; see test_ranking.
    message = _RANKED.sub("p*", _SUFFIX.sub("-*", item["message"]))
    return f"{item['type']} {item['reason']} {about['kind']}/{name}: {message}"


_UNSTABLE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_TIMES = ("lastTransitionTime", "lastUpdateTime", "lastHeartbeatTime", "timeAdded")


def _normal(item: JsonObject) -> str:
    """The object without what differs between two runs, as sorted JSON."""
    item = copy.deepcopy(item)
    for name in _UNSTABLE:
        item["metadata"].pop(name, None)
    for owner in item["metadata"].get("ownerReferences") or ():
        owner.pop("uid", None)
    status = item.get("status") or {}
    status.pop("observedGeneration", None)
    status.pop("lastPhaseTransitionTime", None)
    for name in ("uid", "resourceVersion"):
        ((item.get("spec") or {}).get("claimRef") or {}).pop(name, None)
    for entries in (status.get("conditions") or (), (item.get("spec") or {}).get("taints") or ()):
        for entry in entries:
            for name in _TIMES:
                entry.pop(name, None)
            if "message" in entry:
                entry["message"] = _SUFFIX.sub("-*", entry["message"])
    conditions = status.get("conditions")
    if conditions:
        conditions.sort(key=lambda condition: condition["type"])
    if item.get("kind") == "Node":
        item = {
            "metadata": {"name": item["metadata"]["name"]},
            "taints": sorted(
                json.dumps(taint, sort_keys=True) for taint in item["spec"].get("taints") or ()
            ),
            "conditions": [
                (c["type"], c["status"], c.get("reason") if c["status"] == "Unknown" else "")
                for c in conditions or ()
            ],
        }
    return json.dumps(item, sort_keys=True)


def each(files: tuple[str, ...], kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """File and id of the scenarios whose kind begins with one of the words."""
    for name in files:
        for scenario, item in scenarios(name).items():
            if item["kind"].startswith(kinds):
                yield name, scenario
