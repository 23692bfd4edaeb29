"""Bugs planted into real shards and their disks: each breaks one promise of the store."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from api.storage import OK, StoreReply
from sim.disk import Disk
from sim.kernel import Kernel
from store.core import StoreCore, StoreSettings
from store.leases import Leases
from store.messages import (
    OP_COMPACT,
    Append,
    Persisted,
    SendWatchFrames,
    StoreEffect,
    StoreEvent,
    WriteSnapshot,
)
from store.pending import Answers
from store.recovery import Recovered, recovered_core

Put = Callable[[Any], Any]
Maker = Callable[[StoreSettings, Recovered], StoreCore]


class RepliesBeforePersist(StoreCore):
    """Tells itself that the disk has what it has only just been given."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        events = [event for event in events if not isinstance(event, Persisted)]
        effects = list(super().step(events, now_ns))
        for effect in list(effects):
            if isinstance(effect, Append):
                last = effect.first_index + len(effect.records) - 1
                effects += super().step([Persisted(last)], now_ns)
        return effects


class TellsTooHighWatermarks(StoreCore):
    """Says that nothing more will come of the next tenth of a second."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        return [
            replace(effect, watermark=effect.watermark + 64 * 100_000)
            if isinstance(effect, SendWatchFrames)
            else effect
            for effect in super().step(events, now_ns)
        ]


def ignores_expected_revision(put: Put, request: tuple[Any, ...]) -> Any:
    """Writes although another has written in between."""
    return put((*request[:4], -1, request[5]))


def forgets_some_writes(put: Put, request: tuple[Any, ...]) -> Any:
    """Says yes to one write in about thirty, and does not do it."""
    proposal = put(request)
    reply, revision = proposal[:2]
    if reply[0] == OK and revision // 64 % 30 == 0:
        return reply, 0, (), (), None
    return proposal


class SkipsFsync(Disk):
    """Reports what is only in the page cache."""

    def __init__(self, kernel: Kernel, shard: int, durability: str, segment_bytes: int) -> None:
        super().__init__(kernel, shard, "buffered", segment_bytes)


def forgets_newest(settings: StoreSettings, found: Recovered) -> StoreCore:
    """A recovery that takes the last record of the log for a torn one."""
    return recovered_core(settings, replace(found, records=list(found.records)[:-1]))


class NeverExpires(Leases):
    """The time of a lease is never over."""

    __slots__ = ()

    def expired(self, now_ns: int, limit: int) -> list[int]:
        return []

    def next_deadline_ns(self) -> int | None:
        return None


class IgnoresKeepAlive(Leases):
    """Says that the lease has its whole time again, and counts on."""

    __slots__ = ()

    def keep_alive(self, lease: int, now_ns: int) -> int | None:
        held = self.granted.get(lease)
        return None if held is None or held.revoking else held.ttl_s


class ForgetsKeys(Leases):
    """Does not know what hangs on a lease."""

    __slots__ = ()

    def attach(self, key: bytes, before: int, after: int) -> None:
        pass


def leases_of(planted: type[Leases]) -> Maker:
    """A recovery that makes cores with leases of this class."""

    def make(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        core.leases.__class__ = planted
        return core

    return make


def forgets_compaction(settings: StoreSettings, found: Recovered) -> StoreCore:
    """What was compacted can be read again after a restart."""
    records = [
        (revision, [op for op in ops if op[0] != OP_COMPACT]) for revision, ops in found.records
    ]
    return recovered_core(settings, replace(found, records=records))


class SnapshotsLackAKey(StoreCore):
    """The last key of each chunk is left out."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        return [
            replace(effect, rows=effect.rows[:-1]) if isinstance(effect, WriteSnapshot) else effect
            for effect in super().step(events, now_ns)
        ]


class ForgetsPrevious(StoreCore):
    """Events do not say what was replaced."""

    def step(self, events: Sequence[StoreEvent], now_ns: int) -> Sequence[StoreEffect]:
        return [
            replace(effect, events=[(*event[:7], None) for event in effect.events])
            if isinstance(effect, SendWatchFrames)
            else effect
            for effect in super().step(events, now_ns)
        ]


class SkipsReplay(StoreCore):
    """A watch that goes on after a break begins with the present."""

    def _open_watch(self, event: Any) -> None:
        super()._open_watch(replace(event, start_revision=0))


class CutsLists(Answers):
    """A range of more than twenty keys lacks its last one."""

    __slots__ = ()

    def give(self, call: int, place: int, reply: StoreReply) -> None:
        if len(reply) == 4 and type(reply[3]) is list and len(reply[3]) > 20:
            reply = (*reply[:3], reply[3][:-1])
        super().give(call, place, reply)


def lists_too_little(settings: StoreSettings, found: Recovered) -> StoreCore:
    core = recovered_core(settings, found)
    core.answers.__class__ = CutsLists
    return core


def store_of(planted: type[StoreCore]) -> Maker:
    """A recovery that makes cores of this class."""

    def make(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        core.__class__ = planted
        return core

    return make


def store_with(
    planted: Callable[[Put, tuple[Any, ...]], Any],
) -> Maker:
    """A recovery that makes cores with another way to put."""

    def make(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        core._writes["put"] = partial(planted, core._writes["put"])
        return core

    return make
