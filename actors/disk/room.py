"""Zeros behind the end of a log file, so that what is written next does not make it longer.

A sync of a file that has grown waits for the file system's own journal, and with it for whatever
every other program has changed meanwhile; one of a file that has not is its data and no more. That
is a third less CPU and latency on a quiet disk, and a tenth of the latency on a busy one. A log
that ends in zeros is one whose end was cut off to its reader (store/journal.py), who cuts it there.

A write over zeros goes on to the end of its page: the next one then finds the page in memory, and
need not read what it does not replace.
"""

import os
from typing import Final

ROOM_BYTES_MIN: Final = 64 << 10
ROOM_BYTES_MAX: Final = 1 << 20
"""Room is made for as much as the file has, between these two."""
PAGE_BYTES: Final = 4096
ROOMY_BYTES_MAX: Final = 128 << 10
"""Larger writes make no room: they are few, and every byte of room is written twice."""
_ZEROS: Final = memoryview(bytes(ROOM_BYTES_MAX))


class Room:
    """How far one log file reaches on the disk."""

    __slots__ = ("end",)

    def __init__(self, end: int) -> None:
        self.end = end
        """Length of the file; zeros from where its records end."""

    def write(self, file: int, data: bytes, at: int, roomy: bool) -> None:
        """Write ``data`` at ``at``, the end of the records; ``roomy``: and room behind it, if there
        is none. OSError: what is there from ``at`` on is unknown."""
        end = at + len(data)
        behind = 0
        if end <= self.end:
            behind = min(-end % PAGE_BYTES, self.end - end)
        elif roomy and len(data) <= ROOMY_BYTES_MAX:
            behind = min(max(at, ROOM_BYTES_MIN), ROOM_BYTES_MAX)
        # A disk that is nearly full takes less; without room there is only less speed.
        written = os.pwritev(file, (data, _ZEROS[:behind]), at)
        self.end = max(self.end, end, at + written)
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.pwrite(file, rest, end - len(rest)) :]

    def give_back(self, file: int, size: int) -> None:
        """End the file behind its records. OSError."""
        if self.end > size:
            self.cut(file, size)

    def cut(self, file: int, size: int) -> None:
        """End the file there. OSError."""
        os.ftruncate(file, size)
        self.end = size
