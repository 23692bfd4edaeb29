"""One seed from start to verdict: a safety phase with faults, then a liveness phase without."""

import gc
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sim.checkers import linearizable
from sim.checkers.acknowledged import Acknowledged
from sim.checkers.api_watches import ApiWatches
from sim.checkers.bindings import Bindings
from sim.checkers.convergence import Convergence
from sim.checkers.history import History
from sim.checkers.identities import Identities
from sim.checkers.leaders import Leaders
from sim.checkers.leases import Leases
from sim.checkers.store_reads import StoreReads
from sim.checkers.store_watches import StoreWatches
from sim.connection import SECOND
from sim.faults import Faults
from sim.heap import Agenda
from sim.kernel import Kernel
from sim.options import Options, options_of
from sim.story import Story
from sim.topics import Violation
from sim.world import Makers, World

START_NS: Final = 1_790_000_000 * SECOND
"""Virtual time at which every run begins."""
CALM_S_MAX: Final = 400
"""Virtual seconds that the liveness phase may last."""
QUIET_NS: Final = 10 * SECOND
"""After convergence: what is still owed to watchers must have come by then. Frames that were sent
to a stuck reader keep their time."""


@dataclass(slots=True)
class Outcome:
    """What a run came to. ``failure`` empty: every promise was kept."""

    options: Options
    digest: str = ""
    failure: str = ""
    checker: str = ""
    virtual_s: float = 0.0
    wall_s: float = 0.0
    steps: int = 0
    messages: int = 0
    entries: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """What was checked, and which faults struck."""
    faults: dict[str, int] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)


class Run:
    """A world with its faults and checkers."""

    def __init__(self, options: Options, makers: Makers, trace: str) -> None:
        agenda = Agenda(START_NS)
        story = Story(trace, START_NS) if trace else None
        self.options = options
        self.undecided = 0
        """Histories of one key too tangled to be judged."""
        self.kernel = Kernel(options.seed, agenda, story, pace_percent=options.pace_percent)
        topics = self.kernel.topics
        self.history = History(topics, options.store_shards, lambda: agenda.now_ns)
        self.acknowledged = Acknowledged(topics, self.history)
        self.store_watches = StoreWatches(topics, self.history)
        self.api_watches = ApiWatches(topics, self.history)
        self.bindings = Bindings(self.history)
        self.identities = Identities(self.history)
        self.convergence = Convergence(self.history)
        self.store_reads = StoreReads(topics, self.history)
        self.leases = Leases(self.history)
        self.leaders = Leaders(topics, self.history, options.schedulers)
        self.world = World(self.kernel, options, makers, (self.leases, self.store_reads))
        parts = (self.world.network, self.world.processes, self.world.disks)
        self.faults = Faults(self.kernel, options, parts)

    def go(self) -> None:
        """Raises Violation, or an error of a core."""
        agenda, options = self.kernel.agenda, self.options
        agenda.run(START_NS + options.fault_seconds * SECOND)
        self._calm()
        for log in (self.world.store_log, self.world.api_log):
            for key, operations in log.operations().items():
                self.undecided += not linearizable.check(key, operations)
        for process in self.world.processes.values():
            if process.shell is not None and process.shell.turns is not None:
                process.shell.turns.check()

    def _calm(self) -> None:
        """No faults from now on: everything must become as it should be."""
        world, agenda = self.world, self.kernel.agenda
        world.network.heal()
        for process in world.processes.values():
            process.spare()
        deadline_ns = agenda.now_ns + CALM_S_MAX * SECOND
        missing = [""]
        while missing and agenda.now_ns < deadline_ns:
            agenda.run(agenda.now_ns + SECOND)
            missing = self._missing()
        if missing:
            raise Violation("convergence", "; ".join(missing[:10]))
        settled_ns = agenda.now_ns
        for name, watches in (("api", self.api_watches), ("store", self.store_watches)):
            owed = watches.owed(settled_ns)
            while owed and agenda.now_ns < settled_ns + QUIET_NS:
                agenda.run(agenda.now_ns + SECOND)
                owed = watches.owed(settled_ns)
            if owed:
                raise Violation(f"{name} watches", "; ".join(owed[:10]))

    def _missing(self) -> list[str]:
        users = self.world.users
        if users.refused:
            raise Violation("users", users.refused[0])
        if not users.finished:
            return ["the users are not done"]
        down = [f"{p.name} is down" for p in self.world.processes.values() if p.shell is None]
        down += self.api_watches.unlisted() + self.leases.missing()
        if down:
            return down
        options = self.options
        return list(self.convergence.missing(users.deployments, users.pods, options.nodes))


def run_seed(seed: int, trace: str = "", makers: Makers | None = None) -> Outcome:
    """Run the options that belong to a seed. A promise that is broken is in the outcome; so is an
    assertion of a core. ``trace``: see sim.story."""
    return run_options(options_of(seed), trace, makers or Makers())


def run_options(options: Options, trace: str, makers: Makers) -> Outcome:
    """The same for given options. What a run makes lives until its end, so Python's collector,
    which would look at all of it again and again, rests meanwhile, and then frees the world."""
    rests = gc.isenabled()
    gc.disable()
    try:
        return _outcome_of(options, trace, makers)
    finally:
        if rests:
            gc.enable()
        # What was made since the collector came to rest is its youngest generation.
        gc.collect(0)


def _outcome_of(options: Options, trace: str, makers: Makers) -> Outcome:
    begin = time.perf_counter()
    run = Run(options, makers, trace)
    outcome = Outcome(options)
    try:
        run.go()
    except Violation as violation:
        outcome.failure, outcome.checker = str(violation), violation.checker
    except Exception as error:
        # The supervisor of a run: whatever a core raises is a finding of this seed.
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        outcome.failure = f"{type(error).__name__}: {error} ({place})"
        outcome.checker = "core"
    kernel = run.kernel
    outcome.wall_s = time.perf_counter() - begin
    outcome.digest = kernel.digest.hex
    outcome.virtual_s = (kernel.agenda.now_ns - START_NS) / SECOND
    outcome.steps, outcome.messages = kernel.steps, kernel.messages
    outcome.entries = kernel.agenda.entries
    outcome.faults = dict(run.faults.counts)
    outcome.counts = {
        "writes acknowledged": run.acknowledged.writes,
        "store events": run.store_watches.events,
        "store reads": run.store_reads.reads,
        "leased keys expired": run.leases.expired,
        "leased keys revoked": run.leases.revoked,
        "snapshots": sum(disk.snapshots for disk in run.world.disks),
        "watch events": run.api_watches.events,
        "leader changes": run.leaders.changes,
        "pods created": run.identities.created("pods"),
        "pods bound": run.bindings.bound,
        "probes": sum(
            len(operations)
            for log in (run.world.store_log, run.world.api_log)
            for operations in log.operations().values()
        ),
    }
    if run.undecided:
        outcome.counts["histories undecided"] = run.undecided
    outcome.story = list(kernel.story.lines) if kernel.story is not None else []
    run.history.forget()
    kernel.seen.forget()
    return outcome
