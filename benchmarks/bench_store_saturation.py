"""A single writer saturates and then declines; shards make it grow. The shape of experiment R6.

    python -m benchmarks.bench_store_saturation [--seconds 1] [--out FOLDER]

Each client keeps 100 updates of 300 bytes over 1,000 keys in flight on a connection of its own.
Measured: one shard and, if installed, a real etcd, in turns, on this machine's cores, durability
none for ours and data in memory (/dev/shm) for etcd, so that the writer is what saturates. Virtual:
1 to 8 shards, each a real core on a processor of its own, whose steps are charged the CPU that the
measured shard needed with so many clients. Writes saturation.csv and saturation.svg to the folder.
Only shapes can be compared with other machines: where a curve has its best, what is left of it at
64 clients, how the best grows with shards.

Source: k8s-1m's lease flood (2025): etcd peaks at 4 clients and has lost a third at 64.
"""

import argparse
import csv
import heapq
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from api.storage import StoreRequest
from benchmarks.bench_store_load import (
    Case,
    build_tool,
    fill_by_frames,
    grpc_arguments,
    key,
    load_by_frames,
    load_by_grpc,
)
from benchmarks.bench_store_servers import ETCD, Shards, real_etcd
from store.core import StoreCore, StoreSettings
from store.messages import Append, Persisted, Reply, RequestsArrived, StoreEvent

CLIENTS = (1, 2, 4, 8, 16, 32, 64)
EACH = 100
KEYS = 1000
VALUE_BYTES = 300
SHARDS = (1, 2, 4, 8)
CLIENT_NS = 1_000_000
"""A client's own time from an answer to its next request, in virtual time."""
VIRTUAL_NS = 200_000_000
START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    clients: Sequence[int]
    rates: list[float]
    """Updates a second."""

    def line(self) -> str:
        rates = "".join(f"{rate:>10,.0f}" for rate in self.rates)
        best = max(self.rates)
        at = self.clients[self.rates.index(best)]
        return (
            f"{self.name:<20}{rates}   best at {at}, {self.rates[-1] / best:.0%} of it at the end"
        )


def measured(directory: Path, seconds: float) -> tuple[list[Curve], list[float]]:
    """The curves, and the server's CPU in microseconds an update of ours by clients."""
    tool = build_tool(directory) if ETCD else None
    ours = Shards(directory, "none")
    ours.start()
    fill_by_frames(ours, KEYS, VALUE_BYTES)
    rates: dict[str, list[float]] = {"ours, 1 shard": []}
    update_us: list[float] = []
    with tempfile.TemporaryDirectory(dir=_memory(directory)) as memory:
        theirs = real_etcd(Path(memory)) if tool else None
        if theirs is not None:
            theirs.start()
            rates["etcd"] = []
        for clients in CLIENTS:
            case = Case("update", "put", clients * EACH, clients, KEYS, VALUE_BYTES)
            result = load_by_frames(ours, case, seconds, 0)
            rates["ours, 1 shard"].append(result.count / result.seconds)
            update_us.append(result.server_us)
            if theirs is not None and tool is not None:
                result = load_by_grpc(tool, theirs, "put", grpc_arguments(case, seconds, 0))
                rates["etcd"].append(result.count / result.seconds)
        if theirs is not None:
            theirs.stop()
    ours.stop()
    return [Curve(name, CLIENTS, column) for name, column in rates.items()], update_us


def _memory(directory: Path) -> Path:
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else directory


