"""What the simulator costs on one core, and where the time goes.

    python benchmarks/bench_sim.py [--seeds 40]

A *step* is one call of a core's ``step``. A *message* is one thing that a core was given in a step:
a request, an answer, a watch event, a disk's report, an object. Nothing else is counted: no heap
entries, no frames, no retries within a core, nothing that checkers or clients without a core do.

Whole clusters run under faults, with all checkers. "Kernel alone" carries messages between programs
whose cores do nothing: what a step or a message costs on top of the cores. Then the share of each
room, and the memory of a cluster without checkers at several sizes and ages (checkers keep all
history, and a run of a seed is short).
"""

import argparse
import cProfile
import gc
import pstats
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actors.clock import settle_gc
from sim.checkers.history import History
from sim.checkers.leases import Leases
from sim.checkers.store_reads import StoreReads
from sim.connection import SECOND, Client, Handler, Reply, ServerStream
from sim.cost import USER
from sim.heap import Agenda
from sim.kernel import Kernel
from sim.network import Network
from sim.options import options_of
from sim.processes import Process
from sim.run import START_NS, Outcome, run_seed
from sim.shells.store import StoreShell
from sim.topics import Topics
from sim.turns import Turns
from sim.world import Makers, World

ROOMS = ("api", "store", "apiserver", "scheduler", "controllers", "hollow_node", "sim")
ROOT = Path(__file__).resolve().parent.parent
BAR = 150_000
"""Steps or messages a second on one core that the project wants."""


def row(name: str, seconds: float, counts: tuple[int, int]) -> None:
    steps, messages = counts
    rate = (steps + messages) / seconds
    print(f"{name:34}{steps:>12,}{messages:>12,}{seconds:>9.2f}{rate:>12,.0f}{rate / BAR:>8.0%}")


def clusters(seeds: int) -> list[Outcome]:
    run_seed(1)
    settle_gc()
    cpu = time.process_time()
    outcomes = [run_seed(seed) for seed in range(1, seeds + 1)]
    cpu_s = time.process_time() - cpu
    steps = sum(one.steps for one in outcomes)
    messages = sum(one.messages for one in outcomes)
    row(f"{seeds} clusters, faults, checkers", cpu_s, (steps, messages))
    virtual_s = sum(one.virtual_s for one in outcomes)
    print(f"  a seed: {cpu_s / seeds:.3f} s of CPU; {virtual_s / seeds:.1f} virtual s")
    return outcomes


class Idle:
    """A core that answers all it is told at once."""

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        return events

    def next_wakeup_ns(self) -> int | None:
        return None

    def check(self) -> None: ...


