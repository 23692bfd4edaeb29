"""Where programs see sampled requests and pods: one small observer for each kind of shell.

They stand beside the cores and tell them nothing. Names follow OpenTelemetry: a request's span is
"METHOD route", attributes are those of its semantic conventions for HTTP and Kubernetes.
"""

from collections.abc import Callable, Sequence
from typing import Any

from actors.net.exchange import Exchange
from actors.spans import SpanLog
from api.calls import DELETED, ApiReply, ApiRequest
from api.core import JsonObject
from api.storage import PUT, StoreRequest
from api.tracing import CLIENT, INTERNAL, SERVER, Context, context_in, context_of, context_on

PODS_MAX = 100_000
"""Sampled pods that a component remembers; the oldest is forgotten first."""
CALLS_MAX = 4
"""Requests about one pod that a component writes down: a pod that is tried for ever is not."""
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
        found = [
            (context, bytes(request[1]).decode())
            for request in requests
            if request[0] == PUT and (context := context_in(request[3])) is not None
        ]
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


class PodSpans:
    """Of a component that watches pods: when it saw a sampled one, and what it asked for it.

    ``waited``: the name of the span from the sight of a pod to the first request about it; empty
    for a scheduler, whose spans are those of its queue and of its decision.
    """

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
