"""R7, the sharded scheduler: near-linear to 4 scoring partitions, 69 % efficient at 16."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import msgpack
import orjson

from api.calls import ADDED
from api.core import JsonObject
from loadtest.experiments.reference.experiment import (
    Acceptance,
    Arms,
    Curve,
    Figure,
    Finding,
    Tell,
    exactly,
    within,
)
from loadtest.experiments.reference.files import Study
from loadtest.experiments.reference.rig import SEED
from scheduler.configuration import DEFAULT as DEFAULT_SCHEDULER
from scheduler.leader import SchedulerCore
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from sim.campaign.clients import ComponentProgram
from sim.campaign.costs import DEFAULT
from sim.campaign.run import START_NS, VirtualError
from sim.campaign.servers import Wires
from sim.connection import SECOND
from sim.cost import PARTITION, SCHEDULER, US
from sim.heap import Agenda
from sim.kernel import Kernel

PARTITIONS: Final = (1, 2, 4, 8, 16)
PUBLISHED_S: Final = (77, 37, 19, 11, 7)
"""100k pods on 100k nodes. Source: bchess/k8s-1m (2025)."""
NODES: Final = 100_000
ROW_NS: Final = 40
"""Filtering and scoring one node for a pod unlike all before: CPU of this code on one core of a
2-core virtual machine (python -m benchmarks.bench_scheduler), rounded."""
CPU_M: Final = 64_000
SLOW: Final = 10
"""How much slower the straggler is."""


@dataclass(frozen=True, slots=True)
class Sizes:
    rows: int
    """Nodes that there are; together they stand for NODES."""
    pods: int


class Scheduled(NamedTuple):
    """One run."""

    partitions: int
    seconds: float
    """Virtual, from the pods' arrival to the last binding."""
    placed: tuple[tuple[str, str], ...]
    """(pod, node), sorted."""
    overcommitted: int
    """Nodes with more requested than they have."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    most = int(arms.remedy)
    alone = schedule(0, sizes)
    swept = [schedule(min(count, most), sizes) for count in PARTITIONS]
    all_but_one = 100 * (most - 1) // most or 100
    tell(f"{[round(one.seconds, 3) for one in swept]} virtual s with {PARTITIONS} partitions")
    slow = [schedule(most, sizes, quorum=quorum, straggler=True) for quorum in (100, all_but_one)]
    tell(f"one of {most} is {SLOW} times slower: {[round(one.seconds, 3) for one in slow]} s")
    return Finding(
        (_speed_up(swept), _straggler(slow, swept[-1])),
        tuple(_judged(alone, swept, slow)),
        (
            f"{sizes.pods} pods, no two alike, on {sizes.rows} nodes that stand for {NODES:,}; the "
            "scheduler's leader, partitions and their frames are the real ones, on the virtual "
            "clock: no core of this machine is shared",
            f"service times: {ROW_NS} ns a node and pod in a partition, "
            f"{PARTITION.item_ns // US} us a pod there, {SCHEDULER.item_ns // US} us for each pod "
            "and answer that the leader takes in",
            "the partitions of a round are waited for, all but one of them in the quorum arm; "
            "bindings are answered at once by who stands in for the API server",
        ),
    )


class Scorer:
    """A partition that takes a time by the nodes it holds; one question after the other."""

    def __init__(self, kernel: Kernel, wires: Wires, row_ns: int, slowness: int) -> None:
        self._kernel = kernel
        self.wires = wires
        self._core = PartitionCore()
        self._row_ns = row_ns
        self._slowness = slowness
        self._free_ns = 0

    def call(self, body: Any, reply: Callable[[Any], None]) -> None:
        kernel = self._kernel
        changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
        (answer,) = self._core.step([changed, request], kernel.agenda.now_ns)
        pods = len(request.pods)
        cost_ns = PARTITION.of(pods) + pods * self._core.nodes * self._row_ns
        self._free_ns = max(self._free_ns, kernel.agenda.now_ns) + cost_ns * self._slowness
        kernel.sending_ns = self._free_ns
        self.wires.send(reply, msgpack.unpackb(msgpack.packb(answer_body(answer))))


class Desk:
    """Stands in for the API server: shows nodes and pods, says yes to every request."""

    def __init__(self, wires: Wires, agenda: Agenda) -> None:
        self.placed: dict[str, str] = {}
        self.last_ns = 0
        self._wires = wires
        self._agenda = agenda
        self._pods: Callable[[Any], None] | None = None
        self.nodes: list[bytes] = []

    def watch(self, words: tuple[Any, ...], reader: Callable[[Any], None]) -> None:
        if words[0] == "nodes":
            reader(_items(self.nodes))
        elif words[0] == "pods":
            self._pods = reader
        reader(("synced", 1))

    def bring(self, pods: Sequence[bytes]) -> None:
        assert self._pods is not None
        self._pods(_items(pods))

    def call(self, requests: Sequence[tuple[Any, ...]], reply: Callable[[Any], None]) -> None:
        for verb, resource, _, name, part, _, body, *_ in requests:
            if (verb, resource, part) == ("create", "pods", "binding"):
                self.placed[name] = orjson.loads(body)["target"]["name"]
                self.last_ns = self._agenda.now_ns
        self._wires.send_now(reply, [(201, 1, b"")] * len(requests))


def _items(objects: Sequence[bytes]) -> tuple[Any, ...]:
    count = len(objects)
    return ("items", [ADDED] * count, [1] * count, objects)


def schedule(
    partitions: int, sizes: Sizes, quorum: int = 100, straggler: bool = False
) -> Scheduled:
    """``quorum``: percent of the partitions whose answers end a round."""
    kernel = Kernel(SEED, Agenda(START_NS))
    wires = Wires(kernel, DEFAULT.frame_ns)
    desk = Desk(wires, kernel.agenda)
    desk.nodes = [orjson.dumps(_node(number)) for number in range(sizes.rows)]
    row_ns = ROW_NS * NODES // sizes.rows
    scorers = [
        Scorer(kernel, wires, row_ns, SLOW if straggler and not number else 1)
        for number in range(partitions)
    ]
    core = SchedulerCore(SEED, partitions, replace(DEFAULT_SCHEDULER, gather_quorum_percent=quorum))
    peers: Any = (desk, scorers, SCHEDULER)
    leader = ComponentProgram(kernel, wires, "scheduler", core, peers)
    leader.start()
    kernel.agenda.run(START_NS + 10 * SECOND)
    begun_ns = kernel.agenda.now_ns
    desk.bring([orjson.dumps(_pod(number)) for number in range(sizes.pods)])
    while len(desk.placed) < sizes.pods:
        if kernel.agenda.now_ns - begun_ns > 600 * SECOND:
            raise VirtualError(f"only {len(desk.placed)} of {sizes.pods} pods were bound")
        kernel.agenda.run(kernel.agenda.now_ns + SECOND // 100)
    used: dict[str, int] = {}
    for pod, node in desk.placed.items():
        used[node] = used.get(node, 0) + _cpu_m(int(pod[1:]))
    return Scheduled(
        partitions,
        (desk.last_ns - begun_ns) / SECOND,
        tuple(sorted(desk.placed.items())),
        sum(cpu_m > CPU_M for cpu_m in used.values()),
    )


def _node(number: int) -> JsonObject:
    return {
        "metadata": {"name": f"n{number}", "uid": f"n{number}"},
        "spec": {},
        "status": {"allocatable": {"cpu": f"{CPU_M}m", "memory": "256Gi", "pods": "110"}},
    }


def _cpu_m(number: int) -> int:
    return 100 + number * 7 % 900


def _pod(number: int) -> JsonObject:
    requests = {"requests": {"cpu": f"{_cpu_m(number)}m", "memory": f"{100 + number}Mi"}}
    return {
        "metadata": {"namespace": "default", "name": f"p{number}", "uid": f"p{number}"},
        "spec": {
            "containers": [{"name": "c", "image": "app:1", "resources": requests}],
            "schedulerName": "default-scheduler",
        },
        "status": {"phase": "Pending"},
    }


def _efficiency(swept: Sequence[Scheduled], partitions: int) -> float:
    seconds = swept[PARTITIONS.index(partitions)].seconds
    return swept[0].seconds / seconds / partitions


def _judged(
    alone: Scheduled, swept: Sequence[Scheduled], slow: Sequence[Scheduled]
) -> list[Acceptance]:
    return [
        within(
            "shape", "efficiency of 4 partitions (published 1.01)",
            _efficiency(swept, 4), 0.85, 1.1,
        ),
        within(
            "shape", "efficiency of 16 partitions (published 0.69)",
            _efficiency(swept, 16), 0.5, 0.95,
        ),
        within(
            "ratio", "one partition 10 times slower: all but one waited for, against all",
            slow[0].seconds / slow[1].seconds, 3, float("inf"),
        ),
        exactly(
            "pods on another node than a scheduler alone chooses, all partitions waited for",
            [
                sum(a != b for a, b in zip(one.placed, alone.placed, strict=True))
                for one in (*swept, slow[0])
            ],
            [0] * (len(swept) + 1),
        ),
        exactly(
            "overcommitted nodes, in every run",
            [one.overcommitted for one in (*swept, *slow)],
            [0] * (len(swept) + 2),
        ),
    ]  # fmt: skip


def _speed_up(swept: Sequence[Scheduled]) -> Figure:
    measured = tuple(
        (count, swept[0].seconds / one.seconds)
        for count, one in zip(PARTITIONS, swept, strict=True)
    )
    published = tuple(
        (count, PUBLISHED_S[0] / seconds)
        for count, seconds in zip(PARTITIONS, PUBLISHED_S, strict=True)
    )
    return Figure(
        "Speed-up by scoring partitions",
        "Of the time until all pods are bound, against one partition.",
        "partitions",
        "times as fast",
        (
            Curve("linear", tuple((count, count) for count in PARTITIONS)),
            Curve("measured, virtual time", measured),
            Curve("100k pods on 100k nodes", published, "k8s-1m, 2025"),
        ),
        "xy",
    )


def _straggler(slow: Sequence[Scheduled], sound: Scheduled) -> Figure:
    runs = (("sound", sound), ("wait for all", slow[0]), ("all but one", slow[1]))
    return Figure(
        "One partition ten times slower",
        "Throughput against 16 sound ones: 1 sound, 2 all waited for, 3 all but one waited for.",
        "arm",
        "share of the throughput",
        (
            Curve(
                "of 16 partitions",
                tuple(
                    (number, sound.seconds / one.seconds)
                    for number, (_, one) in enumerate(runs, start=1)
                ),
            ),
        ),
    )


STUDY: Final = Study(run, Sizes, range(1, 65))
