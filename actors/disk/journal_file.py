"""The log as files: appends gathered into one write and one sync, from a thread of its own.

While the disk is busy with one group the next one gathers, so the number of syncs follows the disk
and not the number of writes. Snapshots have another thread, so that no append waits behind one.
"""

import errno
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Final, NamedTuple

from actors.disk.directory import LogDirectory, Segment
from actors.disk.next_log import NextLog
from actors.disk.room import ROOM_BYTES_MAX, Room
from actors.disk.snapshot_file import Piece, SnapshotFile
from actors.plan import Durability
from store.journal import HEADER_BYTES, LOG_MAGIC, encoded_header, encoded_log
from store.messages import (
    Append,
    AppendFailed,
    Persisted,
    SnapshotFailed,
    SnapshotWritten,
    WriteSnapshot,
)

SEGMENT_BYTES: Final = 64 << 20
"""A log file that has reached this size is followed by a new one."""
GROUP_BYTES_MAX: Final = 8 << 20
"""Appends of more than this are not gathered into one write."""

INLINE_SYNC_S_MAX: Final = 0.001
"""A disk whose syncs take longer is not waited for on the caller's thread. With five times as much
a put costs a tenth less on a busy disk, but a get beside 100 writers takes 4 ms and not 0.2."""
INLINE_BYTES_MAX: Final = 256 << 10
"""More than this is left to the thread."""
SYNC_SHARE: Final = 0.2
"""Weight of the newest sync in the mean."""
SYNC_BUCKETS_S: Final = tuple([0.001 * 2**power for power in range(14)])
"""Bounds of the histogram of syncs. Source: etcd server/storage/wal/metrics.go."""

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk answers that refuses a write and has all from before."""

DiskEvent = Persisted | AppendFailed | SnapshotWritten | SnapshotFailed


class _Group(NamedTuple):
    first_index: int
    last_index: int
    max_revision: int
    data: bytes


class SyncTimes:
    """How long synced writes took: written by the journal's thread, read by anybody."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(SYNC_BUCKETS_S) + 1)
        """Syncs up to each bound and above the one before; the last above all."""
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SYNC_BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class JournalFile:
    """Carries out Append and WriteSnapshot. ``report`` is called on the writing threads; an
    exception is the last report: a bug, after which nothing is written any more.

    When the disk refuses a write, the file is cut back to its last good length and everything
    queued is dropped until the core, told so, begins again at the refused index. A failed sync or
    cut leaves the contents in doubt: from then on every append is refused.
    """

    def __init__(
        self,
        directory: LogDirectory,
        durability: Durability,
        next_index: int,
        report: Callable[[DiskEvent | BaseException], None],
    ) -> None:
        self.appended_records = 0
        self.appended_bytes = 0
        self.syncs = 0
        self.sync_times = SyncTimes()
        self._directory = directory
        self._durability = durability
        self._expected = next_index
        self._report = report
        self._broken = ""
        self._handed = 0
        """Appends given to the thread, and those whose end was delivered."""
        self._done = 0
        self._finishing: deque[int] = deque()
        """Orders that end with each report under way."""
        self._unreported = 0
        """Orders that the thread is done with, to be told with its next report."""
        self._sync_s = INLINE_SYNC_S_MAX
        """A sliding mean of what a sync takes."""
        self._file = -1
        self._flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_DSYNC if durability == "fsync" else 0)
        """With O_DSYNC what is written is on the disk when the call returns: one call, and so one
        wait for the interpreter behind it and not two."""
        self._room = Room(0)
        self._next = NextLog(directory.path, SEGMENT_BYTES + ROOM_BYTES_MAX)
        self._snapshot = SnapshotFile(directory)
        self._queue: SimpleQueue[_Group | None] = SimpleQueue()
        self._snapshots: SimpleQueue[Piece | None] = SimpleQueue()
        if durability != "none":
            self._continue()
        self._threads = [
            Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("journal", self._write_groups), ("snapshot", self._write_snapshots))
        ]
        for thread in self._threads:
            thread.start()

    def append(self, order: Append) -> DiskEvent | None:
        """Encode and queue, or, if the thread is idle and the disk swift enough to be waited for,
        write here and now: two hand-overs between threads take longer than such a sync. Then what
        would be reported is returned. Cost: about 2 µs a record of 1 KB."""
        records = order.records
        last_index = order.first_index + len(records) - 1
        data = b""
        if self._durability != "none":
            data = encoded_log(order.first_index, records)
        newest = max([revision for revision, _ in records])
        group = _Group(order.first_index, last_index, newest, data)
        if self._handed == self._done and self._swift(len(data)):
            return self._append_here(group)
        self._handed += 1
        self._queue.put(group)
        return None

    def write_snapshot(self, order: WriteSnapshot) -> None:
        """Encode and queue. Cost: about 1 µs a row of 1 KB."""
        self._snapshots.put(self._snapshot.encoded(order))

    def _swift(self, size: int) -> bool:
        """Whether writing so much keeps the caller for less than a hand-over."""
        if self._durability == "fsync" and self._sync_s >= INLINE_SYNC_S_MAX:
            return False
        return size <= INLINE_BYTES_MAX

    @property
    def log_bytes(self) -> int:
        return self._directory.log_bytes

    def stop(self) -> None:
        """Write what is queued, end the threads, close the files. Blocks for as long as that takes.
        Idempotent."""
        self._snapshot.hurry.set()
        self._queue.put(None)
        self._snapshots.put(None)
        for thread in self._threads:
            thread.join()
        self._next.stop()
        if self._file >= 0:
            if not self._broken:
                self._room.give_back(self._file, self._directory.segments[-1].size)
            os.close(self._file)
            self._file = -1
        self._snapshot.abandon()

    def _run(self, work: Callable[[], None]) -> None:
        """A thread's supervisor: what nobody foresaw is reported, and ends it."""
        try:
            work()
        except Exception as error:
            self._report(error)

    def _append_here(self, group: _Group) -> DiskEvent | None:
        """On the caller's thread, with the same supervision."""
        try:
            return self._append([group])
        except Exception as error:
            self._report(error)
            raise

    def _write_groups(self) -> None:
        order = self._queue.get()
        while order is not None:
            groups: list[_Group] = []
            size = 0
            while order is not None:
                groups.append(order)
                size += len(order.data)
                if size > GROUP_BYTES_MAX or self._queue.empty():
                    break
                order = self._queue.get()
            self._finished(len(groups), self._append(groups))
            if order is not None:
                order = self._queue.get()

    def _write_snapshots(self) -> None:
        while (piece := self._snapshots.get()) is not None:
            self._report(self._write_snapshot(piece))

    def delivered(self, event: DiskEvent) -> None:
        """To be called with each report where the orders come from: only then is it sure that a
        later write is not reported before an earlier one."""
        if isinstance(event, Persisted | AppendFailed):
            self._done += self._finishing.popleft()

    def _finished(self, orders: int, event: DiskEvent | None) -> None:
        self._unreported += orders
        if event is not None:
            self._finishing.append(self._unreported)
            self._unreported = 0
            self._report(event)

    def _append(self, groups: list[_Group]) -> DiskEvent | None:
        """Write groups that follow each other as one, and say how far it went."""
        wanted: list[_Group] = []
        expected = self._expected
        for group in groups:
            if group.first_index == expected:
                wanted.append(group)
                expected = group.last_index + 1
        if not wanted:
            return None
        if not self._broken:
            try:
                self._write(wanted)
            except OSError as error:
                return AppendFailed(self._expected, f"{error.strerror} ({error.errno})")
        if self._broken:
            return AppendFailed(self._expected, self._broken)
        self.appended_records += expected - self._expected
        self._expected = expected
        return Persisted(expected - 1, self._directory.log_bytes)

    def _write(self, groups: list[_Group]) -> None:
        """OSError: the log is as it was before."""
        if self._durability == "none":
            return
        if self._directory.segments[-1].size >= SEGMENT_BYTES:
            self._rotate()
            if self._broken:
                return
        segment = self._directory.segments[-1]
        data = b"".join([group.data for group in groups])
        durable = self._durability == "fsync"
        begun = perf_counter()
        try:
            self._room.write(self._file, data, segment.size, durable)
        except OSError as error:
            if durable and error.errno not in NO_ROOM:
                self._in_doubt(error)
                return
            self._cut(segment)
            raise
        segment.size += len(data)
        if durable:
            self._synced(perf_counter() - begun)
            if segment.size >= SEGMENT_BYTES // 2:
                self._next.prepare()
        newest = max(group.max_revision for group in groups)
        segment.max_revision = max(segment.max_revision, newest)
        self.appended_bytes += len(data)

    def _cut(self, segment: Segment) -> None:
        try:
            self._room.cut(self._file, segment.size)
        except OSError as error:
            self._broken = f"the log cannot be cut back: {error.strerror}"

    def _in_doubt(self, error: OSError) -> None:
        """What the disk has of this write is unknown, and a second sync would not tell."""
        self._broken = f"the log cannot be synced: {error.strerror}"

    def _synced(self, seconds: float) -> None:
        self.syncs += 1
        self.sync_times.add(seconds)
        self._sync_s += (seconds - self._sync_s) * SYNC_SHARE

    def _continue(self) -> None:
        """Open the newest log file for appending, or make the first."""
        segments = self._directory.segments
        if not segments:
            self._create(self._expected)
        else:
            self._file = os.open(segments[-1].path, self._flags)
            self._room = Room(segments[-1].size)

    def _rotate(self) -> None:
        """Seal the newest file, so that only the last can have a torn end, and begin another.
        OSError: it is as it was."""
        if self._durability != "fsync":
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self._in_doubt(error)
                return
        self._create(self._expected)

    def _create(self, first_index: int) -> None:
        """Begin a log file. OSError: there is none, and the one before is still in use."""
        directory = self._directory
        path = directory.path / f"log-{first_index:020d}"
        header = encoded_header(LOG_MAGIC, directory.shard, first_index)
        made = self._next.take()
        begun = self._next.path if made else path
        file = os.open(begun, self._flags | (0 if made else os.O_CREAT | os.O_EXCL), 0o600)
        room = Room(self._next.size if made else 0)
        try:
            room.write(file, header, 0, False)
            if made:
                begun = begun.rename(path)
            else:
                os.fsync(file)
            directory.sync()
        except OSError:
            os.close(file)
            begun.unlink()
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._room = room
        directory.segments.append(Segment(path, first_index, HEADER_BYTES))

    def _write_snapshot(self, piece: Piece) -> DiskEvent:
        try:
            self._snapshot.write(piece)
        except OSError:
            return SnapshotFailed(piece.revision)
        return SnapshotWritten(piece.revision, self._directory.log_bytes)
