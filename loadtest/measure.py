"""From the raw files of a bundle to measurements: distributions, series, shares.

Everything here is computed from the run directory alone, so a report can be made again later.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadtest.bundle import numbered, read_rows
from loadtest.compiled import SCHEDULE_FILE, parse_schedule
from loadtest.recorder import NOT_SENT, new_histogram
from loadtest.slo import CPU_WINDOW_S, GeneratorFacts, Quantiles

Floats = NDArray[np.float64]
POD_START_GRACE_S = 5.0
"""A pod created this shortly before the end of observation may be Pending with good reason."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The samples of a run as columns of equal length, in order of intended time."""

    intended_s: Floats
    latency_s: Floats
    answered_s: Floats
    """Since the start of the load."""
    code: NDArray[np.int64]
    verb: NDArray[np.str_]
    resource: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Pods:
    """Pod timelines as columns, wall clock seconds since the start of the load, nan: not seen."""

    created_s: Floats
    """When the create was answered or the pod was first seen, whichever was earlier."""
    bound_s: Floats
    running_s: Floats
    deleted_s: Floats
    watch_delivery_s: Floats
    """From the answer of a create to its event; only pods made directly; 0 if the event won."""


def read_requests(directory: Path) -> tuple[Requests, dict[tuple[str, str], int]]:
    """The requests, and (namespace, name) -> wall ns of the answered create of each pod."""
    rows: list[tuple[float, float, float, int, str, str]] = []
    created: dict[tuple[str, str], int] = {}
    for path in numbered(directory, "samples-*.csv.gz"):
        for row in read_rows(path):
            code = int(row["code"])
            intended_us, latency_us = int(row["intended_us"]), int(row["latency_us"])
            answered_s = (intended_us + latency_us) / 1e6
            rows.append(
                (
                    intended_us / 1e6,
                    latency_us / 1e6,
                    answered_s,
                    code,
                    row["verb"],
                    row["resource"],
                )
            )
            if code == 201 and row["resource"] == "pods":
                created[row["namespace"], row["name"]] = int(row["answered_wall_ns"])
    rows.sort(key=lambda row: row[0])
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    requests = Requests(
        np.array(columns[0], np.float64),
        np.array(columns[1], np.float64),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.int64),
        np.array(columns[4], np.str_),
        np.array(columns[5], np.str_),
    )
    return requests, created


def read_pods(directory: Path, start_ns: int, created: Mapping[tuple[str, str], int]) -> Pods:
    columns: list[list[float]] = [[], [], [], [], []]
    for row in read_rows(directory / "pods.csv.gz"):
        added = int(row["added_ns"])
        answered = created.get((row["namespace"], row["name"]), 0)
        first = min(added, answered) if answered else added
        columns[0].append((first - start_ns) / 1e9)
        for column, key in zip(columns[1:4], ("bound_ns", "running_ns", "deleted_ns"), strict=True):
            seen = int(row[key])
            column.append((seen - start_ns) / 1e9 if seen else np.nan)
        columns[4].append(max(0, added - answered) / 1e9 if answered else np.nan)
    arrays = [np.array(column, np.float64) for column in columns]
    return Pods(*arrays)


def quantiles(values_s: Floats) -> Quantiles | None:
    """Of the values that are numbers; None when there is none."""
    values = values_s[~np.isnan(values_s)]
    if not len(values):
        return None
    p50, p90, p99 = np.percentile(values, (50, 90, 99), method="inverted_cdf")
    # Whole ns: what is behind them came by subtracting seconds.
    figures = [round(float(value), 9) for value in (p50, p90, p99, values.max())]
    return Quantiles(len(values), *figures)


def histogram_quantiles(histogram: HdrHistogram) -> Quantiles:
    """Of a histogram in µs, in seconds."""

    def at(percentile: float) -> float:
        return float(histogram.get_value_at_percentile(percentile)) / 1e6

    return Quantiles(histogram.get_total_count(), at(50), at(90), at(99), at(100))


def read_generators(
    directory: Path,
) -> tuple[list[GeneratorFacts], dict[tuple[str, str, str], Quantiles], Counter[str]]:
    """What each generator says of itself; latencies of all merged; codes by "verb resource"."""
    facts: list[GeneratorFacts] = []
    merged: dict[str, HdrHistogram] = {}
    codes: Counter[str] = Counter()
    for path in numbered(directory, "generator-*.json"):
        result = json.loads(path.read_text())
        for key, encoded in result["latency"].items():
            merged.setdefault(key, new_histogram()).decode_and_add(encoded)
        lateness = HdrHistogram.decode(result["lateness"])
        facts.append(
            GeneratorFacts(
                lateness_p99_s=lateness.get_value_at_percentile(99) / 1e6,
                lateness_max_s=lateness.get_max_value() / 1e6,
                overflow=result["counts"].get("overflow", 0),
                cpu_cores_max=busiest_window(result["series"]),
                scheduled=result["scheduled"],
                sent=result["counts"].get("sent", 0),
                unreached=result["counts"].get("unreached", 0),
            )
        )
        codes.update(result["codes"])
    latency = {}
    for key, histogram in sorted(merged.items()):
        verb, resource, scope = key.split(" ")
        latency[verb, resource, scope] = histogram_quantiles(histogram)
    return facts, latency, codes