class Server:
    """A program that answers every call with its body, after a step."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self._kernel, self._name = kernel, name
        self.turns = Turns(kernel, name, Idle(), self._answer, USER)

    def start(self, listen: Callable[[Handler], None]) -> None:
        listen(self)

    def on_call(self, reply: Reply, body: Any) -> None:
        self.turns.take((reply, body), 1)

    def _answer(self, effect: tuple[Reply, Any]) -> None:
        kernel = self._kernel
        kernel.digest.add(kernel.agenda.now_ns, self._name, "reply", (effect[1],))
        effect[0](effect[1])

    def on_open(self, stream: ServerStream, body: Any) -> None: ...

    def on_closed(self, stream: ServerStream) -> None: ...


class Asker:
    """A program that asks again for each answer, with as many calls open as it began with."""

    def __init__(self, kernel: Kernel, network: Network, name: str, peer: str) -> None:
        self._kernel, self._name = kernel, name
        self._client = Client(network, name, peer)
        self.turns = Turns(kernel, name, Idle(), self._ask, USER)

    def _ask(self, body: Any) -> None:
        kernel = self._kernel
        kernel.digest.add(kernel.agenda.now_ns, self._name, "call", (body,))
        self._client.send(body, partial(self._answered, body))

    def _answered(self, body: Any, answer: Any) -> None:
        self.turns.take(body, 1)


def kernel_alone(in_flight: int, virtual_s: float) -> None:
    kernel = Kernel(1, Agenda(0))
    network = Network(kernel, (100, 100), 2000)
    for number in range(4):
        server = Server(kernel, f"server-{number}")
        server.start(partial(network.listen, f"server-{number}"))
        asker = Asker(kernel, network, f"asker-{number}", f"server-{number}")
        for _ in range(in_flight):
            asker.turns.take(b"x" * 300, 1)
    cpu = time.process_time()
    kernel.agenda.run(int(virtual_s * SECOND))
    name = f"kernel alone, {in_flight} calls in flight"
    row(name, time.process_time() - cpu, (kernel.steps, kernel.messages))


def shares(seeds: int) -> None:
    """Where the time goes, by room; what a room calls in C counts for the room."""
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    outcomes = [run_seed(seed) for seed in range(1, seeds + 1)]
    profile.disable()
    work = sum(one.steps + one.messages for one in outcomes)
    spent: dict[str, float] = {}
    for (file, _, _), (_, _, own_s, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        sources = {file: own_s}
        if file == "~":
            sources = {caller[0]: times[2] for caller, times in callers.items()}
        for source, seconds in sources.items():
            name = room_of(Path(source))
            spent[name] = spent.get(name, 0.0) + seconds
    total = sum(spent.values())
    print(f"\n{'room (profiled, so slower)':34}{'share':>8}{'us a step or message':>24}")
    for name, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        print(f"{name:34}{seconds / total:>8.0%}{1e6 * seconds / work:>24.2f}")


def room_of(path: Path) -> str:
    if not path.is_relative_to(ROOT):
        return "others"
    parts = path.relative_to(ROOT).parts
    if parts[0] != "sim":
        return parts[0] if parts[0] in ROOMS else "others"
    return "sim: checkers" if parts[1] == "checkers" else "sim: kernel, shells, clients"


SIZES = (10, 20, 40)
"""Nodes of the clusters whose memory is measured, besides one that has none and no pods."""
AGES_S = (20, 300)
"""Just after everything was made, and when API servers have let go of the changes that made it."""


def memory() -> None:
    """What clusters without checkers have live: what one has without nodes and pods, and how much
    more it is for each further object; and how much of it are parsed objects that only the
    simulator keeps, and the files of the disks."""
    print(f"\n{'memory of a cluster':20}{'virtual s':>10}{'objects':>9}{'MB':>8}", end="")
    print(f"{'kB a further object':>21}{'MB of it parsed':>17}{'files':>8}")
    empty = {age_s: (live, size_mb) for age_s, live, size_mb, _, _ in ages_of(0)}
    for age_s, (live, size_mb) in empty.items():
        print(f"{'  empty':20}{age_s:>10}{live:>9,}{size_mb:>8.1f}")
    for nodes in SIZES:
        for age_s, live, size_mb, parsed_mb, files_mb in ages_of(nodes):
            more = (size_mb - empty[age_s][1]) / (live - empty[age_s][0])
            print(f"{f'  {nodes} nodes':20}{age_s:>10}{live:>9,}{size_mb:>8.1f}", end="")
            print(f"{more * 1000:>21.0f}{parsed_mb:>17.1f}{files_mb:>8.1f}")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of the process {peak_mib:.0f} MiB")


def ages_of(nodes: int) -> Iterator[tuple[int, int, float, float, float]]:
    """(age in virtual seconds, objects; MB in all, of parsed objects, of files) of one cluster."""
    alone = replace(options_of(2), faults=(), faults_count=0, probes=0, keepers=0, mirrors=0)
    alone = replace(alone, readers=0, cordons=0, spare_nodes=0)
    short = replace(alone, retain_s=3, segment_bytes=16 << 10, snapshot_bytes=64 << 10)
    options = replace(short, nodes=nodes, deployments=nodes // 2, bare_pods=nodes)
    kernel = Kernel(options.seed, Agenda(START_NS))
    deaf = History(Topics(), options.store_shards, lambda: 0)
    tracemalloc.start()
    world = World(kernel, options, Makers(), (Leases(deaf), StoreReads(Topics(), deaf)))
    for age_s in AGES_S:
        kernel.agenda.run(START_NS + age_s * SECOND)
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0]
        kernel.seen.forget()
        parsed = traced - tracemalloc.get_traced_memory()[0]
        live = sum(keys_of(process) for process in world.processes.values())
        files = sum(disk.log_bytes for disk in world.disks)
        yield age_s, live, traced / 1e6, parsed / 1e6, files / 1e6
    tracemalloc.stop()


def keys_of(process: Process) -> int:
    shell = process.shell
    return shell.core.keyspace.live if isinstance(shell, StoreShell) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    seeds = parser.parse_args().seeds
    print(f"{'':34}{'steps':>12}{'messages':>12}{'CPU s':>9}{'a second':>12}{'of bar':>8}")
    outcomes = clusters(seeds)
    kernel_alone(1, 20.0)
    kernel_alone(100, 5.0)
    shares(min(seeds, 5))
    memory()
    failed = [one.options.seed for one in outcomes if one.failure]
    if failed:
        print("seeds that failed:", failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
