"""How full the nodes were over a run, and how fragmented their GPUs, from the files of its bundle.

A pod counts on its node from when it was seen bound to when it was seen gone. Requests are those
of the schedule; the pods of Deployments all have the same.
"""

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.core import JsonObject
from api.quantity import milli_value
from hollow_node.node_list import NodeShape
from loadtest.bodies import REPLICA_REQUESTS
from loadtest.bundle import read_rows, write_rows
from loadtest.compiled import SCHEDULE_FILE, parse_schedule
from loadtest.devices import GPU_MILLI, Demand, Devices, Node
from loadtest.measure import Floats

NODES_FILE = "nodes.csv"
ALLOCATION_FILE = "allocation.csv"
COLUMNS = ("t_s", "cpu_share", "memory_share", "gpu_share", "gpus_free", "gpus_fragmented")
POINTS = 400
WAIT_PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)
GPU_SHARE, GPU_COUNT = "alibaba.com/gpu-milli", "alibaba.com/gpu-count"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Allocation:
    """Columns of equal length, at POINTS moments of a run."""

    t_s: Floats
    cpu_share: Floats
    """Requested of allocatable, 0 to 1."""
    memory_share: Floats
    gpu_share: Floats
    gpus_free: Floats
    """Not allocated, in GPUs; 0 throughout in a cluster without GPUs."""
    gpus_fragmented: Floats
    """F of loadtest.devices, in GPUs."""
    gpus: int
    tasks: int
    """Different demands that fragmentation is measured by."""
    split: int
    """Pods for which their node had room, but no GPU of it."""

    @property
    def fragmentation(self) -> Floats:
        """F of all that is free, 0 to 1; 0 where nothing is free."""
        return np.divide(
            self.gpus_fragmented,
            self.gpus_free,
            out=np.zeros_like(self.gpus_free),
            where=self.gpus_free > 0,
        )


def write_nodes(directory: Path, shapes: Sequence[NodeShape]) -> None:
    """The nodes of a run as this module reads them."""
    rows = [tuple(node_of(shape)) for shape in shapes]
    write_rows(directory / NODES_FILE, Node._fields, rows)


def node_of(shape: NodeShape) -> Node:
    capacity = dict(shape.capacity)
    return Node(
        shape.name,
        milli_value(capacity["cpu"]),
        milli_value(capacity["memory"]) // 1000 // MIB,
        milli_value(capacity.get(GPU_COUNT, "0")) // 1000,
    )


