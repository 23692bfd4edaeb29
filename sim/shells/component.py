"""A client core of the API server: see actors/component.py and actors/scheduler.py."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgpack
import orjson

from api.calls import (
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ObjectsSeen,
    Texts,
    WatchReset,
    WatchSpec,
    WatchSynced,
    followed,
)
from api.core import JsonObject
from scheduler.extender import AskExtender
from scheduler.leader import AskPartition, PartitionAnswered, PartitionLost, SchedulerEffect
from sim.connection import MS, SECOND, Client, Handler
from sim.cost import Cost
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network
from sim.turns import Turns

CALL_TIMEOUT_NS: Final = 60 * SECOND
PARTITION_TIMEOUT_NS: Final = 2 * SECOND
BATCH_MAX: Final = 500
IN_FLIGHT_MAX: Final = 2048
REOPEN_NS: Final = (50 * MS, 2 * SECOND)
"""First and longest pause before a broken watch is opened again; it doubles."""


class ComponentShell:
    """A process of a component. ``partitions``: those of a scheduler, else none."""

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        name: str,
        core: Any,
        peers: tuple[str, Sequence[str], Cost],
    ) -> None:
        """``peers``: API server, partitions; with them what a step costs."""
        api_server, partitions, cost = peers
        self.core = core
        self.name = name
        self.kernel = kernel
        self.api = Client(network, name, api_server)
        self._partitions = [Client(network, name, partition) for partition in partitions]
        self.clients = [self.api, *self._partitions]
        self._specs: Sequence[WatchSpec] = ()
        self._watches: dict[str, _Watch] = {}
        self._waiting: deque[ApiRequest] = deque()
        self._in_flight = 0
        self._replies: list[ApiReply] = []
        self.turns = Turns(kernel, name, core, self._carry_out, cost)
        self.turns.before = self._gather
        self.turns.after = self._follow

    def start(self, listen: Callable[[Handler], None]) -> None:
        """Begin to follow. ``listen`` is not used: no program connects to a component."""
        self._follow()
        self.turns.wake()

    def _follow(self) -> None:
        """Open what the core wants to follow from now on, close what it no longer follows."""
        specs = self.core.watches
        if specs is self._specs or specs == self._specs:
            return
        self._specs = specs
        closing, opening = followed(self._watches, specs)
        for name in closing:
            self._watches.pop(name).close()
        for spec in opening:
            watch = self._watches[spec.name] = _Watch(self, spec)
            watch.open()

    def _gather(self) -> None:
        if self._replies:
            self.turns.events.append(CallsDone(self._replies))
            self._replies = []
        # Room that answers have made is used by what waits.
        self._send()

    # Orders.

    def _carry_out(self, effect: SchedulerEffect) -> None:
        match effect:
            case Calls(requests=requests):
                self._waiting.extend(requests)
                self._send()
            case AskExtender():
                raise AssertionError("a simulated scheduler has no extenders")
            case AskPartition():
                self._ask(effect)

    def _send(self) -> None:
        while self._waiting and self._in_flight < IN_FLIGHT_MAX:
            batch = []
            for _ in range(min(BATCH_MAX, len(self._waiting), IN_FLIGHT_MAX - self._in_flight)):
                request = self._waiting.popleft()
                if isinstance(request.body, dict):
                    request = request._replace(body=orjson.dumps(request.body))
                batch.append(request)
            self._in_flight += len(batch)
            now_ns, digest = self.kernel.agenda.now_ns, self.kernel.digest
            digest.add(now_ns, self.name, "calls", batch)
            for called in self.kernel.topics.called:
                called(self.name, batch)
            if self.kernel.story is not None:
                for request in batch:
                    self.kernel.tell(self.name, request.verb, path_of_request(request))
            words = [request[1:] for request in batch]
            self.api.send(words, partial(self._done, batch), CALL_TIMEOUT_NS)

    def _done(self, batch: Sequence[ApiRequest], answers: Any) -> None:
        self._in_flight -= len(batch)
        if answers is None:
            replies = [ApiReply(request.id, 0, 0, b"") for request in batch]
        else:
            replies = [
                ApiReply(request.id, *answer)
                for request, answer in zip(batch, answers, strict=True)
            ]
        if self.kernel.story is not None:
            for request, reply in zip(batch, replies, strict=True):
                note = f"{reply.code} to {request.verb}"
                self.kernel.tell(self.name, "is told", path_of_request(request), note)
        self._replies += replies
        self.turns.items += len(replies)
        self.turns.wake()

    def _ask(self, order: AskPartition) -> None:
        """A partition that is not there is lost at once."""
        client = self._partitions[order.partition]
        body = msgpack.packb(order.body)
        self.kernel.digest.add(self.kernel.agenda.now_ns, self.name, "ask", (body,))
        if client.connected:
            client.send(
                order.body, partial(self._partition_says, order.partition), PARTITION_TIMEOUT_NS
            )
        else:
            self.turns.take(PartitionLost(order.partition), 1)

    def _partition_says(self, partition: int, body: Any) -> None:
        if body is None:
            self.turns.take(PartitionLost(partition), 1)
        else:
            self.turns.take(PartitionAnswered(partition, msgpack.unpackb(body)), 1)


def path_of_request(request: ApiRequest) -> str:
    """``pods/default/web-1/status``; an object to be created is named by its body."""
    name = request.name
    if not name and isinstance(request.body, bytes) and request.body:
        meta = orjson.loads(request.body).get("metadata") or {}
        name = meta.get("name") or meta.get("generateName", "")
    parts = (request.resource, request.namespace, name, request.subresource)
    return "/".join(part for part in parts if part)


class _Watch:
    """One collection that the core follows, opened again whenever it broke."""

    def __init__(self, shell: ComponentShell, spec: WatchSpec) -> None:
        self._shell = shell
        self._spec = spec
        self._pause_ns = REOPEN_NS[0]
        self._reset_said = False
        self._closed = False
        self._stream = 0
        self.revision = 0
        """Revision from which the watch goes on after a lost connection; 0: it begins with a new
        list."""

    def open(self) -> None:
        if not self._shell.turns.alive or self._closed:
            return
        self._reset_said = False
        spec, kernel = self._spec, self._shell.kernel
        for opened in kernel.topics.watch_opened:
            opened(self._shell.name, spec, self.revision)
        words = (spec.resource, spec.namespace, spec.label_selector, spec.field_selector)
        self._stream = self._shell.api.open((*words, self.revision), self._body, self._ended)

    def close(self) -> None:
        """For good."""
        self._closed = True
        self._shell.api.forget(self._stream)
        for closed in self._shell.kernel.topics.watch_closed:
            closed(self._shell.name, self._spec)

    def _body(self, body: Any) -> None:
        self._pause_ns = REOPEN_NS[0]
        if not self.revision and not self._reset_said:
            self._reset_said = True
            self._shell.turns.take(WatchReset(self._spec.name), 1)
        topics, spec, name = self._shell.kernel.topics, self._spec, self._shell.name
        match body[0]:
            case "items":
                self._items(*body[1:])
            case "synced":
                self.revision = body[1]
                for synced in topics.synced:
                    synced(name, spec, body[1])
                self._shell.turns.take(WatchSynced(spec.name), 1)
            case "bookmark":
                if self.revision:
                    self.revision = max(self.revision, body[1])
            case _:
                raise AssertionError(f"unknown body {body!r:.200}")

    def _items(
        self, types: Sequence[int], revisions: Sequence[int], encoded: Sequence[bytes]
    ) -> None:
        shell, spec = self._shell, self._spec
        kernel = shell.kernel
        for watched in kernel.topics.watched:
            watched(shell.name, spec, types, revisions, encoded)
        objects: Sequence[JsonObject] = (
            Texts(encoded) if spec.as_text else [kernel.seen.parsed(item) for item in encoded]
        )
        if kernel.story is not None:
            for kind, item, revision in zip(types, objects, revisions, strict=True):
                meta = item["metadata"]
                path = f"{spec.resource}/{meta.get('namespace', '')}/{meta['name']}"
                kernel.tell(shell.name, "sees", path, f"type {kind} revision {revision}")
        seen = ObjectsSeen(spec.name, types, objects, revisions)
        shell.turns.take(seen, len(objects))
        if self.revision and revisions:
            self.revision = revisions[-1]

    def _ended(self, reason: str) -> None:
        if not self._shell.turns.alive:
            return
        assert not reason.startswith("invalid"), reason
        if reason == "expired":
            self.revision = 0
        agenda = self._shell.kernel.agenda
        agenda.at(agenda.now_ns + self._pause_ns, ARRIVAL, self.open)
        self._pause_ns = min(self._pause_ns * 2, REOPEN_NS[1])
