"""What a generator writes down: a sample per arrival, histograms, its own lateness and CPU.

Latency runs from the intended start, so a server that stalls is charged for the arrivals that
waited (no coordinated omission); a user of a closed loop intends nothing while it waits, so its
latencies are service times and say nothing of lateness. A sample's code is the HTTP status; 0: no
answer; -1: not sent, because the bound on requests in flight was reached.
"""

import gzip
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from loadtest.schedule import Arrival

NO_ANSWER = 0
NOT_SENT = -1
LATENCY_US_MAX = 3_600_000_000
SIGNIFICANT_DIGITS = 3
COLUMNS = (
    "scenario",
    "verb",
    "resource",
    "scope",
    "phase",
    "namespace",
    "name",
    "intended_us",
    "lateness_us",
    "latency_us",
    "service_us",
    "code",
    "bytes",
    "answered_wall_ns",
)


class Sample(NamedTuple):
    """The fate of one arrival; the fields are COLUMNS. Times in µs since the load began."""

    scenario: str
    verb: str
    resource: str
    scope: str
    """resource (one object), namespace or cluster."""
    phase: int
    namespace: str
    name: str
    intended_us: int
    lateness_us: int
    """How much later than intended the generator began to send."""
    latency_us: int
    service_us: int
    """From the actual start; what a closed-loop client would have reported."""
    code: int
    size: int
    answered_wall_ns: int


def scope_of(arrival: Arrival) -> str:
    """The scope of Kubernetes' latency SLI. Source: sig-scalability/slos/api_call_latency.md."""
    if arrival.verb in ("list", "watch"):
        return "namespace" if arrival.namespace else "cluster"
    return "resource"


def new_histogram() -> HdrHistogram:
    """Latencies in µs, 1 µs to 1 h, three significant digits."""
    return HdrHistogram(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)


class Recorder:
    """Bounded in memory: samples go to a compressed CSV file, the rest are counters."""

    def __init__(self, samples: Path) -> None:
        self._file = gzip.open(samples, "wb", compresslevel=1)  # noqa: SIM115
        self._file.write((",".join(COLUMNS) + "\n").encode())
        self._pending: list[str] = []
        self.latency: dict[str, HdrHistogram] = {}
        """By "verb resource scope"."""
        self.lateness = new_histogram()
        self.codes: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """sent, done, overflow, unreached, watch_events, watch_reconnects, watches_lost."""

    def record(self, sample: Sample, closed: bool = False) -> None:
        key = f"{sample.verb} {sample.resource} {sample.scope}"
        histogram = self.latency.get(key)
        if histogram is None:
            histogram = self.latency[key] = new_histogram()
        histogram.record_value(max(1, min(sample.latency_us, LATENCY_US_MAX)))
        if not closed:
            self.lateness.record_value(max(1, min(sample.lateness_us, LATENCY_US_MAX)))
        self.codes[f"{sample.verb} {sample.resource} {sample.code}"] += 1
        self.counts["done"] += 1
        self._write(sample)

    def overflow(self, arrival: Arrival, now_us: int) -> None:
        """An arrival that found the bound on requests in flight reached."""
        at_us = arrival.at_ns // 1000
        self.counts["overflow"] += 1
        late_us = max(0, now_us - at_us)
        self._write(self.sample(arrival, NOT_SENT, late_us, (0, 0, 0, 0)))

    @staticmethod
    def sample(
        arrival: Arrival, code: int, lateness_us: int, rest: tuple[int, int, int, int]
    ) -> Sample:
        """A sample of an arrival. ``rest``: latency µs, service µs, bytes, answered wall ns."""
        latency_us, service_us, size, wall_ns = rest
        return Sample(
            arrival.scenario,
            arrival.verb,
            arrival.resource,
            scope_of(arrival),
            arrival.phase,
            arrival.namespace,
            arrival.name,
            arrival.at_ns // 1000,
            lateness_us,
            latency_us,
            service_us,
            code,
            size,
            wall_ns,
        )

    def _write(self, sample: Sample) -> None:
        self._pending.append(",".join(map(str, sample)))
        if len(self._pending) >= 1000:
            self.flush()

    def flush(self) -> None:
        """Hand pending samples to the file; what is flushed survives a kill."""
        if self._pending:
            self._file.write(("\n".join(self._pending) + "\n").encode())
            self._pending.clear()
            self._file.flush(zlib.Z_SYNC_FLUSH)

    def close(self) -> None:
        self.flush()
        self._file.close()

    def result(self) -> dict[str, object]:
        """Histograms (HdrHistogram V2, base64) and counters as JSON data."""
        return {
            "latency": {key: h.encode().decode() for key, h in sorted(self.latency.items())},
            "lateness": self.lateness.encode().decode(),
            "codes": dict(sorted(self.codes.items())),
            "counts": dict(sorted(self.counts.items())),
        }
