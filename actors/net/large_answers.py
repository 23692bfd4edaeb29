"""What the large answers of a server still owe their readers, together bounded.

A LIST may be tens of megabytes, and not to read it costs a client nothing but a connection: two
hundred of them held ten gigabytes. So when all that is owed passes the bound, those who took
nothing for the longest are cut off until three quarters of it are left. Who reads has just taken
something and is last in that row.
"""

from typing import Protocol


class Reader(Protocol):
    def abort(self) -> None: ...


class LargeAnswers:
    """``bytes_max``: of all answers that are not small enough to leave in one write."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._owed: dict[Reader, int] = {}
        """In the order in which they last took something."""
        self._sum_bytes = 0

    def owe(self, reader: Reader, owed_bytes: int) -> None:
        """A reader has just taken a part, or gets an answer: so much is left now."""
        self._sum_bytes += owed_bytes - self._owed.pop(reader, 0)
        if owed_bytes:
            self._owed[reader] = owed_bytes

    def make_room(self) -> int:
        """How many were cut off. Never the last one: its answer may be larger than the bound."""
        if self._sum_bytes <= self._bytes_max:
            return 0
        cut = 0
        for reader in list(self._owed)[:-1]:
            if self._sum_bytes * 4 <= self._bytes_max * 3:
                break
            self.owe(reader, 0)
            reader.abort()
            cut += 1
        return cut
