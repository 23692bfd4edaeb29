"""One campaign on the virtual clock: boot, namespaces, load, settle."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from api.calls import ComponentEvent, ObjectsSeen, WatchSpec
from api.core import JsonObject
from sim.campaign.clients import Generator, Recording, Scheduled
from sim.campaign.cluster import VirtualCluster
from sim.campaign.meter import PROBES, Meter
from sim.campaign.plan import VirtualPlan
from sim.connection import SECOND
from sim.heap import ARRIVAL, Agenda
from sim.kernel import Kernel

START_NS: Final = 1_790_000_000 * SECOND
"""Virtual time at which every campaign begins."""
BOOT_STALL_NS: Final = 60 * SECOND
"""Give up when no further node has become Ready for so long."""
LEAD_NS: Final = 2 * SECOND
"""From the namespaces to the load: by then they have their service accounts."""
SETTLE_STEP_NS: Final = SECOND // 10


class VirtualError(Exception):
    """A campaign that cannot go on; the text is one sentence for the user."""


class Witness(Recording, Protocol):
    """Who looks on: told of every pod and node as a watch shows them."""

    @property
    def nodes_ready(self) -> int: ...

    @property
    def at_rest(self) -> bool:
        """Every pod that was seen is Running or gone."""
        ...

    def see(self, resource: str, kind: int, item: JsonObject, now_ns: int) -> None: ...

    def tick(self, now_ns: int) -> None:
        """Called once each sampling period, to write down the state of the whole cluster."""


class _Observer:
    """A component that only watches."""

    watches = (WatchSpec("pods", "pods"), WatchSpec("nodes", "nodes"))

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[object]:
        for event in events:
            if isinstance(event, ObjectsSeen):
                for kind, item in zip(event.types, event.objects, strict=True):
                    self._witness.see(event.watch, kind, item, now_ns)
        return ()

    def next_wakeup_ns(self) -> int | None:
        return None

    def check(self) -> None:
        """Nothing to check: it has no state of its own."""


class VirtualRun:
    """Used once: ``boot``, ``load``, ``settle``, in this order."""

    def __init__(self, plan: VirtualPlan, schedule: Sequence[Scheduled], witness: Witness) -> None:
        self.plan = plan
        self.kernel = Kernel(plan.seed, Agenda(START_NS))
        self.cluster = VirtualCluster(self.kernel, plan)
        self.load_start_ns = 0
        """Virtual wall clock; 0: not yet."""
        self.generator = Generator(
            self.kernel, self.cluster.wires, self.cluster.apis, schedule, witness
        )
        self.meter = Meter(self.cluster)
        self._witness = witness
        self._observer = self.cluster.component("observer", _Observer(witness))

    @property
    def now_ns(self) -> int:
        return self.kernel.agenda.now_ns

    @property
    def digest(self) -> str:
        return self.kernel.digest.hex

    def boot(self, namespaces: Sequence[bytes]) -> None:
        """Start everything, until all nodes are Ready and the namespaces are there. ``namespaces``:
        bodies of the objects. VirtualError."""
        self.cluster.start()
        self._until(lambda: self.cluster.ready)
        self.cluster.join()
        self._observer.start()
        self._wait_for_nodes()
        answers: list[int] = []
        requests = [
            ("create", "namespaces", "", "", "", "", body, "", False) for body in namespaces
        ]
        self.cluster.wires.send_now(
            self.cluster.apis[0].call,
            requests,
            lambda replies: answers.extend(code for code, _, _ in replies),
        )
        self._until(lambda: bool(answers))
        if any(code != 201 for code in answers):
            raise VirtualError(f"a namespace could not be made: the answers were {answers}")

    def _wait_for_nodes(self) -> None:
        best, changed_ns = 0, self.now_ns
        while (ready := self._witness.nodes_ready) < len(self.plan.nodes):
            if ready > best:
                best, changed_ns = ready, self.now_ns
            elif self.now_ns - changed_ns > BOOT_STALL_NS:
                raise VirtualError(f"only {ready} of {len(self.plan.nodes)} nodes became Ready")
            self._run(self.now_ns + SECOND // 10)

    def load(self, length_ns: int, tick_ns: int) -> None:
        """The whole schedule, and at least ``length_ns``. The witness is ticked all the while."""
        self.load_start_ns = self.now_ns + LEAD_NS
        self.generator.start(self.load_start_ns)
        for since_ns, program, service_ns in self.plan.slow:
            at_ns = self.load_start_ns + since_ns
            self.kernel.agenda.at(at_ns, ARRIVAL, self.cluster.slow, program, service_ns)
        for since_ns, program, how, end_ns in self.plan.away:
            at_ns, until_ns = self.load_start_ns + since_ns, self.load_start_ns + end_ns
            self.kernel.agenda.at(at_ns, ARRIVAL, self.cluster.send_away, program, how, until_ns)
        self.kernel.agenda.at(self.load_start_ns, ARRIVAL, self._tick, tick_ns)
        self.kernel.agenda.at(self.load_start_ns, ARRIVAL, self._probe, tick_ns // PROBES)
        self._run(self.load_start_ns + length_ns)
        self._until(lambda: self.generator.done)

    def settle(self, at_most_ns: int) -> bool:
        """Wait until every pod is Running or gone; whether that came about."""
        deadline_ns = self.now_ns + at_most_ns
        while not self._witness.at_rest and self.now_ns < deadline_ns:
            self._run(min(self.now_ns + SETTLE_STEP_NS, deadline_ns))
        self.cluster.check()
        return self._witness.at_rest

    def _tick(self, tick_ns: int) -> None:
        self._witness.tick(self.now_ns)
        self.kernel.agenda.at(self.now_ns + tick_ns, ARRIVAL, self._tick, tick_ns)

    def _probe(self, gap_ns: int) -> None:
        self.meter.probe(self.generator.in_flight)
        self.kernel.agenda.at(self.now_ns + gap_ns, ARRIVAL, self._probe, gap_ns)

    def _run(self, until_ns: int) -> None:
        self.kernel.agenda.run(until_ns)

    def _until(self, happened: Callable[[], bool]) -> None:
        """Whatever is waited for here comes within seconds, or there is a bug."""
        for _ in range(6000):
            if happened():
                return
            self._run(self.now_ns + SECOND // 100)
        raise VirtualError("the virtual cluster does not answer")
