"""The summary of a run: from the measurements to verdicts and summary.json."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np

from api.core import JsonObject
from loadtest.absences import Absence, absences, broken_promises
from loadtest.allocation import (
    Allocation,
    allocation_document,
    allocation_of,
    waits,
    write_allocation,
)
from loadtest.bundle import RunState, read_json, read_state
from loadtest.campaign import Slos
from loadtest.components import (
    Balance,
    Component,
    balance_of,
    busiest_text,
    components_of,
)
from loadtest.measure import (
    Floats,
    Pods,
    Requests,
    RoleUsage,
    deleted_before_running,
    failed_requests,
    never_started,
    offered_per_second,
    per_second,
    quantiles,
    read_generators,
    read_pods,
    read_requests,
    read_usage,
    sent_requests,
)
from loadtest.slo import (
    GeneratorFacts,
    Measurements,
    Quantiles,
    Stamp,
    Verdict,
    judge,
    stamp,
)

THROUGHPUT_WINDOW_S = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a report says."""

    state: RunState
    campaign: JsonObject
    """campaign.json."""
    host: JsonObject
    versions: JsonObject
    stamp: Stamp
    reasons: list[str]
    verdicts: list[Verdict]
    generators: list[GeneratorFacts]
    latency: dict[tuple[str, str, str], Quantiles]
    codes: Counter[str]
    requests: Requests
    pods: Pods
    usage: dict[str, RoleUsage]
    offered: Floats
    """Arrivals per second of the schedule."""
    pod_start: Quantiles | None
    scheduling: Quantiles | None
    """From created to bound."""
    watch_delivery: Quantiles | None
    bound_per_s_max: float
    """Best window of THROUGHPUT_WINDOW_S."""
    outages: list[Absence]
    allocation: Allocation | None
    components: list[Component]
    """The fullest first."""
    balance: Balance | None

    @property
    def slo_failed(self) -> bool:
        return any(verdict.result == "FAIL" for verdict in self.verdicts)

    @property
    def headline(self) -> str:
        """One word for the run: the stamp where the numbers do not count, else the verdict."""
        if self.stamp != "VALID":
            return self.stamp
        return "FAIL" if self.slo_failed else "PASS"


def summarise(directory: Path) -> Summary:
    """Read a run directory. Errors: BundleError."""
    state = read_state(directory)
    campaign = read_json(directory, "campaign.json")
    requests, created = read_requests(directory)
    pods = read_pods(directory, state.load_start_wall_ns, created)
    facts, latency, codes = read_generators(directory)
    pod_start = quantiles(pods.running_s - pods.created_s)
    delivery = quantiles(pods.watch_delivery_s)
    settings = cast(JsonObject, campaign["campaign"])
    data = Measurements(
        latency=latency,
        pod_start=pod_start,
        pods_never_started=never_started(pods, _observed_s(state, pods)),
        pods_deleted_first=deleted_before_running(pods),
        watch_delivery=delivery,
        requests=sent_requests(requests),
        failed=failed_requests(requests),
    )
    lateness_max_s = settings["generator"]["lateness_max_ns"] / 1e9
    usage = read_usage(directory)
    word, reasons = stamp(state.outcome, facts, lateness_max_s, _problems(state))
    duration_s = float(cast(float, campaign["duration_s"]))
    length_s = max(duration_s, state.load_s)
    return Summary(
        state=state,
        campaign=campaign,
        host=read_json(directory, "host.json"),
        versions=read_json(directory, "versions.json"),
        stamp=word,
        reasons=reasons,
        verdicts=judge(Slos(**settings["slos"]), data),
        generators=facts,
        latency=latency,
        codes=codes,
        requests=requests,
        pods=pods,
        usage=usage,
        offered=offered_per_second(directory, duration_s),
        pod_start=pod_start,
        scheduling=quantiles(pods.bound_s - pods.created_s),
        watch_delivery=delivery,
        bound_per_s_max=best_window(per_second(pods.bound_s, length_s)),
        outages=absences(state),
        allocation=allocation_of(directory, state.load_start_wall_ns, length_s),
        components=components_of(directory, usage, state.load_s),
        balance=balance_of(directory, requests, state.load_s),
    )


def _observed_s(state: RunState, pods: Pods) -> float:
    """End of observation: the end of the load, or the last thing seen if that was later."""
    last = [state.load_s]
    for column in (pods.created_s, pods.bound_s, pods.running_s, pods.deleted_s):
        if len(column) and not np.all(np.isnan(column)):
            last.append(float(np.nanmax(column)))
    return max(last)


