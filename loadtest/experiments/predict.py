"""What virtual time predicts of a real run, beside what was measured.

The same campaign and seed run once more on a virtual clock with a calibrated profile. Of CPU the
prediction is the service times of a kind of component plus the cores that the profile says it uses
when idle; a latency is the simulated one plus what real time added to it when the profile was made;
everything else is as simulated.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median

from api.core import JsonObject
from loadtest.experiments.calibrate import role_seconds
from loadtest.experiments.metrics import METRICS, metrics_of

LEAST_CPU_S = 0.05
"""Below it the clock of the kernel, which counts in hundredths, is most of an error."""
NOT_PREDICTED = ("failed_share", "boot_s", "fullest_share")
"""Boot: programs start in no time. The fullest component is among the CPU figures."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run, twice."""

    name: str
    measured: float
    predicted: float

    @property
    def error_share(self) -> float:
        """Of what was measured."""
        return abs(self.predicted - self.measured) / self.measured


def figures_of(
    measured: JsonObject, predicted: JsonObject, profile: JsonObject, load_s: float
) -> list[Figure]:
    """Of two summaries; ``profile``: the ``measured`` part of a calibrated profile; ``load_s``:
    length of the real load. What was measured as 0 has no error."""
    out = []
    idle_cores: Mapping[str, float] = profile.get("idle_cores", {})
    added_s: Mapping[str, float] = profile.get("added_s", {})
    simulated = role_seconds(predicted)
    for role, cpu_s in sorted(role_seconds(measured).items()):
        if role in simulated and cpu_s >= LEAST_CPU_S:
            whole = simulated[role] + idle_cores.get(role, 0.0) * load_s
            out.append(Figure(f"CPU of {role}, s", cpu_s, whole))
    real, other = metrics_of(measured), metrics_of(predicted)
    for metric in METRICS:
        known = metric.name in real and metric.name in other
        if known and metric.name not in NOT_PREDICTED and real[metric.name] > 0:
            foretold = max(0.0, other[metric.name] + added_s.get(metric.name, 0.0))
            out.append(Figure(metric.title, real[metric.name], foretold))
    return out


def prediction_document(
    figures: list[Figure], profile: JsonObject, valid: bool, digest: str
) -> JsonObject:
    """``profile``: the ``measured`` part of a calibrated profile; ``valid``: the real run counts;
    ``digest``: of the virtual run."""
    cpu = [figure.error_share for figure in figures if figure.name.startswith("CPU")]
    rest = [figure.error_share for figure in figures if not figure.name.startswith("CPU")]
    return {
        "version": 1,
        "figures": [asdict(figure) | {"error_share": figure.error_share} for figure in figures],
        "median_error_share": {
            "all": median(cpu + rest) if cpu + rest else None,
            "cpu": median(cpu) if cpu else None,
            "other": median(rest) if rest else None,
        },
        "calibrated_by": profile.get("campaign", "nobody: a profile written by hand"),
        "calibrated_loads": profile.get("loads", []),
        "load_average": {
            "calibrated": profile.get("load_average"),
            "measured": round(os.getloadavg()[0], 2),
        },
        "valid": valid,
        "digest": digest,
    }
