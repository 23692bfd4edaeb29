"""The gRPC server: KV, Watch, Lease, Cluster and Maintenance of etcd's v3 API.

Requests and responses pass gRPC as bytes; ``store.etcd`` knows what they mean.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from actors.disk.journal_file import SyncTimes
from actors.etcd.identity import cluster_identity
from actors.etcd.leases import LeaseService
from actors.etcd.maintenance import MaintenanceService
from actors.etcd.metrics import Handled, serve_metrics
from actors.etcd.shards import Shards
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
    shards: int = 1
    """One has etcd's dense revisions, several have those of a clock."""


async def start(config: EtcdConfig) -> "Door":
    """DirectoryError, JournalError for a directory that cannot be used; PortInUse."""
    directory = Path(config.directory)
    cluster = cluster_identity(directory, config.shards)
    opened: list[Shard] = []
    try:
        for number in range(config.shards):
            settings = StoreSettings(
                shard=number,
                durability=config.durability,
                retain_ns=0,
                quota_bytes=-(-config.quota_bytes // config.shards),
                epoch_ns=cluster.created_ns,
                revisions="dense" if config.shards == 1 else "hybrid",
            )
            opened.append(await open_shard(str(directory / f"shard-{number}"), settings))
    except BaseException:
        await asyncio.gather(*(shard.stop() for shard in opened))
        raise
    shards = Shards(opened)
    await shards.settle_leases()
    door = Door(shards, Identity(cluster.cluster_id, cluster.member_id))
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

    def __init__(self, shards: Shards, identity: Identity) -> None:
        self.address = ""
        self._shards = shards
        self._identity = identity
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
                ("grpc.max_send_message_length", -1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                # Left at gRPC's 1,000, calls that arrive together would be cancelled at random.
                ("grpc.server.max_pending_requests", CALLS_MAX),
                ("grpc.server.max_pending_requests_hard_limit", CALLS_MAX),
            ],
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        self._streams: dict[WatchStream, None] = {}
        self._handled: Counter[tuple[str, str, str]] = Counter()
        self._received_bytes = self._sent_bytes = 0
        self._stop_metrics: Callable[[], None] | None = None
        self._server.add_generic_rpc_handlers(
            [
                *(
                    grpc.method_handlers_generic_handler(f"etcdserverpb.{service}", methods)
                    for service, methods in self._services().items()
                ),
                _Absent(),
            ]
        )

    def _services(self) -> dict[str, dict[str, grpc.RpcMethodHandler]]:
        """Service to its methods."""
        leases = LeaseService(self._shards, self._identity)
        maintenance = MaintenanceService(self._shards, self._identity, lambda: self.address)
        unary: dict[str, dict[str, Unary]] = {
            "KV": {
                "Range": self._range,
                "Put": self._put,
                "DeleteRange": self._delete_range,
                "Txn": self._txn,
                "Compact": self._compact,
            },
            "Lease": {
                "LeaseGrant": leases.grant,
                "LeaseRevoke": leases.revoke,
                "LeaseTimeToLive": leases.time_to_live,
                "LeaseLeases": leases.leases,
            },
            "Cluster": {"MemberList": maintenance.member_list},
            "Maintenance": {
                "Status": maintenance.status,
                "Alarm": maintenance.alarm,
                "Defragment": maintenance.defragment,
                "Hash": maintenance.hash,
                "HashKV": maintenance.hash_kv,
            },
        }
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = {
            service: {
                method: self._unary(service, method, answer) for method, answer in methods.items()
            }
            for service, methods in unary.items()
        }
        stream = grpc.stream_stream_rpc_method_handler
        services["Watch"] = {"Watch": stream(self._watch)}
        services["Lease"]["LeaseKeepAlive"] = stream(partial(_keep_alive, leases))
        snapshot = grpc.unary_stream_rpc_method_handler(partial(_snapshot, maintenance))
        services["Maintenance"]["Snapshot"] = snapshot
        return services

    async def listen(self, host: str, port: int) -> None:
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            raise PortInUse(f"cannot listen on {host}:{port}: {_why_not(host, port)}") from None
        await self._server.start()
        self.address = f"{host}:{bound}"

    def serve_metrics(self, host: str, port: int) -> None:
        try:
            self._stop_metrics = serve_metrics(host, port, self)
        except OSError as error:
            raise PortInUse(f"cannot listen on {host}:{port}: {error.strerror}") from None

    def gauges(self) -> Mapping[str, float]:
        """Of all shards together: revisions are the greatest, the rest are sums."""
        found, streams = self.shard_gauges(), tuple(self._streams)
        together = {name: sum(one[name] for one in found) for name in found[0]}
        return together | {
            "revision": max(one["revision"] for one in found),
            "compact_revision": max(one["compact_revision"] for one in found),
            "calls": sum(self._handled.values()),
            "watch_streams": len(streams),
            "responses_unread": sum(stream.unread for stream in streams),
            "unread_bytes": sum(stream.unread_bytes for stream in streams),
            "received_bytes": self._received_bytes,
            "sent_bytes": self._sent_bytes
            + sum(stream.sent_bytes for stream in tuple(self._streams)),
        }

    def shard_gauges(self) -> Sequence[Mapping[str, float]]:
        return [shard.gauges() for shard in self._shards.all]

    def sync_times(self) -> Sequence[SyncTimes]:
        return [shard.journal.sync_times for shard in self._shards.all]

    def handled(self) -> Handled:
        return self._handled

    async def stop(self) -> None:
        """End the streams, answer what is under way, write what is queued. Idempotent."""
        if self._stop_metrics is not None:
            self._stop_metrics()
            self._stop_metrics = None
        for stream in list(self._streams):
            stream.stop()
        await self._server.stop(grace=1.0)
        await asyncio.gather(*(shard.stop() for shard in self._shards.all))

    def _unary(self, service: str, method: str, answer: Unary) -> grpc.RpcMethodHandler:
        def ended(code: str) -> None:
            self._handled[f"etcdserverpb.{service}", method, code] += 1

        async def handle(data: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            self._received_bytes += len(data)
            try:
                response = await answer(data)
            except EtcdError as error:
                code, message = _STATUS[error.code], error.message
            except ProtobufError as error:
                code, message = _STATUS[INVALID_ARGUMENT], f"not a request: {error}"
            else:
                ended("OK")
                self._sent_bytes += len(response)
                return response
            ended(_code_name(code))
            await context.abort(code, message)
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(handle)

    # KV.

    async def _range(self, data: bytes) -> bytes:
        message = decoded("RangeRequest", data)
        reply = checked(await self._shards.ask(range_request(message)))
        return range_response(self._identity.header(reply[1]), message, reply)

    async def _put(self, data: bytes) -> bytes:
        reply = checked(await self._shards.ask(put_request(decoded("PutRequest", data))))
        return put_response(self._identity.header(reply[1]), reply)

    async def _delete_range(self, data: bytes) -> bytes:
        request = delete_request(decoded("DeleteRangeRequest", data))
        reply = checked(await self._shards.ask(request))
        return delete_response(self._identity.header(reply[1]), reply)

    async def _txn(self, data: bytes) -> bytes:
        message = decoded("TxnRequest", data)
        reply = checked(await self._shards.ask(txn_request(message)))
        return txn_response(self._identity.header(reply[1]), message, reply)

    async def _compact(self, data: bytes) -> bytes:
        checked(await self._shards.ask(compact_request(decoded("CompactionRequest", data))))
        return encoded("CompactionResponse", {}) + self._identity.header(self._shards.revision)

    # Watch.

    async def _watch(
        self, requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        stream = WatchStream(self._shards, self._identity)
        self._streams[stream] = None
        try:
            async with _refusing(context):
                await stream.run(requests, context.write)
        finally:
            stream.close()
            self._sent_bytes += stream.sent_bytes
            del self._streams[stream]


def _why_not(host: str, port: int) -> str:
    """Why nobody can listen there: gRPC only says that it cannot."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return str(error.strerror)
    return "gRPC does not say why"


async def _keep_alive(
    leases: LeaseService,
    requests: AsyncIterator[bytes],
    context: "grpc.aio.ServicerContext[Any, Any]",
) -> None:
    async with _refusing(context):
        await leases.keep_alive(requests, context)


async def _snapshot(
    maintenance: MaintenanceService, data: bytes, context: "grpc.aio.ServicerContext[Any, Any]"
) -> AsyncIterator[bytes]:
    async with _refusing(context):
        async for answer in maintenance.snapshot(data, context):
            yield answer


@asynccontextmanager
async def _refusing(context: "grpc.aio.ServicerContext[Any, Any]") -> AsyncIterator[None]:
    """Of a stream: bytes that are no request end it with the word for it, as a server that stops
    does."""
    try:
        yield
    except EtcdError as error:
        await context.abort(_STATUS[error.code], error.message)
    except ProtobufError as error:
        await context.abort(_STATUS[INVALID_ARGUMENT], f"not a request: {error}")


class _Absent:
    """Every other method is refused by its name: users and roles, members that come and go."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method.removeprefix("/etcdserverpb.")

        async def refuse(_: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"hollowfleet: {method} is not supported"
            )
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(refuse)


def _code_name(code: grpc.StatusCode) -> str:
    """As Go writes it: InvalidArgument."""
    return "".join(word.capitalize() for word in code.name.split("_"))
