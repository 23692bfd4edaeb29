"""The calling side of etcd's v3 API: one channel, messages as dicts of ``store.etcd.fields``."""

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from store.etcd.codec import Message, decoded, encoded
from store.etcd.errors import EtcdError

CALL_TIMEOUT_S: Final = 30.0
_NAMES: Final = {"Compact": "Compaction"}
"""Methods whose messages are not named after them."""


class EtcdClient:
    """Errors: EtcdError with gRPC's code and etcd's words."""

    def __init__(self, address: str) -> None:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        # A channel of its own for each client: gRPC would let equal ones share a connection.
        options = [*unlimited, ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._calls: dict[tuple[str, str], Any] = {}

    async def call(self, service: str, method: str, message: Message) -> Message:
        """One call, and its answer."""
        call = self._calls.get((service, method))
        if call is None:
            call = self._channel.unary_unary(f"/etcdserverpb.{service}/{method}")
            self._calls[service, method] = call
        name = _NAMES.get(method, method)
        request = encoded(f"{name}Request", message)
        try:
            answer = await call(request, timeout=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _etcd_error(error) from None
        return decoded(f"{name}Response", answer)

    async def ready(self, timeout_s: float) -> None:
        """Wait until the server answers. EtcdError when it does not in time."""
        status = self._channel.unary_unary("/etcdserverpb.Maintenance/Status")
        try:
            await status(b"", timeout=timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise _etcd_error(error) from None

    async def keep_alive(self, lease: int) -> int:
        """The lease's whole time in seconds, counted from now; 0 when there is none."""
        call = self._channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive")
        request = encoded("LeaseKeepAliveRequest", {"ID": lease})
        try:
            async for answer in call(_once(request), timeout=CALL_TIMEOUT_S):
                ttl_s: int = decoded("LeaseKeepAliveResponse", answer).get("TTL", 0)
                return ttl_s
        except grpc.aio.AioRpcError as error:
            raise _etcd_error(error) from None
        return 0

    def watch(self) -> "WatchCall":
        """A stream of the Watch service."""
        return WatchCall(self._channel.stream_stream("/etcdserverpb.Watch/Watch")())

    async def snapshot(self) -> AsyncIterator[bytes]:
        call = self._channel.unary_stream("/etcdserverpb.Maintenance/Snapshot")
        async for answer in call(b""):
            yield decoded("SnapshotResponse", answer).get("blob", b"")

    async def close(self) -> None:
        await self._channel.close()


class WatchCall:
    """Requests in, responses out; ``cancel`` ends both."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def create(self, **fields: object) -> None:
        await self._write({"create_request": fields})

    async def cancel_watch(self, watch_id: int) -> None:
        await self._write({"cancel_request": {"watch_id": watch_id}})

    async def progress(self) -> None:
        await self._write({"progress_request": {}})

    async def read(self) -> Message:
        """The next response. EtcdError at the end of the stream."""
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _etcd_error(error) from None
        if answer is grpc.aio.EOF:
            raise EtcdError(grpc.StatusCode.UNAVAILABLE.value[0], "the stream ended")
        return decoded("WatchResponse", answer)

    def cancel(self) -> None:
        self._call.cancel()

    async def _write(self, message: Message) -> None:
        try:
            await self._call.write(encoded("WatchRequest", message))
        except grpc.aio.AioRpcError as error:
            raise _etcd_error(error) from None


def _etcd_error(error: grpc.aio.AioRpcError) -> EtcdError:
    code: int = error.code().value[0]
    return EtcdError(code, error.details() or error.code().name)


async def _once(request: bytes) -> AsyncIterator[bytes]:
    yield request
