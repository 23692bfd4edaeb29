"""The program of a store shard whose engine is a real etcd: frames in, etcd's v3 API out.

It speaks the protocol of api/storage.py as ``actors.store`` does, so that API servers see no
difference. One etcd watch of the whole keyspace feeds each stream: as every revision of etcd is the
change of some key, a stream has come as far as its last event, and a promise waits for that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from actors.etcd.client import EtcdClient, WatchCall
from actors.etcd.process import EtcdProcess
from actors.net import FrameServer, PeerError, ServerStream
from actors.plan import EtcdStoreConfig
from actors.program import Line, Resolve
from api.storage import (
    COMPACT,
    FUTURE,
    GRANT,
    INVALID,
    KEEPALIVE,
    NOT_FOUND,
    OK,
    PROMISE,
    PUT,
    RANGE,
    STATUS,
    StoreReply,
    StoreRequest,
)
from store.etcd.calls import call_of, item_of, refusal_of, reply_of
from store.etcd.codec import Message
from store.etcd.errors import EtcdError
from store.forms import Malformed, integers

REQUESTS_AT_ONCE: Final = 1000
"""Calls to etcd under way; the rest waits in order."""
REPLY_BYTES_MAX: Final = 24 << 20
"""Values of a range in one reply; ``more`` is set behind them."""
_ALL: Final = {"key": b"\x00", "range_end": b"\x00"}


async def start(config: EtcdStoreConfig, resolve: Resolve) -> "EtcdStore":
    """Start an etcd in the shard's directory and serve it. NoEtcd, DirectoryError, PortInUse."""
    store = EtcdStore(config)
    try:
        await store.run()
    except BaseException:
        await store.stop()
        raise
    return store


class EtcdStore:
    """The frame port of a running etcd."""

    def __init__(self, config: EtcdStoreConfig) -> None:
        self._config = config
        self._process = EtcdProcess(Path(config.directory), self._died)
        self._client: EtcdClient | None = None
        self._server: FrameServer | None = None
        self._streams: dict[ServerStream, EtcdStream] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._granting: dict[int, asyncio.Future[None]] = {}
        """Leases whose grant is under way."""
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._calls = self._failed = 0

    async def run(self) -> None:
        await self._process.start()
        self._client = EtcdClient(self._process.address)
        config = self._config
        self._server = await FrameServer.start(config.host, config.port, config.security, self)
        if config.retain_revisions_s:
            self._spawn(self._compact(config.retain_revisions_s))

    @property
    def address(self) -> str:
        assert self._server is not None
        return self._server.address

    @property
    def lines(self) -> Sequence[Line]:
        return [self._server] if self._server is not None else []

    @property
    def children(self) -> Mapping[int, str]:
        """Processes that work for this program, by pid."""
        return {self._process.pid: f"store-{self._config.shard}-etcd"}

    def gauges(self) -> Mapping[str, float]:
        gauges: dict[str, float] = {
            "etcd_calls": self._calls,
            "etcd_calls_failed": self._failed,
            "watchers": len(self._streams),
        }
        return gauges | (self._server.gauges() if self._server is not None else {})

    async def stop(self) -> None:
        """Idempotent."""
        if self._server is not None:
            await self._server.stop()
        for stream in list(self._streams.values()):
            stream.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        await self._process.stop()

    # The frame server's handler.

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        match body:
            case ["store", [*requests]] if requests:
                self._spawn(self._answer(reply, requests))
            case _:
                reply(PeerError('a call to a store is ("store", [request, ...])'))

    def on_open(self, stream: ServerStream, body: Any) -> None:
        match body:
            case ["watch", bytes(prefix), int(start), bool(want_previous)]:
                assert self._client is not None
                fed = EtcdStream(stream, self._client.watch(), prefix, want_previous)
                self._streams[stream] = fed
                self._spawn(self._feed(fed, start))
            case _:
                stream.end('invalid: open ("watch", prefix, start_revision, want_previous)')

    def on_closed(self, stream: ServerStream) -> None:
        fed = self._streams.pop(stream, None)
        if fed is not None:
            fed.close()

    # Calls.

    async def _answer(
        self, reply: Callable[[object], None], requests: Sequence[StoreRequest]
    ) -> None:
        """The requests of a call are under way together, as those of several clients would be."""
        try:
            replies = await asyncio.gather(*(self._ask(request) for request in requests))
        except EtcdError as error:
            self._failed += 1
            reply(PeerError(f"etcd: {error.message}"))
            return
        reply(replies)

    async def _ask(self, request: StoreRequest) -> StoreReply:
        """EtcdError when the outcome is unknown. Requests overtake each other, except that a put
        waits for the grant of its lease, which its sender sent before it."""
        granted: asyncio.Future[None] | None = None
        match request:
            case [name, int(lease), _] if name == GRANT:
                granted = self._granting[lease] = asyncio.get_running_loop().create_future()
            case [name, _, _, _, _, int(lease), *_] if name == PUT and lease in self._granting:
                await self._granting[lease]
        try:
            async with self._slots:
                return await self._ask_etcd(request)
        except (Malformed, ValueError) as error:
            return (INVALID, str(error))
        except EtcdError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            return refusal
        finally:
            if granted is not None:
                granted.set_result(None)
                self._granting.pop(request[1], None)

    async def _ask_etcd(self, request: StoreRequest) -> StoreReply:
        assert self._client is not None
        self._calls += 1
        name = request[0] if type(request) in (list, tuple) and request else ""
        if name == PROMISE:
            return await self._promise(*integers(request, 1))
        if name == KEEPALIVE:
            ttl_s = await self._client.keep_alive(*integers(request, 1))
            return (OK, ttl_s) if ttl_s else (NOT_FOUND,)
        if name == STATUS:
            return await self._status()
        answer = await self._client.call(*call_of(request))
        reply = reply_of(request, answer)
        if name == RANGE and request[5] == 0:
            return _bounded(reply)
        return reply

    async def _promise(self, at_least: int) -> StoreReply:
        """Dense revisions promise nothing of the future; the present is waited for."""
        revision = await self._revision()
        if at_least > revision:
            return (FUTURE, revision)
        await asyncio.gather(*(fed.reached(revision) for fed in list(self._streams.values())))
        return (OK, revision)

    async def _revision(self) -> int:
        """By a linearizable read of a key that nobody has."""
        assert self._client is not None
        answer = await self._client.call("KV", "Range", {"key": b"\x00"})
        revision: int = answer["header"]["revision"]
        return revision

    async def _status(self) -> StoreReply:
        assert self._client is not None
        counted = await self._client.call("KV", "Range", {**_ALL, "count_only": True})
        status = await self._client.call("Maintenance", "Status", {})
        return (
            OK,
            {
                "shard": self._config.shard,
                "keys": counted.get("count", 0),
                "revision": counted["header"]["revision"],
                "compact_revision": 0,
                "log_bytes": status.get("dbSize", 0),
                "durability": "fsync",
            },
        )

    # What runs beside.

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._tasks[task]
        if not task.cancelled():
            task.result()

    async def _feed(self, fed: "EtcdStream", start: int) -> None:
        reason = await fed.run(start)
        if self._streams.pop(fed.stream, None) is not None:
            fed.close()
            fed.stream.end(reason)

    async def _compact(self, retain_s: float) -> None:
        """Compact to what was the newest revision a while ago, as kube-apiserver does; an etcd that
        does not answer is asked again as late.
        Source: staging/src/k8s.io/apiserver/pkg/storage/etcd3/compact.go."""
        before = 0
        while True:
            with suppress(EtcdError):
                if before:
                    await self._ask((COMPACT, before))
                before = await self._revision()
            await asyncio.sleep(retain_s)

    def _died(self, code: int) -> None:
        """On the loop, where whoever hosts this program ends it and starts it again."""
        raise RuntimeError(f"the etcd of shard {self._config.shard} ended with code {code}")


