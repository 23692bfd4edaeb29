"""The figures of a run that sweeps, comparisons and searches look at, from its summary.json."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from api.core import JsonObject

MUTATING = ("create", "scale", "delete")
Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a run."""

    name: str
    """Ends in its unit."""
    title: str
    better: Better
    of: Callable[[JsonObject], float | None]
    """None where the run has none."""


def metrics_of(summary: JsonObject) -> dict[str, float]:
    """All that a run has: METRICS, and by component ``cpu_s/NAME``, ``utilisation/NAME`` and
    ``queue/NAME``."""
    out = {}
    for metric in METRICS:
        value = metric.of(summary)
        if value is not None:
            out[metric.name] = value
    for role, cpu_s in summary["cpu_s"].items():
        out[f"cpu_s/{role}"] = float(cpu_s)
    for one in summary.get("components", ()):
        out[f"utilisation/{one['name']}"] = float(one["busiest"])
        if one["queue_mean"] is not None:
            out[f"queue/{one['name']}"] = float(one["queue_mean"])
    return out


def broken_slos(summary: JsonObject) -> list[str]:
    return [slo["sli"] for slo in summary.get("slos", ()) if slo["result"] == "FAIL"]


def better_of(name: str) -> Better:
    """Which way a metric is good."""
    found = [metric.better for metric in METRICS if metric.name == name]
    return found[0] if found else "lower"


def _worst(verbs: tuple[str, ...], quantile: str) -> Callable[[JsonObject], float | None]:
    def of(summary: JsonObject) -> float | None:
        found = [
            float(latency[quantile])
            for key, latency in summary["latency_s"].items()
            if key.split(" ")[0] in verbs and latency["count"]
        ]
        return max(found, default=None)

    return of


def _quantile(of_what: str, quantile: str) -> Callable[[JsonObject], float | None]:
    def of(summary: JsonObject) -> float | None:
        found = summary[of_what]
        return None if found is None else float(found[quantile])

    return of


def _failed(summary: JsonObject) -> float | None:
    sent = summary["requests"]
    return summary["failed"] / sent if sent else None


def _fullest(summary: JsonObject) -> float | None:
    return max((float(one["busiest"]) for one in summary.get("components", ())), default=None)


def _bound(summary: JsonObject) -> float | None:
    pods = summary["pods"]
    return float(pods["bound_per_s_best_5s"]) if pods["created"] else None


METRICS = (
    Metric("mutating_p99_s", "Mutating calls, p99, s", "lower", _worst(MUTATING, "p99")),
    Metric("get_p99_s", "GET, p99, s", "lower", _worst(("get",), "p99")),
    Metric("list_p99_s", "LIST, p99, s", "lower", _worst(("list",), "p99")),
    Metric("pod_start_p50_s", "Pod start, p50, s", "lower", _quantile("pod_start_s", "p50")),
    Metric("pod_start_p99_s", "Pod start, p99, s", "lower", _quantile("pod_start_s", "p99")),
    Metric(
        "scheduling_p99_s", "Created to bound, p99, s", "lower", _quantile("scheduling_s", "p99")
    ),
    Metric(
        "watch_delivery_p99_s",
        "Watch delivery, p99, s",
        "lower",
        _quantile("watch_delivery_s", "p99"),
    ),
    Metric("bound_per_s", "Pods bound per second, best 5 s", "higher", _bound),
    Metric("failed_share", "Failed requests, share", "lower", _failed),
    Metric("fullest_share", "Fullest component, utilisation, share", "neither", _fullest),
    Metric("boot_s", "Boot, s", "lower", lambda summary: float(summary["boot_s"])),
)
LATENCIES = tuple(one.name for one in METRICS if one.name.endswith(("p50_s", "p99_s")))
