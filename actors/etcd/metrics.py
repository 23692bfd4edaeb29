"""What a Prometheus server reads of a door: etcd's names for what etcd has too, ours for the rest.

Source: names of etcd server metrics, release 3.6 (docs of etcd.io, "Metrics").
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from actors.disk.journal_file import SYNC_BUCKETS_S, SyncTimes

_GAUGES: Final = {
    "etcd_server_proposals_pending": "pending",
    "etcd_server_quota_backend_bytes": "quota_bytes",
    "etcd_mvcc_db_total_size_in_bytes": "log_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes": "kept_bytes",
    "etcd_debugging_mvcc_keys_total": "keys",
    "etcd_debugging_mvcc_watcher_total": "watchers",
    "etcd_debugging_mvcc_watch_stream_total": "watch_streams",
    "etcd_debugging_mvcc_slow_watcher_total": "watchers_replaying",
    "etcd_debugging_mvcc_current_revision": "revision",
    "etcd_debugging_mvcc_compact_revision": "compact_revision",
    "hollowfleet_store_changes_kept": "changes_kept",
    "hollowfleet_store_leases": "leases",
}
_COUNTERS: Final = {
    "etcd_server_proposals_committed": "appended",
    "etcd_server_leader_changes_seen": "leader_changes",
    "hollowfleet_store_appended_bytes": "appended_bytes",
    "hollowfleet_store_steps": "steps",
    "hollowfleet_store_calls": "calls",
}
Gauges = Callable[[], Mapping[str, float]]


class DoorCollector(Collector):
    """Reads the gauges when it is asked, on the thread of the metrics server."""

    def __init__(self, gauges: Gauges, syncs: SyncTimes) -> None:
        self._gauges = gauges
        self._syncs = syncs

    def collect(self) -> Iterator[Metric]:
        found = {"leader_changes": 1.0, **self._gauges()}
        for name, gauge in _GAUGES.items():
            yield GaugeMetricFamily(name, gauge.replace("_", " "), value=found[gauge])
        for name, gauge in _COUNTERS.items():
            yield CounterMetricFamily(name, gauge.replace("_", " "), value=found[gauge])
        for name in ("etcd_server_has_leader", "etcd_server_is_leader"):
            yield GaugeMetricFamily(name, "one member, which leads", value=1)
        total, buckets = 0, []
        for bound, count in zip((*SYNC_BUCKETS_S, "+Inf"), self._syncs.counts, strict=True):
            total += count
            buckets.append((str(bound), total))
        yield HistogramMetricFamily(
            "etcd_disk_wal_fsync_duration_seconds",
            "latency of fsync of the log",
            buckets=buckets,
            sum_value=self._syncs.total_s,
        )


def serve_metrics(host: str, port: int, gauges: Gauges, syncs: SyncTimes) -> Callable[[], None]:
    """Listen on a thread; returns what stops it. OSError."""
    registry = CollectorRegistry()
    registry.register(DoorCollector(gauges, syncs))
    server, thread = start_http_server(port, host, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
