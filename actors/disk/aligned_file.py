"""A file that is written once, from its beginning, past the page cache and without syncs.

Nobody reads it before it is whole, so only its end is synced. In between every block is on its way
to the disk alone: it waits for the disk and not for the file system's journal, and a sync of
another file waits for no more than one block.
"""

import errno
import mmap
import os
from pathlib import Path
from typing import Final

ALIGNMENT: Final = 4096
"""Of memory, offset and length. Source: Linux open(2), O_DIRECT: that of the logical block or, at
most, of the page."""
BLOCK_BYTES: Final = 512 << 10


class AlignedFile:
    """``write`` as often as needed, then ``finish`` or ``close``. OSError."""

    __slots__ = ("_block", "_file", "_filled", "size")

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        self._block = mmap.mmap(-1, BLOCK_BYTES)
        self._filled = 0
        """Bytes of the block that are not written yet."""
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        self.size += len(rest)
        while rest:
            part = rest[: BLOCK_BYTES - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            rest = rest[len(part) :]
            if self._filled == BLOCK_BYTES:
                self._flush()

    def finish(self) -> None:
        """Write the rest, and let all be on the disk."""
        if self._filled:
            end = -(-self._filled // ALIGNMENT) * ALIGNMENT
            self._block[self._filled : end] = bytes(end - self._filled)
            self._filled = end
            self._flush()
        os.ftruncate(self._file, self.size)
        os.fsync(self._file)
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._block.close()

    def _flush(self) -> None:
        with memoryview(self._block) as block, block[: self._filled] as filled:
            write_all(self._file, filled)
        self._filled = 0


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write everything; a write may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _opened(path: Path) -> int:
    """A file system that cannot be written to in this way says so here."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, flags, 0o600)
