"""One stream of the Watch service: many watches, one queue of responses, one reader.

The queue is bounded: a watch whose reader has too much unread is taken from the shard, and opened
again behind what it was sent last when the reader has caught up. Only compaction ends it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from actors.shard import Shard
from api.storage import PROMISE
from store.etcd.codec import Message, decoded
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

Write = Callable[[bytes], Awaitable[Any]]


class WatchStream:
    """Watches by id; responses leave in the order in which they were made."""

    def __init__(self, shard: Shard, identity: Identity) -> None:
        self.shard = shard
        self.identity = identity
        self.unread_bytes = 0
        self._queue: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._watches: dict[int, Watch] = {}
        self._next_id = 0
        self._finished = False
        self._progress_wanted: list[int] = []
        """Revisions of progress requests that wait until every watch has come so far."""

    async def run(self, requests: AsyncIterator[bytes], write: Write) -> None:
        """Serve until the reader has no more requests or is gone. ProtobufError."""
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
                if self.unread_bytes <= RESUME_BYTES:
                    for watch in self._watches.values():
                        watch.resume()
            if reader.done():
                reader.result()
        finally:
            reader.cancel()
            ticker.cancel()

    def push(self, response: bytes) -> None:
        self._queue.append(response)
        self.unread_bytes += len(response)
        self._filled.set()

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
        fields: Message = {"watch_id": watch.id, "canceled": True, "cancel_reason": reason}
        if reason == "compacted":
            compacted = self.shard.core.keyspace.compact_revision
            fields = {"watch_id": watch.id, "canceled": True, "compact_revision": compacted}
        self._control(**fields)

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
                message = decoded("WatchRequest", data)
                if "create_request" in message:
                    self._create(message["create_request"])
                elif "cancel_request" in message:
                    self._cancel(message["cancel_request"].get("watch_id", 0))
                elif "progress_request" in message:
                    _, revision = await self.shard.ask((PROMISE, 0))
                    self._progress_wanted.append(revision)
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
            _, revision = await self.shard.ask((PROMISE, 0))
            for watch in quiet:
                watch.tell_progress(revision)

    def _create(self, message: Message) -> None:
        watch_id = message.get("watch_id", 0)
        if watch_id in self._watches and watch_id:
            reason = {"cancel_reason": DUPLICATE_ID}
            self._control(watch_id=-1, created=True, canceled=True, **reason)
            return
        if not watch_id:
            while self._next_id in self._watches:
                self._next_id += 1
            watch_id = self._next_id
            self._next_id += 1
        self._control(watch_id=watch_id, created=True)
        self._watches[watch_id] = watch = Watch(self, watch_id, message)
        watch.resume()

    def _cancel(self, watch_id: int) -> None:
        watch = self._watches.pop(watch_id, None)
        if watch is not None:
            watch.close()
            self._control(watch_id=watch_id, canceled=True)
            self.advanced()

    def _control(self, **fields: Any) -> None:
        self.push(control_response(self.identity, self.shard.revision, **fields))


class Watch:
    """One watch: the sink of a watcher of the shard, while it has one."""

    def __init__(self, stream: WatchStream, watch_id: int, message: Message) -> None:
        self.id = watch_id
        start = message.get("start_revision", 0)
        # Nothing happens at revision 1, so after 0 and after 1 mean the same.
        self.delivered = max(1, start - 1) if start > 0 else stream.shard.revision
        """Everything up to here was sent."""
        self._stream = stream
        key = message.get("key", b"") or b"\x00"
        self._span = span(key, message.get("range_end", b""))
        self._filters: Sequence[int] = message.get("filters", ())
        self._want_previous = message.get("prev_kv", False)
        self._fragment = message.get("fragment", False)
        self.wants_progress = message.get("progress_notify", False)
        self._quiet = True
        self._number = 0
        """Of its watcher; 0 while it has none."""

    def resume(self) -> None:
        """Follow the shard again, if it was taken off."""
        if not self._number:
            self._number = self._stream.shard.open_watch(self, self._span, self.delivered, "raw")

    def close(self) -> None:
        if self._number:
            self._stream.shard.close_watch(self._number)
            self._number = 0

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
        self._number = 0
        self._stream.ended(self, reason)

    def tell_progress(self, revision: int) -> None:
        if self._quiet and self.delivered >= revision:
            fields = {"watch_id": self.id}
            self._stream.push(control_response(self._stream.identity, revision, **fields))
        self._quiet = True
