"""Who waits for a program that is slow on purpose: every operation takes a stated time.

One server, first come, first served; what comes while it is busy stands in line. The line has no
bound of its own: those of connections, calls under way and open requests hold for what stands in
it. No clock: ``actors.hold`` and ``sim.campaign.hold`` say what time it is and come back at
``end_ns``.
"""

from collections import deque
from collections.abc import Callable


class HeldLine:
    """Times in ns, of any one clock."""

    __slots__ = ("_begun_ns", "_busy_ns", "_line", "_operations", "_used", "service_ns")

    def __init__(self) -> None:
        self._line: deque[tuple[int, Callable[[], None]]] = deque()
        self._operations = 0
        self._begun_ns = 0
        """When the first in line came to be served."""
        self._busy_ns = 0
        self._used = False
        self.service_ns = 0
        """What an operation takes; 0: nothing."""

    def slow(self, service_ns: int) -> None:
        """What an operation takes from now on, of those in line too."""
        self.service_ns = service_ns
        self._used |= service_ns > 0

    def enter(self, now_ns: int, operations: int, take: Callable[[], None]) -> None:
        """``take`` is called when so many operations have been served, after all that came before;
        here and now if there is no line and nothing is to be served."""
        if not self._line:
            if not (self.service_ns and operations):
                take()
                return
            self._begun_ns = now_ns
        self._line.append((operations, take))
        self._operations += operations

    def serve(self, now_ns: int) -> None:
        """Let go who has been served by now: who comes back late lets go at once all that was
        due, each at its time."""
        while self._line and (end_ns := self._end_ns()) <= now_ns:
            operations, take = self._line.popleft()
            self._operations -= operations
            self._busy_ns += end_ns - self._begun_ns
            self._begun_ns = end_ns
            take()

    @property
    def end_ns(self) -> int | None:
        """When the first in line has been served; None: there is no line."""
        return self._end_ns() if self._line else None

    def clear(self) -> None:
        """Drop who stands in line."""
        self._line.clear()
        self._operations = 0

    def gauges(self, now_ns: int) -> dict[str, float]:
        """How long it has been busy so far and how much stands in line; nothing of a program that
        was never slow."""
        if not self._used:
            return {}
        present_ns = max(0, min(now_ns, self._end_ns()) - self._begun_ns) if self._line else 0
        busy_s = (self._busy_ns + present_ns) / 1e9
        return {"held_s_total": busy_s, "held_operations": float(self._operations)}

    def _end_ns(self) -> int:
        return self._begun_ns + self._line[0][0] * self.service_ns
