"""What kube-scheduler counts and times, under its names, as a Prometheus server reads it.

Source: pkg/scheduler/metrics/metrics.go and client-go/tools/leaderelection, v1.36 (names, labels).
"""

from collections.abc import Iterator, Mapping

from scheduler.election import LEASE, ElectedScheduler
from scheduler.measures import Histogram

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
        _labels(("profile", "result"), labels): float(count)
        for labels, count in sorted(core.measures.attempts.items())
    }
    yield from _family("scheduler_schedule_attempts_total", "counter", attempts)
    pending = {_labels(("queue",), (q,)): gauges[f"queue_{name}"] for q, name in QUEUES.items()}
    yield from _family("scheduler_pending_pods", "gauge", pending)
    incoming = {
        _labels(("queue", "event"), labels): float(count)
        for labels, count in sorted(core.queue.incoming.items())
    }
    yield from _family("scheduler_queue_incoming_pods_total", "counter", incoming)
    refusals = {
        _labels(("plugin", "profile"), labels): float(count)
        for labels, count in sorted(core.refusals().items())
    }
    yield from _family("scheduler_unschedulable_pods", "gauge", refusals)
    sizes = {
        _labels(("type",), ("assumed_pods",)): gauges["bindings_open"],
        _labels(("type",), ("nodes",)): gauges["nodes"],
        _labels(("type",), ("pods",)): gauges["pods"],
    }
    yield from _family("scheduler_cache_size", "gauge", sizes)
    tried = {"": gauges["preemptions"]}
    yield from _family("scheduler_preemption_attempts_total", "counter", tried)
    evaluations = {
        _labels(("plugin", "extension_point", "profile"), labels): float(count)
        for labels, count in sorted(core.measures.evaluations.items())
    }
    yield from _family("scheduler_plugin_evaluation_total", "counter", evaluations)
    for histogram in core.measures.histograms:
        yield from _histogram(histogram)
    leads = {_labels(("name",), (LEASE,)): gauges["leading"]}
    yield from _family("leader_election_master_status", "gauge", leads)


def _family(name: str, kind: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}\n"
    for labels, value in values.items():
        yield f"{name}{labels} {_number(value)}\n"


def _histogram(histogram: Histogram) -> Iterator[str]:
    name = histogram.name
    yield f"# TYPE {name} histogram\n"
    for labels, counts in sorted(histogram.counts.items()):
        total = 0
        for bound, count in zip([*histogram.bounds, None], counts, strict=True):
            total += count
            most = "+Inf" if bound is None else _number(bound)
            yield f"{name}_bucket{_labels((*histogram.labels, 'le'), (*labels, most))} {total}\n"
        rest = _labels(histogram.labels, labels)
        yield f"{name}_sum{rest} {_number(histogram.sums[labels])}\n"
        yield f"{name}_count{rest} {total}\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _number(value: float) -> str:
    """As Go writes it: the fewest digits that read back as the same number."""
    return repr(float(value)).removesuffix(".0")


def _escaped(value: str) -> str:
    """Profile names come from a file."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
