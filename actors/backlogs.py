"""What all readers of a server have not fetched yet, together: bounded, beside the bound of each.

A reader's share is looked at when it grows, not when it shrinks, so the sum is at least what is
unsent. When it passes the bound everybody is looked at again, and whoever has most unsent is cut
off until three quarters of the bound are left: the next look is then far off.
"""

from typing import Protocol


class Reader(Protocol):
    @property
    def backlog_bytes(self) -> int: ...
    def abort(self) -> None:
        """After which nothing is unsent."""
        ...


class Backlogs:
    """``bytes_max``: of one reader, and of all."""

    def __init__(self, bytes_max: int, sum_bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._sum_bytes_max = sum_bytes_max
        self._behind: dict[int, tuple[Reader, int]] = {}
        """Stream -> its reader, and what it had unsent when it was last looked at."""
        self._sum_bytes = 0

    def grew(self, stream: int, reader: Reader) -> int:
        """What the reader has unsent; 0 after it was cut off."""
        unsent = reader.backlog_bytes
        if unsent > self._bytes_max:
            reader.abort()
            unsent = 0
        self._note(stream, reader, unsent)
        if self._sum_bytes > self._sum_bytes_max:
            self._look_again()
        return reader.backlog_bytes if unsent else 0

    def forget(self, stream: int) -> None:
        _, unsent = self._behind.pop(stream, (None, 0))
        self._sum_bytes -= unsent

    def _note(self, stream: int, reader: Reader, unsent: int) -> None:
        self.forget(stream)
        if unsent:
            self._behind[stream] = (reader, unsent)
            self._sum_bytes += unsent

    def _look_again(self) -> None:
        for stream, (reader, _) in list(self._behind.items()):
            self._note(stream, reader, reader.backlog_bytes)
        if self._sum_bytes <= self._sum_bytes_max:
            return
        for stream, (reader, unsent) in sorted(self._behind.items(), key=lambda one: -one[1][1]):
            if self._sum_bytes * 4 <= self._sum_bytes_max * 3:
                return
            assert unsent
            self.forget(stream)
            reader.abort()
