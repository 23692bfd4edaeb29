"""A shard's directory: its lock, its log files and its snapshot, and how they are read back.

lock                            held (flock) by the one process that may use the directory
log-<first index>               log files, 20 digits; the last one is appended to
snapshot-<revision>             the state at that revision
snapshot.tmp                    a snapshot under way, worthless after a crash
handed-over                     names the new owner of the shard: this directory is of the past
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from store.journal import (
    HEADER_BYTES,
    LOG_MAGIC,
    SNAPSHOT_MAGIC,
    JournalError,
    decoded_header,
    decoded_ops,
    decoded_records,
)
from store.messages import LogRecord, Record
from store.recovery import Recovered

SNAPSHOT_TMP: Final = "snapshot.tmp"
HANDED_OVER: Final = "handed-over"


class DirectoryError(Exception):
    """The directory cannot be used: the message names it and the reason."""


class DirectoryInUse(DirectoryError):
    """Another process holds the lock."""


def has_log(path: str) -> bool:
    """A shard has begun to write there."""
    return any(Path(path).glob("log-*"))


@dataclass(slots=True)
class Segment:
    """One log file."""

    path: Path
    first_index: int
    size: int = 0
    max_revision: int = 0


class LogDirectory:
    """The locked directory of one shard. ``close`` gives up the lock."""

    def __init__(self, path: Path, shard: int, lock: int) -> None:
        self.path = path
        self.shard = shard
        self.segments: list[Segment] = []
        """In order; known once ``recovered`` has been read to its end."""
        self.snapshot: Path | None = None
        self._lock = lock

    @classmethod
    def open(cls, path: str, shard: int) -> "LogDirectory":
        """Make the directory if need be and lock it. DirectoryInUse, DirectoryError."""
        directory = Path(path)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DirectoryError(f"cannot use {directory}: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise DirectoryInUse(
                f"{directory} is in use by process {holder}: a shard's directory has one owner"
            ) from None
        if (directory / HANDED_OVER).exists():
            to = (directory / HANDED_OVER).read_text(encoding="utf-8").strip()
            os.close(lock)
            raise DirectoryError(f"{directory} was handed over: its shard is now {to}")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(directory, shard, lock)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def sync(self) -> None:
        """Make created, renamed and removed names durable."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @property
    def log_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def recovered(self) -> Recovered:
        """What is on the disk. Reading ``records`` to the end cuts off a torn tail. JournalError
        for damage, DirectoryError for missing files."""
        (self.path / SNAPSHOT_TMP).unlink(missing_ok=True)
        snapshots = sorted(self.path.glob("snapshot-*"))
        paths = sorted(self.path.glob("log-*"))
        if snapshots and not paths:
            raise DirectoryError(f"{self.path} has a snapshot and no log")
        if paths and not snapshots and _number(paths[0]) != 1:
            raise DirectoryError(f"{paths[0]} is the first log file, and there is no snapshot")
        found = SnapshotContent(0, (), False, iter(()))
        if snapshots:
            self.snapshot = snapshots[-1]
            found = read_snapshot(self.snapshot, self.shard)
        first_index = _number(paths[0]) if paths else 1
        size = sum(path.stat().st_size for path in paths)
        records = self._records(paths)
        return Recovered(
            first_index, records, size, found.revision, found.leases, found.rows, found.alarm
        )

    def _records(self, paths: Sequence[Path]) -> Iterator[LogRecord]:
        expected = _number(paths[0]) if paths else 1
        buffer = bytearray()
        for path in paths:
            newest = path is paths[-1]
            if _number(path) != expected:
                raise DirectoryError(f"{path} where the file of record {expected} belongs")
            data, buffer = _content(path, buffer)
            header = decoded_header(str(path), data[:HEADER_BYTES], LOG_MAGIC)
            if header is None and newest:
                # The file was being made when the process ended: nothing is in it.
                path.unlink()
                self.sync()
                return
            if header != (self.shard, expected):
                reason = f"header says (shard, first index) {header}, not {self.shard, expected}"
                raise JournalError(str(path), 0, reason)
            segment = Segment(path, expected, HEADER_BYTES)
            self.segments.append(segment)
            size, greatest = HEADER_BYTES, 0
            for record in decoded_records(str(path), data, expected, newest):
                index, revision, payload, size = record
                if revision > greatest:
                    greatest = revision
                expected = index + 1
                yield revision, decoded_ops(payload)
            segment.size, segment.max_revision = size, greatest
            if segment.size < len(data):
                os.truncate(path, segment.size)
                with open(path, "rb") as file:
                    os.fsync(file.fileno())


def _content(path: Path, buffer: bytearray) -> tuple[memoryview, bytearray]:
    """All of a file, and the buffer it is in: the one given, if it is large enough. To read into
    memory that was used before takes a third of what fresh memory takes."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size > len(buffer):
            buffer = bytearray(size)
        view = memoryview(buffer)
        found = 0
        while found < size and (count := file.readinto(view[found:size])):
            found += count
    return view[:found], buffer


class SnapshotContent(NamedTuple):
    revision: int
    leases: Sequence[tuple[int, int]]
    alarm: bool
    rows: Iterator[Sequence[Record]]


def read_snapshot(path: Path, shard: int) -> SnapshotContent:
    """A snapshot of a shard. It was renamed into place when complete, so any fault in it is
    damage: JournalError."""
    content = decoded_snapshot(path, path.read_bytes(), shard)
    if content.revision != _number(path):
        raise JournalError(str(path), 0, f"not a snapshot of this revision: {content.revision}")
    return content


def decoded_snapshot(path: Path, data: bytes, shard: int) -> SnapshotContent:
    """JournalError, also while the rows are read."""
    header = decoded_header(str(path), data[:HEADER_BYTES], SNAPSHOT_MAGIC)
    if header is None or header[0] != shard:
        raise JournalError(str(path), 0, f"not a snapshot of shard {shard}")
    chunks = (decoded_ops(record.payload) for record in decoded_records(str(path), data, 1, False))
    first: Any = next(chunks, None)
    if first is None:
        raise JournalError(str(path), HEADER_BYTES, "empty snapshot")
    leases, alarm = first
    return SnapshotContent(header[1], leases, alarm, _rows(path, chunks))


def _rows(path: Path, chunks: Iterator[tuple[tuple[object, ...], ...]]) -> Iterator[list[Record]]:
    """Chunks of rows up to the empty one that ends a snapshot."""
    for chunk in chunks:
        if not chunk:
            return
        yield list(chunk)  # type: ignore[arg-type]
    raise JournalError(str(path), 0, "the snapshot has no end")


def _number(path: Path) -> int:
    digits = path.name.partition("-")[2]
    if len(digits) != 20 or not digits.isdigit():
        raise DirectoryError(f"{path}: not a name that this program gives")
    return int(digits)
