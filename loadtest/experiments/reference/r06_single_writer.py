"""R6, a store with one writer: it saturates, then declines; shards do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from api.storage import OK, PUT
from loadtest.experiments.reference.experiment import (
    Acceptance,
    Arms,
    Curve,
    Figure,
    Finding,
    Tell,
    within,
)
from loadtest.experiments.reference.files import Study
from loadtest.experiments.reference.rig import SEED
from loadtest.experiments.reference.swept import by_arm, curves
from sim.campaign.costs import DEFAULT
from sim.campaign.run import START_NS, VirtualError
from sim.campaign.servers import StoreProgram, Wires
from sim.connection import SECOND
from sim.cost import STORE, US, Cost
from sim.heap import Agenda
from sim.kernel import Kernel
from store.core import StoreCore, StoreSettings
from store.messages import Append

CLIENTS: Final = (1, 2, 4, 8, 16, 32, 64)
WORKERS: Final = 100
"""Of one client, each with one write under way at all times; 1,000 keys."""
KEYS: Final = 1000
LOCK_PS: Final = 1000
"""What a waiting write costs each write that is taken up with it: the lock is handed from one to
the other. Fitted to one published ratio, etcd's 64 clients against its peak (0.63)."""
SLOW_SYNC_NS: Final = 1000 * US
"""fdatasync of an SSD, at most. Source: etcd op-guide/performance."""
ETCD: Final = (65, 127, 138, 129, 124, 119, 87)
MEM_ETCD: Final = (60, 120, 220, 410, 697, 1050, 1380)
"""Thousands of sets a second, by CLIENTS. Source: bchess/k8s-1m, plots, read off to 5 %."""
SOURCE: Final = "k8s-1m, 2025"


@dataclass(frozen=True, slots=True)
class Sizes:
    stands_for: int
    """Workers that one simulated worker is."""
    rounds: int
    """Writes of each worker that are measured."""


