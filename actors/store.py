"""The program of one store shard: frames in, the core's orders out, the disk behind it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from actors.clock import WallClock, settle_gc
from actors.disk import DirectoryError, JournalFile, LogDirectory
from actors.disk.journal_file import DiskEvent
from actors.net import FrameServer, PeerError, ServerStream
from actors.plan import StoreConfig
from actors.program import Resolve
from api.storage import StoreRequest
from store.core import StoreCore, StoreSettings
from store.messages import (
    Append,
    EndWatch,
    Reply,
    RequestsArrived,
    SendWatchFrames,
    StoreEffect,
    StoreEvent,
    WatchClosed,
    WatchFellBehind,
    WatchOpened,
    WriteSnapshot,
)
from store.recovery import recovered_core


async def start(config: StoreConfig, resolve: Resolve) -> "Store":
    """Recover the shard's directory and serve it. DirectoryError, JournalError for a directory that
    cannot be used; PortInUse. ``resolve`` is not needed: a shard calls nobody."""
    directory = LogDirectory.open(config.directory, config.shard)
    try:
        settings = StoreSettings(
            shard=config.shard,
            durability=config.durability,
            retain_ns=int(config.retain_revisions_s * 1e9),
            epoch_ns=config.security.created_ns,
        )
        found = directory.recovered()
        if config.durability == "none" and found.log_bytes:
            raise DirectoryError(
                f"{directory.path} holds a log that durability none cannot continue"
            )
        core = await asyncio.to_thread(recovered_core, settings, found)
        store = Store(core, directory, config)
        settle_gc()
        try:
            await store.listen(config)
        except BaseException:
            await store.stop()
            raise
    except BaseException:
        directory.close()
        raise
    return store


class Store:
    """A running shard. Everything that arrives in one turn of the loop is one step of the core."""

    def __init__(self, core: StoreCore, directory: LogDirectory, config: StoreConfig) -> None:
        self._core = core
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._now_ns = WallClock()
        self._journal = JournalFile(
            directory, config.durability, core.ledger.next_index, self._disk_reports
        )
        self._server: FrameServer | None = None
        self._calls: list[int] = []
        self._batches: list[list[StoreRequest]] = []
        self._events: list[StoreEvent] = []
        self._last_call = 0
        self._reply_to: dict[int, Callable[[object], None]] = {}
        self._streams: dict[int, ServerStream] = {}
        self._watchers: dict[ServerStream, int] = {}
        self._last_watcher = 0
        self._turn_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._steps = 0
        self._stopped = False

    async def listen(self, config: StoreConfig) -> None:
        self._server = await FrameServer.start(config.host, config.port, config.security, self)
        self._schedule()

    @property
    def address(self) -> str:
        assert self._server is not None
        return self._server.address

    def gauges(self) -> Mapping[str, float]:
        core, journal = self._core, self._journal
        gauges = {
            "keys": core.keyspace.live,
            "revision": core.ledger.watermark,
            "compact_revision": core.keyspace.compact_revision,
            "changes_kept": len(core.keyspace.changes),
            "pending": len(core.ledger.pending.entries),
            "watchers": len(core.watchers.all),
            "leases": len(core.leases.granted),
            "log_bytes": core.log_bytes,
            "appended": journal.appended_records,
            "appended_bytes": journal.appended_bytes,
            "fsyncs": journal.syncs,
            "steps": self._steps,
        }
        return gauges | (self._server.gauges() if self._server is not None else {})

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            await self._server.stop()
        await asyncio.to_thread(self._journal.stop)
        self._directory.close()

    # The frame server's handler.

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        if type(body) is not list or len(body) != 2 or body[0] != "store":
            reply(PeerError('a call to a store is ("store", [request, ...])'))
            return
        if type(body[1]) is not list:
            reply(PeerError("the requests are not an array"))
            return
        self._last_call += 1
        self._reply_to[self._last_call] = reply
        self._calls.append(self._last_call)
        self._batches.append(body[1])
        if not self._turn_due:
            self._schedule()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        match body:
            case ["watch", bytes(prefix), int(start), bool(want_previous)]:
                self._last_watcher += 1
                self._streams[self._last_watcher] = stream
                self._watchers[stream] = self._last_watcher
                self._take(WatchOpened(self._last_watcher, prefix, start, want_previous))
            case _:
                stream.end('invalid: open ("watch", prefix, start_revision, want_previous)')

    def on_closed(self, stream: ServerStream) -> None:
        watcher = self._watchers.pop(stream, None)
        if watcher is not None:
            del self._streams[watcher]
            self._take(WatchClosed(watcher))

    # Turns.

    def _disk_reports(self, event: DiskEvent) -> None:
        self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: StoreEvent) -> None:
        self._events.append(event)
        if not self._turn_due:
            self._schedule()

    def _schedule(self) -> None:
        self._turn_due = True
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        if self._stopped:
            return
        events = self._events
        if self._calls:
            events.append(RequestsArrived(self._calls, self._batches))
            self._calls, self._batches = [], []
        self._events = []
        now_ns = self._now_ns()
        self._steps += 1
        for effect in self._core.step(events, now_ns):
            self._carry_out(effect)
        wakeup_ns = self._core.next_wakeup_ns()
        if wakeup_ns is not None and wakeup_ns <= now_ns:
            if not self._turn_due:
                self._schedule()
        elif wakeup_ns != self._timer_ns:
            self._set_timer(wakeup_ns, now_ns)

    def _set_timer(self, wakeup_ns: int | None, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = wakeup_ns
        if wakeup_ns is not None:
            self._timer = self._loop.call_later((wakeup_ns - now_ns) / 1e9, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = self._timer_ns = None
        if not self._turn_due:
            self._schedule()

    def _carry_out(self, effect: StoreEffect) -> None:
        match effect:
            case Reply(calls=calls, replies=replies):
                reply_to = self._reply_to
                for call, answers in zip(calls, replies, strict=True):
                    reply_to.pop(call)(answers)
            case Append():
                self._journal.append(effect)
            case SendWatchFrames(watcher=watcher, events=events, watermark=watermark):
                stream = self._streams.get(watcher)
                if stream is not None and not stream.send((events, watermark)):
                    self._take(WatchFellBehind(watcher))
            case EndWatch(watcher=watcher, reason=reason):
                stream = self._streams.pop(watcher, None)
                if stream is not None:
                    del self._watchers[stream]
                    stream.end(reason)
            case WriteSnapshot():
                self._journal.write_snapshot(effect)
