"""A store and an API server on one virtual clock, without the rest of a control plane, so that what
an experiment counts is its own."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, Final

import orjson

from api.calls import MERGE_PATCH
from apiserver.caching import DEFAULT_CACHING, Caching
from apiserver.core import ApiServerCore
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from sim.campaign.clients import ComponentProgram, Generator, Scheduled
from sim.campaign.cluster import IN_FLIGHT_MAX
from sim.campaign.costs import DEFAULT
from sim.campaign.run import START_NS, VirtualError
from sim.campaign.servers import ApiServerProgram, StoreProgram, Wires, Words
from sim.connection import SECOND
from sim.cost import HOLLOW
from sim.heap import Agenda
from sim.kernel import Kernel
from store.core import StoreCore, StoreSettings

SEED: Final = 8
MS: Final = SECOND // 1000
WAIT_NS: Final = 600 * SECOND
"""Whatever is waited for comes within this virtual time, or there is a bug."""


class Rig:
    """``settings``: of the only shard of the store."""

    def __init__(
        self,
        settings: StoreSettings | None = None,
        caching: Caching = DEFAULT_CACHING,
        frame_ns: int = DEFAULT.frame_ns,
    ) -> None:
        self.kernel = Kernel(SEED, Agenda(START_NS))
        self.wires = Wires(self.kernel, frame_ns)
        core = StoreCore(settings or StoreSettings(0, epoch_ns=START_NS))
        sync_ns = DEFAULT.sync_of("store-0", "fsync")
        self.store = StoreProgram(self.kernel, self.wires, "store-0", core, sync_ns)
        limits = Limits(IN_FLIGHT_MAX)
        api = ApiServerCore(Sharding("kind", 1), SEED, "apiserver-0", limits, caching)
        self.api = ApiServerProgram(self.kernel, self.wires, "apiserver-0", api, [self.store])
        self.store.turns.wake()
        self.api.turns.wake()
        self.until(lambda: self.api.core.ready)

    @property
    def now_ns(self) -> int:
        return self.kernel.agenda.now_ns

    def run(self, length_ns: int) -> None:
        self.kernel.agenda.run(self.now_ns + length_ns)

    def until(self, happened: Callable[[], bool], step_ns: int = 10 * MS) -> None:
        deadline_ns = self.now_ns + WAIT_NS
        while not happened():
            if self.now_ns > deadline_ns:
                raise VirtualError("what an experiment waits for does not come")
            self.run(step_ns)

    def component(self, name: str, core: Any) -> ComponentProgram:
        """A client of the API server, started."""
        program = ComponentProgram(self.kernel, self.wires, name, core, (self.api, (), HOLLOW))
        program.start()
        return program

    def namespace(self, name: str) -> None:
        body = orjson.dumps({"metadata": {"name": name}})
        ((code, _, text),) = self.ask([("create", "namespaces", "", "", "", "", body, "", False)])
        assert code == 201, text

    def play(self, schedule: Sequence[Scheduled]) -> "Answered":
        """Send each request at its time, however slow the answers are; all answers."""
        answered = Answered(len(schedule))
        generator = Generator(self.kernel, self.wires, [self.api], schedule, answered)
        generator.start(self.now_ns)
        self.until(lambda: generator.done)
        return answered

    def create(self, objects: Sequence[Words]) -> None:
        """All of them, as many at a time as may be under way."""
        for first in range(0, len(objects), IN_FLIGHT_MAX // 2):
            answers = self.ask(objects[first : first + IN_FLIGHT_MAX // 2])
            assert {code for code, _, _ in answers} == {201}

    def ask(self, requests: Sequence[Words]) -> list[tuple[int, int, bytes]]:
        """Answers, once all are there: (code, revision, body)."""
        answers: list[tuple[int, int, bytes]] = []
        self.wires.send_now(self.api.call, requests, answers.extend)
        self.until(lambda: bool(answers))
        return answers


class Answered:
    """What became of a schedule, by the place of a request in it."""

    def __init__(self, count: int) -> None:
        self.latency_ns = [0] * count
        self.codes = [0] * count
        self.sizes = [0] * count

    def answered(self, number: int, latency_ns: int, code: int, size: int) -> None:
        self.latency_ns[number] = latency_ns
        self.codes[number] = code
        self.sizes[number] = size

    def left_out(self, number: int) -> None:
        raise VirtualError(f"request {number} was not sent: too many are under way")

    def unreached(self, number: int) -> None:
        raise VirtualError(f"request {number} was not reached: experiments have no closed loops")

    def watched(self, events: int) -> None:
        """Schedules of experiments hold no watches."""


def percentile(values: Sequence[int], percent: float) -> int:
    """The smallest value that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def configmap(namespace: str, name: str, size: int, label: str = "") -> Words:
    """The words that create one with so many bytes of data. ``label``: its app."""
    body = {
        "metadata": {"name": name, **({"labels": {"app": label}} if label else {})},
        "data": {"content": "x" * size},
    }
    return ("create", "configmaps", namespace, "", "", "", orjson.dumps(body), "", False)


def changed(namespace: str, name: str, number: int, size: int) -> Words:
    """The words that change it, to something else for each number."""
    text = f"{number:08}".ljust(size, "x")
    body = orjson.dumps({"data": {"content": text}})
    return ("patch", "configmaps", namespace, name, "", "", body, MERGE_PATCH, False)
