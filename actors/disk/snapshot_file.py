"""Writing a snapshot: chunk by chunk into a temporary file, valid when renamed.

Chunks are encoded on the thread that has them, half a millisecond each, and written on another,
which needs the interpreter for moments only: a thread that holds it longer can be put aside by a
busy machine while it does, and then nobody is answered. They go past the page cache, and only the
end of the file is synced (actors/disk/aligned_file.py).

What a new snapshot makes superfluous is renamed, too, and then removed in pieces: a file system
that frees a gigabyte at once lets every sync beside it wait.
"""

import os
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Final, NamedTuple

from actors.disk.aligned_file import AlignedFile
from actors.disk.directory import SNAPSHOT_TMP, LogDirectory
from store.journal import SNAPSHOT_MAGIC, encoded_chunk, encoded_header
from store.messages import WriteSnapshot

GONE: Final = "gone-"
"""Beginning of the names of files that nobody reads any more."""
PIECE_BYTES: Final = 4 << 20


class Piece(NamedTuple):
    """A chunk of a snapshot as it is written."""

    revision: int
    first: bool
    last: bool
    data: bytes


class SnapshotFile:
    """The snapshot under way, in the format of store/journal.py. ``encoded`` is for one thread,
    everything else for one that may be another."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory
        self._path = directory.path / SNAPSHOT_TMP
        self._file: AlignedFile | None = None
        self._records = 0
        """Encoded of it so far."""
        self.hurry = Event()
        """Somebody waits for the end of what is under way."""
        for left in directory.path.glob(f"{GONE}*"):
            left.unlink()

    def encoded(self, chunk: WriteSnapshot) -> Piece:
        """To be written next."""
        parts: list[bytes] = []
        contents: list[object] = []
        if chunk.first:
            self._records = 0
            parts.append(encoded_header(SNAPSHOT_MAGIC, self._directory.shard, chunk.revision))
            contents.append((chunk.leases, chunk.alarm))
        if chunk.rows:
            contents.append(chunk.rows)
        if chunk.last:
            contents.append(())
        for content in contents:
            self._records += 1
            parts.append(encoded_chunk(self._records, chunk.revision, content))
        return Piece(chunk.revision, chunk.first, chunk.last, b"".join(parts))

    def write(self, piece: Piece) -> None:
        """Add a piece; with the last one the snapshot is on the disk and replaces the one before.
        OSError: nothing is left of it."""
        try:
            if piece.first:
                self._file = AlignedFile(self._path)
            assert self._file is not None, "a snapshot begins with its first piece"
            self._file.write(piece.data)
            if piece.last:
                self._file.finish()
                self._file = None
                self._publish(piece.revision)
        except OSError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Drop what was written of it."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def _publish(self, revision: int) -> None:
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
