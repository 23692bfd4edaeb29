"""The log and snapshot of one shard on a disk that can be slow, full, cut off and torn.

It plays ``actors.disk``: appends gather while the disk is busy and go out as one write and one
sync. Bytes are those of ``store.journal``, and a recovery reads them back with it. A process that
dies loses what it had not yet written; a machine that dies loses what was not yet synced, of which
any part, also half a record or a block of zeros, may be there all the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from api.streams import Stream
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.processes import CUT_OFF, MOVED
from store.journal import HEADER_BYTES, SECTOR, decoded_ops, decoded_records, encoded_log
from store.messages import (
    Append,
    AppendFailed,
    LogRecord,
    Persisted,
    Record,
    SnapshotFailed,
    SnapshotWritten,
    WriteSnapshot,
)
from store.recovery import Recovered

US: Final = 1_000
MS: Final = 1_000_000
HEADER: Final = bytes(HEADER_BYTES)
"""Files are told apart by their place here, so their headers are empty."""

DiskEvent = Persisted | AppendFailed | SnapshotWritten | SnapshotFailed
Report = Callable[[DiskEvent], None]


@dataclass(slots=True)
class Segment:
    """One log file."""

    first_index: int
    data: bytearray
    synced: int = HEADER_BYTES
    max_revision: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete one."""

    revision: int
    leases: Sequence[tuple[int, int]]
    rows: Sequence[Record]


class DiskOfShard(Protocol):
    """What the shell of a shard needs of its disk."""

    def append(self, order: Append) -> None: ...

    def write_snapshot(self, order: WriteSnapshot) -> None: ...


