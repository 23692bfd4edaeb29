"""Is B worse than A? Two runs, or two sweeps arm by arm, from their repetitions.

For each metric: the ratio of medians with its bootstrap interval, and the noise floor, which is how
far apart the medians of two draws from the same repetitions lie. WORSE needs the whole interval on
the bad side of 1 and a change above both the noise floor and the tolerance. SAME needs the whole
interval within the tolerance. What is neither better, worse nor the same is UNDECIDED: more
repetitions would tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from api.core import JsonObject
from api.streams import Stream
from loadtest.bundle import BundleError, read_json
from loadtest.experiments.estimate import Interval, noise_floor, ratio_interval
from loadtest.experiments.metrics import METRICS, better_of, metrics_of
from loadtest.experiments.sweep_run import SWEEP_FILE, arm_values, read_sweep
from loadtest.fields import CampaignError, nearest

Verdict = Literal["WORSE", "BETTER", "SAME", "UNDECIDED"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a run or a sweep."""

    name: str
    simulated: bool
    arms: dict[str, dict[str, list[float]]]
    """Values by arm and metric, of valid runs. A single run is one arm without a name."""
    runs: int
    invalid: int
    """Of the runs, those whose figures do not count."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of one arm."""

    arm: str
    metric: str
    before: float
    after: float
    """Medians."""
    ratio: Interval | None
    """None where A's median is 0."""
    noise: float
    """Of the noisier side, as a share."""
    verdict: Verdict


def read_side(directory: Path) -> Side:
    """A bundle or the directory of a sweep. Errors: BundleError."""
    if (directory / SWEEP_FILE).exists():
        return _sweep_side(directory, read_sweep(directory))
    if not directory.is_dir():
        raise BundleError(f"{directory}: no such run or sweep")
    try:
        summary: JsonObject = read_json(directory, "summary.json")
    except BundleError:
        raise BundleError(
            f"{directory}: neither a run with a summary.json nor a sweep with a {SWEEP_FILE}"
        ) from None
    valid = summary["stamp"] == "VALID"
    values = {name: [value] for name, value in metrics_of(summary).items()} if valid else {}
    return Side(directory.name, bool(summary["simulated"]), {"": values}, 1, int(not valid))


def _sweep_side(directory: Path, found: JsonObject) -> Side:
    names = sorted({name for row in found["runs"] for name in row["metrics"]})
    arms: dict[str, dict[str, list[float]]] = {}
    for number, arm in enumerate(found["arms"]):
        label = ", ".join(f"{knob}={value}" for knob, value in sorted(arm.items()))
        values = {name: arm_values(found, number, name) for name in names}
        arms[label] = {name: series for name, series in values.items() if series}
    valid = sum(r["outcome"] == "complete" and r["stamp"] == "VALID" for r in found["runs"])
    runs = len(found["runs"])
    return Side(directory.name, bool(found["simulated"]), arms, runs, runs - valid)


def chosen_metrics(names: Sequence[str]) -> list[str]:
    """METRICS without names. Errors: CampaignError for a name that is none of them."""
    known = [metric.name for metric in METRICS if metric.better != "neither"]
    for name in names:
        if name not in known:
            raise CampaignError(f"--metric {name}: unknown metric{nearest(name, known)}")
    return list(names) or known


def compare(
    before: Side, after: Side, metrics: Sequence[str], tolerance: float, seed: int
) -> list[Difference]:
    """Arms that both have, in A's order; two single arms are compared whatever their names."""
    pairs = [(arm, arm) for arm in before.arms if arm in after.arms]
    if not pairs and len(before.arms) == len(after.arms) == 1:
        pairs = [(next(iter(before.arms)), next(iter(after.arms)))]
    out = []
    for one, other in pairs:
        for metric in metrics:
            old = before.arms[one].get(metric, [])
            new = after.arms[other].get(metric, [])
            if old and new:
                stream = Stream(seed, f"compare/{one}/{metric}")
                out.append(judge(one, metric, (old, new), tolerance, stream))
    return out


def judge(
    arm: str,
    metric: str,
    values: tuple[Sequence[float], Sequence[float]],
    tolerance: float,
    stream: Stream,
) -> Difference:
    """``values``: of A and of B. ``tolerance``: a share; smaller changes do not matter."""
    old, new = values
    before, after = float(np.median(old)), float(np.median(new))
    if min(*old, *new) <= 0:
        return Difference(arm, metric, before, after, None, 0.0, _apart(metric, values))
    noise = max(noise_floor(old, stream), noise_floor(new, stream))
    ratio = ratio_interval(old, new, stream)
    verdict = _verdict(better_of(metric), ratio, noise, tolerance)
    return Difference(arm, metric, before, after, ratio, noise, verdict)


def _verdict(better: str, ratio: Interval, noise: float, tolerance: float) -> Verdict:
    enough = 1 + max(noise, tolerance)
    if ratio.low > 1 and ratio.value > enough:
        return "BETTER" if better == "higher" else "WORSE"
    if ratio.high < 1 and ratio.value < 1 / enough:
        return "WORSE" if better == "higher" else "BETTER"
    if 1 / (1 + tolerance) <= ratio.low and ratio.high <= 1 + tolerance:
        return "SAME"
    return "UNDECIDED"


def _apart(metric: str, values: tuple[Sequence[float], Sequence[float]]) -> Verdict:
    """Where a value is 0 there is no ratio: only sides that do not overlap differ."""
    old, new = values
    if set(old) == set(new) == {0.0}:
        return "SAME"
    if min(len(old), len(new)) < 2:
        return "UNDECIDED"
    higher = better_of(metric) == "higher"
    if min(new) > max(old):
        return "BETTER" if higher else "WORSE"
    if max(new) < min(old):
        return "WORSE" if higher else "BETTER"
    return "UNDECIDED"