class VirtualShards:
    """Real cores on a virtual clock. An update goes to the shard of its key; what comes while a
    shard works is its next step."""

    def __init__(self, count: int, update_us: Sequence[float]) -> None:
        self._update_us = update_us
        self._cores = [StoreCore(StoreSettings(shard=number)) for number in range(count)]
        self._free_ns = [START_NS] * count
        self._waiting: list[list[tuple[int, StoreRequest]]] = [[] for _ in range(count)]

    def rate(self, clients: int) -> float:
        """Updates a virtual second of a closed loop."""
        shards = len(self._cores)
        cost_ns = float(np.interp(clients / shards, CLIENTS, self._update_us)) * 1e3
        # (time, writer), or for the step of a shard (time, -1 - shard).
        agenda = [(START_NS + writer, writer) for writer in range(clients * EACH)]
        asked = done = 0
        while agenda[0][0] < START_NS + VIRTUAL_NS:
            now_ns, who = heapq.heappop(agenda)
            if who < 0:
                free_ns, writers = self._step(-1 - who, now_ns, cost_ns)
                done += len(writers)
                for writer in writers:
                    heapq.heappush(agenda, (free_ns + CLIENT_NS, writer))
                continue
            asked += 1
            number = asked * 7919 % KEYS
            shard = number % shards
            if not self._waiting[shard]:
                heapq.heappush(agenda, (max(now_ns, self._free_ns[shard]), -1 - shard))
            request = ("put", key(number), b"", bytes(VALUE_BYTES), -1, 0)
            self._waiting[shard].append((who, request))
        return done / (VIRTUAL_NS / 1e9)

    def _step(self, shard: int, now_ns: int, cost_ns: float) -> tuple[int, list[int]]:
        """Carry out what waits: when the shard is free again, and who is answered then."""
        waiting, self._waiting[shard] = self._waiting[shard], []
        core = self._cores[shard]
        batches = [(request,) for _, request in waiting]
        events: list[StoreEvent] = [RequestsArrived(range(len(batches)), batches)]
        answered: list[int] = []
        while len(answered) < len(waiting):
            orders = core.step(events, now_ns)
            events = []
            for order in orders:
                if isinstance(order, Append):
                    events.append(Persisted(order.first_index + len(order.records) - 1))
                elif isinstance(order, Reply):
                    answered += [waiting[call][0] for call in order.calls]
        self._free_ns[shard] = now_ns + round(len(waiting) * cost_ns)
        return self._free_ns[shard], answered


def virtual(update_us: Sequence[float]) -> list[Curve]:
    return [
        Curve(
            f"virtual, {count} shard{'s' if count > 1 else ''}",
            CLIENTS,
            [VirtualShards(count, update_us).rate(clients) for clients in CLIENTS],
        )
        for count in SHARDS
    ]


def shape(curves: Sequence[Curve]) -> str:
    """The two things that R6 is about, in words."""
    alone = [curve for curve in curves if not curve.name.startswith("virtual")]
    falls = ", ".join(
        f"{curve.name} {1 - curve.rates[-1] / max(curve.rates):.0%}" for curve in alone
    )
    best = [max(curve.rates) for curve in curves if curve.name.startswith("virtual")]
    grows = ", ".join(
        f"{rate / best[0]:.1f} with {count}" for count, rate in zip(SHARDS, best, strict=True)
    )
    return (
        f"from its best to {CLIENTS[-1]} clients a single writer loses: {falls}\n"
        f"shards, in virtual time, times the best of one: {grows}"
    )


def draw(curves: Sequence[Curve], path: Path) -> None:
    figure = Figure(figsize=(8, 5))
    axes = figure.add_subplot()
    for curve in curves:
        style = "--" if curve.name.startswith("virtual") else "-"
        axes.plot(curve.clients, curve.rates, style, marker="o", label=curve.name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel(f"clients, each with {EACH} updates in flight")
    axes.set_ylabel("updates a second")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        curves, update_us = measured(Path(name), chosen.seconds)
    curves += virtual(update_us)
    print(f"{'updates/s':<20}" + "".join(f"{clients:>10}" for clients in CLIENTS))
    for curve in curves:
        print(curve.line(), flush=True)
    print(shape(curves))
    with (chosen.out / "saturation.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("curve", "clients", "updates_per_s"))
        for curve in curves:
            rows.writerows(
                (curve.name, *row) for row in zip(curve.clients, curve.rates, strict=True)
            )
    draw(curves, chosen.out / "saturation.svg")
    print(f"drawn in {chosen.out / 'saturation.svg'}")


if __name__ == "__main__":
    main()
