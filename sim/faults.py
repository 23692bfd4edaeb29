"""What goes wrong, when and to whom: drawn from the seed, all of it over before the liveness phase.

Faults know programs, connections and disks. They know no checker and no core.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from api.streams import Stream
from sim.connection import MS, SECOND, US
from sim.disk import Disk
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import DOUBLED, LATE, Network
from sim.options import Options
from sim.processes import CUT_OFF, MOVED, Process

ROLES = {
    "crash store": "store-",
    "crash apiserver": "apiserver-",
    "crash scheduler": "scheduler",
    "crash partition": "partition-",
    "crash controllers": "controllers-",
    "crash hollow": "hollow-",
}
"""Beginning of the names of those that crash."""
DOWN_MS_MAX = 4000
LEADER_DOWN_MS_MAX = 9000
"""Of several schedulers, one is away for longer than its Lease lasts."""
COMPONENTS = ("scheduler", "controllers-", "hollow-")
"""Programs that have to bear it when a call is done twice or late."""
SURVIVED_NS = (6100 * MS, 500 * MS)
"""How long a partition may be that a connection survives, with one scheduler and with several.
What a scheduler sent before it may then arrive after it; see sim.world.ELECTION."""


class Faults:
    """``counts`` says how many of each kind have struck."""

    def __init__(
        self,
        kernel: Kernel,
        options: Options,
        world: tuple[Network, Mapping[str, Process], Sequence[Disk]],
    ) -> None:
        self.counts: dict[str, int] = {}
        self._kernel = kernel
        self._network, self._processes, self._disks = world
        self._survived_ns = SURVIVED_NS[options.schedulers > 1]
        self._chance: Stream = kernel.stream("faults")
        start_ns = kernel.agenda.now_ns
        self._end_ns = start_ns + options.fault_seconds * SECOND
        self._striking: dict[str, Callable[[], bool]] = {
            **{kind: partial(self._crash, prefix, DOWN_MS_MAX) for kind, prefix in ROLES.items()},
            "power loss": self._power_loss,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "reset": self._reset,
            "partition": self._partition,
            "slow link": partial(self._slow_link, 200 * MS),
            "stuck reader": partial(self._slow_link, 5 * SECOND),
            "pause scheduler": self._pause_scheduler,
            "isolate scheduler": self._isolate_scheduler,
            "clock jump": self._clock_jump,
            "move store": self._move_store,
            "doubled calls": partial(self._disturb, DOUBLED),
            "late calls": partial(self._disturb, LATE),
        }
        if options.schedulers > 1:
            self._striking["crash scheduler"] = partial(
                self._crash, "scheduler", LEADER_DOWN_MS_MAX
            )
        span_ns = options.fault_seconds * SECOND
        for _ in range(options.faults_count):
            kind = options.faults[self._chance.below(len(options.faults))]
            at_ns = start_ns + span_ns // 20 + self._chance.below(span_ns * 9 // 10)
            kernel.agenda.at(at_ns, ARRIVAL, self._strike, kind)

    def _strike(self, kind: str) -> None:
        if self._striking[kind]():
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._kernel.tell("faults", kind, "")

    def _until(self, most_ns: int) -> int:
        """A time from now, but not after the end of the safety phase."""
        now_ns = self._kernel.agenda.now_ns
        return min(now_ns + 100 * MS + self._chance.below(most_ns), self._end_ns)

    def _living(self, prefix: str) -> Process | None:
        """One of those whose names begin so."""
        living = [
            process
            for name, process in self._processes.items()
            if name.startswith(prefix) and process.shell is not None
        ]
        return living[self._chance.below(len(living))] if living else None

    def _crash(self, prefix: str, down_ms_max: int) -> bool:
        process = self._living(prefix)
        if process is not None:
            down_ns = (50 + self._chance.below(down_ms_max)) * MS
            process.crash_after(self._chance.below(6), down_ns)
        return process is not None

    def _pause_scheduler(self) -> bool:
        """It stands still between two steps, as a stopped process does, and knows nothing of it."""
        process = self._living("scheduler")
        if process is None or process.shell is None or process.shell.turns is None:
            return False
        now_ns = self._kernel.agenda.now_ns
        process.shell.turns.pause(now_ns + (100 + self._chance.below(9000)) * MS)
        return True

    def _isolate_scheduler(self) -> bool:
        """Its API server is lost to it, perhaps for longer than its Lease lasts."""
        pairs = [
            pair
            for pair in self._network.pairs()
            if pair[0].startswith("scheduler") and pair[1].startswith("apiserver-")
        ]
        if not pairs:
            return False
        pair = pairs[self._chance.below(len(pairs))]
        self._network.block(*pair, self._until(9 * SECOND))
        self._network.reset(*pair)
        return True

    def _power_loss(self) -> bool:
        """Soon after a write has begun, so that some of them hit what is not synced."""
        disk = self._disks[self._chance.below(len(self._disks))]
        process = self._processes[f"store-{disk.shard}"]
        down_ns = (500 + self._chance.below(4000)) * MS
        notice_ns = self._chance.below(down_ns)
        wait_ns = self._chance.below(600) * US

        def lose() -> None:
            if self._kernel.agenda.now_ns + wait_ns < self._end_ns:
                agenda = self._kernel.agenda
                due_ns = agenda.now_ns + wait_ns
                agenda.at(due_ns, ARRIVAL, process.end, down_ns, CUT_OFF, notice_ns)

        disk.on_append = lose
        return True

    def _slow_disk(self) -> bool:
        disk = self._disks[self._chance.below(len(self._disks))]
        disk.slow_until_ns = self._until(3 * SECOND)
        return True

    def _full_disk(self) -> bool:
        disk = self._disks[self._chance.below(len(self._disks))]
        disk.full_until_ns = self._until(2 * SECOND)
        return True

    def _pair(self) -> tuple[str, str] | None:
        pairs = self._network.pairs()
        return pairs[self._chance.below(len(pairs))] if pairs else None

    def _reset(self) -> bool:
        pair = self._pair()
        if pair is not None:
            self._network.reset(*pair)
        return pair is not None

    def _partition(self) -> bool:
        """Connections do not survive half of them, nor a long one."""
        pair = self._pair()
        if pair is None:
            return False
        until_ns = self._until(6 * SECOND)
        self._network.block(*pair, until_ns)
        long = until_ns - self._kernel.agenda.now_ns > self._survived_ns
        if self._chance.below(2) or long:
            self._network.reset(*pair)
        return True

    def _slow_link(self, extra_ns: int) -> bool:
        pair = self._pair()
        if pair is None:
            return False
        self._network.slow_down(*pair, self._until(3 * SECOND), self._chance.below(extra_ns))
        return True

    def _clock_jump(self) -> bool:
        """The next life of a program has another clock, perhaps an earlier one."""
        names = [name for name in self._processes if name != "users"]
        process = self._processes[names[self._chance.below(len(names))]]
        process.skew_ns += (self._chance.below(4001) - 2000) * MS
        process.crash_after(0, 50 * MS)
        return True

    def _move_store(self) -> bool:
        """A shard goes on elsewhere, with the files that its old place closed in order."""
        stores = [name for name in self._processes if name.startswith("store-")]
        process = self._processes[stores[self._chance.below(len(stores))]]
        if process.shell is None:
            return False
        process.end((20 + self._chance.below(500)) * MS, MOVED, 0)
        return True

    def _disturb(self, how: str) -> bool:
        """For a while calls of a component reach its API server twice or out of order, as they do
        by HTTP through a proxy that retries, or over several connections."""
        pairs = [
            pair
            for pair in self._network.pairs()
            if pair[1].startswith("apiserver-") and pair[0].startswith(COMPONENTS)
        ]
        if not pairs:
            return False
        self._network.disturb(*pairs[self._chance.below(len(pairs))], self._until(3 * SECOND), how)
        return True
