"""One stream of the Watch service: many watches, one queue of responses, one reader.

The queue is bounded: a watch whose reader has too much unread is taken from the shard, and opened
again behind what it was sent last when the reader has caught up. Only compaction ends it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from actors.etcd.shards import Close, Shards
from store.etcd.codec import Message, decoded
from store.etcd.errors import UNAVAILABLE, EtcdError
from store.etcd.keys import Identity, span
from store.etcd.watches import PROGRESS_ID, control_response, event, events_responses
from store.keyspace import Change

UNREAD_BYTES_MAX: Final = 16 << 20
"""Responses in memory for one reader, give or take one body of the shard (4 MiB)."""
RESUME_BYTES: Final = 4 << 20
PROGRESS_PERIOD_S: Final = 5.0
"""Between progress responses of a watch that asked for them. Source: what kube-apiserver sets with
--experimental-watch-progress-notify-interval."""
DUPLICATE_ID: Final = "mvcc: duplicate watch ID provided on the WatchStream"
EMPTY_RANGE: Final = "mvcc: watcher range is empty"
"""Source: etcd server/storage/mvcc/watcher.go, as the one before."""
STOPPED: Final = "etcdserver: server stopped"
"""Source: etcd api/v3rpc/rpctypes/error.go, ErrGRPCStopped; clients take any other end for good."""

Write = Callable[[bytes], Awaitable[Any]]


class WatchStream:
    """Watches by id; responses leave in the order in which they were made."""

    def __init__(self, shards: Shards, identity: Identity) -> None:
        self.shards = shards
        self.identity = identity
        self.unread_bytes = 0
        self.sent_bytes = 0
        self._queue: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._watches: dict[int, Watch] = {}
        self._next_id = 0
        self._finished = False
        self._stopped = False
        self._progress_wanted: list[int] = []
        """Revisions of progress requests that wait until every watch has come so far."""

    @property
    def unread(self) -> int:
        """Responses that wait for their reader."""
        return len(self._queue)

    async def run(self, requests: AsyncIterator[bytes], write: Write) -> None:
        """Serve until the reader has no more requests or is gone. ProtobufError, EtcdError."""
        reader = asyncio.ensure_future(self._read(requests))
        ticker = asyncio.ensure_future(self._tick())
        try:
            while not self._finished or self._queue:
                if not self._queue:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                response = self._queue.popleft()
                await write(response)
                self.unread_bytes -= len(response)
                self.sent_bytes += len(response)
                if self.unread_bytes <= RESUME_BYTES:
                    self._room.set()
                    for watch in self._watches.values():
                        watch.resume()
            if self._stopped:
                raise EtcdError(UNAVAILABLE, STOPPED)
            if reader.done():
                reader.result()
        finally:
            reader.cancel()
            ticker.cancel()

    def push(self, response: bytes) -> None:
        self._queue.append(response)
        self.unread_bytes += len(response)
        self._filled.set()

    def stop(self) -> None:
        """Write what is queued and end with a word after which clients look for the server again,
        and go on where they were."""
        self._stopped = True
        self.finish()

    def finish(self) -> None:
        """Write what is queued and end."""
        self._finished = True
        self._filled.set()

    def close(self) -> None:
        """The reader is gone."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def ended(self, watch: "Watch", reason: str) -> None:
        """The shard ended a watch."""
        del self._watches[watch.id]
        if reason == "compacted":
            compacted = self.shards.compact_revision
            fields = {"watch_id": watch.id, "canceled": True, "compact_revision": compacted}
            # It has a header without a revision. Source: etcd mvcc/watcher_group.go, chooseAll.
            self.push(control_response(self.identity, 0, **fields))
        else:
            self._control(watch_id=watch.id, canceled=True, cancel_reason=reason)

    def advanced(self) -> None:
        """A watch has come further: what waited for that is told."""
        while self._progress_wanted:
            revision = self._progress_wanted[0]
            if any(watch.delivered < revision for watch in self._watches.values()):
                return
            self._progress_wanted.pop(0)
            self.push(control_response(self.identity, revision, watch_id=PROGRESS_ID))

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        try:
            async for data in requests:
                # Who asks and never reads the answers is not heard any more.
                while self.unread_bytes > UNREAD_BYTES_MAX:
                    self._room.clear()
                    await self._room.wait()
                message = decoded("WatchRequest", data)
                if "create_request" in message:
                    await self._create(message["create_request"])
                elif "cancel_request" in message:
                    self._cancel(message["cancel_request"].get("watch_id", 0))
                elif "progress_request" in message:
                    self._progress_wanted.append(await self.shards.present())
                    self.advanced()
        finally:
            self.finish()

    async def _tick(self) -> None:
        """Progress for the watches that asked for it and heard nothing else."""
        while True:
            await asyncio.sleep(PROGRESS_PERIOD_S)
            quiet = [watch for watch in self._watches.values() if watch.wants_progress]
            if not quiet:
                continue
            revision = await self.shards.present()
            for watch in quiet:
                watch.tell_progress(revision)

    async def _create(self, message: Message) -> None:
        watch_id = message.get("watch_id", 0)
        start, end = watched(message)
        reason = DUPLICATE_ID if watch_id and watch_id in self._watches else ""
        reason = EMPTY_RANGE if end and start >= end else reason
        if reason:
            self._control(watch_id=-1, created=True, canceled=True, cancel_reason=reason)
            return
        if not watch_id:
            while self._next_id in self._watches:
                self._next_id += 1
            watch_id = self._next_id
            self._next_id += 1
        first = message.get("start_revision", 0)
        # Nothing happens at revision 1, so after 0 and after 1 mean the same.
        after = max(1, first - 1) if first else await self.shards.now()
        self._control(watch_id=watch_id, created=True)
        self._watches[watch_id] = watch = Watch(self, watch_id, message, after)
        watch.resume()

    def _cancel(self, watch_id: int) -> None:
        watch = self._watches.pop(watch_id, None)
        if watch is not None:
            watch.close()
            self._control(watch_id=watch_id, canceled=True)
            self.advanced()

    def _control(self, **fields: Any) -> None:
        self.push(control_response(self.identity, self.shards.revision, **fields))


