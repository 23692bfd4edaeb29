"""The gRPC server: KV, Watch, Lease, Cluster and Maintenance of etcd's v3 API.

Requests and responses pass gRPC as bytes; ``store.etcd`` knows what they mean.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from actors.etcd.identity import cluster_identity
from actors.etcd.leases import LeaseService
from actors.etcd.maintenance import MaintenanceService
from actors.etcd.metrics import serve_metrics
from actors.etcd.watch_stream import WatchStream
from actors.net import PortInUse
from actors.plan import Durability
from actors.shard import Shard, open_shard
from api.wire import ProtobufError
from store.core import StoreSettings
from store.etcd.codec import decoded, encoded
from store.etcd.errors import INVALID_ARGUMENT, EtcdError, checked
from store.etcd.keys import (
    Identity,
    compact_request,
    delete_request,
    delete_response,
    put_request,
    put_response,
    range_request,
    range_response,
    txn_request,
    txn_response,
)

Unary = Callable[[bytes], Awaitable[bytes]]
RECEIVE_BYTES_MAX: Final = 2 << 20
"""A request may be 1.5 MiB and its frame. Source: etcd server/embed/config.go, and 512 KiB above
it in server/etcdserver/api/v3rpc/grpc.go."""
CALLS_MAX: Final = 20_000
"""Calls and watch streams at once; at the bound gRPC answers RESOURCE_EXHAUSTED."""
_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """One process that etcd's clients take for an etcd of one member."""

    host: str
    port: int
    directory: str
    durability: Durability = "fsync"
    quota_bytes: int = 0
    """At this size puts are refused; 0: no quota."""
    metrics_host: str = ""
    """Where Prometheus asks; empty: nowhere."""
    metrics_port: int = 0


async def start(config: EtcdConfig) -> "Door":
    """DirectoryError, JournalError for a directory that cannot be used; PortInUse."""
    directory = Path(config.directory)
    cluster = cluster_identity(directory, 1)
    settings = StoreSettings(
        shard=0,
        durability=config.durability,
        retain_ns=0,
        quota_bytes=config.quota_bytes,
        epoch_ns=cluster.created_ns,
        revisions="dense",
    )
    shard = await open_shard(str(directory / "shard-0"), settings)
    door = Door(shard, Identity(cluster.cluster_id, cluster.member_id))
    try:
        await door.listen(config.host, config.port)
        if config.metrics_host:
            door.serve_metrics(config.metrics_host, config.metrics_port)
    except BaseException:
        await door.stop()
        raise
    return door


class Door:
    """A running server."""

    def __init__(self, shard: Shard, identity: Identity) -> None:
        self.address = ""
        self._shard = shard
        self._identity = identity
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
                ("grpc.max_send_message_length", -1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        self._streams: dict[WatchStream, None] = {}
        self._calls = 0
        self._stop_metrics: Callable[[], None] | None = None
        leases = LeaseService(shard, identity)
        maintenance = MaintenanceService(shard, identity, lambda: self.address)
        services: dict[str, dict[str, Any]] = {
            "KV": {
                "Range": self._unary(self._range),
                "Put": self._unary(self._put),
                "DeleteRange": self._unary(self._delete_range),
                "Txn": self._unary(self._txn),
                "Compact": self._unary(self._compact),
            },
            "Watch": {"Watch": grpc.stream_stream_rpc_method_handler(self._watch)},
            "Lease": {
                "LeaseGrant": self._unary(leases.grant),
                "LeaseRevoke": self._unary(leases.revoke),
                "LeaseTimeToLive": self._unary(leases.time_to_live),
                "LeaseLeases": self._unary(leases.leases),
                "LeaseKeepAlive": grpc.stream_stream_rpc_method_handler(leases.keep_alive),
            },
            "Cluster": {"MemberList": self._unary(maintenance.member_list)},
            "Maintenance": {
                "Status": self._unary(maintenance.status),
                "Alarm": self._unary(maintenance.alarm),
                "Defragment": self._unary(maintenance.defragment),
                "Hash": self._unary(maintenance.hash),
                "HashKV": self._unary(maintenance.hash_kv),
                "Snapshot": grpc.unary_stream_rpc_method_handler(maintenance.snapshot),
            },
        }
        self._server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(f"etcdserverpb.{service}", methods)
                for service, methods in services.items()
            )
        )

    async def listen(self, host: str, port: int) -> None:
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise PortInUse(f"cannot listen on {host}:{port}: {error}") from None
        await self._server.start()
        self.address = f"{host}:{bound}"

    def serve_metrics(self, host: str, port: int) -> None:
        try:
            syncs = self._shard.journal.sync_times
            self._stop_metrics = serve_metrics(host, port, self.gauges, syncs)
        except OSError as error:
            raise PortInUse(f"cannot listen on {host}:{port}: {error}") from None

    def gauges(self) -> Mapping[str, float]:
        return dict(self._shard.gauges()) | {
            "calls": self._calls,
            "watch_streams": len(self._streams),
        }

    async def stop(self) -> None:
        """End the streams, answer what is under way, write what is queued. Idempotent."""
        if self._stop_metrics is not None:
            self._stop_metrics()
            self._stop_metrics = None
        for stream in list(self._streams):
            stream.finish()
        await self._server.stop(grace=1.0)
        await self._shard.stop()

    def _unary(self, answer: Unary) -> grpc.RpcMethodHandler:
        async def handle(data: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            self._calls += 1
            try:
                return await answer(data)
            except EtcdError as error:
                await context.abort(_STATUS[error.code], error.message)
            except ProtobufError as error:
                await context.abort(_STATUS[INVALID_ARGUMENT], f"not a request: {error}")
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(handle)

    # KV.

    async def _range(self, data: bytes) -> bytes:
        message = decoded("RangeRequest", data)
        reply = checked(await self._shard.ask(range_request(message)))
        return range_response(self._identity.header(reply[1]), message, reply)

    async def _put(self, data: bytes) -> bytes:
        reply = checked(await self._shard.ask(put_request(decoded("PutRequest", data))))
        return put_response(self._identity.header(reply[1]), reply)

    async def _delete_range(self, data: bytes) -> bytes:
        request = delete_request(decoded("DeleteRangeRequest", data))
        reply = checked(await self._shard.ask(request))
        return delete_response(self._identity.header(reply[1]), reply)

    async def _txn(self, data: bytes) -> bytes:
        message = decoded("TxnRequest", data)
        reply = checked(await self._shard.ask(txn_request(message)))
        return txn_response(self._identity.header(reply[1]), message, reply)

    async def _compact(self, data: bytes) -> bytes:
        checked(await self._shard.ask(compact_request(decoded("CompactionRequest", data))))
        return encoded("CompactionResponse", {}) + self._identity.header(self._shard.revision)

    # Watch.

    async def _watch(
        self, requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        stream = WatchStream(self._shard, self._identity)
        self._streams[stream] = None
        try:
            await stream.run(requests, context.write)
        except ProtobufError as error:
            await context.abort(_STATUS[INVALID_ARGUMENT], f"not a request: {error}")
        finally:
            stream.close()
            del self._streams[stream]
