"""R1, node heartbeats: the whole NodeStatus every ten seconds, or a Lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from hollow_node.core import HollowNodes
from hollow_node.fleet import BY_STATUS, STATUS_PERIOD_NS, Heartbeats
from hollow_node.node_list import NodeShape
from hollow_node.stages import general_stages
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
from loadtest.experiments.reference.rig import SEED, Rig
from sim.campaign.run import START_NS
from sim.connection import SECOND
from store.core import StoreSettings

BEATS: Final = {"status": BY_STATUS, "lease": Heartbeats()}
PERIOD_S: Final = 10
IMAGES: Final = 12
"""In a node's status; KEP-589 speaks of 10 to 15."""
NAME_BYTES: Final = 220
GIB: Final = 1 << 30
KEP: Final = "KEP-589, 2019"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the experiment is."""

    nodes: tuple[int, ...]
    window_s: int
    history_s: int
    """Age at which versions are compacted."""
    cliff_nodes: int
    """Nodes of 15 kB that the quota is meant to hold."""
    cliff_bytes: tuple[int, ...]
    """Sizes of a node, ascending, 15,000 and 30,000 last."""


class Growth(NamedTuple):
    """Of the store in a window."""

    writes: int
    bytes: int


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    historic, remedy = BEATS[arms.historic], BEATS[arms.remedy]
    rates = {
        name: [growth(nodes, 15_000, BEATS[name], sizes.window_s) for nodes in sizes.nodes]
        for name in dict.fromkeys(arms)
    }
    tell(f"writes a minute: {[one.writes for one in rates[arms.historic]]} by status")
    nodes = sizes.nodes[0]
    periods = {
        period_s: growth(nodes, 30_000, historic._replace(status_ns=period_s * SECOND), 300)
        for period_s in (10, 60, 300)
    }
    # Beside the history: the present version, and two of the registration.
    versions = sizes.history_s // PERIOD_S + 3
    others = Rig(_settings()).store.core.keyspace.size
    quota = others + sizes.cliff_nodes * 15_000 * versions
    cliffs = [cliff(size, historic, quota, sizes) for size in sizes.cliff_bytes]
    tell(f"quota {quota:,} bytes holds {cliffs} nodes of {sizes.cliff_bytes} bytes by status")
    beyond = 2 * cliffs[-2]
    curves = [level(beyond, 15_000, beats, sizes) for beats in (historic, remedy)]
    stopped = [refused(beyond, beats, quota, sizes) for beats in (historic, remedy)]
    tell(f"writes refused with {beyond} nodes of 15 kB: {stopped}")
    judged = (
        *_judged_rates(arms, sizes, rates, periods, nodes),
        *_judged_cliff(sizes.cliff_nodes, cliffs, stopped, curves),
    )
    return Finding(
        (
            _writes(sizes, rates),
            _bytes(periods, nodes),
            _cliff(cliffs, sizes, quota),
            _level(arms, curves, beyond, quota),
        ),
        judged,
        (
            f"hollow nodes, one API server and one shard: {sizes.nodes} nodes over "
            f"{sizes.window_s} virtual seconds; history of {sizes.history_s} s",
            "bytes are keys, headers and values as the store's quota counts them, 64 a version "
            "more; no page of a file is rounded up",
            f"the quota, {quota:,} bytes, is scaled with the number of nodes; curves by bytes of a "
            "node are scaled to 2 GiB and a history of 10 minutes, which KEP-589 does not state",
            "no other component runs, so every write counted is a heartbeat; a Lease is renewed "
            "after 10.0 to 10.4 s, as kubelets do",
        ),
    )


# Runs


def shapes(count: int, size: int) -> list[NodeShape]:
    """Nodes whose stored objects take about ``size`` bytes: the rest is names of images."""
    return [
        NodeShape(
            f"n{number}",
            (("cpu", "4"), ("memory", "8Gi"), ("pods", "110")),
            images=_images(size - BARE_BYTES),
        )
        for number in range(count)
    ]


BARE_BYTES: Final = 2_830
"""Of a Ready node without images in the store, header and key included."""


def _images(size: int) -> tuple[tuple[tuple[str, ...], int], ...]:
    each = size // IMAGES - 32
    lengths = [NAME_BYTES] * (each // NAME_BYTES) + [each % NAME_BYTES]
    return tuple(
        (tuple(f"{number:x}{'i' * (length - 5)}" for length in lengths if length > 5), 1 << 28)
        for number in range(IMAGES)
    )


def _started(count: int, size: int, beats: Heartbeats, settings: StoreSettings) -> Rig:
    """All nodes are Ready and in their rhythm."""
    rig = Rig(settings)
    core = HollowNodes(shapes(count, size), general_stages(), SEED, beats)
    rig.component("hollow-0", core)
    rig.until(lambda: core.gauges()["nodes_ready"] == count)
    rig.run(SECOND)
    return rig


def _settings(history_s: int = 0, quota: int = 0) -> StoreSettings:
    return StoreSettings(0, retain_ns=history_s * SECOND, epoch_ns=START_NS, quota_bytes=quota)


def growth(count: int, size: int, beats: Heartbeats, window_s: int) -> Growth:
    """What heartbeats write in a window, nothing compacted."""
    rig = _started(count, size, beats, _settings())
    core = rig.store.core
    writes, held = len(core.keyspace.changes), core.keyspace.size
    rig.run(window_s * SECOND)
    return Growth(len(core.keyspace.changes) - writes, core.keyspace.size - held)


def cliff(size: int, beats: Heartbeats, quota: int, sizes: Sizes) -> int:
    """The most nodes of a size with which no alarm is raised, however long one waits; looked for
    from half to twice of what the formula says."""
    fitting = sizes.cliff_nodes * 15_000 // size
    low, high = fitting // 2, 2 * fitting
    while high - low > 1:
        middle = (low + high) // 2
        if refused(middle, beats, quota, sizes, size):
            high = middle
        else:
            low = middle
    return low


def refused(count: int, beats: Heartbeats, quota: int, sizes: Sizes, size: int = 15_000) -> bool:
    """Whether the store refuses a write of somebody else once its history is as long as it gets;
    a read must pass either way."""
    rig = Rig(_settings(sizes.history_s, quota))
    core = HollowNodes(shapes(count, size), general_stages(), SEED, beats)
    rig.component("hollow-0", core)
    alarm = rig.store.core.ledger.quota
    end_ns = rig.now_ns + (2 * sizes.history_s + PERIOD_S) * SECOND
    while not alarm.raised and rig.now_ns < end_ns:
        rig.run(SECOND)
    body = orjson.dumps({"metadata": {"name": "another"}})
    write = ("create", "namespaces", "", "", "", "", body, "", False)
    read = ("get", "namespaces", "", "default", "", "", b"", "", False)
    (written,), (seen,) = rig.ask([write]), rig.ask([read])
    assert seen[0] == 200, seen
    assert (written[0] != 201) == alarm.raised, written
    return written[0] != 201


def level(count: int, size: int, beats: Heartbeats, sizes: Sizes) -> list[tuple[float, int]]:
    """(s, bytes) that the store holds, from the start, without a quota."""
    rig = Rig(_settings(sizes.history_s))
    rig.component("hollow-0", HollowNodes(shapes(count, size), general_stages(), SEED, beats))
    points = []
    for _ in range(40):
        rig.run(2 * sizes.history_s * SECOND // 40)
        points.append(((rig.now_ns - START_NS) / SECOND, rig.store.core.keyspace.size))
    return points


# Judgement


def _judged_rates(
    arms: Arms,
    sizes: Sizes,
    rates: dict[str, list[Growth]],
    periods: dict[int, Growth],
    nodes: int,
) -> list[Acceptance]:
    per_node = [
        one.writes / count for one, count in zip(rates[arms.remedy], sizes.nodes, strict=True)
    ]
    expected = sizes.window_s / (1.02 * PERIOD_S) + sizes.window_s * SECOND / STATUS_PERIOD_NS
    return [
        exactly(
            "by status, writes a minute are 60 N / T",
            [one.writes for one in rates[arms.historic]],
            [count * sizes.window_s // PERIOD_S for count in sizes.nodes],
        ),
        within(
            "virtual time",
            "by Lease, writes are N / T (mean jitter of a kubelet 2 %) and a status every 5 min",
            per_node[-1] / expected,
            0.97,
            1.03,
        ),
        within(
            "ratio",
            "by status, bytes of T = 60 s against T = 300 s",
            periods[60].bytes / periods[300].bytes,
            4.95,
            5.05,
        ),
        exactly(
            "by status, writes in 300 s with T = 10, 60 and 300 s",
            [one.writes for one in periods.values()],
            [nodes * 300 // period_s for period_s in periods],
        ),
        within(
            "ratio",
            "bytes written a minute, by status against by Lease, nodes of 15 kB",
            rates[arms.historic][-1].bytes / rates[arms.remedy][-1].bytes,
            5.0,
            float("inf"),
        ),
    ]


def _judged_cliff(
    fitting: int,
    cliffs: Sequence[int],
    stopped: Sequence[bool],
    curves: Sequence[list[tuple[float, int]]],
) -> list[Acceptance]:
    tops = [max(size for _, size in points) for points in curves]
    return [
        within(
            "shape", "twice the bytes of a node halve the nodes that fit (15 kB, 30 kB)",
            cliffs[-1] / cliffs[-2], 0.45, 0.55,
        ),
        within(
            "shape", "the quota divided by S H / T is the number of nodes that fit (15 kB)",
            cliffs[-2] / fitting, 0.9, 1.1,
        ),
        exactly("writes are refused beyond the cliff, with Leases none", stopped, [True, False]),
        within(
            "ratio", "most bytes held, by status against by Lease (published 1.7)",
            tops[0] / tops[1], 1.7, float("inf"),
        ),
    ]  # fmt: skip


# Figures


def _writes(sizes: Sizes, rates: dict[str, list[Growth]]) -> Figure:
    def curve(name: str) -> Curve:
        points = zip(sizes.nodes, rates[name], strict=True)
        return Curve(f"by {name}", tuple((n, one.writes / sizes.window_s) for n, one in points))

    return Figure(
        "Writes a second",
        "Heartbeats, one every ten seconds from each node.",
        "nodes",
        "writes/s",
        (
            *(curve(name) for name in rates),
            Curve("Leases of 1M nodes", ((1e6, 1e5),), "k8s-1m, 2025"),
            Curve("Leases of 130k nodes", ((130e3, 13e3),), "GKE 130k, 2025"),
        ),
        "xy",
    )


def _bytes(periods: dict[int, Growth], nodes: int) -> Figure:
    measured = tuple((t, one.bytes / nodes / 5 / 1000) for t, one in periods.items())
    return Figure(
        "Bytes to the store, by status",
        "Of a node of 30 kB, by the period of its report.",
        "period in s",
        "kB a minute and node",
        (Curve("by status", measured), Curve("5k nodes", ((60, 30.0), (300, 6.0)), KEP)),
        "xy",
    )


def _cliff(cliffs: Sequence[int], sizes: Sizes, quota: int) -> Figure:
    scaled = 2 * GIB / quota * (sizes.history_s + PERIOD_S) / (600 + PERIOD_S)
    points = zip(sizes.cliff_bytes, cliffs, strict=True)
    return Figure(
        "Nodes until all writes stop",
        "By bytes of a node; scaled to a quota of 2 GiB and a history of 10 minutes.",
        "kB of a node",
        "nodes",
        (
            Curve("by status", tuple((size / 1000, count * scaled) for size, count in points)),
            Curve("more than 2,000 with 10-15 images", ((15, 2000),), KEP),
        ),
        "xy",
    )


def _level(arms: Arms, curves: Sequence[list[tuple[float, int]]], nodes: int, quota: int) -> Figure:
    end_s = curves[0][-1][0]
    measured = [
        Curve(f"by {name}", tuple((t, size / 1e6) for t, size in points))
        for name, points in zip(arms, curves, strict=True)
    ]
    published = Curve(
        "2.2 and 1.3 GB, as a share of the quota", _shares(end_s, quota), "k#72096, 2018"
    )
    return Figure(
        "What the store holds",
        f"{nodes} nodes of 15 kB, twice as many as fit by status; versions go with their age.",
        "virtual s",
        "MB",
        (*measured, Curve("quota", ((0, quota / 1e6), (end_s, quota / 1e6))), published),
    )


def _shares(end_s: float, quota: int) -> tuple[tuple[float, float], ...]:
    """The published sizes of 5,000 nodes without images, where 2 GiB are the quota of here."""
    return tuple((end_s, gb * 1e9 / (2 * GIB) * quota / 1e6) for gb in (2.2, 1.3))


STUDY: Final = Study(run, Sizes, tuple(BEATS))
