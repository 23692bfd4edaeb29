"""How far a campaign in virtual time has come: a line on standard error every few seconds."""

import time
from collections.abc import Callable
from typing import Final, TextIO

PERIOD_S: Final = 2.0
"""Real seconds between two lines; what is over sooner shows none."""


class VirtualProgress:
    """``total_s``: virtual length of the load. ``clock``: real seconds."""

    def __init__(
        self, stream: TextIO, total_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._total_s = total_s
        self._clock = clock
        self._begun_s = self._told_s = clock()

    def tick(self, virtual_s: float, created: int, bound: int) -> None:
        """The load has come to ``virtual_s``; so many pods were created and bound."""
        now_s = self._clock()
        if now_s - self._told_s < PERIOD_S:
            return
        self._told_s = now_s
        print(
            f"[{now_s - self._begun_s:5.1f} s] virtual {virtual_s:,.0f} of {self._total_s:,.0f} s, "
            f"pods created {created:,}, bound {bound:,}, {self._outlook(virtual_s, now_s)}",
            file=self._stream,
            flush=True,
        )

    def _outlook(self, virtual_s: float, now_s: float) -> str:
        if virtual_s >= self._total_s:
            return "the load is over, pods settle"
        if virtual_s <= 0:
            return "ETA not known yet"
        left_s = (now_s - self._begun_s) / virtual_s * (self._total_s - virtual_s)
        return f"ETA {left_s:,.0f} s"
