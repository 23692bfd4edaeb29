"""Virtual time: a heap of (time, priority, sequence), so that equal times have one order."""

import heapq
from collections.abc import Callable
from typing import Any, Final

ARRIVAL: Final = 0
"""Frames, disk reports, timers, faults."""
TURN: Final = 1
"""Steps of cores: after everything that arrives at the same instant."""


class Agenda:
    """What will happen, and what time it is. Cost: about 1 µs an entry."""

    __slots__ = ("_heap", "_sequence", "now_ns")

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self._sequence = 0
        self._heap: list[tuple[int, int, int, Callable[..., None], tuple[Any, ...]]] = []

    def at(self, time_ns: int, priority: int, action: Callable[..., None], *args: Any) -> None:
        """Call ``action(*args)`` at ``time_ns``, or now if that is past."""
        self._sequence += 1
        when = time_ns if time_ns > self.now_ns else self.now_ns
        heapq.heappush(self._heap, (when, priority, self._sequence, action, args))

    def run(self, until_ns: int) -> None:
        """Let everything up to ``until_ns`` happen."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until_ns:
            self.now_ns, _, _, action, args = pop(heap)
            action(*args)
        self.now_ns = max(self.now_ns, until_ns)

    @property
    def entries(self) -> int:
        """Everything that has been put in so far."""
        return self._sequence

    def __len__(self) -> int:
        return len(self._heap)
