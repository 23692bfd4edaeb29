"""One store shard on this loop: a core, its turns, and the disk behind it. No port of its own.

``actors.store`` puts the frame port before it, ``actors.etcd`` etcd's gRPC port, and
``actors.shard_links`` an API server of the same program.
"""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from actors.clock import WallClock, pass_young
from actors.disk import DirectoryError, JournalFile, LogDirectory, has_log
from actors.disk.journal_file import DiskEvent
from actors.plan import Durability, StoreConfig
from actors.turns import Soon, Turns
from api.storage import StoreReply, StoreRequest
from store.core import StoreCore, StoreSettings
from store.messages import (
    Append,
    EndWatch,
    LeasesEnded,
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

SLOW_STEP_NS = 100_000_000
"""A turn that takes longer is counted as slow. Source: etcd server/etcdserver/v3_server.go,
warnApplyDuration."""
YOUNG_RECORDS = 2048
"""Log records after which what they made is young no more."""
EXIT_BROKEN = 70
"""Exit code of a program whose journal or core broke in a way nobody foresaw (EX_SOFTWARE)."""
ReplyTo = Callable[[Any], None]
"""Takes the replies of a call, once."""


class WatchSink(Protocol):
    """The reader of a watch. Called on the loop."""

    def send(self, events: Sequence[Any], watermark: int) -> bool:
        """False: too far behind, the watch ends with the reason "slow"."""
        ...

    def end(self, reason: str) -> None: ...


FanOut = Callable[[Mapping[int, Any], Sequence[Any], int], Sequence[int]]
"""Sends one body to many sinks, by number; returns the numbers of those too far behind."""


def one_by_one(
    sinks: Mapping[int, WatchSink], events: Sequence[Any], watermark: int
) -> Sequence[int]:
    """The fan-out of sinks that have nothing in common."""
    return [number for number, sink in sinks.items() if not sink.send(events, watermark)]


async def configured_shard(
    config: StoreConfig, fan_out: FanOut = one_by_one, soon: Soon | None = None
) -> "Shard":
    """The shard of a cluster. DirectoryError, JournalError: its directory cannot be used, or
    nothing is left in that of one which has served before."""
    settings = StoreSettings(
        shard=config.shard,
        durability=config.durability,
        retain_ns=int(config.retain_revisions_s * 1e9),
        epoch_ns=config.security.created_ns,
    )
    if config.begun and config.durability != "none" and not has_log(config.directory):
        raise DirectoryError(
            f"{config.directory} has no log: what shard {config.shard} acknowledged is gone with "
            "its disk, and there is no other copy"
        )
    return await open_shard(config.directory, settings, fan_out, soon)


async def open_shard(
    path: str, settings: StoreSettings, fan_out: FanOut = one_by_one, soon: Soon | None = None
) -> "Shard":
    """Recover a shard from its directory; ``soon``: see ``Turns``. DirectoryError, JournalError for
    a directory that cannot be used."""
    directory = LogDirectory.open(path, settings.shard)
    try:
        found = directory.recovered()
        if settings.durability == "none" and found.log_bytes:
            raise DirectoryError(
                f"{directory.path} holds a log that durability none cannot continue"
            )
        core = await asyncio.to_thread(recovered_core, settings, found)
        return Shard(core, directory, fan_out, soon)
    except BaseException:
        directory.close()
        raise


class Shard:
    """A running shard. Everything that arrives in one turn of the loop is one step of the core."""

    def __init__(
        self, core: StoreCore, directory: LogDirectory, fan_out: FanOut, soon: Soon | None
    ) -> None:
        durability: Any = core.settings.durability
        self.core = core
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._now_ns = WallClock()
        self.journal = JournalFile(
            directory, self._checked(durability), core.ledger.next_index, self._disk_reports
        )
        self.on_leases_ended: Callable[[Sequence[int]], None] = _nobody_cares
        """Told the leases that are over, before the answer to who revoked them."""
        self.before_step: Callable[[], None] = _nothing
        self.after_step: Callable[[], None] = _nothing
        """Around all the answers of one turn."""
        self._calls: list[int] = []
        self._batches: list[Sequence[StoreRequest]] = []
        self._events: list[StoreEvent] = []
        self._last_call = 0
        self._reply_to: dict[int, ReplyTo] = {}
        self._sinks: dict[int, WatchSink] = {}
        self._fan_out = fan_out
        self._last_watcher = 0
        self._slow_steps = 0
        self._wrote = False
        """The journal wrote on this thread, and ``_events`` has its report."""
        self._young = 0
        """Log records since what they made was passed on."""
        self._stopped = False
        self._turns = Turns(self._step, self._now_ns, soon)
        self._turns.wake()

    @staticmethod
    def _checked(durability: Any) -> Durability:
        assert durability in ("fsync", "buffered", "none"), durability
        checked: Durability = durability
        return checked

    @property
    def revision(self) -> int:
        """Every change up to it is applied."""
        return self.core.ledger.watermark

    def call(self, requests: Sequence[StoreRequest], reply: ReplyTo) -> None:
        """Ask the core; ``reply`` gets all answers at once. Never called if the shard stops."""
        self._last_call += 1
        self._reply_to[self._last_call] = reply
        self._calls.append(self._last_call)
        self._batches.append(requests)
        self._turns.wake()

    async def ask(self, request: StoreRequest) -> StoreReply:
        """One request."""
        future: asyncio.Future[StoreReply] = self._loop.create_future()

        def answered(replies: Sequence[StoreReply]) -> None:
            if not future.cancelled():
                future.set_result(replies[0])

        self.call((request,), answered)
        return await future

    def open_watch(
        self, sink: WatchSink, span: tuple[bytes, bytes | None], start: int, form: str = ""
    ) -> int:
        """Follow [span) or, if its end is None, a prefix, after revision ``start`` (0: from now).
        ``form``: "" for wire events, "previous" with what they replaced, "raw" for changes."""
        self._last_watcher += 1
        number = self._last_watcher
        self._sinks[number] = sink
        prefix, end = span
        self._take(WatchOpened(number, prefix, start, form == "previous", end, form == "raw"))
        return number

    def close_watch(self, number: int) -> None:
        """The reader is gone: its sink is not called any more."""
        if self._sinks.pop(number, None) is not None:
            self._take(WatchClosed(number))

    def gauges(self) -> Mapping[str, float]:
        core, journal = self.core, self.journal
        return {
            "keys": core.keyspace.live,
            "revision": core.ledger.watermark,
            "compact_revision": core.keyspace.compact_revision,
            "changes_kept": len(core.keyspace.changes),
            "pending": len(core.ledger.pending.entries),
            "watchers": len(core.watchers.all),
            "watchers_replaying": core.watchers.replaying,
            "kept_bytes": core.keyspace.size,
            "quota_bytes": core.settings.quota_bytes,
            "leases": len(core.leases.granted),
            "log_bytes": core.log_bytes,
            "appended": journal.appended_records,
            "appended_bytes": journal.appended_bytes,
            "fsyncs": journal.syncs,
            "steps": self._turns.steps,
            "slow_steps": self._slow_steps,
            "compacted": core.compacted,
        }

    def log_sizes(self) -> Mapping[str, int]:
        """How far the records of each log file go, by name: room may follow them."""
        return {segment.path.name: segment.size for segment in tuple(self._directory.segments)}

    async def stop(self) -> None:
        """Write what is queued and give up the directory. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._turns.stop()
        await asyncio.to_thread(self.journal.stop)
        self._directory.close()

    # Turns.

    def _disk_reports(self, event: DiskEvent | BaseException) -> None:
        if self._loop.is_closed():
            return  # The program ended without stopping: nobody is left to be told.
        if isinstance(event, BaseException):
            end_program(event)
        else:
            self._loop.call_soon_threadsafe(self._disk_told, event)

    def _disk_told(self, event: DiskEvent) -> None:
        self.journal.delivered(event)
        self._take(event)

    def _take(self, event: StoreEvent) -> None:
        self._events.append(event)
        self._turns.wake()

    def _step(self, now_ns: int) -> int | None:
        self.before_step()
        try:
            self._step_once(now_ns)
            if self._wrote:
                # What was written here and now is answered in the same turn.
                self._wrote = False
                self._step_once(self._now_ns())
        # The supervisor's edge: a step that was left half-way must not be followed by another.
        except Exception as bug:
            end_program(bug)
        self.after_step()
        if self._young >= YOUNG_RECORDS:
            self._young = 0
            pass_young()
        if self._events:
            self._turns.wake()
        return self.core.next_wakeup_ns()

    def _step_once(self, now_ns: int) -> None:
        if self._calls:
            self._events.append(RequestsArrived(self._calls, self._batches))
            self._calls, self._batches = [], []
        events, self._events = self._events, []
        for effect in self.core.step(events, now_ns):
            self._carry_out(effect)
        if self._now_ns() - now_ns > SLOW_STEP_NS:
            self._slow_steps += 1

    def _carry_out(self, effect: StoreEffect) -> None:
        match effect:
            case Reply(calls=calls, replies=replies):
                reply_to = self._reply_to
                for call, answers in zip(calls, replies, strict=True):
                    reply_to.pop(call)(answers)
            case Append():
                self._young += len(effect.records)
                written = self.journal.append(effect)
                if written is not None:
                    self._events.append(written)
                    self._wrote = True
            case SendWatchFrames(watchers=watchers, events=events, watermark=watermark):
                sinks = self._sinks
                readers = {number: sinks[number] for number in watchers if number in sinks}
                for watcher in self._fan_out(readers, events, watermark):
                    self._take(WatchFellBehind(watcher))
            case EndWatch(watcher=watcher, reason=reason):
                sink = self._sinks.pop(watcher, None)
                if sink is not None:
                    sink.end(reason)
            case LeasesEnded(leases=leases):
                self.on_leases_ended(leases)
            case WriteSnapshot():
                self.journal.write_snapshot(effect)


def _nobody_cares(leases: Sequence[int]) -> None:
    """Of a shard whose leases have keys nowhere else."""


def _nothing() -> None:
    """Around the steps of a shard whose answers leave one by one."""


def end_program(error: BaseException) -> NoReturn:
    """A journal or a core that broke by a bug must not leave a store that answers and writes
    nothing: say why, and end the process at once, so that its supervisor starts it from its log."""
    traceback.print_exception(error)
    print("a store shard broke: the program ends", file=sys.stderr, flush=True)
    os._exit(EXIT_BROKEN)
