"""A program of a virtual campaign that is slow on purpose: the rules of ``actors.hold`` on the
virtual clock. One server, first come, first served, in front of a core that knows nothing of it."""

from collections import deque
from collections.abc import Callable

from sim.connection import SECOND
from sim.heap import ARRIVAL, Agenda


class Hold:
    """Times in virtual ns."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._line: deque[tuple[int, Callable[[], None]]] = deque()
        self._operations = 0
        self._begun_ns = 0
        """When the first in line came to be served."""
        self._busy_ns = 0
        self._service_ns = 0
        self._timer_ns: int | None = None
        self._used = False

    def slow(self, service_ns: int) -> None:
        """What an operation takes from now on; 0: nothing, and the line goes ahead at once."""
        self._service_ns = service_ns
        self._used |= service_ns > 0
        self._serve()

    def enter(self, operations: int, take: Callable[[], None]) -> None:
        """``take`` is called when so many operations have been served, after all that came before;
        here and now if there is no line and nothing is to be served."""
        if not self._line:
            if not (self._service_ns and operations):
                take()
                return
            self._begun_ns = self._agenda.now_ns
        self._line.append((operations, take))
        self._operations += operations
        self._await_end()

    def gauges(self) -> dict[str, float]:
        """As of a real program that is held; nothing of one that was never slow."""
        if not self._used:
            return {}
        present_ns = min(self._agenda.now_ns, self._end_ns()) - self._begun_ns if self._line else 0
        busy_s = (self._busy_ns + present_ns) / SECOND
        return {"held_s_total": busy_s, "held_operations": float(self._operations)}

    def _end_ns(self) -> int:
        """When the first in line has been served."""
        return self._begun_ns + self._line[0][0] * self._service_ns

    def _serve(self) -> None:
        """Let go who has been served by now."""
        while self._line and (end_ns := self._end_ns()) <= self._agenda.now_ns:
            operations, take = self._line.popleft()
            self._operations -= operations
            self._busy_ns += end_ns - self._begun_ns
            self._begun_ns = end_ns
            take()
        self._await_end()

    def _await_end(self) -> None:
        if self._line and (end_ns := self._end_ns()) != self._timer_ns:
            self._timer_ns = end_ns
            self._agenda.at(end_ns, ARRIVAL, self._fired, end_ns)

    def _fired(self, due_ns: int) -> None:
        # Another moment may have been agreed on since.
        if due_ns == self._timer_ns:
            self._timer_ns = None
            self._serve()