def demand_of(requests: Mapping[str, object]) -> Demand:
    """Of a pod's requests. ``gpu-milli`` without ``gpu-count`` is a share of one GPU."""
    share = milli_value(str(requests.get(GPU_SHARE, "0"))) // 1000
    count = milli_value(str(requests.get(GPU_COUNT, "0"))) // 1000
    gpus, each = (count, GPU_MILLI) if count else (-(-share // GPU_MILLI), 0)
    return Demand(
        milli_value(str(requests.get("cpu", "0"))),
        -(-milli_value(str(requests.get("memory", "0"))) // 1000 // MIB),
        gpus,
        each or (share // gpus if gpus else 0),
    )


class _Stay(NamedTuple):
    """A pod on its node."""

    row: int
    demand: Demand
    from_ns: int
    to_ns: int
    """0: to the end."""


def allocation_of(directory: Path, start_ns: int, length_s: float) -> Allocation | None:
    """None for a run that left no list of its nodes, or had no load. ``start_ns``: wall clock of
    its start."""
    nodes = [
        Node(row["name"], int(row["cpu_milli"]), int(row["memory_mib"]), int(row["gpus"]))
        for row in read_rows(directory / NODES_FILE)
    ]
    if not nodes or not start_ns:
        return None
    devices = Devices(nodes)
    stays, tasks = _stays(directory, devices)
    times = np.linspace(0.0, length_s, POINTS)
    filling = _Filling(devices, stays, tasks)
    columns = np.array([filling.at(start_ns + int(t * 1e9)) for t in times], np.float64).T
    cpu, memory, gpu, free, fragmented = columns
    return Allocation(
        t_s=times,
        cpu_share=cpu,
        memory_share=memory,
        gpu_share=gpu,
        gpus_free=free,
        gpus_fragmented=fragmented,
        gpus=sum(node.gpus for node in nodes),
        tasks=len(tasks),
        split=devices.split,
    )


def write_allocation(directory: Path, allocation: Allocation) -> None:
    """The series as a file, for whoever draws his own figures."""
    columns = [getattr(allocation, name) for name in COLUMNS]
    rows = [[f"{value:.6g}" for value in row] for row in zip(*columns, strict=True)]
    write_rows(directory / ALLOCATION_FILE, COLUMNS, rows)


def waits(created_s: Floats, bound_s: Floats) -> dict[str, float]:
    """Time from creation to bound by percentile, in seconds; empty if nothing was bound."""
    values = bound_s - created_s
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    found = np.percentile(values, WAIT_PERCENTILES, method="inverted_cdf")
    return {f"p{p:g}": float(v) for p, v in zip(WAIT_PERCENTILES, found, strict=True)}


def allocation_document(allocation: Allocation | None) -> JsonObject | None:
    """For summary.json: mean, greatest and last value of each share."""
    if allocation is None:
        return None

    def spread(values: Floats) -> dict[str, float]:
        found = {"mean": values.mean(), "max": values.max(), "end": values[-1]}
        return {key: round(float(value), 6) for key, value in found.items()}

    document: JsonObject = {
        "cpu_share": spread(allocation.cpu_share),
        "memory_share": spread(allocation.memory_share),
    }
    if allocation.gpus:
        document["gpu_share"] = spread(allocation.gpu_share)
        document["gpus"] = allocation.gpus
        document["gpu_fragmentation"] = spread(allocation.fragmentation)
        document["gpus_fragmented"] = spread(allocation.gpus_fragmented)
        document["tasks"] = allocation.tasks
        document["pods_split_over_gpus"] = allocation.split
    return document


def _stays(directory: Path, devices: Devices) -> tuple[list[_Stay], dict[Demand, float]]:
    """Where pods were and when; and each demand with its share of all pods."""
    arrivals = parse_schedule(gzip.decompress((directory / SCHEDULE_FILE).read_bytes()))
    single = {
        (arrival.namespace, arrival.name): demand_of(dict(arrival.value))
        for arrival in arrivals
        if arrival.verb == "create" and arrival.resource == "pods"
    }
    replica = demand_of(REPLICA_REQUESTS)
    stays: list[_Stay] = []
    counts: Counter[Demand] = Counter()
    for pod in read_rows(directory / "pods.csv.gz"):
        demand = single.get((pod["namespace"], pod["name"]), replica)
        counts[demand] += 1
        row = devices.rows.get(pod["node"])
        if row is not None:
            stays.append(_Stay(row, demand, int(pod["bound_ns"]), int(pod["deleted_ns"])))
    total = sum(counts.values())
    return stays, {demand: count / total for demand, count in sorted(counts.items())}


class _Filling:
    """Fills and empties the nodes as time goes on."""

    def __init__(
        self, devices: Devices, stays: Sequence[_Stay], tasks: Mapping[Demand, float]
    ) -> None:
        self._devices = devices
        self._stays = stays
        self._tasks = tasks
        comings = [(stay.from_ns, 1, number) for number, stay in enumerate(stays)]
        goings = [(stay.to_ns, 0, number) for number, stay in enumerate(stays) if stay.to_ns]
        # Who leaves at the moment in which another comes makes room for him.
        self._moves = sorted(comings + goings)
        self._next = 0
        self._got: dict[int, NDArray[np.int64]] = {}
        self._whole = [
            max(1, int(column.sum()))
            for column in (devices.cpu_milli, devices.memory_mib, devices.gpu_milli)
        ]
        self._with_gpus = dict.fromkeys(np.flatnonzero(devices.gpu_milli.sum(axis=1)).tolist())
        self._fragmented = np.zeros(len(devices.cpu_milli), np.float64)
        self._stale: dict[int, None] = dict(self._with_gpus)

    def at(self, now_ns: int) -> tuple[float, ...]:
        """Everything but the time of COLUMNS, at a moment not before the last one."""
        devices = self._devices
        while self._next < len(self._moves) and self._moves[self._next][0] <= now_ns:
            self._move(*self._moves[self._next][1:])
            self._next += 1
        if self._stale:
            rows = list(self._stale)
            self._fragmented[rows] = devices.fragmented(rows, self._tasks)
            self._stale = {}
        free = [int(c.sum()) for c in (devices.cpu_milli, devices.memory_mib, devices.gpu_milli)]
        shares = [1 - part / whole for part, whole in zip(free, self._whole, strict=True)]
        if not self._with_gpus:
            shares[2] = 0.0
        return (*shares, free[2] / GPU_MILLI, float(self._fragmented.sum()) / GPU_MILLI)

    def _move(self, comes: int, number: int) -> None:
        stay, devices = self._stays[number], self._devices
        if comes:
            self._got[number] = devices.take(stay.row, stay.demand)
        elif number in self._got:
            devices.give(stay.row, stay.demand, self._got.pop(number))
        if stay.row in self._with_gpus:
            self._stale[stay.row] = None
