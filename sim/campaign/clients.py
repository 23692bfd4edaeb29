"""The programs that ask: components of the control plane, scoring partitions, and the load."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

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
)
from api.core import JsonObject
from scheduler.extender import AskExtender
from scheduler.leader import AskPartition, PartitionAnswered, PartitionLost, SchedulerEffect
from scheduler.partition import PartitionCore, RowsChanged, ScoreRequested
from scheduler.partition_wire import answer_body, request_from
from sim.campaign.hold import Hold
from sim.campaign.servers import CHECK_EVERY_STEPS, ApiServerProgram, Wires, Words
from sim.cost import Cost
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.seen import Seen
from sim.turns import Turns

BATCH_MAX: Final = 500
IN_FLIGHT_MAX: Final = 2048
PARTITION_LOST_NS: Final = 2_000_000_000
"""ANSWER_TIMEOUT_S of actors.scheduler."""
_reply = partial(tuple.__new__, ApiReply)
"""As ApiReply._make, without a count of the words."""


class Partition:
    """A scoring partition: one call, one step, one answer. Bodies take their wire form."""

    def __init__(self, kernel: Kernel, wires: Wires, core: PartitionCore, cost: Cost) -> None:
        self._kernel = kernel
        self.wires = wires
        """Between it and the scheduler."""
        self._core = core
        self._cost = cost
        self.hold = Hold(kernel.agenda)
        self.busy_ns = 0

    def call(self, body: Any, reply: Callable[[Any], None]) -> None:
        changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
        self.hold.enter(len(request.pods), partial(self._score, changed, request, reply))

    def _score(
        self, changed: RowsChanged, request: ScoreRequested, reply: Callable[[Any], None]
    ) -> None:
        kernel = self._kernel
        (answer,) = self._core.step([changed, request], kernel.agenda.now_ns)
        kernel.steps += 1
        kernel.messages += 1
        cost_ns = self._cost.of(len(request.pods))
        self.busy_ns += cost_ns
        kernel.sending_ns = kernel.agenda.now_ns + cost_ns
        self.wires.send(reply, msgpack.unpackb(msgpack.packb(answer_body(answer))))


class ComponentProgram:
    """A process of a component: the scheduler, controllers, hollow nodes, or who observes."""

    def __init__(
        self,
        kernel: Kernel,
        wires: Wires,
        name: str,
        core: Any,
        peers: tuple[ApiServerProgram, Sequence[Partition], Cost],
    ) -> None:
        """``peers``: API server, partitions; with them what a step costs."""
        self.api, self._partitions, cost = peers
        self.core = core
        self.name = name
        self.turns = Turns(kernel, name, core, self._carry_out, cost)
        self.turns.check_every = CHECK_EVERY_STEPS
        self.turns.before = self._gather
        self.wires = wires
        """Between it and the API server. What comes by them it holds back while they are cut."""
        self._agenda = kernel.agenda
        self._seen = kernel.seen
        self.hold = Hold(kernel.agenda)
        """In front of what it sends; Leases go past."""
        self._slow = False
        self._waiting: deque[ApiRequest] = deque()
        self._in_flight = 0
        self._replies: list[ApiReply] = []
        self.partitions_may_be_away = False
        """Whether the scheduler gives them up in time, as in a real cluster."""
        self._asked: dict[int, int] = {}
        """Which question to a partition waits for its answer, if that may stay away."""
        self._questions = 0

    def slow(self, service_ns: int) -> None:
        """See Hold.slow."""
        self._slow |= service_ns > 0
        self.hold.slow(service_ns)

    def start(self) -> None:
        for spec in self.core.watches:
            words = (spec.resource, spec.namespace, spec.label_selector, spec.field_selector, 0)
            reader = _Watch(self.turns, spec, self._seen, self.wires)
            self.wires.send_now(self.api.watch, words, reader)
        self.turns.wake()

    def _gather(self) -> None:
        if self._replies:
            self.turns.events.append(CallsDone(self._replies))
            self._replies = []

    def _carry_out(self, effect: SchedulerEffect) -> None:
        match effect:
            case Calls(requests=requests):
                self._waiting.extend(requests)
                self._send(self.wires.send)
            case AskExtender():
                raise AssertionError("a simulated scheduler has no extenders")
            case AskPartition(partition=number, body=body):
                self._ask(number, body)

    def _send(self, send: Callable[..., None]) -> None:
        if self._slow:
            self._send_one_by_one()
            return
        while self._waiting and self._in_flight < IN_FLIGHT_MAX:
            count = min(BATCH_MAX, len(self._waiting), IN_FLIGHT_MAX - self._in_flight)
            requests = [self._waiting.popleft() for _ in range(count)]
            ids = [request[0] for request in requests]
            batch = [
                request[1:] if type(request[7]) is not dict else _words(request)
                for request in requests
            ]
            self._in_flight += count
            send(self.api.call, batch, partial(self._done, ids))

    def _send_one_by_one(self) -> None:
        while self._waiting and self._in_flight < IN_FLIGHT_MAX:
            request = self._waiting.popleft()
            self._in_flight += 1
            heard = partial(self._done, [request.id])
            leave = partial(self.wires.send_now, self.api.call, [_words(request)], heard)
            if request.resource == "leases":
                leave()
            else:
                self.hold.enter(1, leave)

    def _done(self, ids: Sequence[int], answers: Sequence[tuple[int, int, bytes]]) -> None:
        if self.wires.holding:
            self.wires.hold(self._done, ids, answers)
            return
        self._in_flight -= len(ids)
        self._replies += [
            _reply((number, *answer)) for number, answer in zip(ids, answers, strict=True)
        ]
        self.turns.items += len(ids)
        self.turns.wake()
        # Room that answers have made is used by what waits.
        self._send(self.wires.send_now)

    def _ask(self, number: int, body: Any) -> None:
        partition = self._partitions[number]
        self._questions += 1
        heard = partial(self._partition_says, number, self._questions)
        partition.wires.send(partition.call, body, heard)
        if self.partitions_may_be_away:
            self._asked[number] = self._questions
            lost_ns = self._agenda.now_ns + PARTITION_LOST_NS
            self._agenda.at(lost_ns, ARRIVAL, self._partition_lost, number, self._questions)

    def _partition_says(self, partition: int, question: int, body: Any) -> None:
        if self.partitions_may_be_away:
            if self._asked.get(partition) != question:
                return  # It had been given up.
            del self._asked[partition]
        self.turns.take(PartitionAnswered(partition, body), 1)

    def _partition_lost(self, partition: int, question: int) -> None:
        if self._asked.get(partition) == question:
            del self._asked[partition]
            self.turns.take(PartitionLost(partition), 1)


def _words(request: ApiRequest) -> Words:
    """What the wire carries of a request: all but its id, with its body as bytes."""
    if type(request[7]) is dict:
        request = request._replace(body=orjson.dumps(request[7]))
    return request[1:]


class _Watch:
    """One collection that a component follows; it never breaks."""

    __slots__ = ("_parsed", "_reset", "_spec", "_turns", "_wires")

    def __init__(self, turns: Turns, spec: WatchSpec, seen: Seen, wires: Wires) -> None:
        self._parsed = seen.parsed
        self._wires = wires
        self._turns = turns
        self._spec = spec
        self._reset = False

    def __call__(self, body: tuple[Any, ...]) -> None:
        if self._wires.holding:
            self._wires.hold(self, body)
            return
        turns, name = self._turns, self._spec.name
        if not self._reset:
            self._reset = True
            turns.take(WatchReset(name), 1)
        match body:
            case ("items", types, revisions, encoded):
                objects: Sequence[JsonObject] = (
                    Texts(encoded) if self._spec.as_text else [self._parsed(one) for one in encoded]
                )
                turns.take(ObjectsSeen(name, types, objects, revisions), len(objects))
            case ("synced", _):
                turns.take(WatchSynced(name), 1)
            case ("bookmark", _):
                pass
            case _:
                raise AssertionError(f"unknown body {body!r:.200}")


class Scheduled(NamedTuple):
    """A request of the load."""

    at_ns: int
    """Since the start of the load."""
    words: Words
    """The words of the call (``api.calls``) or of the watch."""
    hold_ns: int = 0
    """Above 0: a watch, held for so long."""
    then: int = -1
    """Of a closed loop: the place in the schedule of what its user sends once this is answered;
    -1: nothing. Such a place has no time of its own."""
    until_ns: int = 0
    """For a closed loop: the time from which on its user sends nothing more."""
    server: int = 0
    """Number of the API server that it goes to."""


class Recording(Protocol):
    """Writes down the outcome of each arrival. ``number``: its place in the schedule."""

    def answered(self, number: int, latency_ns: int, code: int, size: int) -> None: ...

    def left_out(self, number: int) -> None:
        """The bound on requests in flight was reached."""

    def unreached(self, number: int) -> None:
        """The user of a closed loop had not come to it when its time was over."""

    def watched(self, events: int) -> None: ...


class Generator:
    """Sends the load at its times, however slow the answers are; users of closed loops wait."""

    def __init__(
        self,
        kernel: Kernel,
        wires: Wires,
        apis: Sequence[ApiServerProgram],
        schedule: Sequence[Scheduled],
        recording: Recording,
    ) -> None:
        self.in_flight = 0
        self.in_flight_max = IN_FLIGHT_MAX
        self._agenda = kernel.agenda
        self._wires = wires
        self._apis = apis
        self._schedule = schedule
        waiting = {request.then for request in schedule}
        self._timed = [place for place in range(len(schedule)) if place not in waiting]
        self._recording = recording
        self._next = 0
        self._closed = 0
        """Users of closed loops that wait for an answer; the bound is not theirs."""
        self._start_ns = 0

    @property
    def done(self) -> bool:
        return self._next == len(self._timed) and not self.in_flight

    def start(self, start_ns: int) -> None:
        """Begin at ``start_ns``, which is to come."""
        self._start_ns = start_ns
        self._wait()

    def _wait(self) -> None:
        if self._next < len(self._timed):
            at_ns = self._start_ns + self._schedule[self._timed[self._next]].at_ns
            self._agenda.at(at_ns, ARRIVAL, self._send_due)

    def _send_due(self) -> None:
        now_ns, timed = self._agenda.now_ns, self._timed
        while self._next < len(timed):
            number = timed[self._next]
            request = self._schedule[number]
            if self._start_ns + request.at_ns > now_ns:
                break
            self._next += 1
            if request.hold_ns:
                self._open(number, request)
            elif request.until_ns or self.in_flight - self._closed < self.in_flight_max:
                self._closed += bool(request.until_ns)
                self._send(number, request)
            else:
                self._recording.left_out(number)
        self._wait()

    def _send(self, number: int, request: Scheduled) -> None:
        self.in_flight += 1
        done = partial(self._done, number, self._agenda.now_ns)
        self._wires.send_now(self._apis[request.server].call, (request.words,), done)

    def _done(self, number: int, sent_ns: int, answers: Sequence[tuple[int, int, bytes]]) -> None:
        self.in_flight -= 1
        ((code, _, body),) = answers
        self._recording.answered(number, self._agenda.now_ns - sent_ns, code, len(body))
        if self._schedule[number].until_ns:
            self._go_on(self._schedule[number])

    def _go_on(self, answered: Scheduled) -> None:
        """What the user of a closed loop does after an answer."""
        number = answered.then
        if number >= 0 and self._agenda.now_ns < self._start_ns + answered.until_ns:
            self._send(number, self._schedule[number])
            return
        self._closed -= 1
        while number >= 0:
            self._recording.unreached(number)
            number = self._schedule[number].then

    def _open(self, number: int, request: Scheduled) -> None:
        """The watch's first body is its answer; after its time it is closed."""
        opened_ns = self._agenda.now_ns
        heard = False

        def reader(body: tuple[Any, ...]) -> None:
            nonlocal heard
            if not heard:
                heard = True
                self._recording.answered(number, self._agenda.now_ns - opened_ns, 200, 0)
            if body[0] == "items":
                self._recording.watched(len(body[1]))

        api = self._apis[request.server]
        self._wires.send_now(api.watch, request.words, reader)
        ends_ns = opened_ns + request.hold_ns
        self._agenda.at(ends_ns, ARRIVAL, api.end_watch, reader)
