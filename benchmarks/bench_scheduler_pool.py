"""How the scoring pool grows with its partitions, and what a slow one costs.

    python -m benchmarks.bench_scheduler_pool [--nodes 20000] [--pods 512] [--out runs]
        [--partitions 1 2 4 8 16 32 64]

The leader and every partition do their work for real, one after the other in this process, frames
included; each piece takes the CPU time that it took, on a clock on which the leader and each
partition have a core of their own and a frame travels 50 us. As in the leader's core, partitions
are asked about the next batch before the last one is decided. All pods are different, all nodes
scored. The first round, in which partitions learn the nodes, is not counted. "leader" and
"partition" are microseconds of CPU a pod. Beside it stands the published curve of 1 to 16
schedulers over 100,000 nodes (research R7: 77, 37, 19, 11 and 7 s).
"""

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgpack
from matplotlib.figure import Figure

from api.streams import Stream
from benchmarks.bench_scheduler import cluster_node, different_pod
from scheduler.engine import Engine
from scheduler.leader import BATCH_MAX
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.shapes import Shapes

T = TypeVar("T")
Question = tuple[int, Shape, int]
"""(number in the batch, shape, salt)."""
PARTITIONS = (1, 2, 4, 8, 16, 32, 64)
STRAGGLER_AT = (4, 16, 64)
PUBLISHED_S = {1: 77, 2: 37, 4: 19, 8: 11, 16: 7}
"""100,000 pods on as many nodes. Source: bchess/k8s-1m."""
LATENCY_S = 50e-6
SEED = 1


@dataclass
class Arm:
    """One way to run it."""

    partitions: int
    slow_factor: float = 1.0
    """The last partition takes so many times as long."""
    quorum_percent: int = 100

    @property
    def name(self) -> str:
        if self.slow_factor == 1.0:
            return "equal"
        waits = "all" if self.quorum_percent == 100 else "all but one"
        return f"one {self.slow_factor:g}x slow, {waits} awaited"


@dataclass
class VirtualPool:
    """A leader and its partitions on a clock of their own. Times in seconds."""

    arm: Arm
    nodes: int
    clock: float = 0.0
    """Of the leader."""
    leader: float = 0.0
    partition: float = 0.0
    """CPU time of the leader, and of a partition on average."""
    rows: list[int] = field(default_factory=list)
    """Chosen ones."""

    def __post_init__(self) -> None:
        self.table = NodeTable()
        for number in range(self.nodes):
            self.table.put_node(node_facts(cluster_node(number, False)))
        count = self.arm.partitions
        engine = Engine(self.table)
        self.pool = ScoringPool(self.table, engine, count, self.arm.quorum_percent)
        self._cores = [PartitionCore() for _ in range(count)]
        self._free = [0.0] * count
        """When each partition has nothing to do."""
        self._coming: list[tuple[float, int, bytes]] = []
        """Answers under way: arrival, partition, frame."""

    def rate(self, pods: int) -> float:
        """Decisions a second."""
        shapes, ties = Shapes(), Stream(SEED, "ties")
        wanted = [shapes.of_pod(different_pod(number)) for number in range(BATCH_MAX + pods)]
        asked = [(n % BATCH_MAX, s, max(ties.next_u64(), 1)) for n, s in enumerate(wanted)]
        before: list[Question] = []
        begun = 0.0
        for first in range(0, len(wanted), BATCH_MAX):
            batch = asked[first : first + BATCH_MAX]
            self._ask(batch, len(before))
            self._decide(before)
            self._hear(only_arrived=False)
            self._spend(self.pool.close)
            if not before:
                begun, self.leader, self.partition = self.clock, 0.0, 0.0
            before = batch
        # As many rounds were asked as were decided since; the last is only decided.
        rate, spent = pods / (self.clock - begun), (self.leader, self.partition)
        self._decide(before)
        self.leader, self.partition = spent
        return rate

    def _ask(self, questions: Sequence[Question], undecided: int) -> None:
        self._hear(only_arrived=True)
        for number, body in self._spend(lambda: self.pool.ask(questions, undecided, 0)):
            self._serve(number, self._spend(partial(msgpack.packb, body)))

    def _decide(self, questions: Sequence[Question]) -> None:
        self._spend(partial(self._place, questions))

    def _place(self, questions: Sequence[Question]) -> None:
        for number, shape, salt in questions:
            row = self.pool.choose(number, shape, salt)
            self.table.add_pod(f"default/p{len(self.rows)}", self.table.names[row], shape)
            self.rows.append(row)

    def _spend(self, work: Callable[[], T]) -> T:
        """The leader is busy for as long as it takes."""
        since = time.process_time()
        result = work()
        took = time.process_time() - since
        self.clock += took
        self.leader += took
        return result

    def _serve(self, number: int, frame: bytes) -> None:
        since = time.process_time()
        (answer,) = self._cores[number].step(request_from(msgpack.unpackb(frame)), 0)
        reply = msgpack.packb(answer_body(answer))
        took = time.process_time() - since
        self.partition += took / self.arm.partitions
        if number == self.arm.partitions - 1:
            took *= self.arm.slow_factor
        begin = max(self.clock + LATENCY_S, self._free[number])
        self._free[number] = begin + took
        self._coming.append((self._free[number] + LATENCY_S, number, reply))

    def _hear(self, only_arrived: bool) -> None:
        """Take answers in order of arrival: those that are there, or until the round is closed."""
        self._coming.sort()
        while self._coming:
            arrival, number, frame = self._coming[0]
            if arrival > self.clock if only_arrived else not self.pool.waiting:
                return
            del self._coming[0]
            self.clock = max(self.clock, arrival)
            self._spend(partial(self._answered, number, frame))

    def _answered(self, number: int, frame: bytes) -> None:
        self.pool.answered(number, msgpack.unpackb(frame), 0)


