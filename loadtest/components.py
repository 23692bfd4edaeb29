"""How full each component was, what waited in front of it, and whether the figures agree.

Utilisation is of the busiest WINDOW_S: of one core for a program, which is one thread, and of the
time for a shard's disk, which writes one group after the other. A program that is held back
(actors.hold) can take nothing meanwhile, so that time counts with its core's. A way between two
programs is busy while it sends for want of bandwidth, and readers of watches are as full as the
share of samples in which one of them left bytes waiting. Queues are what a program says of itself
at every sample: see QUEUES; for ways and readers, KiB.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.net.fault_proxy import THERE
from api.core import JsonObject
from loadtest.bundle import read_rows
from loadtest.measure import Floats, Requests, RoleUsage
from loadtest.recorder import NOT_SENT

WINDOW_S = 5.0
BUSY = 0.7
"""From here on a component is near its limit."""
QUEUES = {
    "store": ("waiting_mean", "pending"),
    "apiserver": ("waiting_mean", "requests_in_flight"),
    "scheduler": ("waiting_mean", "queue_active"),
    "controllers": ("waiting_mean", "_queue"),
    "hollow": ("waiting_mean", "calls_open"),
    "partition": ("waiting_mean",),
}
"""Gauges that count waiting work, by component; the first one that a program has is taken. In
virtual time ``waiting_mean`` is what waits in front of a program, between two samples on average.
A name that begins with "_" is the end of several, which are added."""
HELD = "held_s_total"
LINE = "held_operations"
"""What stands in front of a program that is held back comes on top of what waits in it."""
LINK = "/link"
WATCHERS = "/watchers"
LOAD_ROLES = ("generator", "driver", "ray", "observer")
"""Who is not part of what is observed."""


@dataclass(frozen=True, slots=True)
class Component:
    """One program, or the disk of a shard."""

    name: str
    mean: float
    """Utilisation over the load, as a share."""
    busiest: float
    """The same over the busiest WINDOW_S."""
    queue_mean: float | None
    """None: it does not say."""
    queue_max: float | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Little's law for the requests of the load: how many were under way, sampled, and by adding up
    their latencies. They differ where samples are few or something was not counted."""

    sampled: float
    from_latency: float

    @property
    def apart(self) -> float:
        """As a share of the larger; 0 where hardly a request was ever under way."""
        larger = max(self.sampled, self.from_latency)
        return abs(self.sampled - self.from_latency) / larger if larger >= 1 else 0.0


def components_of(
    directory: Path, usage: Mapping[str, RoleUsage], load_s: float
) -> list[Component]:
    """The fullest first; equal ones by name."""
    gauges = _series(directory, load_s)
    out = []
    for name, used in usage.items():
        if name.partition("-")[0] in LOAD_ROLES or not len(used.t_s):
            continue
        series = gauges.get(name, {})
        cores, span_s = used.cores + _held(series, used.t_s), used.span_s
        mean = (used.cpu_s + _held_s(series)) / span_s if span_s else 0.0
        out.append(_component(name, (mean, _busiest(used.t_s, cores)), _queue(name, series)))
    for name, series in gauges.items():
        if (disk := series.get("disk_busy_s")) is not None and len(disk[0]) > 1:
            out.append(_component(f"{name}/disk", _shares(disk), None))
        out += _ways(name, series)
        out += _readers(name, series)
    return sorted(out, key=lambda one: (-one.busiest, one.name))


def _shares(busy_s: tuple[Floats, Floats]) -> tuple[float, float]:
    """Mean and busiest of something that adds up how long it was busy, from two samples on."""
    times, busy = busy_s
    shares = np.diff(busy) / np.diff(times)
    return float(busy[-1] - busy[0]) / float(times[-1] - times[0]), _busiest(times[1:], shares)


def _held(series: "Series", ends: Floats) -> Floats:
    """Share of each interval, given by its end, in which a program was held back."""
    if HELD not in series or len(ends) < 2:
        return np.zeros_like(ends)
    times, held = series[HELD]
    starts = np.concatenate(([2 * ends[0] - ends[1]], ends[:-1]))
    spent: Floats = np.interp(ends, times, held) - np.interp(starts, times, held)
    return spent / (ends - starts)


def _held_s(series: "Series") -> float:
    """Over the load. Before it nobody is held, and who never was says nothing."""
    return float(series[HELD][1][-1]) if HELD in series else 0.0


def _ways(program: str, series: "Series") -> list[Component]:
    """Directions of connections whose bandwidth is limited; keys: actors.net.fault_proxy."""
    out = []
    for key, busy_s in series.items():
        words = key.split(" ")
        if words[0] == "link" and words[3] == "busy_s" and len(busy_s[0]) > 1:
            _, direction, peer, _ = words
            ends = (program, peer) if direction == THERE else (peer, program)
            queue = series[f"link {direction} {peer} kib"][1]
            out.append(_component(f"{ends[0]}>{ends[1]}{LINK}", _shares(busy_s), queue))
    return out


def _readers(program: str, series: "Series") -> list[Component]:
    """Who watches over HTTPS, where any of them ever fell behind."""
    if "watches_behind" not in series or not series["watches_behind"][1].any():
        return []
    times, behind = series["watches_behind"]
    shares = (behind > 0).astype(np.float64)
    queue = series["watches_behind_kib"][1]
    use = float(shares.mean()), _busiest(times, shares)
    return [_component(f"{program}{WATCHERS}", use, queue)]