class Disk:
    """Outlives the shard's processes. ``attach`` gives it to a new one."""

    def __init__(self, kernel: Kernel, shard: int, durability: str, segment_bytes: int) -> None:
        self.shard = shard
        self.slow_until_ns = 0
        self.full_until_ns = 0
        self.snapshots = 0
        """Complete ones so far."""
        self.on_append: Callable[[], None] | None = None
        """Called once, with the next append: faults wait here for a write to be under way."""
        self._kernel = kernel
        self._durability = durability
        self._segment_bytes = segment_bytes
        self._chance: Stream = kernel.stream(f"disk/{shard}")
        self._segments = [Segment(1, bytearray(HEADER))]
        self._closed_bytes = 0
        """Bytes in all segments but the newest, which alone is written to."""
        self._snapshot: Snapshot | None = None
        self._process = 0
        self._report: Report | None = None
        self._queue: list[Append | WriteSnapshot] = []
        self._busy = False
        self._unwritten: list[Append] = []
        """Under way to the operating system."""
        self._expected = 1
        self._rows: list[Record] = []
        self._leases: Sequence[tuple[int, int]] = ()

    @property
    def log_bytes(self) -> int:
        return self._closed_bytes + len(self._segments[-1].data)

    # A process's side.

    def attach(self, next_index: int, report: Report) -> None:
        self._process += 1
        self._report = report
        self._expected = next_index
        self._queue.clear()
        self._rows = []
        self._busy = False
        self.on_append = None

    def append(self, order: Append) -> None:
        self._queue.append(order)
        self._begin()
        if self.on_append is not None:
            trap, self.on_append = self.on_append, None
            trap()

    def write_snapshot(self, order: WriteSnapshot) -> None:
        self._queue.append(order)
        self._begin()

    def recovered(self) -> Recovered:
        """What a new process finds; a cut end of the newest file is cut off for good."""
        snapshot = self._snapshot
        records = list(self._records())
        first_index = self._segments[0].first_index
        if snapshot is None:
            return Recovered(first_index, records, self.log_bytes)
        return Recovered(
            first_index,
            records,
            self.log_bytes,
            snapshot.revision,
            snapshot.leases,
            [snapshot.rows],
        )

    def _records(self) -> Iterator[LogRecord]:
        for segment in self._segments:
            newest = segment is self._segments[-1]
            end = HEADER_BYTES
            name = f"shard {self.shard} log {segment.first_index}"
            for record in decoded_records(name, bytes(segment.data), segment.first_index, newest):
                end = record.end
                segment.max_revision = max(segment.max_revision, record.revision)
                yield record.revision, decoded_ops(record.payload)
            del segment.data[end:]
            segment.synced = end

    # The writer.

    def _begin(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        first = self._queue[0]
        if isinstance(first, WriteSnapshot):
            del self._queue[0]
            self._later(self._write_ns(), self._snapshot_chunk, first)
            return
        groups: list[Append] = []
        while self._queue and isinstance(self._queue[0], Append):
            group = self._queue.pop(0)
            assert isinstance(group, Append)
            if group.first_index == self._expected:
                groups.append(group)
                self._expected += len(group.records)
        if groups:
            self._unwritten = groups
            self._later(self._write_ns(), self._written, groups)
        else:
            self._done()

    def _later(self, delay_ns: int, action: Callable[..., None], *args: object) -> None:
        agenda = self._kernel.agenda
        agenda.at(agenda.now_ns + delay_ns, ARRIVAL, self._if_alive, self._process, action, args)

    def _if_alive(
        self, process: int, action: Callable[..., None], args: tuple[object, ...]
    ) -> None:
        if process == self._process:
            action(*args)

    def _write_ns(self) -> int:
        slow = self._kernel.agenda.now_ns < self.slow_until_ns
        return (20 + self._chance.below(60)) * US * (1000 if slow else 1)

    def _sync_ns(self) -> int:
        if self._durability != "fsync":
            return 0
        slow = self._kernel.agenda.now_ns < self.slow_until_ns
        return (100 + self._chance.below(300)) * US * (500 if slow else 1)

    def _written(self, groups: list[Append]) -> None:
        """The operating system has it, or refused all of it."""
        self._unwritten = []
        if self._kernel.agenda.now_ns < self.full_until_ns:
            self._expected = groups[0].first_index
            self._tell(AppendFailed(self._expected, "No space left on device (28)"))
            self._done()
            return
        if len(self._segments[-1].data) >= self._segment_bytes:
            self._segments[-1].synced = len(self._segments[-1].data)
            self._closed_bytes += self._segments[-1].synced
            self._segments.append(Segment(groups[0].first_index, bytearray(HEADER)))
        segment = self._segments[-1]
        for group in groups:
            segment.data += encoded_log(group.first_index, group.records)
            newest = max(revision for revision, _ in group.records)
            segment.max_revision = max(segment.max_revision, newest)
        self._later(self._sync_ns(), self._synced, segment, groups)

    def _synced(self, segment: Segment, groups: list[Append]) -> None:
        if self._durability == "fsync":
            segment.synced = len(segment.data)
        for group in groups:
            for persisted in self._kernel.topics.persisted:
                persisted(self.shard, group.first_index, group.records)
        last = groups[-1].first_index + len(groups[-1].records) - 1
        self._tell(Persisted(last, self.log_bytes))
        self._done()

    def _snapshot_chunk(self, order: WriteSnapshot) -> None:
        if self._kernel.agenda.now_ns < self.full_until_ns:
            self._rows = []
            self._tell(SnapshotFailed(order.revision))
            self._done()
            return
        if order.first:
            self._rows, self._leases = [], order.leases
        self._rows += order.rows
        if order.last:
            self._snapshot = Snapshot(order.revision, self._leases, self._rows)
            self._rows = []
            self.snapshots += 1
            while len(self._segments) > 1 and self._segments[0].max_revision < order.revision:
                self._closed_bytes -= len(self._segments.pop(0).data)
        self._tell(SnapshotWritten(order.revision, self.log_bytes))
        self._done()

    def _tell(self, event: DiskEvent) -> None:
        assert self._report is not None
        self._report(event)

    def _done(self) -> None:
        self._busy = False
        self._begin()

    # What can happen.

    def died(self, how: str) -> None:
        """The process is gone."""
        self._process += 1
        if how == MOVED:
            self._write_out()
            return
        self._tear()
        if how == CUT_OFF:
            self._forget()

    def _write_out(self) -> None:
        """An orderly end: what is queued is written before the process goes, if it fits."""
        groups = [*self._unwritten, *(one for one in self._queue if isinstance(one, Append))]
        self._unwritten = []
        segment = self._segments[-1]
        if self._kernel.agenda.now_ns >= self.full_until_ns:
            for group in groups:
                segment.data += encoded_log(group.first_index, group.records)
        segment.synced = len(segment.data)

    def _tear(self) -> None:
        """What was not written is gone. A write under way had come some way."""
        data = b"".join(encoded_log(one.first_index, one.records) for one in self._unwritten)
        self._unwritten = []
        self._segments[-1].data += data[: self._chance.below(len(data) + 1)]

    def _forget(self) -> None:
        """What was not synced may be gone, in part or with zeros in its place."""
        segment = self._segments[-1]
        unsynced = len(segment.data) - segment.synced
        if unsynced <= 0:
            return
        length = len(segment.data)
        kept = segment.synced + self._chance.below(unsynced + 1)
        del segment.data[kept:]
        if self._chance.below(3) == 0:
            # The file had grown, and only some of its new sectors came to be written.
            kept = max(segment.synced, kept // SECTOR * SECTOR)
            del segment.data[kept:]
            segment.data += bytes(length - kept)
