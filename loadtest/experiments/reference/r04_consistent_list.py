"""R4, the consistent LIST: read from the store, or from a watch cache known to be fresh."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from apiserver.caching import Caching
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
from loadtest.experiments.reference.fit import slope
from loadtest.experiments.reference.rig import MS, Rig, changed, configmap, percentile
from loadtest.experiments.reference.swept import by_arm, curves
from sim.campaign.clients import Scheduled
from sim.campaign.servers import Words

DECODE_NS: Final = 34_980
"""One object read from the store and decoded ..."""
WALK_NS: Final = 1_664
"""... and one looked at in the cache: p50 of a LIST over 300,000 objects of 1 kB, divided by them.
Source: keps/sig-api-machinery/2340-Consistent-reads-from-cache, 10,493.83 and 499.32 ms."""
NOTHING: Final = "labelSelector=app%3Dnobody"
LIST_EVERY_NS: Final = 500 * MS
WRITES: Final = 100
"""Acknowledged writes after each of which a LIST must have what was written."""


@dataclass(frozen=True, slots=True)
class Sizes:
    objects: tuple[int, ...]
    lists: int
    bytes: int = 1_000


class Listed(NamedTuple):
    """Of one run, a LIST."""

    objects: int
    decoded: float
    p50_ns: int
    worst_ns: int
    busy_ns: int
    """Service time of the API server in all."""
    stale: int
    """Lists without what had been acknowledged before."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    swept = by_arm(arms, sizes.objects, lambda arm, count: listed(arm, count, sizes))
    for arm, runs in zip(arms, swept, strict=True):
        tell(f"{arm}: {[one.p50_ns // 1000 for one in runs]} us by {sizes.objects} objects")
    return Finding(
        (_latencies(arms, swept), _ratios(swept)),
        tuple(_judged(sizes, *swept)),
        (
            f"{sizes.lists} lists of ConfigMaps of {sizes.bytes} bytes, a selector that matches "
            "nothing, as in the published runs; a write every 20 ms beside them",
            "decoded objects are counted in the core; virtual time charges kube-apiserver's "
            f"{DECODE_NS / 1000:.1f} us for each and {WALK_NS / 1000:.2f} us for one looked at in "
            "the cache, so the published point at 300,000 objects sets the ratio that is neared",
            "this program's own CPU is 3.1 us and 0.5 us an object: what a selector needs lies "
            "beside the value and is read without parsing it, so its own ratio is about 6",
            "the cache has no index by label here, so its arm is linear, too, as published; the "
            "store's part of reading is charged where the object is decoded",
            f"{WRITES} times a LIST is sent the moment a write is acknowledged",
        ),
    )


def listed(arm: str, objects: int, sizes: Sizes) -> Listed:
    rig = Rig(caching=Caching(consistent_lists=arm == "cache"))
    rig.namespace("a")
    made = [configmap("a", f"c{number}", sizes.bytes) for number in range(objects)]
    rig.create(made)
    rig.run(100 * MS)
    meter = Meter(rig, objects if arm == "cache" else 0)
    rig.api.turns.work = meter
    decoded, busy_ns = meter.decoded, rig.api.turns.busy_ns
    answered = rig.play(_schedule(sizes))
    assert set(answered.codes) == {200}
    lists = answered.latency_ns[::WRITES_A_LIST]
    decoded, busy_ns = meter.decoded - decoded, rig.api.turns.busy_ns - busy_ns
    return Listed(
        objects,
        decoded / sizes.lists,
        percentile(lists, 50),
        max(lists),
        busy_ns,
        _stale(rig),
    )


WRITES_A_LIST: Final = 25


def _schedule(sizes: Sizes) -> list[Scheduled]:
    gap_ns = LIST_EVERY_NS // WRITES_A_LIST
    return [
        Scheduled(
            number * gap_ns,
            changed("a", f"c{number % 50}", number, sizes.bytes)
            if number % WRITES_A_LIST
            else listing(NOTHING),
        )
        for number in range(sizes.lists * WRITES_A_LIST)
    ]


def listing(query: str) -> Words:
    return ("list", "configmaps", "a", "", "", query, b"", "", False)