def _component(name: str, use: tuple[float, float], queue: Floats | None) -> Component:
    mean, busiest = use
    known = queue is not None and len(queue) > 0
    return Component(
        name,
        round(min(mean, 1.0), 4),
        round(min(busiest, 1.0), 4),
        round(float(queue.mean()), 3) if known and queue is not None else None,
        round(float(queue.max()), 3) if known and queue is not None else None,
    )


def _busiest(times: Floats, shares: Floats) -> float:
    """Highest mean of ``shares`` over any WINDOW_S of neighbouring intervals, or over all of a
    shorter load."""
    if not len(shares):
        return 0.0
    gap = float(np.median(np.diff(times))) if len(times) > 1 else WINDOW_S
    width = max(1, min(len(shares), round(WINDOW_S / gap) if gap > 0 else 1))
    return float(np.convolve(shares, np.ones(width) / width, mode="valid").max())


Series = dict[str, tuple[Floats, Floats]]


def _series(directory: Path, load_s: float) -> dict[str, Series]:
    """Times and values of every gauge during the load, by program."""
    points: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in gauge_rows(directory):
        if not 0 <= row["t_s"] <= load_s + 1:
            continue
        for program, values in row["gauges"].items():
            for key, value in values.items():
                points[program][key].append((row["t_s"], float(value)))
    out: dict[str, Series] = {}
    for program in sorted(points):
        out[program] = {}
        for key, pairs in points[program].items():
            times, values = np.array(pairs, np.float64).T
            out[program][key] = (times, values)
    return out


def gauge_rows(directory: Path) -> Iterator[JsonObject]:
    """Rows of gauges.jsonl.gz; none if absent, those before the cut of a truncated file."""
    path = directory / "gauges.jsonl.gz"
    if not path.exists():
        return
    with gzip.open(path, "rt") as file:
        try:
            for line in file:
                yield json.loads(line)
        except EOFError:
            return


def queue_now(name: str, gauges: Mapping[str, float]) -> float | None:
    """What waits in front of a program, by its gauges of one moment; None: it does not say."""
    now = {key: (np.zeros(1), np.full(1, value)) for key, value in gauges.items()}
    found = _queue(name, now)
    return None if found is None else float(found[0])


def _queue(name: str, series: Series) -> Floats | None:
    inside, line = _queue_inside(name, series), series.get(LINE)
    if inside is None or line is None:
        return inside if line is None else line[1]
    # A program has a line only from the moment on at which it is held back.
    total: Floats = inside.astype(np.float64)
    total[-len(line[1]) :] += line[1][-len(total) :]
    return total


def _queue_inside(name: str, series: Series) -> Floats | None:
    for key in QUEUES.get(name.partition("-")[0], ()):
        if key.startswith("_"):
            parts = [values for one, (_, values) in sorted(series.items()) if one.endswith(key)]
            length = min((len(part) for part in parts), default=0)
            if length:
                total: Floats = np.sum([part[:length] for part in parts], axis=0)
                return total
        elif key in series:
            return series[key][1]
    return None


def balance_of(directory: Path, requests: Requests, load_s: float) -> Balance | None:
    """None without requests or samples."""
    sampled = [
        float(row["in_flight"])
        for row in read_rows(directory / "series.csv")
        if 0 <= float(row["t_s"]) <= load_s
    ]
    kept = (requests.code != NOT_SENT) & (requests.verb != "watch")
    probed = [
        row["gauges"]["generator"]["in_flight_mean"]
        for row in gauge_rows(directory)
        if 0 <= row["t_s"] <= load_s and "in_flight_mean" in row["gauges"].get("generator", {})
    ]
    sampled = probed or sampled
    if not sampled or not kept.any() or load_s <= 0:
        return None
    start = np.clip(requests.intended_s[kept], 0.0, load_s)
    end = np.clip(requests.intended_s[kept] + requests.latency_s[kept], 0.0, load_s)
    return Balance(float(np.mean(sampled)), float((end - start).sum() / load_s))


def starved(components: list[Component], awaited: float | None) -> bool:
    """Whether the machine's cores were the limit: no program was near its own, and for most of the
    time something waited for a core."""
    fullest = max((one.busiest for one in components), default=0.0)
    return awaited is not None and awaited >= BUSY and fullest < BUSY


def busiest_text(components: list[Component], awaited: float | None = None) -> str:
    """One sentence: what is nearest its limit, and what comes next. ``awaited``: share of the load
    in which something waited for a core."""
    if not components:
        return "No component was sampled."
    first = components[0]
    queue = f" (mean queue {first.queue_mean:.3g})" if first.queue_mean is not None else ""
    word = "limited by" if first.busiest >= BUSY else "nothing is near its limit; fullest is"
    if starved(components, awaited):
        word = f"limited by the machine's cores, awaited in {awaited:.0%} of the load; fullest is"
    text = f"{word} {first.name} at {first.busiest:.0%} utilisation{queue}"
    if len(components) > 1:
        text += f", next would be {components[1].name} at {components[1].busiest:.0%}"
    return text[0].upper() + text[1:] + "."
