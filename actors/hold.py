"""A program that is slow on purpose: every operation that reaches it takes a stated time.

    hold = Hold()
    hold.slow(0.002)                     # from here on an operation takes 2 ms
    hold.enter(3, take)                  # take() once three operations have had their time

The rules are those of ``api.held_line``, in front of a core that knows nothing of it. No core of
the machine is burnt and nothing depends on how fast the machine is, so a program held to 50
operations a second is held to 50 everywhere; a loop that wakes up late lets go at once all that was
due.
"""

import asyncio
from collections.abc import Callable

from api.held_line import HeldLine


class Hold:
    """All methods on the loop of the program."""

    __slots__ = ("_line", "_loop", "_timer", "active")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._line = HeldLine()
        self._timer: asyncio.TimerHandle | None = None
        self.active = False
        """Whether anybody can stand in line: asked in front of hot paths, too."""

    def slow(self, service_s: float) -> None:
        """What an operation takes from now on, in s; 0: nothing, and the line goes ahead at
        once."""
        self.active = True
        self._line.slow(round(service_s * 1e9))
        self._serve()
        self.active = service_s > 0

    def enter(self, operations: int, take: Callable[[], None]) -> None:
        """See HeldLine.enter."""
        if not self.active:
            take()
            return
        self._line.enter(self._now_ns(), operations, take)
        self._await_end()

    def close(self) -> None:
        """Drop who stands in line. Idempotent."""
        self._line.clear()
        self._cancel()

    def gauges(self) -> dict[str, float]:
        """See HeldLine.gauges."""
        return self._line.gauges(self._now_ns())

    def _now_ns(self) -> int:
        return int(self._loop.time() * 1e9)

    def _serve(self) -> None:
        self._cancel()
        self._line.serve(self._now_ns())
        self._await_end()

    def _await_end(self) -> None:
        if self._timer is None and (end_ns := self._line.end_ns) is not None:
            self._timer = self._loop.call_at(end_ns / 1e9, self._serve)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