def _stale(rig: Rig) -> int:
    """Write, and list at once with the answer; how often the write was missing."""
    missing, told = 0, 0

    def looked(name: str, answers: Sequence[tuple[int, int, bytes]]) -> None:
        nonlocal missing, told
        told += 1
        missing += f'"{name}"'.encode() not in answers[0][2]

    def written(name: str, answers: Sequence[tuple[int, int, bytes]]) -> None:
        assert answers[0][0] == 201, answers
        query = f"labelSelector=app%3D{name}"
        rig.wires.send_now(rig.api.call, [listing(query)], lambda got: looked(name, got))

    for number in range(WRITES):
        name = f"fresh-{number}"
        words = configmap("a", name, 10, name)
        rig.wires.send_now(rig.api.call, [words], lambda answers, name=name: written(name, answers))
        rig.run(2 * MS)
    rig.until(lambda: told == WRITES)
    return missing


class Meter:
    """Service time of reading objects. ``walked``: those that a LIST looks at in the cache."""

    def __init__(self, rig: Rig, walked: int) -> None:
        self._rig = rig
        self._walked = walked
        self.decoded, self._lists = self._counted()

    def _counted(self) -> tuple[int, int]:
        api = self._rig.api
        return int(api.core.gauges()["list_objects_decoded"]), api.asked["list", "configmaps", ""]

    def __call__(self, _effects: Sequence[Any]) -> int:
        decoded, lists = self._counted()
        cost_ns = (decoded - self.decoded) * DECODE_NS
        cost_ns += (lists - self._lists) * self._walked * WALK_NS
        self.decoded, self._lists = decoded, lists
        return cost_ns


def _judged(sizes: Sizes, store: Sequence[Listed], cache: Sequence[Listed]) -> list[Acceptance]:
    largest = (store[-1], cache[-1])
    return [
        exactly(
            "from the store, objects decoded for a LIST that returns none are all there are",
            [one.decoded for one in store], [float(count) for count in sizes.objects],
        ),
        exactly(
            "from the cache, none", [one.decoded for one in cache], [0.0] * len(sizes.objects)
        ),
        within(
            "ratio", f"p50 of a LIST over {sizes.objects[-1]:,} objects, store against cache",
            largest[0].p50_ns / largest[1].p50_ns, 10, 100,
        ),
        within(
            "ratio", "service time of the API server, store against cache",
            largest[0].busy_ns / largest[1].busy_ns, 2, float("inf"),
        ),
        within(
            "shape", "slope of the store's p50 against objects",
            slope([(one.objects, one.p50_ns) for one in store]), 0.9, 1.1,
        ),
        within(
            "virtual time", "a LIST from the cache waits to be fresh at most, ms",
            max(one.worst_ns - one.objects * WALK_NS for one in cache) / MS,
            float("-inf"), 110,
        ),
        exactly(
            "a LIST after an acknowledged write has it: stale ones, store and cache",
            [sum(one.stale for one in runs) for runs in (store, cache)], [0, 0],
        ),
    ]  # fmt: skip


def _latencies(arms: Arms, swept: Sequence[Sequence[Listed]]) -> Figure:
    return Figure(
        "p50 of a LIST that returns nothing",
        "Virtual time, by the objects there are.",
        "objects",
        "virtual ms",
        curves(arms, swept, lambda one: (one.objects, one.p50_ns / MS), "from the {}".format),
        "xy",
    )


def _ratios(swept: Sequence[Sequence[Listed]]) -> Figure:
    store, cache = swept
    points = tuple((a.objects, a.p50_ns / b.p50_ns) for a, b in zip(store, cache, strict=True))
    return Figure(
        "Store against cache",
        "Ratio of p50, by the objects there are.",
        "objects",
        "ratio",
        (
            Curve("1 kB objects", points),
            Curve("300,000 of 1 kB", ((300_000, 21.0),), "KEP-2340, 2023"),
            Curve("300 of 1 MB", ((300, 57.5),), "KEP-2340, 2023"),
        ),
        "xy",
    )


STUDY: Final = Study(run, Sizes, ("store", "cache"))
