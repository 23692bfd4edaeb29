"""When a core takes its next step: in the next turn of the loop for all that came, or at a time."""

import asyncio
from collections import deque
from collections.abc import Callable

Soon = Callable[[Callable[[], None]], object]
"""Calls back in this turn of the loop or the next, and never before it returns."""


def raise_in_loop(error: BaseException) -> None:
    """Let who hosts this loop hear of a bug as of a callback that raises: he ends the program."""
    asyncio.get_running_loop().call_soon(_raise, error)


def _raise(error: BaseException) -> None:
    raise error


class Turns:
    """``step(now_ns)`` takes one step and says when the core wants the next, or None.

    What it raises is raised in the loop, where whoever hosts the program ends it.
    """

    __slots__ = (
        "_due", "_loop", "_now_ns", "_soon", "_step", "_stopped", "_timer", "_timer_ns", "steps",
    )  # fmt: skip

    def __init__(
        self,
        step: Callable[[int], int | None],
        now_ns: Callable[[], int],
        soon: Soon | None = None,
    ) -> None:
        """``soon``: of the round that this core shares with others; none: the loop's own."""
        self._step = step
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._soon = self._loop.call_soon if soon is None else soon
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        """When the timer rings."""
        self._stopped = False
        self.steps = 0

    def wake(self) -> None:
        """Step in the next turn of the loop."""
        if not self._due:
            self._due = True
            self._soon(self._run)

    def stop(self) -> None:
        """No step is taken any more. Idempotent."""
        self._stopped = True
        self._set_timer(None, 0)

    def _run(self) -> None:
        self._due = False
        if not self._stopped:
            self._take_step(self._now_ns())

    def _take_step(self, now_ns: int) -> None:
        self.steps += 1
        wakeup_ns = self._step(now_ns)
        if self._stopped:
            return
        if wakeup_ns is not None and wakeup_ns <= now_ns:
            self.wake()
        elif wakeup_ns != self._timer_ns:
            self._set_timer(wakeup_ns, now_ns)

    def _set_timer(self, wakeup_ns: int | None, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ns = wakeup_ns
        if wakeup_ns is not None:
            self._timer = self._loop.call_later((wakeup_ns - now_ns) / 1e9, self._rung)

    def _rung(self) -> None:
        self._timer = self._timer_ns = None
        self.wake()


class Round:
    """Cores of one program that ask each other. Whom a step wakes has his in the same turn of the
    loop, behind all that were woken before him and never within that step: what passes between
    them costs no turn, and each still takes at once whatever came meanwhile.

    At the bound of steps the rest waits for the next turn, so that ports are served between."""

    __slots__ = ("_loop", "_running", "_steps_max", "_waiting")

    def __init__(self, steps_max: int) -> None:
        """``steps_max``: of one turn of the loop, of all the cores together."""
        self._loop = asyncio.get_running_loop()
        self._steps_max = steps_max
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = False

    def soon(self, run: Callable[[], None]) -> None:
        if not (self._running or self._waiting):
            self._loop.call_soon(self._go)
        self._waiting.append(run)

    def _go(self) -> None:
        waiting = self._waiting
        self._running = True
        try:
            for _ in range(self._steps_max):
                waiting.popleft()()
                if not waiting:
                    break
        finally:
            self._running = False
            if waiting:
                self._loop.call_soon(self._go)
