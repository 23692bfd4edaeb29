"""Writing a snapshot: chunk by chunk into a temporary file, valid when renamed."""

import os

import msgpack

from actors.disk.directory import SNAPSHOT_TMP, LogDirectory
from store.journal import SNAPSHOT_MAGIC, encoded_header, encoded_record
from store.messages import WriteSnapshot


class SnapshotFile:
    """The snapshot under way, in the format of store/journal.py."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory
        self._path = directory.path / SNAPSHOT_TMP
        self._file = -1
        self._chunks = 0

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
        if older is not None and older != final:
            older.unlink()
        drop_covered(directory, revision)


def drop_covered(directory: LogDirectory, revision: int) -> None:
    """Remove the log files, oldest first, in which everything is older than the snapshot: a lease
    granted at its very revision may be missing in it. The last file stays: it is appended to."""
    while len(directory.segments) > 1 and directory.segments[0].max_revision < revision:
        directory.segments.pop(0).path.unlink()
    directory.sync()


def write_all(file: int, data: bytes) -> None:
    """Write everything; a write may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
