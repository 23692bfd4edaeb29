"""The file that the log goes on in when the present one is full: zeros, made beforehand.

A write over zeros that are on the disk changes nothing that the file system has to note, so a sync
is the data and no more; making room along the way (actors/disk/room.py) costs a commit of the file
system's journal for each piece of it. A small log never has such a file.
"""

import os
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Final

from actors.disk.aligned_file import BLOCK_BYTES, AlignedFile

NAME: Final = "next-log.tmp"
FREE_TIMES_MIN: Final = 8
"""On a disk with less room than for so many of them, none is made: records are more important."""
_ZEROS: Final = bytes(BLOCK_BYTES)


class NextLog:
    """``prepare`` and ``take`` are for one thread. Disk faults only mean that there is none."""

    def __init__(self, directory: Path, size: int) -> None:
        self.path = directory / NAME
        self.size = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        self._thread: Thread | None = None
        self._made = Event()
        self._hurry = Event()
        self.path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Begin to make one, unless that was done."""
        if self._thread is None:
            self._thread = Thread(target=self._make, name="next log", daemon=True)
            self._thread.start()

    def take(self) -> bool:
        """Whether there is one, which is the caller's from now on."""
        made = self._made.is_set()
        self._made.clear()
        if made or (self._thread is not None and not self._thread.is_alive()):
            self._thread = None
        return made

    def stop(self) -> None:
        """Remove what nobody took. Idempotent."""
        self._hurry.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self.path.unlink(missing_ok=True)

    def _make(self) -> None:
        try:
            found = os.statvfs(self.path.parent)
            if found.f_bavail * found.f_frsize >= FREE_TIMES_MIN * self.size and self._filled():
                self._made.set()
                return
        except OSError:
            pass
        self.path.unlink(missing_ok=True)

    def _filled(self) -> bool:
        """Each block waits as long as the last one took: half of the disk's time is for others."""
        file = AlignedFile(self.path)
        try:
            while file.size < self.size:
                begun = perf_counter()
                file.write(_ZEROS)
                if self._hurry.wait(perf_counter() - begun):
                    return False
            file.finish()
        finally:
            file.close()
        return True