def arms(partitions: Sequence[int]) -> list[Arm]:
    """The first with one partition, which the others are compared with."""
    found = [Arm(count) for count in dict.fromkeys((1, *partitions))]
    for count in (count for count in STRAGGLER_AT if count in partitions):
        for factor in (2.0, 10.0):
            found += [Arm(count, factor), Arm(count, factor, 100 * (count - 1) // count)]
    return found


def draw(rates: dict[tuple[str, int], float], path: Path) -> None:
    figure = Figure(figsize=(8, 5))
    axes = figure.add_subplot()
    one = rates["equal", 1]
    for name in dict.fromkeys(name for name, _ in rates):
        counts = [count for arm, count in rates if arm == name]
        shares = [rates[name, count] / one / count for count in counts]
        axes.plot(counts, shares, marker="o", label=name)
    published = [PUBLISHED_S[1] / PUBLISHED_S[count] / count for count in PUBLISHED_S]
    axes.plot(list(PUBLISHED_S), published, "--", marker="s", label="published (R7)")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("partitions")
    axes.set_ylabel("efficiency: rate over that of one, over partitions")
    axes.grid(True, alpha=0.3)
    axes.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=20_000)
    parser.add_argument("--pods", type=int, default=512)
    parser.add_argument("--partitions", type=int, nargs="+", default=PARTITIONS)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    print(f"{chosen.nodes:,} unequal nodes, all scored; {chosen.pods} pods, all different")
    print(
        f"{'arm':<36}{'partitions':>11}{'pods/s':>9}{'efficiency':>12}{'published':>11}"
        f"{'leader':>8}{'partition':>10}{'alone':>6}"
    )
    rates: dict[tuple[str, int], float] = {}
    rows: list[int] = []
    for arm in arms(chosen.partitions):
        run = VirtualPool(arm, chosen.nodes)
        rate = rates[arm.name, arm.partitions] = run.rate(chosen.pods)
        rows = rows or run.rows
        # Whoever waits for all chooses the same nodes, however many share the work.
        assert arm.quorum_percent < 100 or (run.rows == rows and run.pool.fallbacks == 0)
        share = rate / rates["equal", 1] / arm.partitions
        seconds = PUBLISHED_S.get(arm.partitions)
        beside = f"{PUBLISHED_S[1] / seconds / arm.partitions:.2f}" if seconds else "-"
        spent = [seconds / chosen.pods * 1e6 for seconds in (run.leader, run.partition)]
        print(
            f"{arm.name:<36}{arm.partitions:>11}{rate:>9,.0f}{share:>12.2f}{beside:>11}"
            f"{spent[0]:>8.0f}{spent[1]:>10.0f}{run.pool.fallbacks:>6}",
            flush=True,
        )
    with (chosen.out / "pool.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("arm", "partitions", "pods_per_s"))
        out.writerows((*arm, rate) for arm, rate in rates.items())
    draw(rates, chosen.out / "pool.svg")
    print(f"drawn in {chosen.out / 'pool.svg'}")


if __name__ == "__main__":
    main()
