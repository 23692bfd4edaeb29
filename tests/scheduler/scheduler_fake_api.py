"""A tiny API server for the leader's core: keeps pods and nodes, binds once, answers in any order
the test likes. Real in what matters: a pod is bound at most once, revisions grow."""

import copy
import json
from collections.abc import Callable
from typing import Any

from api.calls import (
    ADDED,
    DELETED,
    MODIFIED,
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ObjectsSeen,
    WatchReset,
    WatchSynced,
)
from api.core import JsonObject
from scheduler.extender import AskExtender, ExtenderAnswered
from scheduler.follower import NODES, PODS
from scheduler.leader import AskPartition, PartitionAnswered, SchedulerCore
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.volumes import CLAIMS, VOLUMES

MS = 1_000_000
START_NS = 1_800_000_000_000_000_000


class FakeApi:
    """``run`` carries events and effects back and forth until the core is quiet."""

    def __init__(self, core: SchedulerCore, partitions: int = 0) -> None:
        self.core = core
        self.now_ns = START_NS
        self.pods: dict[str, JsonObject] = {}
        self.nodes: dict[str, JsonObject] = {}
        self.others: dict[str, dict[str, JsonObject]] = {}
        self.inbox: list[Any] = []
        self.requests: list[ApiRequest] = []
        """Sent and not answered."""
        self.written: list[ApiRequest] = []
        self.events: list[tuple[str, str]] = []
        """(reason, message)."""
        self.silent = False
        """Watches say nothing of bindings."""
        self.partitions = [PartitionCore() for _ in range(partitions)]
        self.asked: list[AskExtender] = []
        self.extender: Callable[[AskExtender], ExtenderAnswered | None] | None = None
        """Answers what extenders are asked; None: later, if ever."""

    def sync(self) -> None:
        """A full list of both watches."""
        for spec in self.core.watches:
            watch = spec.name
            found = copy.deepcopy(list(self.of_watch(watch).values()))
            self.inbox += [WatchReset(watch), ObjectsSeen(watch, [ADDED] * len(found), found, [])]
            self.inbox.append(WatchSynced(watch))

    def of_watch(self, watch: str) -> dict[str, JsonObject]:
        if watch == NODES:
            return self.nodes
        return self.pods if watch == PODS else self.others.setdefault(watch, {})

    def put(self, watch: str, item: JsonObject) -> None:
        """An object of another kind."""
        self.of_watch(watch)[item["metadata"]["name"]] = item
        self.inbox.append(ObjectsSeen(watch, [MODIFIED], [copy.deepcopy(item)], [1]))

    def put_node(self, node: JsonObject) -> None:
        self.nodes[node["metadata"]["name"]] = node
        self.inbox.append(ObjectsSeen(NODES, [MODIFIED], [copy.deepcopy(node)], [1]))

    def delete_node(self, name: str) -> None:
        node = self.nodes.pop(name)
        self.inbox.append(ObjectsSeen(NODES, [DELETED], [node], [1]))

    def put_pod(self, pod: JsonObject) -> None:
        self.pods[pod["metadata"]["name"]] = pod
        self.inbox.append(ObjectsSeen(PODS, [ADDED], [copy.deepcopy(pod)], [1]))

    def delete_pod(self, name: str) -> None:
        pod = self.pods.pop(name)
        self.inbox.append(ObjectsSeen(PODS, [DELETED], [pod], [1]))

    def step(self) -> None:
        """One step of the core; partitions answer at once, requests wait."""
        events, self.inbox = self.inbox, []
        for effect in self.core.step(events, self.now_ns):
            if isinstance(effect, AskPartition):
                changed, request = request_from(json_like(effect.body))
                (scored,) = self.partitions[effect.partition].step([changed, request], 0)
                body = json_like(answer_body(scored))
                self.inbox.append(PartitionAnswered(effect.partition, body))
            elif isinstance(effect, AskExtender):
                self.asked.append(effect)
                answer = self.extender(effect) if self.extender else None
                if answer is not None:
                    self.inbox.append(answer)
            else:
                assert isinstance(effect, Calls)
                self.requests += effect.requests
        self.core.check()

    def take(self, verb: str, subresource: str = "") -> list[ApiRequest]:
        """Requests of one sort, no longer to be answered by ``answer_all``."""
        found = [r for r in self.requests if (r.verb, r.subresource) == (verb, subresource)]
        self.requests = [r for r in self.requests if r not in found]
        return found

    def reply(self, request: ApiRequest, code: int, body: bytes = b"") -> None:
        self.inbox.append(CallsDone([ApiReply(request.id, code, 1, body)]))

    def answer_all(self) -> None:
        requests, self.requests = self.requests, []
        for request in requests:
            code, body = self.carry_out(request)
            self.reply(request, code, body)

    def carry_out(self, request: ApiRequest) -> tuple[int, bytes]:
        """Do it, and give code and body of the answer."""
        self.written.append(request)
        assert isinstance(request.body, dict) or request.verb == "get"
        pod = self.pods.get(request.name)
        if request.resource == "events":
            assert isinstance(request.body, dict)
            self.events.append((request.body["reason"], request.body["message"]))
            return 201, b""
        if request.resource in (CLAIMS, VOLUMES):
            return self._storage(request)
        if pod is None:
            return 404, b""
        if request.verb == "get":
            return 200, json.dumps(pod).encode()
        assert isinstance(request.body, dict)
        if request.subresource == "binding":
            if request.body["metadata"]["uid"] != pod["metadata"]["uid"]:
                return 409, b""
            if pod["spec"].get("nodeName"):
                return 409, b""
            pod["spec"]["nodeName"] = request.body["target"]["name"]
        elif request.verb == "delete":
            self.delete_pod(request.name)
            return 200, b""
        else:
            pod["status"].update(request.body["status"])
        if not (self.silent and request.subresource == "binding"):
            self.inbox.append(ObjectsSeen(PODS, [MODIFIED], [copy.deepcopy(pod)], [1]))
        return 201, b""

    def _storage(self, request: ApiRequest) -> tuple[int, bytes]:
        """A claim or volume is read, or replaced as it was read."""
        item = self.of_watch(request.resource).get(request.name)
        if item is None:
            return 404, json.dumps({"message": f"{request.name} not found"}).encode()
        if request.verb == "get":
            return 200, json.dumps(item).encode()
        assert request.verb == "update" and isinstance(request.body, dict)
        self.put(request.resource, request.body)
        return 200, b"{}"

    def run(self, steps_max: int = 1000) -> None:
        for _ in range(steps_max):
            self.now_ns += MS
            self.step()
            self.answer_all()
            wakeup = self.core.next_wakeup_ns()
            if not self.inbox and (wakeup is None or wakeup > self.now_ns):
                return
        raise AssertionError("the scheduler does not come to rest")

    def node_of(self, name: str) -> str:
        node = self.pods[name]["spec"].get("nodeName", "")
        assert isinstance(node, str)
        return node


def json_like(body: Any) -> Any:
    """Tuples become lists, as on the wire."""
    if isinstance(body, list | tuple):
        return [json_like(item) for item in body]
    if isinstance(body, dict):
        return {key: json_like(value) for key, value in body.items()}
    return body
