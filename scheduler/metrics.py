"""What kube-scheduler counts, under its names.

Source: pkg/scheduler/metrics/metrics.go and client-go/tools/leaderelection, v1.36 (names, labels).
Durations are absent: a core has no clock.
"""

from collections.abc import Iterator, Mapping

from scheduler.election import LEASE, ElectedScheduler

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUEUES = {
    "active": "active",
    "backoff": "backing off",
    "unschedulable": "unschedulable",
    "gated": "gated",
}
"""Kubernetes' name of each queue to ours."""


def metrics_text(scheduler: ElectedScheduler) -> str:
    """In Prometheus' exposition format."""
    return "".join(_lines(scheduler))


def _lines(scheduler: ElectedScheduler) -> Iterator[str]:
    core, gauges = scheduler.core, scheduler.gauges()
    attempts = {
        f'{{profile="{profile}",result="{result}"}}': float(count)
        for (profile, result), count in sorted(core.attempts.items())
    }
    yield from _family("scheduler_schedule_attempts_total", "counter", attempts)
    pending = {f'{{queue="{ours}"}}': gauges[f"queue_{name}"] for ours, name in QUEUES.items()}
    yield from _family("scheduler_pending_pods", "gauge", pending)
    sizes = {
        '{type="assumed_pods"}': gauges["bindings_open"],
        '{type="nodes"}': gauges["nodes"],
        '{type="pods"}': gauges["pods"],
    }
    yield from _family("scheduler_cache_size", "gauge", sizes)
    tried = {"": gauges["preemptions"]}
    yield from _family("scheduler_preemption_attempts_total", "counter", tried)
    leads = {f'{{name="{LEASE}"}}': gauges["leading"]}
    yield from _family("leader_election_master_status", "gauge", leads)


def _family(name: str, kind: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}\n"
    for labels, value in values.items():
        yield f"{name}{labels} {value:g}\n"
