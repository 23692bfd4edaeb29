"""Waits for what happens to the files of a directory, as the kernel tells it. Linux."""

import ctypes
import os
import select
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MODIFY: Final = 0x2
OPEN: Final = 0x20
"""Source: linux/inotify.h."""
_HEAD = struct.Struct("iIII")
_LIBRARY = ctypes.CDLL(None, use_errno=True)


class FileEvents:
    """Events of one directory since it was made."""

    def __init__(self, directory: Path, mask: int) -> None:
        self._file = _LIBRARY.inotify_init1(os.O_CLOEXEC)
        assert self._file >= 0, os.strerror(ctypes.get_errno())
        added = _LIBRARY.inotify_add_watch(self._file, os.fsencode(directory), mask)
        assert added >= 0, os.strerror(ctypes.get_errno())

    def wait(self, prefix: str, count: int, timeout_s: float) -> bool:
        """Block until so many events of files of that prefix came; False when the time between two
        of them was longer than the time-out. Equal events that nobody read yet count as one."""
        while count > 0:
            if not select.select([self._file], [], [], timeout_s)[0]:
                return False
            data = os.read(self._file, 1 << 16)
            while data:
                _, _, _, length = _HEAD.unpack_from(data)
                name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
                count -= name.startswith(prefix)
                data = data[_HEAD.size + length :]
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)
