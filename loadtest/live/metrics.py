"""A run in Prometheus' words: names as upstream programs have them, where they have one.

The load is a client, so its requests are client-go's rest_client families; what programs say of
themselves goes by the name that kube-apiserver, kube-scheduler, controllers' work queues and etcd
have for it, with a label for the program. What is only ours begins with hollowfleet_.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loadtest.live.feed import Feed
from loadtest.progress import Progress
from loadtest.window import BUCKETS_S

GAUGES = {
    "requests_in_flight": ("apiserver_current_inflight_requests", "Requests being served."),
    "watchers": ("apiserver_longrunning_requests", "Open watches."),
    "keys": ("etcd_debugging_mvcc_keys_total", "Living keys of a shard."),
    "kept_bytes": ("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes that a shard keeps."),
    "pending": ("etcd_server_proposals_pending", "Entries that wait for the disk."),
}
"""Of a program's own gauges: name and help."""
SHARD_NAMES = {"watchers": "etcd_debugging_mvcc_watcher_total"}
"""The same for shards, where it differs."""
QUEUE_PREFIX, QUEUE_SUFFIX = "queue_", "_queue"


class RunCollector(Collector):
    """Reads the last moment of a run."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        progress = self._feed.last
        if progress is None:
            return
        yield from self._run(progress)
        yield from _requests(progress.load)
        yield from _programs(progress)

    def _run(self, progress: Progress) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "hollowfleet_run_info", "The run.", labels=["campaign", "phase"], value=None
        )
        info.add_metric([self._feed.name, progress.phase], 1.0)
        yield info
        for name, text, value in (
            ("hollowfleet_run_elapsed_seconds", "Since the load began.", progress.elapsed_s),
            ("hollowfleet_nodes_ready", "Nodes that are Ready.", progress.nodes_ready),
            ("hollowfleet_requests_in_flight", "Requests under way.", progress.in_flight),
            ("hollowfleet_requests_not_sent", "Beyond the bound in flight.", progress.overflow),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
        pods = CounterMetricFamily("hollowfleet_pods", "Pods so far, by state.", labels=["state"])
        for state in ("created", "bound", "running"):
            pods.add_metric([state], float(getattr(progress, state)))
        yield pods


def _requests(load: Mapping[str, float]) -> Iterator[Metric]:
    """client-go's families. Keys: see loadtest.window."""
    total = CounterMetricFamily(
        "rest_client_requests", "Requests of the load.", labels=["code", "method"]
    )
    spans = HistogramMetricFamily(
        "rest_client_request_duration_seconds",
        "From the intended start of a request to its answer.",
        labels=["verb"],
    )
    counts: dict[str, list[float]] = {}
    for key, value in sorted(load.items()):
        what, _, rest = key.partition(" ")
        if what == "code":
            method, _, code = rest.partition(" ")
            # client-go's word for a request without an answer.
            total.add_metric([code if code != "0" else "<error>", method], value)
        elif what == "bucket":
            method, _, index = rest.partition(" ")
            counts.setdefault(method, [0.0] * (len(BUCKETS_S) + 1))[int(index)] += value
    for method, each in counts.items():
        bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
        sums = [sum(each[: index + 1]) for index in range(len(each))]
        seconds = load.get(f"sum_us {method}", 0.0) / 1e6
        spans.add_metric([method], list(zip(bounds, sums, strict=True)), seconds)
    yield total
    yield spans


def _programs(progress: Progress) -> Iterator[Metric]:
    families: dict[str, Metric] = {}

    def gauge(name: str, text: str, labels: dict[str, str], value: float) -> None:
        if name not in families:
            families[name] = GaugeMetricFamily(name, text)
        families[name].add_sample(name, labels, value)

    cpu = CounterMetricFamily("process_cpu_seconds", "CPU of each program.", labels=["component"])
    for one in progress.components:
        here = {"component": one.name}
        cpu.add_metric([one.name], one.cpu_s)
        gauge("process_resident_memory_bytes", "Proportional set size.", here, one.pss_bytes)
        role = one.name.partition("-")[0]
        for key, value in sorted(one.gauges.items()):
            if key in GAUGES:
                name, text = GAUGES[key]
                gauge(SHARD_NAMES.get(key, name) if role == "store" else name, text, here, value)
            elif role == "scheduler" and key.startswith(QUEUE_PREFIX):
                labels = here | {"queue": key.removeprefix(QUEUE_PREFIX)}
                gauge("scheduler_pending_pods", "Pods by queue.", labels, value)
            elif role == "controllers" and key.endswith(QUEUE_SUFFIX):
                labels = here | {"name": key.removesuffix(QUEUE_SUFFIX)}
                gauge("workqueue_depth", "Keys that wait for a worker.", labels, value)
    yield cpu
    yield from (families[name] for name in sorted(families))


def exposition(feed: Feed) -> bytes:
    """The text that /metrics answers with."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector(feed))
    return generate_latest(registry)
