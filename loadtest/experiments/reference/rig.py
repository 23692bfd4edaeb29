"""A store and an API server on one virtual clock, without the rest of a control plane, so that what
an experiment counts is its own."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from apiserver.core import ApiServerCore
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from sim.campaign.clients import ComponentProgram
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

    def __init__(self, settings: StoreSettings | None = None) -> None:
        self.kernel = Kernel(SEED, Agenda(START_NS))
        self.wires = Wires(self.kernel, DEFAULT.frame_ns)
        core = StoreCore(settings or StoreSettings(0, epoch_ns=START_NS))
        sync_ns = DEFAULT.sync_of("store-0", "fsync")
        self.store = StoreProgram(self.kernel, self.wires, "store-0", core, sync_ns)
        api = ApiServerCore(Sharding("kind", 1), SEED, "apiserver-0", Limits(IN_FLIGHT_MAX))
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

    def ask(self, requests: Sequence[Words]) -> list[tuple[int, int, bytes]]:
        """Answers, once all are there: (code, revision, body)."""
        answers: list[tuple[int, int, bytes]] = []
        self.wires.send_now(self.api.call, requests, answers.extend)
        self.until(lambda: bool(answers))
        return answers
