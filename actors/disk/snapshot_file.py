"""Writing a snapshot: chunk by chunk into a temporary file, valid when renamed.

What a new snapshot makes superfluous is renamed, too, and then removed in pieces: a file system
that frees a gigabyte at once lets every sync beside it wait.
"""

import os
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Final

import msgpack

from actors.disk.directory import SNAPSHOT_TMP, LogDirectory
from store.journal import SNAPSHOT_MAGIC, encoded_header, encoded_record
from store.messages import WriteSnapshot

GONE: Final = "gone-"
"""Beginning of the names of files that nobody reads any more."""
PIECE_BYTES: Final = 4 << 20


class SnapshotFile:
    """The snapshot under way, in the format of store/journal.py."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory
        self._path = directory.path / SNAPSHOT_TMP
        self._file = -1
        self._chunks = 0
        self.hurry = Event()
        """Somebody waits for the end of what is under way."""
        for left in directory.path.glob(f"{GONE}*"):
            left.unlink()

    def write(self, chunk: WriteSnapshot) -> None:
        """Add a chunk, durably; with the last one the snapshot replaces the one before. OSError:
        nothing is left of it."""
        try:
            if chunk.first:
                self._begin(chunk)
            if chunk.rows:
                self._add(chunk, chunk.rows)
            if chunk.last:
                self._add(chunk, ())
            os.fdatasync(self._file)
            if chunk.last:
                self._publish(chunk.revision)
        except OSError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Drop what was written of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._path.unlink(missing_ok=True)

    def _begin(self, chunk: WriteSnapshot) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._chunks = 0
        write_all(self._file, encoded_header(SNAPSHOT_MAGIC, self._directory.shard, chunk.revision))
        self._add(chunk, (chunk.leases, chunk.alarm))

    def _add(self, chunk: WriteSnapshot, content: object) -> None:
        self._chunks += 1
        payload: bytes = msgpack.packb(content)
        write_all(self._file, encoded_record(self._chunks, chunk.revision, payload))

    def _publish(self, revision: int) -> None:
        os.close(self._file)
        self._file = -1
        directory = self._directory
        final = directory.path / f"snapshot-{revision:020d}"
        self._path.replace(final)
        directory.sync()
        older, directory.snapshot = directory.snapshot, final
        gone = covered(directory, revision)
        if older is not None and older != final:
            gone.append(older)
        renamed = [path.rename(path.with_name(f"{GONE}{path.name}")) for path in gone]
        directory.sync()
        for path in renamed:
            remove_in_pieces(path, self.hurry)


def covered(directory: LogDirectory, revision: int) -> list[Path]:
    """Take out the log files, oldest first, in which everything is older than the snapshot: a lease
    granted at its very revision may be missing in it. The last file stays: it is appended to."""
    gone: list[Path] = []
    while len(directory.segments) > 1 and directory.segments[0].max_revision < revision:
        gone.append(directory.segments.pop(0).path)
    return gone


def remove_in_pieces(path: Path, hurry: Event) -> None:
    """Each piece is given back on its own and on the disk before the next, which waits as long as
    it took: half of the disk's time is for others. In a hurry, what is left stays."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for size in range(os.fstat(file).st_size, 0, -PIECE_BYTES):
            begun = perf_counter()
            os.ftruncate(file, max(0, size - PIECE_BYTES))
            os.fdatasync(file)
            if hurry.wait(perf_counter() - begun):
                return
    finally:
        os.close(file)
    path.unlink()


def write_all(file: int, data: bytes) -> None:
    """Write everything; a write may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
