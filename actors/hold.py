"""A program that is slow on purpose: every operation that reaches it takes a stated time.

    hold = Hold()
    hold.slow(0.002)                     # from here on an operation takes 2 ms
    hold.enter(3, take)                  # take() once three operations have had their time

One server, first come, first served, in front of a core that knows nothing of it: what comes while
the server is busy waits in line. No core of the machine is burnt and nothing depends on how fast
the machine is, so a program held to 50 operations a second is held to 50 everywhere; a loop that
wakes up late lets go at once all that was due. The line has no bound of its own: those of
connections, calls under way and open requests hold for what stands in it.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Hold:
    """All methods on the loop of the program. Times in s."""

    __slots__ = (
        "_begun_s", "_busy_s", "_line", "_loop", "_operations", "_timer", "_used", "active",
        "service_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._line: deque[tuple[int, Callable[[], None]]] = deque()
        self._operations = 0
        self._begun_s = 0.0
        """When the first in line came to be served."""
        self._busy_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._used = False
        self.service_s = 0.0
        self.active = False
        """Whether to ask at all: in front of hot paths."""

    def slow(self, service_s: float) -> None:
        """What an operation takes from now on; 0: nothing, and the line goes ahead at once."""
        self.service_s = service_s
        self.active = service_s > 0
        self._used |= self.active
        self._serve()

    def enter(self, operations: int, take: Callable[[], None]) -> None:
        """``take`` is called when so many operations have been served, after all that came before;
        here and now if there is no line and nothing is to be served."""
        if not self._line:
            if not (self.active and operations):
                take()
                return
            self._begun_s = self._loop.time()
        self._line.append((operations, take))
        self._operations += operations
        self._await_end()

    def close(self) -> None:
        """Drop who stands in line. Idempotent."""
        self._line.clear()
        self._operations = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def gauges(self) -> dict[str, float]:
        """How long it has been busy so far and how much stands in line; nothing of a program that
        was never slow."""
        if not self._used:
            return {}
        present_s = max(0.0, min(self._loop.time(), self._end_s()) - self._begun_s)
        busy_s = self._busy_s + (present_s if self._line else 0.0)
        return {"held_s_total": busy_s, "held_operations": float(self._operations)}

    def _end_s(self) -> float:
        """When the first in line has been served."""
        return self._begun_s + (self._line[0][0] * self.service_s if self._line else 0.0)

    def _serve(self) -> None:
        """Let go who has been served by now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._line and (end_s := self._end_s()) <= self._loop.time():
            operations, take = self._line.popleft()
            self._operations -= operations
            self._busy_s += end_s - self._begun_s
            self._begun_s = end_s
            take()
        self._await_end()

    def _await_end(self) -> None:
        if self._line and self._timer is None:
            self._timer = self._loop.call_at(self._end_s(), self._serve)
