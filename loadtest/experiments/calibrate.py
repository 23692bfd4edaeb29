"""A cost profile from short real runs, with its errors.

The arms of a sweep are run for real and in virtual time with the same seeds. In virtual time each
component's steps and items are known, priced by the simulator's own profile; in the real run its
CPU seconds are. For each kind of component a straight line through the runs, cpu = idle + factor x
priced, gives what it uses when idle and by how much its steps cost more or less than the profile
said. The error is that of prediction: each run from a line through the others, median over runs.
Of latencies it keeps what real time adds to virtual ones, in the median over runs: HTTPS,
hand-overs between processes, and whoever else is on the machine.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from api.core import JsonObject
from loadtest.bundle import read_state
from loadtest.experiments.metrics import LATENCIES, metrics_of
from loadtest.experiments.profile import profile_document
from loadtest.experiments.runner import Runner, line_of
from loadtest.experiments.sweep import Sweep
from loadtest.experiments.trials import Finished, Knobs
from sim.campaign.costs import DEFAULT, CostProfile
from sim.cost import Cost

SYNCS = 200
SYNC_BYTES = 4096
FACTOR_MIN = 0.01


@dataclass(frozen=True, slots=True)
class Fit:
    """One kind of component."""

    role: str
    factor: float
    """Of the simulator's own service times."""
    idle_cores: float
    error_share: float | None
    """Median error of prediction for points left out; None with fewer than three."""


def role_seconds(summary: JsonObject) -> dict[str, float]:
    """CPU seconds over the load, by kind of component."""
    out: dict[str, float] = defaultdict(float)
    for name, cpu_s in summary["cpu_s"].items():
        out[name.partition("-")[0]] += float(cpu_s)
    return dict(out)


def fit_roles(pairs: Sequence[tuple[Finished, Finished]], span_s: float) -> list[Fit]:
    """``pairs``: the same trial, real and virtual; ``span_s``: of their loads."""
    real = [role_seconds(one.summary) for one, _ in pairs]
    priced = [role_seconds(other.summary) for _, other in pairs]
    out = []
    for role, _ in DEFAULT.roles:
        points = [
            (virtual[role], measured[role])
            for measured, virtual in zip(real, priced, strict=True)
            if role in measured and virtual.get(role, 0.0) > 0
        ]
        if points:
            out.append(fit_role(role, points, span_s))
    return out


def added_by_real_time(pairs: Sequence[tuple[Finished, Finished]]) -> dict[str, float]:
    """Seconds by metric, of those that are latencies; ``pairs`` as of fit_roles."""
    found: dict[str, list[float]] = defaultdict(list)
    for one, other in pairs:
        real, virtual = metrics_of(one.summary), metrics_of(other.summary)
        for name in LATENCIES:
            if name in real and name in virtual:
                found[name].append(real[name] - virtual[name])
    return {name: median(values) for name, values in found.items()}


def fit_role(role: str, points: Sequence[tuple[float, float]], span_s: float) -> Fit:
    """``points``: (priced, measured) CPU seconds."""
    idle, factor = line(points)
    errors = []
    if len(points) >= 3:
        for place, (priced, measured) in enumerate(points):
            others = [point for other, point in enumerate(points) if other != place]
            without = line(others)
            if measured > 0:
                errors.append(abs(without[0] + without[1] * priced - measured) / measured)
    return Fit(role, factor, idle / span_s, median(errors) if errors else None)


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares (intercept, slope), neither negative. Points at one place: through 0."""
    xs, ys = np.array(points, np.float64).T
    if np.ptp(xs) > 0.05 * xs.max():
        design = np.stack([np.ones_like(xs), xs], axis=1)
        (idle, factor), *_ = np.linalg.lstsq(design, ys, rcond=None)
        if idle >= 0 and factor >= FACTOR_MIN:
            return float(idle), float(factor)
    return 0.0, max(FACTOR_MIN, float((xs * ys).sum() / (xs * xs).sum()))


def calibrated(fits: Sequence[Fit], sync_ns: int) -> CostProfile:
    """The simulator's profile with the measured factors. ``sync_ns``: one write with fdatasync."""
    factors = {fit.role: fit.factor for fit in fits}
    roles = tuple(
        (role, Cost(round(cost.step_ns * f), round(cost.item_ns * f)))
        for role, cost in DEFAULT.roles
        for f in (factors.get(role, 1.0),)
    )
    syncs = tuple((name, sync_ns if name == "fsync" else ns) for name, ns in DEFAULT.sync_ns)
    return CostProfile(roles, DEFAULT.frame_ns, syncs)


class CalibrationError(Exception):
    """Too little was measured; the text is one sentence."""


def calibrate(sweep: Sweep, out: Path, jobs: int, tell: Callable[[str], None]) -> JsonObject:
    """The document of a profile. ``sweep``: in real time, of at least two loads. Errors:
    CampaignError, CalibrationError."""
    runner = Runner(out, jobs)
    virtual_base = replace(sweep.base, shell="virtual")
    virtual = [replace(trial, base=virtual_base) for trial in sweep.trials()]
    for trial in virtual:
        trial.campaign()
    simulated = {_place(one): one for one in runner.run(virtual)}
    pairs = []
    for one in runner.run(sweep.trials()):
        other = simulated[_place(one)]
        tell(line_of(one))
        if one.usable and other.outcome == "complete":
            pairs.append((one, other))
    if len({one.trial.knobs for one, _ in pairs}) < 2:
        raise CalibrationError("fewer than two loads gave a valid run: nothing to fit")
    span_s = median(load_seconds(one) for one, _ in pairs)
    fits = fit_roles(pairs, span_s)
    costs = calibrated(fits, measured_sync_ns(out))
    first = pairs[0][0].summary
    measured = {
        "campaign": sweep.name,
        "runs": len(pairs),
        "loads": [dict(knobs) for knobs in dict.fromkeys(one.trial.knobs for one, _ in pairs)],
        "factor": {fit.role: round(fit.factor, 4) for fit in fits},
        "idle_cores": {fit.role: round(fit.idle_cores, 4) for fit in fits},
        "error_share": {fit.role: fit.error_share for fit in fits},
        "added_s": {name: round(s, 6) for name, s in added_by_real_time(pairs).items()},
        "load_average": os.getloadavg()[0],
        "host": first["host"],
        "versions": first["versions"],
    }
    return profile_document(costs, measured)


def _place(finished: Finished) -> tuple[Knobs, int]:
    return finished.trial.knobs, finished.trial.repetition


def load_seconds(finished: Finished) -> float:
    return read_state(finished.directory).load_s


def measured_sync_ns(directory: Path) -> int:
    """Median of SYNCS writes of SYNC_BYTES with fdatasync, on the file system of ``directory``."""
    path = directory / ".sync"
    times = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        for _ in range(SYNCS):
            begin_ns = time.perf_counter_ns()
            os.write(descriptor, bytes(SYNC_BYTES))
            os.fdatasync(descriptor)
            times.append(time.perf_counter_ns() - begin_ns)
    finally:
        os.close(descriptor)
        path.unlink()
    return int(median(times))
