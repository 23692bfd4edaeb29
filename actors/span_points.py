"""Where programs see sampled requests and pods: one small observer for each kind of shell.

They stand beside the cores and tell them nothing. Names follow OpenTelemetry: a request's span is
"METHOD route", attributes are those of its semantic conventions for HTTP and Kubernetes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from actors.net.exchange import Exchange
from actors.spans import SpanLog
from api.calls import DELETED, ApiReply, ApiRequest
from api.core import JsonObject
from api.storage import PUT, StoreRequest
from api.tracing import CLIENT, INTERNAL, SERVER, Context, context_in, context_of, context_on

CREATED = 201
PODS_MAX = 100_000
"""Sampled pods that a component remembers; the oldest is forgotten first."""
CALLS_MAX = 4
"""Requests about one pod that a component writes down: a pod that is tried for ever is not."""
TRACED = "traced"
"""Begins a question to a partition that is about sampled pods: their names and traceparents, then
the question itself."""
Key = tuple[str, str]
"""Namespace and name of a pod."""


class RequestSpans:
    """Of an API server: sampled requests that it answers, and events of sampled objects."""

    def __init__(self, log: SpanLog) -> None:
        self.log = log
        self._open: dict[int, tuple[Context, str, int]] = {}
        """By request: (context, name, begin)."""
        self._heard: list[tuple[Context, str, int]] = []
        """Events of the step to come: (context, key, when they came)."""

    def arrived(self, request: int, exchange: Exchange) -> None:
        words = exchange.headers.get(b"traceparent")
        context = context_of(words.decode("latin1")) if words else None
        if context is not None:
            target = exchange.target.partition(b"?")[0].decode("latin1")
            name = f"{exchange.method.decode('latin1')} {target}"
            self._open[request] = (context, name, self.log.now_ns())

    def gone(self, request: int) -> None:
        self._open.pop(request, None)

    def answered(self, request: int, code: int) -> None:
        found = self._open.pop(request, None)
        if found is not None:
            context, name, begin_ns = found
            method, _, path = name.partition(" ")
            facts: dict[str, str | int] = {
                "http.request.method": method,
                "url.path": path,
                "http.response.status_code": code,
            }
            self.log.add(context, (name, SERVER), (begin_ns, self.log.now_ns()), facts)

    def heard(self, events: Sequence[Any]) -> None:
        """What a shard's stream brought; see api.merge.StoreEvent."""
        for event in events:
            context = context_in(event[6])
            if context is not None:
                self._heard.append((context, event[1].decode(), self.log.now_ns()))

    def stepped(self) -> None:
        """The step that took these events has sent them to all who watch."""
        now_ns = self.log.now_ns() if self._heard else 0
        for context, key, begin_ns in self._heard:
            self.log.add(context, ("dispatch", INTERNAL), (begin_ns, now_ns), {"db.key": key})
        self._heard.clear()