def _problems(state: RunState) -> list[str]:
    out = list(state.failures)
    if state.error:
        out.append(state.error)
    gaps = {key: n for key, n in state.observer_gaps.items() if n}
    if gaps:
        text = ", ".join(f"{n} {key}" for key, n in sorted(gaps.items()))
        out.append(f"the observer lost its watch ({text}): pod times have gaps")
    if state.nodes_ready < state.nodes_expected:
        out.append(f"only {state.nodes_ready} of {state.nodes_expected} nodes were Ready")
    return out + broken_promises(state)


def best_window(counts: Floats) -> float:
    """Highest mean of THROUGHPUT_WINDOW_S neighbouring seconds."""
    if not len(counts):
        return 0.0
    width = min(THROUGHPUT_WINDOW_S, len(counts))
    return float(np.convolve(counts, np.ones(width) / width, mode="valid").max())


def summary_document(summary: Summary) -> JsonObject:
    """summary.json."""

    def plain(quantile: Quantiles | None) -> JsonObject | None:
        return asdict(quantile) if quantile else None

    pods = summary.pods
    return {
        "version": 1,
        "run": summary.state.run_id,
        "campaign": cast(JsonObject, summary.campaign["campaign"])["name"],
        "seed": cast(JsonObject, summary.campaign["campaign"])["seed"],
        "headline": summary.headline,
        "stamp": summary.stamp,
        "reasons": summary.reasons,
        "slos": [asdict(verdict) for verdict in summary.verdicts],
        "closed": summary.campaign.get("closed", []),
        "latency_s": {" ".join(k): asdict(q) for k, q in sorted(summary.latency.items())},
        "pod_start_s": plain(summary.pod_start),
        "scheduling_s": plain(summary.scheduling),
        "watch_delivery_s": plain(summary.watch_delivery),
        "waits_s": waits(pods.created_s, pods.bound_s),
        "allocation": allocation_document(summary.allocation),
        "pods": {
            "created": len(pods.created_s),
            "bound": int((~np.isnan(pods.bound_s)).sum()),
            "running": int((~np.isnan(pods.running_s)).sum()),
            "deleted_before_running": deleted_before_running(pods),
            "deleted": int((~np.isnan(pods.deleted_s)).sum()),
            "bound_per_s_best_5s": summary.bound_per_s_max,
        },
        "boot_s": summary.state.boot_s,
        "components": [asdict(component) for component in summary.components],
        "limited_by": busiest_text(summary.components, summary.state.cores_awaited),
        "cores_awaited": summary.state.cores_awaited,
        "littles_law": asdict(summary.balance) if summary.balance else None,
        "under_way": under_way(summary),
        "outages": [asdict(absence) for absence in summary.outages],
        "audit": summary.state.audit or None,
        "placement": summary.state.placement,
        "simulated": summary.state.simulated,
        "simulation": _simulation(summary.state) if summary.state.simulated else None,
        "nodes_ready": summary.state.nodes_ready,
        "requests": sent_requests(summary.requests),
        "failed": failed_requests(summary.requests),
        "codes": dict(sorted(summary.codes.items())),
        "generators": [asdict(facts) for facts in summary.generators],
        "cpu_s": {role: round(u.cpu_s, 2) for role, u in summary.usage.items()},
        "memory_mib_max": {
            role: round(float(u.mib.max()), 1)
            for role, u in summary.usage.items()
            if len(u.mib) and not summary.state.simulated
        },
        "host": summary.host,
        "versions": summary.versions,
        "schedule_sha256": summary.campaign["schedule_sha256"],
    }


def _simulation(state: RunState) -> JsonObject:
    return {
        "digest": state.digest,
        "steps": state.steps,
        "messages": state.messages,
        "cpu_s": state.cpu_s,
        "requests": state.asked,
    }


def under_way(summary: Summary) -> JsonObject:
    """Requests of the load, and pods from created to Running or gone, on average over the load."""
    pods, load_s = summary.pods, max(summary.state.load_s, 1e-9)
    ends = np.fmin(pods.running_s, pods.deleted_s)
    ends = np.clip(np.where(np.isnan(ends), load_s, ends), 0.0, load_s)
    waited = ends - np.clip(pods.created_s, 0.0, load_s)
    requests = summary.balance.from_latency if summary.balance else 0.0
    return {
        "requests": round(requests, 4),
        "pods": round(float(np.maximum(waited, 0.0).sum()) / load_s, 4),
    }


def write_summary(directory: Path, summary: Summary) -> None:
    text = json.dumps(summary_document(summary), indent=1, sort_keys=True)
    (directory / "summary.json").write_text(text + "\n")
    if summary.allocation is not None:
        write_allocation(directory, summary.allocation)
