"""What is remembered of Leases that are renewed: see ``verbs.renew`` and ``renewal_lane``."""

from typing import Final

from api.times import MICRO_TIME_LETTERS, TIME_LETTERS

RENEWALS_MAX: Final = 50_000
"""Leases of which the last renewal is remembered, 2 KB each; at the bound all are forgotten."""


class Renewal:
    """How a Lease was renewed the last time: the same text with another revision and moment may
    come again, for the same value."""

    __slots__ = (
        "_between",
        "_head",
        "_moment_at",
        "_tail",
        "after",
        "agent",
        "before",
        "between",
        "header",
        "key",
        "shard",
        "value",
    )

    def __init__(self, key: bytes, header: bytes, value: bytes, places: tuple[int, int]) -> None:
        """``places``: where in the value the owner's time is, and where renewTime."""
        self.key = key
        self.shard = -1
        """That holds the key; -1: not asked for yet."""
        self.header = header
        self.value = value
        """As stored, when the renewal was answered."""
        owned_at, self._moment_at = places
        self._head = value[:owned_at]
        """The value up to the owner's time, from there to renewTime, and what follows: all that
        does not change."""
        self._between = value[owned_at + TIME_LETTERS : self._moment_at]
        self._tail = value[self._moment_at + MICRO_TIME_LETTERS :]
        self.agent = ""
        self.before = b""
        """The text of the request up to the digits of the revision, from there to those of the
        moment, and what follows."""
        self.between = self.after = b""

    def is_of(self, body: bytes, revision: int, moment: bytes) -> bool:
        """Whether the text is the last one with another revision and this moment, which is not the
        last one."""
        at = self._moment_at
        return (
            body == b"%b%d%b%b%b" % (self.before, revision, self.between, moment, self.after)
            and self.value[at : at + MICRO_TIME_LETTERS] != moment
        )

    def moment_of(self, body: bytes, revision: int) -> bytes:
        """The new renewTime if the text is the last one with another revision and moment; else
        empty. Whether it is a moment is not looked at."""
        start = b"%b%d%b" % (self.before, revision, self.between)
        end = len(start) + MICRO_TIME_LETTERS
        if not body.startswith(start) or body[end:] != self.after:
            return b""
        moment = body[len(start) : end]
        at = self._moment_at
        return b"" if moment == self.value[at : at + MICRO_TIME_LETTERS] else moment

    def renewed(self, moment: bytes, time: bytes) -> bytes:
        """The value to store. ``time``: of now, for the owner."""
        return b"".join((self._head, time, self._between, moment, self._tail))
