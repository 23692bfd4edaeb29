"""What the API server does after a while: actions in the order of their times, then of asking."""

import heapq
from collections.abc import Callable


class Timers:
    """A heap of (time, number, action)."""

    __slots__ = ("_due", "_number")

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, due_ns: int, action: Callable[[], None]) -> None:
        """At the first step from ``due_ns`` on; what is due at once runs in the order it was
        set."""
        self._number += 1
        heapq.heappush(self._due, (due_ns, self._number, action))

    def run(self, now_ns: int) -> None:
        """All that is due."""
        while self._due and self._due[0][0] <= now_ns:
            heapq.heappop(self._due)[2]()

    def next_wakeup_ns(self) -> int | None:
        """When the first is due."""
        return self._due[0][0] if self._due else None
