"""What a Prometheus server reads of a door: etcd's names for what etcd has too, and ours, with a
label for each shard, for the rest.

Source: names of etcd server metrics, release 3.6 (docs of etcd.io, "Metrics"), and of
go-grpc-prometheus for the calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

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
    "etcd_debugging_mvcc_pending_events_total": "responses_unread",
    "etcd_debugging_mvcc_current_revision": "revision",
    "etcd_debugging_mvcc_compact_revision": "compact_revision",
}
_COUNTERS: Final = {
    "etcd_server_proposals_committed": "appended",
    "etcd_server_slow_apply": "slow_steps",
    "etcd_debugging_mvcc_db_compaction_keys": "compacted",
    "etcd_network_client_grpc_received_bytes": "received_bytes",
    "etcd_network_client_grpc_sent_bytes": "sent_bytes",
}
_CALLS: Final = {
    "etcd_mvcc_put": "Put",
    "etcd_mvcc_range": "Range",
    "etcd_mvcc_delete": "DeleteRange",
    "etcd_mvcc_txn": "Txn",
}
"""Counters of calls, by the name of the method."""
_SHARD_GAUGES: Final = ("keys", "revision", "pending", "watchers", "leases", "changes_kept")
_SHARD_BYTES: Final = ("kept_bytes", "log_bytes")
_SHARD_COUNTERS: Final = ("appended", "appended_bytes", "fsyncs", "steps", "slow_steps")

Handled = Mapping[tuple[str, str, str], int]
"""(service, method, code) to the number of calls that ended so."""


class Readings(Protocol):
    """What a door tells of itself. Read from another thread."""

    def gauges(self) -> Mapping[str, float]:
        """Of all shards together."""
        ...

    def shard_gauges(self) -> Sequence[Mapping[str, float]]: ...

    def sync_times(self) -> Sequence[SyncTimes]: ...

    def handled(self) -> Handled: ...


class DoorCollector(Collector):
    """Reads when it is asked, on the thread of the metrics server."""

    def __init__(self, door: Readings) -> None:
        self._door = door

    def collect(self) -> Iterator[Metric]:
        found, handled = self._door.gauges(), dict(self._door.handled())
        for name, gauge in _GAUGES.items():
            yield GaugeMetricFamily(name, gauge.replace("_", " "), value=found[gauge])
        for name, gauge in _COUNTERS.items():
            yield CounterMetricFamily(name, gauge.replace("_", " "), value=found[gauge])
        for name, method in _CALLS.items():
            calls = sum(count for (_, called, _), count in handled.items() if called == method)
            yield CounterMetricFamily(name, f"calls of {method}", value=calls)
        for name in ("etcd_server_has_leader", "etcd_server_is_leader"):
            yield GaugeMetricFamily(name, "one member, which leads", value=1)
        yield CounterMetricFamily("etcd_server_leader_changes_seen", "the first", value=1)
        yield self._calls(handled)
        yield self._syncs()
        yield from self._of_shards()

    def _calls(self, handled: Handled) -> Metric:
        labels = ("grpc_service", "grpc_method", "grpc_code")
        family = CounterMetricFamily("grpc_server_handled", "calls that ended", labels=labels)
        for key, count in sorted(handled.items()):
            family.add_metric(key, count)
        return family

    def _syncs(self) -> Metric:
        times = self._door.sync_times()
        total, buckets = 0, []
        for place, bound in enumerate((*SYNC_BUCKETS_S, "+Inf")):
            total += sum(one.counts[place] for one in times)
            buckets.append((str(bound), total))
        return HistogramMetricFamily(
            "etcd_disk_wal_fsync_duration_seconds",
            "latency of fsync of the log",
            buckets=buckets,
            sum_value=sum(one.total_s for one in times),
        )

    def _of_shards(self) -> Iterator[Metric]:
        shards = self._door.shard_gauges()
        for gauge in (*_SHARD_GAUGES, *_SHARD_BYTES, *_SHARD_COUNTERS):
            kind = CounterMetricFamily if gauge in _SHARD_COUNTERS else GaugeMetricFamily
            text = f"{gauge.replace('_', ' ')} of a shard"
            family = kind(f"hollowfleet_store_{gauge}", text, labels=("shard",))
            for shard, found in enumerate(shards):
                family.add_metric((str(shard),), found[gauge])
            yield family


def serve_metrics(host: str, port: int, door: Readings) -> Callable[[], None]:
    """Listen on a thread; returns what stops it. OSError."""
    registry = CollectorRegistry()
    registry.register(DoorCollector(door))
    server, thread = start_http_server(port, host, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