class Flood(NamedTuple):
    clients: int
    rate: float
    """Writes a virtual second."""
    latency_s: float
    waiting: float
    """Little's law: writes under way, by rate and latency."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    swept = by_arm(arms, CLIENTS, lambda arm, clients: flood(int(arm), clients, sizes))
    for arm, runs in zip(arms, swept, strict=True):
        rates = [round(one.rate / 1000) for one in runs]
        tell(f"{arm} shards: {rates} thousand writes a second, virtual")
    alone = [lone_writer(sync_ns) for sync_ns in (SLOW_SYNC_NS, DEFAULT.sync_of("store-0", "none"))]
    tell(f"one writer, fsync of 1 ms and none: {[round(rate) for rate in alone]} writes a second")
    return Finding(
        (_rates(arms, swept), _latencies(arms, swept)),
        tuple(_judged(swept[0], swept[1], alone)),
        (
            f"closed loop: clients of {WORKERS} workers, {KEYS} keys each; one simulated worker "
            f"stands for {sizes.stands_for}; the store's core decides, appends and answers each "
            "write, on the virtual clock",
            f"service times: {STORE.step_ns // US} us a step and {STORE.item_ns // US} us a write "
            f"(sim/cost.py), fsync {DEFAULT.sync_of('store-0', 'fsync') // US} us in groups",
            f"this store has no lock to fight for; {LOCK_PS / 1000} ns for each pair of writes "
            "that wait together stand for one, fitted to one published ratio (64 clients against "
            "the peak); where the peak is and every other point follow from it",
            "the scale keeps what waits below the 2,000 writes that this store applies in a step, "
            "a bound that would split the queue and with it the fight for the lock",
            "figures relative to one client: absolute rates of either side mean nothing here",
        ),
    )


class Lock:
    """Service time of handing the lock on, by the writes of a step."""

    def __init__(self, stands_for: int) -> None:
        self._pair_ps = LOCK_PS * stands_for**2

    def __call__(self, effects: Sequence[Any]) -> int:
        writes = sum(len(one.records) for one in effects if isinstance(one, Append))
        return writes * writes * self._pair_ps // 1000


class Bench:
    """Shards of a store and workers that write without a pause."""

    def __init__(self, shards: int, stands_for: int, sync_ns: int) -> None:
        self.kernel = Kernel(SEED, Agenda(START_NS))
        self._wires = Wires(self.kernel, DEFAULT.frame_ns)
        self.stores = []
        for shard in range(shards):
            core = StoreCore(StoreSettings(shard, epoch_ns=START_NS))
            store = StoreProgram(self.kernel, self._wires, f"store-{shard}", core, sync_ns)
            store.turns.cost = Cost(STORE.step_ns, STORE.item_ns * stands_for)
            store.turns.work = Lock(stands_for)
            self.stores.append(store)
        self.done = 0
        self.waited_ns = 0
        self._writes = 0

    def start(self, workers: int) -> None:
        for worker in range(workers):
            self._write(worker)

    def _write(self, worker: int) -> None:
        self._writes += 1
        number = (worker * KEYS + self._writes) % (KEYS * CLIENTS[-1])
        key = b"/registry/leases/%d" % number
        store = self.stores[number * 7919 % len(self.stores)]
        request = (PUT, key, b"", b"x" * 100, -1, 0)
        sent_ns = self.kernel.agenda.now_ns
        self._wires.send_now(store.call, [request], partial(self._written, worker, sent_ns))

    def _written(self, worker: int, sent_ns: int, replies: Sequence[Any]) -> None:
        assert replies[0][0] == OK, replies
        self.done += 1
        self.waited_ns += self.kernel.agenda.now_ns - sent_ns
        self._write(worker)

    def until(self, done: int) -> None:
        for _ in range(1_000_000):
            if self.done >= done:
                return
            self.kernel.agenda.run(self.kernel.agenda.now_ns + 20 * US)
        raise VirtualError("the writers do not come on")


def flood(shards: int, clients: int, sizes: Sizes) -> Flood:
    workers = clients * WORKERS // sizes.stands_for
    bench = Bench(shards, sizes.stands_for, DEFAULT.sync_of("store-0", "fsync"))
    bench.start(workers)
    bench.until(2 * workers)
    done, waited_ns, begun_ns = bench.done, bench.waited_ns, bench.kernel.agenda.now_ns
    bench.until(done + sizes.rounds * workers)
    seconds = (bench.kernel.agenda.now_ns - begun_ns) / SECOND
    count = bench.done - done
    latency_s = (bench.waited_ns - waited_ns) / SECOND / count
    rate = count * sizes.stands_for / seconds
    return Flood(clients, rate, latency_s, rate * latency_s)


def lone_writer(sync_ns: int) -> float:
    """Writes a second of one worker, nothing to share a sync with."""
    bench = Bench(1, 1, sync_ns)
    bench.start(1)
    bench.until(200)
    return bench.done * SECOND / (bench.kernel.agenda.now_ns - START_NS)


def contention(runs: Sequence[Flood]) -> tuple[float, float]:
    """(sigma, kappa) of the universal scalability law, by least squares of clients over rate.
    Source: Gunther, Guerrilla Capacity Planning (2007)."""
    n = np.array([one.clients for one in runs], np.float64)
    rate = np.array([one.rate for one in runs], np.float64)
    basis = np.stack((np.ones_like(n), n - 1, n * (n - 1)), axis=1)
    base, sigma, kappa = np.linalg.lstsq(basis, n / rate, rcond=None)[0]
    return float(sigma / base), float(kappa / base)


def _judged(
    single: Sequence[Flood], sharded: Sequence[Flood], alone: Sequence[float]
) -> list[Acceptance]:
    rates = [one.rate for one in single]
    peak = CLIENTS[rates.index(max(rates))]
    rising = all(b.rate > a.rate for a, b in pairwise(sharded))
    kappas = [contention(runs)[1] for runs in (single, sharded)]
    beyond = [one for one in single if one.clients >= 8]
    off = max(abs(1 - one.waiting / (one.clients * WORKERS)) for one in beyond)
    return [
        within(
            "shape", "one writer: most writes at so many clients, an eighth of 64 at most",
            peak, 1, CLIENTS[-1] // 8,
        ),
        within(
            "shape", "one writer: 64 clients against the peak (published 0.63)",
            rates[-1] / max(rates), 0.4, 0.8,
        ),
        Acceptance(
            "shape", "shards: every doubling of clients writes more",
            "rising" if rising else "not rising", "rising", rising,
        ),
        within(
            "shape", "shards: 64 clients against one (published 23)",
            sharded[-1].rate / sharded[0].rate, 8, float("inf"),
        ),
        within("shape", "one writer: kappa of the scalability law", kappas[0], 1e-4, float("inf")),
        within(
            "shape", "shards: kappa against that of one writer",
            kappas[1] / kappas[0], float("-inf"), 0.1,
        ),
        within(
            "shape", "Little's law beyond the knee: writes under way, off by at most",
            off, 0, 0.1,
        ),
        within(
            "ratio", "one worker alone: no sync against an fsync of 1 ms",
            alone[1] / alone[0], 3, float("inf"),
        ),
    ]  # fmt: skip


def _rates(arms: Arms, swept: Sequence[Sequence[Flood]]) -> Figure:
    measured = [
        Curve(_name(arm), tuple((one.clients, one.rate / runs[0].rate) for one in runs))
        for arm, runs in zip(arms, swept, strict=True)
    ]
    published = [
        Curve(name, tuple((n, y / ys[0]) for n, y in zip(CLIENTS, ys, strict=True)), SOURCE)
        for name, ys in (("etcd", ETCD), ("mem_etcd", MEM_ETCD))
    ]
    return Figure(
        "Writes a second, relative to one client",
        f"Clients of {WORKERS} workers.",
        "clients",
        "times the rate of one client",
        (*measured, *published),
        "xy",
    )


def _latencies(arms: Arms, swept: Sequence[Sequence[Flood]]) -> Figure:
    return Figure(
        "Mean time of a write",
        "Virtual; beyond the knee it is clients over rate.",
        "clients",
        "virtual ms",
        curves(arms, swept, lambda one: (one.clients, one.latency_s * 1000), _name),
        "xy",
    )


def _name(arm: str) -> str:
    return "one writer" if arm == "1" else f"{arm} shards"


STUDY: Final = Study(run, Sizes, range(1, 65))