class EtcdStream:
    """One watch of the whole keyspace, cut to a prefix, for one frame stream."""

    def __init__(
        self, stream: ServerStream, call: WatchCall, prefix: bytes, want_previous: bool
    ) -> None:
        self.stream = stream
        self._call = call
        self._prefix = prefix
        self._want_previous = want_previous
        self._watermark = 0
        self._open = True
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def run(self, start: int) -> str:
        """Feed the stream; returns why it is over."""
        try:
            await self._call.create(**_ALL, start_revision=start + 1 if start else 0, prev_kv=True)
            created = await self._call.read()
            if not self._send([], start or created["header"]["revision"]):
                return "slow"
            while True:
                response = await self._call.read()
                if response.get("canceled"):
                    return _reason(response)
                events = response.get("events", ())
                if not events:
                    continue
                if any(event.get("type") and "prev_kv" not in event for event in events):
                    return "compacted"  # What was deleted is not known any more.
                wire = [self._wire(event) for event in events]
                wanted = [event for event in wire if event[1].startswith(self._prefix)]
                if not self._send(wanted, wire[-1][2]):
                    return "slow"
        except EtcdError as error:
            return f"lost: {error.message}"

    async def reached(self, revision: int) -> None:
        """Return when everything up to it was sent, or nothing more will be."""
        if self._open and self._watermark < revision:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, future))
            await future

    def close(self) -> None:
        self._open = False
        self._call.cancel()
        self._settle()

    def _send(self, events: list[Any], watermark: int) -> bool:
        if not self.stream.send((events, watermark)):
            return False
        self._watermark = max(self._watermark, watermark)
        self._settle()
        return True

    def _settle(self) -> None:
        left = []
        for revision, future in self._waiting:
            if self._open and revision > self._watermark:
                left.append((revision, future))
            elif not future.done():
                future.set_result(None)
        self._waiting = left

    def _wire(self, event: Message) -> tuple[Any, ...]:
        """As in api/storage.py."""
        kv, previous = event["kv"], event.get("prev_kv")
        before = item_of(previous) if previous is not None else None
        shown = before if self._want_previous else None
        if event.get("type"):
            assert before is not None
            key, create, _, version, header, value, _lease = before
            return (1, key, kv["mod_revision"], create, version, header, value, shown)
        key, create, mod, version, header, value, _lease = item_of(kv)
        return (0, key, mod, create, version, header, value, shown)


def _reason(response: Message) -> str:
    if response.get("compact_revision"):
        return "compacted"
    return f"invalid: {response.get('cancel_reason', 'canceled by etcd')}"


def _bounded(reply: StoreReply) -> StoreReply:
    """A reply to a range of at most so many bytes."""
    if reply[0] != OK:
        return reply
    size = 0
    for place, item in enumerate(reply[3]):
        size += len(item[4]) + len(item[5])
        if size >= REPLY_BYTES_MAX and place + 1 < len(reply[3]):
            return (OK, reply[1], True, reply[3][: place + 1])
    return reply