def watched(message: Message) -> tuple[bytes, bytes]:
    """The keys [start, end) that a request to create a watch names."""
    return span(message.get("key", b"") or b"\x00", message.get("range_end", b""))


class Watch:
    """One watch: the sink of what it follows in the shards, while it does."""

    def __init__(self, stream: WatchStream, watch_id: int, message: Message, after: int) -> None:
        self.id = watch_id
        self.delivered = after
        """Everything up to here was sent."""
        self._stream = stream
        self._span = watched(message)
        self._filters: Sequence[int] = message.get("filters", ())
        self._want_previous = message.get("prev_kv", False)
        self._fragment = message.get("fragment", False)
        self.wants_progress = message.get("progress_notify", False)
        self._quiet = True
        self._close: Close | None = None
        """Ends its part in the shards; None while it has none."""

    def resume(self) -> None:
        """Follow the shard again, if it was taken off."""
        if self._close is None:
            self._close = self._stream.shards.open_watch(self, self._span, self.delivered)

    def close(self) -> None:
        if self._close is not None:
            self._close()
            self._close = None

    def send(self, events: Sequence[Change], watermark: int) -> bool:
        found = [event(change, self._filters, self._want_previous) for change in events]
        wanted = [content for content in found if content is not None]
        stream = self._stream
        if wanted:
            self._quiet = False
            responses = events_responses(
                stream.identity, self.id, watermark, wanted, self._fragment
            )
            for response in responses:
                stream.push(response)
        if watermark > self.delivered:
            self.delivered = watermark
            stream.advanced()
        if stream.unread_bytes > UNREAD_BYTES_MAX:
            self.close()
        return True

    def end(self, reason: str) -> None:
        self._close = None
        self._stream.ended(self, reason)

    def tell_progress(self, revision: int) -> None:
        if self._quiet and self.delivered >= revision:
            fields = {"watch_id": self.id}
            self._stream.push(control_response(self._stream.identity, revision, **fields))
        self._quiet = True