def busiest_window(series: Sequence[Mapping[str, float]]) -> float:
    """Most cores used over any CPU_WINDOW_S of cumulative (t_s, cpu_s) points.

    A series shorter than the window counts as a whole.
    """
    points = [(0.0, 0.0), *((row["t_s"], row["cpu_s"]) for row in series if row["t_s"] > 0)]
    best, first = 0.0, 0
    for t_s, cpu_s in points[1:]:
        while first + 1 < len(points) and t_s - points[first + 1][0] >= CPU_WINDOW_S:
            first += 1
        length = t_s - points[first][0]
        if length >= CPU_WINDOW_S or t_s == points[-1][0]:
            best = max(best, (cpu_s - points[first][1]) / length if length > 0 else 0.0)
    return best


def failed_requests(requests: Requests) -> int:
    """Requests without an answer, or answered with an error; a read or delete of what is gone
    is none. Overflow is the generator's failure, not the server's, and is not counted."""
    gone = (requests.code == 404) & np.isin(requests.verb, ("get", "delete"))
    bad = ((requests.code == 0) | (requests.code >= 400)) & ~gone
    return int(bad.sum())


def sent_requests(requests: Requests) -> int:
    return int((requests.code != NOT_SENT).sum())


def per_second(times_s: Floats, length_s: float) -> Floats:
    """Counts per second of the run."""
    bins = max(1, int(np.ceil(length_s)))
    kept = times_s[~np.isnan(times_s)]
    counts, _ = np.histogram(kept, bins=bins, range=(0.0, float(bins)))
    return counts.astype(np.float64)


def never_started(pods: Pods, end_s: float) -> int:
    """Pods seen, early enough to start, neither Running nor deleted within the grace."""
    waited = np.where(np.isnan(pods.deleted_s), end_s, pods.deleted_s) - pods.created_s
    return int((np.isnan(pods.running_s) & (waited > POD_START_GRACE_S)).sum())


def deleted_before_running(pods: Pods) -> int:
    """Pods that were deleted before they were seen Running; their start has no latency."""
    return int((np.isnan(pods.running_s) & ~np.isnan(pods.deleted_s)).sum())


@dataclass(frozen=True, slots=True)
class RoleUsage:
    """CPU and memory of one role: points in time, summed over its processes."""

    t_s: Floats
    """Middle of each interval."""
    cores: Floats
    mib: Floats
    cpu_s: float
    """Used between the first and the last sample of the load."""
    span_s: float
    """Between those samples."""


def read_usage(directory: Path) -> dict[str, RoleUsage]:
    """By role. Ray's own processes have the role "ray"."""
    by_time: dict[str, dict[float, list[tuple[float, float]]]] = defaultdict(dict)
    for row in read_rows(directory / "processes.csv.gz"):
        at = by_time[row["role"]].setdefault(float(row["t_s"]), [])
        at.append((float(row["cpu_s"]), float(row["pss_bytes"])))
    out = {}
    for role, points in sorted(by_time.items()):
        times = np.array(sorted(points), np.float64)
        cpu = np.array([sum(cpu for cpu, _ in points[t]) for t in sorted(points)], np.float64)
        mib = np.array([sum(pss for _, pss in points[t]) for t in sorted(points)], np.float64)
        gaps = np.diff(times)
        # A process that ended takes its CPU with it: the sum of its role may not fall below 0.
        used = np.maximum(np.diff(cpu), 0.0)
        cores = np.divide(used, gaps, out=np.zeros_like(gaps), where=gaps > 0)
        span_s = float(times[-1] - times[0])
        out[role] = RoleUsage(times[1:], cores, mib[1:] / 2**20, float(used.sum()), span_s)
    return out


def offered_per_second(directory: Path, length_s: float) -> Floats:
    """Scheduled arrivals per second; a closed loop has none, it sends when it is answered."""
    path = directory / SCHEDULE_FILE
    arrivals = parse_schedule(gzip.decompress(path.read_bytes()))
    times = [arrival.at_ns / 1e9 for arrival in arrivals if not arrival.until_ns]
    return per_second(np.array(times, np.float64), length_s)
