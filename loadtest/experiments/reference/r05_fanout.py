"""R5, watch fan-out: every watcher's event encoded anew, or each event encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from apiserver.caching import Caching
from apiserver.messages import StreamBytes
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
from sim.cost import US

ENCODE_NS_PER_KB: Final = 810
"""4.05 s for 5,000 watchers of about 1 MB. Source: kubernetes/kubernetes#75294."""
TELL_NS: Final = 6 * US
"""Handing one event to one watcher, 170,000 a second: measured for the design of the data plane."""
FORMS: Final = ("application/json", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
PATH: Final = "/api/v1/namespaces/watched/configmaps"
PUT_EVERY_NS: Final = 2 * MS
EVENT_EVERY_NS: Final = 100 * MS
OTHERS: Final = 64
"""Objects that are updated in turn, so that those who wait do not conflict."""


@dataclass(frozen=True, slots=True)
class Sizes:
    watchers: tuple[int, ...]
    bytes: int
    """Of the object that changes."""
    events: int
    tail_watchers: int = 1000


class Fanned(NamedTuple):
    """What the events of one run cost."""

    watchers: int
    encodes: int
    encoded_bytes: int
    sent_bytes: int
    stall_ns: int
    """The longest step of the API server."""
    put_p99_ns: int
    """Of an update in another namespace, all the while."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    pair = by_arm(arms, sizes.watchers, lambda arm, count: fan_out(arm, count, sizes))
    tell(f"events of {sizes.bytes:,} bytes to {sizes.watchers} watchers")
    tails = [fan_out(name, sizes.tail_watchers, sizes) for name in arms]
    tell(f"p99 of an update elsewhere: {[one.put_p99_ns // US for one in tails]} us, virtual")
    return Finding(
        (_encodes(arms, sizes, pair), _stalls(arms, sizes, pair)),
        tuple(_judged(sizes, pair[0], pair[1], tails)),
        (
            f"{sizes.events} changes of one ConfigMap of {sizes.bytes:,} bytes, watchers half as "
            "JSON and half as PartialObjectMetadata, over HTTP; encodings are counted in the core",
            f"virtual time: {ENCODE_NS_PER_KB / 1000} ns a byte encoded, so that 5,000 watchers "
            f"of 1 MB take the published 4.05 s; {TELL_NS // US} us an event handed to a watcher; "
            "the 5 s of KEP-1152 are an independent point",
            "average CPU is not judged: the published gain is 5 %, the tail is what changed",
        ),
    )


def fan_out(encode_once: str, watchers: int, sizes: Sizes) -> Fanned:
    rig = Rig(caching=Caching(encode_once=encode_once == "on"))
    rig.namespace("watched")
    rig.namespace("elsewhere")
    made, *others = rig.ask(
        [
            configmap("watched", "one", sizes.bytes),
            *(configmap("elsewhere", f"other-{number}", 100) for number in range(OTHERS)),
        ]
    )
    assert {made[0], *(other[0] for other in others)} == {201}
    received = [0] * watchers
    for number in range(watchers):
        query = f"watch=1&resourceVersion={made[1]}"
        rig.api.http_watch(PATH, query, FORMS[number % 2], partial(_add, received, number))
    rig.run(100 * MS)
    begun = _counted(rig)
    meter = Meter(rig)
    rig.api.turns.work = meter
    answered = rig.play(_schedule(sizes))
    rig.run(EVENT_EVERY_NS)
    encodes, encoded = (now - then for now, then in zip(_counted(rig), begun, strict=True))
    assert set(answered.codes) == {200}
    elsewhere = [
        latency_ns for number, latency_ns in enumerate(answered.latency_ns) if number % STRIDE
    ]
    return Fanned(
        watchers, encodes, encoded, sum(received), meter.worst_ns, percentile(elsewhere, 99)
    )


def _counted(rig: Rig) -> tuple[int, int]:
    gauges = rig.api.core.gauges()
    return int(gauges["watch_encodes"]), int(gauges["watch_encoded_bytes"])


def _add(received: list[int], number: int, chunk: bytes) -> None:
    received[number] += len(chunk)


class Meter:
    """Service time of encoding and of telling, step by step."""

    def __init__(self, rig: Rig) -> None:
        self.worst_ns = 0
        self._rig = rig
        self._encoded = _counted(rig)[1]

    def __call__(self, effects: Sequence[Any]) -> int:
        told = sum(len(one.streams) for one in effects if isinstance(one, StreamBytes))
        if not told:
            return 0
        encoded = _counted(self._rig)[1]
        cost_ns = (encoded - self._encoded) * ENCODE_NS_PER_KB // 1000 + told * TELL_NS
        self._encoded = encoded
        self.worst_ns = max(self.worst_ns, cost_ns)
        return cost_ns


STRIDE: Final = EVENT_EVERY_NS // PUT_EVERY_NS


def _schedule(sizes: Sizes) -> list[Scheduled]:
    """Updates elsewhere all the time; every STRIDE-th request is the change that is watched."""
    return [
        Scheduled(
            number * PUT_EVERY_NS,
            changed("elsewhere", f"other-{number % OTHERS}", number, 100)
            if number % STRIDE
            else changed("watched", "one", number + 1, sizes.bytes),
        )
        for number in range(sizes.events * STRIDE)
    ]


def _judged(
    sizes: Sizes, historic: Sequence[Fanned], remedy: Sequence[Fanned], tails: Sequence[Fanned]
) -> list[Acceptance]:
    return [
        exactly(
            "encoded anew, encodings of an event are its watchers",
            [one.encodes / sizes.events for one in historic],
            [float(count) for count in sizes.watchers],
        ),
        exactly(
            "encoded once, they are the two forms that are asked for",
            [one.encodes / sizes.events for one in remedy],
            [float(len(FORMS))] * len(sizes.watchers),
        ),
        exactly(
            "either way every watcher is sent the same bytes",
            [one.sent_bytes for one in remedy],
            [one.sent_bytes for one in historic],
        ),
        within(
            "shape", "slope of encoding against watchers, encoded anew",
            slope([(one.watchers, one.encoded_bytes) for one in historic]), 0.9, 1.1,
        ),
        within(
            "shape", "slope of encoding against watchers, encoded once",
            slope([(one.watchers, one.encoded_bytes) for one in remedy]), -0.2, 0.2,
        ),
        within(
            "shape", "slope of bytes sent against watchers stays: the network is the next knee",
            slope([(one.watchers, one.sent_bytes) for one in remedy]), 0.9, 1.1,
        ),
        within(
            "ratio",
            f"p99 of an update elsewhere with {sizes.tail_watchers:,} watchers, anew against once",
            tails[0].put_p99_ns / tails[1].put_p99_ns, 3.0, float("inf"),
        ),
    ]  # fmt: skip


def _encodes(arms: Arms, sizes: Sizes, swept: Sequence[Sequence[Fanned]]) -> Figure:
    return Figure(
        "Encodings of an event",
        "Counted; two forms are asked for.",
        "watchers",
        "encodings",
        curves(arms, swept, lambda one: (one.watchers, one.encodes / sizes.events), _label),
        "xy",
    )


def _stalls(arms: Arms, sizes: Sizes, swept: Sequence[Sequence[Fanned]]) -> Figure:
    """Scaled to an object of 1 MB, which is what was published."""
    scale = 1_000_000 / sizes.bytes
    measured = curves(arms, swept, lambda one: (one.watchers, one.stall_ns / 1e9 * scale), _label)
    return Figure(
        "How long one event holds the API server",
        "Virtual time, scaled to an object of 1 MB, half of the watchers in each form.",
        "watchers",
        "virtual s",
        (
            *measured,
            Curve("create, sets a byte's cost", ((5000, 4.05),), "k#75294, 2019"),
            Curve("completely overloaded", ((5000, 5.0),), "KEP-1152, 2019"),
        ),
        "xy",
    )


def _label(arm: str) -> str:
    return f"encode once: {arm}"


STUDY: Final = Study(run, Sizes, ("off", "on"))
