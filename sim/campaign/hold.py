"""A program of a virtual campaign that is slow on purpose: ``api.held_line`` on the virtual clock,
as ``actors.hold`` is on that of a loop."""

from collections.abc import Callable

from api.held_line import HeldLine
from sim.heap import ARRIVAL, Agenda


class Hold:
    """Times in virtual ns."""

    __slots__ = ("_agenda", "_line", "_timer_ns", "active")

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._line = HeldLine()
        self._timer_ns: int | None = None
        self.active = False
        """Whether anybody can stand in line."""

    def slow(self, service_ns: int) -> None:
        """What an operation takes from now on; 0: nothing, and the line goes ahead at once."""
        self.active = True
        self._line.slow(service_ns)
        self._serve()
        self.active = service_ns > 0

    def enter(self, operations: int, take: Callable[[], None]) -> None:
        """See HeldLine.enter."""
        if not self.active:
            take()
            return
        self._line.enter(self._agenda.now_ns, operations, take)
        self._await_end()

    def gauges(self) -> dict[str, float]:
        """See HeldLine.gauges."""
        return self._line.gauges(self._agenda.now_ns)

    def _serve(self) -> None:
        self._line.serve(self._agenda.now_ns)
        self._await_end()

    def _await_end(self) -> None:
        end_ns = self._line.end_ns
        if end_ns is not None and end_ns != self._timer_ns:
            self._timer_ns = end_ns
            self._agenda.at(end_ns, ARRIVAL, self._fired, end_ns)

    def _fired(self, due_ns: int) -> None:
        # Another moment may have been agreed on since.
        if due_ns == self._timer_ns:
            self._timer_ns = None
            self._serve()
