"""R3, informers that all list at once: whole answers, or streamed ones (WatchList)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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
from loadtest.experiments.reference.fit import steepness
from loadtest.experiments.reference.rig import MS, Rig, configmap
from loadtest.experiments.reference.swept import curves
from sim.connection import SECOND
from sim.heap import ARRIVAL

LINK_BYTES_A_S: Final = 10_000_000
"""Each informer reads so fast."""
PATH: Final = "/api/v1/namespaces/a/configmaps"
STREAM: Final = (
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
)
KEP: Final = "KEP-3157, 2021-22"
LISTS: Final = ((2, 1.0), (4, 2.7), (8, 5.6))
STREAMS: Final = ((512, 3.71), (1024, 6.84), (2048, 8.66))
"""(informers, GB above the first point of the curve): of 3.7 GB and 4.55 GB, read off plots."""
DATASET_GB: Final = 0.4


@dataclass(frozen=True, slots=True)
class Sizes:
    objects: int
    bytes: int
    lists: tuple[int, ...]
    streams: tuple[int, ...]
    """Ends at 64 times the first of ``lists`` that the cap does not hold."""
    cap: int
    """Memory of answers under way, in data sets."""


class Storm(NamedTuple):
    informers: int
    peak_bytes: int
    received: int
    """Objects, by all of them."""
    synced: int
    """Informers that have everything."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    historic = [storm(arms.historic, count, sizes) for count in sizes.lists]
    tell(f"{arms.historic}: peak bytes {[one.peak_bytes for one in historic]}")
    remedy = [storm(arms.remedy, count, sizes) for count in sizes.streams]
    tell(f"{arms.remedy}: peak bytes {[one.peak_bytes for one in remedy]}")
    whole = storm("LIST", 1, sizes).peak_bytes
    return Finding(
        (_peaks(arms, whole, historic, remedy),),
        tuple(_judged(sizes, whole, historic, remedy)),
        (
            f"{sizes.objects} ConfigMaps of {sizes.bytes:,} bytes, a hundredth or less of the "
            "published 400 of 1 MB; the piece of a stream is one object, as in KEP-3157",
            "counted: bytes that the API server has handed over and that have not left over the "
            f"informer's link of {LINK_BYTES_A_S // 1_000_000} MB/s; what decoding and "
            "conversion take, five times the answer in the published runs, is not",
            "all informers begin at the same instant; the published arms start from different "
            "baselines, so their points are drawn above their first one",
        ),
    )


class Informer:
    """Reads over a link of its own; what it has not read yet is the server's to hold."""

    def __init__(self, crowd: "Crowd", rig: Rig) -> None:
        self.received = 0
        self.synced = False
        self.streamed = False
        self._crowd = crowd
        self._rig = rig
        self._unsent = 0
        self._free_ns = 0

    def answered(self, answers: Sequence[tuple[int, int, bytes]]) -> None:
        """All of a LIST."""
        self._hold(answers[0][2])
        self.received += answers[0][2].count(b'"name":"c')
        self.synced = True

    def hear(self, chunk: bytes) -> None:
        """A piece of a stream."""
        self.received += chunk.count(b'{"type":"ADDED"')
        self.synced = self.synced or b"initial-events-end" in chunk
        if not self._unsent:
            self._rig.api.busy(self.hear)
        self._hold(chunk)

    def _hold(self, data: bytes) -> None:
        agenda = self._rig.kernel.agenda
        self._unsent += len(data)
        self._crowd.hold(len(data))
        self._free_ns = max(self._free_ns, agenda.now_ns) + len(data) * SECOND // LINK_BYTES_A_S
        agenda.at(self._free_ns, ARRIVAL, self._sent, len(data))

    def _sent(self, count: int) -> None:
        self._unsent -= count
        self._crowd.hold(-count)
        if self.streamed and not self._unsent:
            self._rig.api.drained(self.hear)


class Crowd:
    """Bytes under way to all informers."""

    def __init__(self) -> None:
        self.held = self.peak = 0

    def hold(self, more: int) -> None:
        self.held += more
        self.peak = max(self.peak, self.held)


def storm(arm: str, informers: int, sizes: Sizes) -> Storm:
    # No way of frames: a reader's state is known before the server's next step, as in one process.
    rig = Rig(caching=Caching(piece_bytes=sizes.bytes), frame_ns=0)
    rig.namespace("a")
    made = [configmap("a", f"c{number}", sizes.bytes) for number in range(sizes.objects)]
    rig.create(made)
    rig.run(100 * MS)
    crowd = Crowd()
    all_of_them = [Informer(crowd, rig) for _ in range(informers)]
    for one in all_of_them:
        if arm == "LIST":
            words = ("list", "configmaps", "a", "", "", "", b"", "", False)
            rig.wires.send_now(rig.api.call, [words], one.answered)
        else:
            one.streamed = True
            rig.api.http_watch(PATH, STREAM, "application/json", one.hear)
    rig.until(lambda: all(one.synced for one in all_of_them), 100 * MS)
    received = sum(one.received for one in all_of_them)
    return Storm(informers, crowd.peak, received, sum(one.synced for one in all_of_them))


def _judged(
    sizes: Sizes, whole: int, historic: Sequence[Storm], remedy: Sequence[Storm]
) -> list[Acceptance]:
    cap = sizes.cap * whole
    dead = [one.informers for one in historic if one.peak_bytes > cap]
    alive = [one.informers for one in remedy if one.peak_bytes <= cap]
    slopes = [
        steepness([(one.informers, one.peak_bytes) for one in runs]) for runs in (historic, remedy)
    ]
    each = max(one.peak_bytes / one.informers for one in remedy)
    return [
        exactly(
            "every informer of either arm has every object",
            [one.received for one in (*historic, *remedy)],
            [one.informers * sizes.objects for one in (*historic, *remedy)],
        ),
        exactly(
            "by LIST, the peak is all of the data for each informer",
            [one.peak_bytes for one in historic],
            [one.informers * whole for one in historic],
        ),
        within(
            "count", "streamed, the peak for an informer in pieces of one object",
            each / sizes.bytes, float("-inf"), 2,
        ),
        within(
            "ratio", "bytes for one more informer, LIST against streamed (published 174)",
            slopes[0] / slopes[1], 100, float("inf"),
        ),
        Acceptance(
            "shape",
            f"with a cap of {sizes.cap} data sets: LIST dies at W, streams live at 64 W",
            f"W = {min(dead, default=0)}, streams live at {max(alive, default=0)}",
            f"W = {sizes.lists[-1]}, streams live at {64 * sizes.lists[-1]}",
            min(dead, default=0) == sizes.lists[-1] and max(alive, default=0) == 64 * min(dead),
        ),
    ]  # fmt: skip


def _peaks(arms: Arms, whole: int, historic: Sequence[Storm], remedy: Sequence[Storm]) -> Figure:
    pair = (historic, remedy)
    measured = curves(arms, pair, lambda one: (one.informers, one.peak_bytes / whole))
    published = [
        Curve(name, tuple((count, gb / DATASET_GB) for count, gb in points), KEP)
        for name, points in (("LIST", LISTS), ("WatchList", STREAMS))
    ]
    return Figure(
        "Memory of answers under way",
        "Peak in sizes of the data set, by informers that begin at once.",
        "informers",
        "data sets",
        (*measured, *published),
        "xy",
    )


STUDY: Final = Study(run, Sizes, ("LIST", "WatchList"))