class WriteSpans:
    """Of a store shard: writes of sampled objects, from their arrival to their answer."""

    def __init__(self, log: SpanLog) -> None:
        self.log = log

    def noted(
        self, requests: Sequence[StoreRequest], reply: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """``reply``, or what also writes the spans of these requests."""
        found = [one for request in requests if (one := _sampled(request)) is not None]
        if not found:
            return reply
        begin_ns = self.log.now_ns()

        def replied(replies: Any) -> None:
            times = (begin_ns, self.log.now_ns())
            for context, key in found:
                facts = {"db.system.name": "hollowfleet", "db.operation.name": "put", "db.key": key}
                self.log.add(context, ("persist", SERVER), times, facts)
            reply(replies)

        return replied


def _sampled(request: StoreRequest) -> tuple[Context, str] | None:
    """Context and key of a put that somebody samples. The shard has not looked at it yet: what it
    will refuse is none."""
    match request:
        case [word, bytes(key), _, bytes(value), _, _, *_] if word == PUT:
            context = context_in(value)
            return None if context is None else (context, key.decode(errors="replace"))
    return None


class PodSpans:
    """Of a component that acts on pods: when it saw a sampled one, and what it asked for it.

    ``waited``: the name of the span from the sight of a pod to the first request about it; empty
    for a scheduler, whose spans are those of its queue and of its decision.
    """

    watches = ("pods",)

    def __init__(self, log: SpanLog, waited: str) -> None:
        self.log = log
        self._waited = waited
        self._seen: dict[Key, tuple[Context, int]] = {}
        self._taken: dict[Key, int] = {}
        self._calls: dict[Key, int] = {}
        self._open: dict[int, tuple[Context, str, int, Key]] = {}

    def saw(self, types: Sequence[int], objects: Sequence[JsonObject]) -> None:
        for kind, item in zip(types, objects, strict=True):
            context = context_on(item)
            if context is None:
                continue
            metadata = item["metadata"]
            key = (metadata["namespace"], metadata["name"])
            if kind == DELETED:
                self._forget(key)
            elif key not in self._seen:
                if len(self._seen) >= PODS_MAX:
                    self._forget(next(iter(self._seen)))
                self._seen[key] = (context, self.log.now_ns())

    def sampled(self, pods: Sequence[str]) -> list[tuple[str, str]]:
        """Those of "NAMESPACE/NAME" that are, each with its traceparent."""
        found = []
        for pod in pods:
            namespace, _, name = pod.partition("/")
            if (namespace, name) in self._seen:
                found.append((pod, self._seen[namespace, name][0].traceparent()))
        return found

    def taken(self, pods: Sequence[str], now_ns: int) -> None:
        """The scheduler took these, "NAMESPACE/NAME", out of its queue in the step of ``now_ns``;
        what it had taken before keeps its time."""
        for pod in pods:
            namespace, _, name = pod.partition("/")
            if (namespace, name) in self._seen:
                self._taken.setdefault((namespace, name), now_ns)

    def asks(self, requests: Sequence[ApiRequest], step_ns: int) -> None:
        """Orders of the step that began at ``step_ns``."""
        for request in requests:
            key = (request.namespace, request.name)
            if request.resource != "pods" or key not in self._seen:
                continue
            calls = self._calls.get(key, 0)
            if calls >= CALLS_MAX:
                continue
            self._calls[key] = calls + 1
            context, seen_ns = self._seen[key]
            now_ns = self.log.now_ns()
            if request.subresource == "binding":
                taken_ns = max(seen_ns, self._taken.pop(key, step_ns))
                self.log.add(context, ("queue", INTERNAL), (seen_ns, taken_ns), _of(key))
                self.log.add(context, ("score", INTERNAL), (taken_ns, now_ns), _of(key))
            elif self._waited and not calls:
                self.log.add(context, (self._waited, INTERNAL), (seen_ns, now_ns), _of(key))
            name = f"{request.verb} pods/{request.subresource}".rstrip("/")
            self._open[request.id] = (context, name, now_ns, key)

    def answered(self, replies: Sequence[ApiReply]) -> None:
        for reply in replies:
            found = self._open.pop(reply.id, None)
            if found is not None:
                context, name, begin_ns, key = found
                facts = {**_of(key), "http.response.status_code": reply.code}
                self.log.add(context, (name, CLIENT), (begin_ns, self.log.now_ns()), facts)

    def _forget(self, key: Key) -> None:
        for kept in (self._seen, self._taken, self._calls):
            kept.pop(key, None)


def _of(key: Key) -> dict[str, str | int]:
    return {"k8s.namespace.name": key[0], "k8s.pod.name": key[1]}


class OwnerSpans:
    """Of controllers: from the sight of a sampled workload to the first thing made for it, and each
    create. A workload is sampled where its own annotations say so, or those of its pods to be."""

    watches = (
        "apps/deployments", "apps/replicasets", "apps/statefulsets", "apps/daemonsets",
        "batch/jobs",
    )  # fmt: skip

    def __init__(self, log: SpanLog) -> None:
        self.log = log
        self._seen: dict[str, tuple[Context, int]] = {}
        """By uid."""
        self._begun: dict[str, None] = {}
        self._open: dict[int, tuple[Context, str, int, dict[str, str | int]]] = {}

    def saw(self, types: Sequence[int], objects: Sequence[JsonObject]) -> None:
        for kind, item in zip(types, objects, strict=True):
            uid = item["metadata"]["uid"]
            if kind == DELETED:
                self._forget(uid)
            elif uid not in self._seen and (context := _workload_context(item)) is not None:
                if len(self._seen) >= PODS_MAX:
                    self._forget(next(iter(self._seen)))
                self._seen[uid] = (context, self.log.now_ns())

    def asks(self, requests: Sequence[ApiRequest], step_ns: int) -> None:
        for request in requests:
            if request.verb != "create" or not isinstance(request.body, dict):
                continue
            owner = _controller_of(request.body)
            seen = self._seen.get(owner.get("uid", ""))
            if seen is None:
                continue
            context, seen_ns = seen
            now_ns = self.log.now_ns()
            facts: dict[str, str | int] = {
                "k8s.namespace.name": request.namespace,
                f"k8s.{owner['kind'].lower()}.name": owner["name"],
            }
            if owner["uid"] not in self._begun:
                self._begun[owner["uid"]] = None
                self.log.add(context, (f"sync{owner['kind']}", INTERNAL), (seen_ns, now_ns), facts)
            self._open[request.id] = (context, f"create {request.resource}", now_ns, facts)

    def answered(self, replies: Sequence[ApiReply]) -> None:
        for reply in replies:
            found = self._open.pop(reply.id, None)
            if found is not None:
                context, name, begin_ns, facts = found
                facts["http.response.status_code"] = reply.code
                if name == "create pods" and reply.code == CREATED:
                    facts["k8s.pod.name"] = _name_in(reply.body)
                self.log.add(context, (name, CLIENT), (begin_ns, self.log.now_ns()), facts)

    def _forget(self, uid: str) -> None:
        self._seen.pop(uid, None)
        self._begun.pop(uid, None)


def _name_in(body: JsonObject | bytes | None) -> str:
    item: JsonObject = orjson.loads(body) if isinstance(body, bytes) else body or {}
    return str(item["metadata"]["name"])


def _workload_context(item: JsonObject) -> Context | None:
    context = context_on(item)
    if context is None and (template := item["spec"].get("template")) is not None:
        metadata = template.get("metadata")
        context = context_on(template) if metadata else None
    return context


def _controller_of(body: JsonObject) -> JsonObject:
    """The owner reference of who made it, or nothing."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})


class ScoreSpans:
    """Of a scoring partition: each question about sampled pods."""

    def __init__(self, log: SpanLog) -> None:
        self.log = log

    def scored(self, pods: Sequence[tuple[str, str]], begin_ns: int) -> None:
        """``pods``: of the question, "NAMESPACE/NAME" and traceparent."""
        now_ns = self.log.now_ns()
        for pod, words in pods:
            context = context_of(words)
            namespace, _, name = pod.partition("/")
            if context is not None:
                times = (begin_ns, now_ns)
                self.log.add(context, ("score partition", SERVER), times, _of((namespace, name)))
