"""SLIs, SLO verdicts and the stamp of a run. Arithmetic only.

Thresholds are Kubernetes' official ones unless the campaign says otherwise. Two differences are
stated in each report: latency is measured at the client from the intended start of a request (the
official SLI is measured in the API server), and over the run instead of a day.
Source: kubernetes/community sig-scalability/slos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loadtest.campaign import Slos

Result = Literal["PASS", "FAIL", "NO DATA", "INFO"]
Stamp = Literal["VALID", "INVALID", "PARTIAL"]
CPU_CORES_MAX = 0.95
"""A generator is one thread: from this share of a core on, it is the limit."""
CPU_WINDOW_S = 5.0
MUTATING = ("create", "scale", "delete")
ENDINGS = {"interrupted": "the run was interrupted", "failed": "the run failed"}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A latency distribution in seconds."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One SLO judged."""

    sli: str
    measured: float | None
    threshold: float | None
    """None: measured, not judged."""
    unit: str
    result: Result
    count: int
    worst: str
    """Which part of the data decided, for example "create pods"."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything a verdict needs."""

    latency: Mapping[tuple[str, str, str], Quantiles]
    """By (verb, resource, scope)."""
    pod_start: Quantiles | None
    pods_never_started: int
    """Pods created early enough to start, not deleted, and never seen Running."""
    pods_deleted_first: int
    """Pods deleted before they were seen Running."""
    watch_delivery: Quantiles | None
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class GeneratorFacts:
    """What the generators say of themselves."""

    lateness_p99_s: float
    lateness_max_s: float
    overflow: int
    cpu_cores_max: float
    """Highest use of one generator over any window of CPU_WINDOW_S."""
    scheduled: int
    sent: int
    unreached: int = 0
    """Of closed loops: what their users had not come to when the phase ended."""


def judge(slos: Slos, data: Measurements) -> list[Verdict]:
    """A verdict per SLO, in the order of the report."""
    second = 1e9
    latency = data.latency
    mutating = {k: q for k, q in latency.items() if k[0] in MUTATING}
    reads = {k: q for k, q in latency.items() if k[0] == "get"}
    lists = {k: q for k, q in latency.items() if k[0] == "list"}
    return [
        _latency("Mutating API call latency p99", mutating, slos.mutating_ns / second),
        _latency("GET (single object) latency p99", reads, slos.get_ns / second),
        _latency("LIST latency p99", lists, slos.list_ns / second),
        _pod_start(data, slos.pod_start_ns / second),
        _single("Watch delivery latency p99", data.watch_delivery, slos.watch_delivery_ns / second),
        _errors(data, slos.errors_max),
    ]


def _latency(
    sli: str, groups: Mapping[tuple[str, str, str], Quantiles], threshold: float
) -> Verdict:
    """The worst (verb, resource, scope) decides, as in the official SLO."""
    filled = {key: q for key, q in groups.items() if q.count}
    if not filled:
        return Verdict(sli, None, threshold or None, "s", "NO DATA", 0, "")
    worst = max(sorted(filled), key=lambda key: filled[key].p99)
    count = sum(q.count for q in filled.values())
    verb, resource, scope = worst
    label = f"{verb} {resource}" + (f", {scope} scope" if verb == "list" else "")
    return _compared(sli, filled[worst].p99, threshold, count, label)


def _single(sli: str, quantiles: Quantiles | None, threshold: float) -> Verdict:
    if quantiles is None or not quantiles.count:
        return Verdict(sli, None, threshold or None, "s", "NO DATA", 0, "")
    return _compared(sli, quantiles.p99, threshold, quantiles.count, "")


def _pod_start(data: Measurements, threshold: float) -> Verdict:
    sli = "Pod start latency p99 (without image pull)"
    verdict = _single(sli, data.pod_start, threshold)
    if data.pods_deleted_first:
        text = f"{data.pods_deleted_first} deleted before Running"
        verdict = replace(verdict, worst=text)
    started = data.pod_start.count if data.pod_start else 0
    never = data.pods_never_started
    # Pods that never started are slower than any threshold: the percentile counts them.
    if never and never > 0.01 * (started + never):
        result: Result = "FAIL" if threshold else "INFO"
        return Verdict(
            sli, None, threshold or None, "s", result, started + never, f"{never} never started"
        )
    return verdict


def _errors(data: Measurements, share_max: float) -> Verdict:
    sli = "Failed requests"
    if not data.requests:
        return Verdict(sli, None, share_max, "share", "NO DATA", 0, "")
    share = data.failed / data.requests
    result: Result = "PASS" if share <= share_max else "FAIL"
    return Verdict(sli, share, share_max, "share", result, data.requests, f"{data.failed} failed")


def _compared(sli: str, measured: float, threshold: float, count: int, worst: str) -> Verdict:
    if not threshold:
        return Verdict(sli, measured, None, "s", "INFO", count, worst)
    result: Result = "PASS" if measured <= threshold else "FAIL"
    return Verdict(sli, measured, threshold, "s", result, count, worst)


def stamp(
    outcome: str,
    generators: Sequence[GeneratorFacts],
    lateness_max_s: float,
    problems: Sequence[str],
) -> tuple[Stamp, list[str]]:
    """Whether the numbers may be believed, and why not.

    INVALID: the load that was offered is not the load that was asked for. ``problems``: failures
    of the run itself, which invalidate it too.
    """
    reasons = list(problems)
    for index, facts in enumerate(generators):
        who = f"generator {index}"
        if facts.overflow:
            reasons.append(
                f"{who}: {facts.overflow} of {facts.scheduled} requests were not sent because "
                "too many were in flight"
            )
        if facts.lateness_p99_s > lateness_max_s:
            reasons.append(
                f"{who}: p99 lateness {facts.lateness_p99_s * 1e3:.0f} ms, "
                f"above {lateness_max_s * 1e3:.0f} ms"
            )
        if facts.cpu_cores_max >= CPU_CORES_MAX:
            reasons.append(
                f"{who}: used {facts.cpu_cores_max:.2f} cores over {CPU_WINDOW_S:g} s, and has one"
            )
        if outcome == "complete" and (
            missing := facts.scheduled - facts.sent - facts.overflow - facts.unreached
        ):
            reasons.append(f"{who}: {missing} scheduled requests were never attempted")
    if outcome != "complete":
        return "PARTIAL", [ENDINGS[outcome], *reasons]
    if not generators:
        reasons.append("no generator reported")
    return ("INVALID" if reasons else "VALID"), reasons
