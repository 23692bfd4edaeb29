"""When a program's core steps: once for all that has arrived, not while it is busy, at its timers.

The same rules as the real shells', which take everything of one turn of the event loop as one step;
here the step also takes its service time, during which the next one gathers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sim.cost import Cost
from sim.heap import ARRIVAL, TURN
from sim.kernel import Kernel
from sim.topics import Violation

CHECK_EVERY_STEPS = 64
"""How often a core's own ``check`` is asked, unless its program says otherwise."""
IDLE_STEPS_MAX = 500
"""Steps without anything new and without an effect that a program may take within a virtual
second: its timers run away when it takes more."""
SECOND = 1_000_000_000


class Turns:
    """The rhythm of one incarnation of a program."""

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        core: Any,
        carry_out: Callable[[Any], None],
        cost: Cost,
    ) -> None:
        self.events: list[Any] = []
        self.items = 0
        """What ``events`` hold."""
        self.before: Callable[[], None] | None = None
        """Called before a step, to complete ``events``."""
        self.after: Callable[[], None] | None = None
        """Called after a step that the program survived."""
        self.skew_ns = 0
        """Nanoseconds by which the program's clock is ahead of virtual time."""
        self.fuse = -1
        """Effects that are still carried out before the program dies; negative: all."""
        self.on_fuse: Callable[[], None] | None = None
        self.alive = True
        self.cost = cost
        """What a step takes."""
        self.work: Callable[[Sequence[Any]], int] | None = None
        """More service time of a step, in ns, by what the core counted and by its effects."""
        self.check_every = CHECK_EVERY_STEPS
        self.busy_ns = 0
        """Service time used so far."""
        self._kernel = kernel
        self._name = name
        self._core = core
        self._carry_out = carry_out
        self._due = False
        self._paused = False
        """Whether a fault holds the program until ``_busy_until_ns``, even if a turn is due
        before."""
        self._busy_until_ns = 0
        self._clock_ns = 0
        self._timer_ns: int | None = None
        self._steps = 0
        self._idle = 0
        self._idle_since_ns = 0

    def take(self, event: Any, items: int) -> None:
        """Something happened: it goes into the next step."""
        self.events.append(event)
        self.items += items
        if not self._due:
            self.wake()

    def wake(self) -> None:
        """Step as soon as the program is free."""
        if not self._due and self.alive:
            self._due = True
            self._kernel.agenda.at(self._busy_until_ns, TURN, self._turn)

    def stop(self) -> None:
        self.alive = False

    def pause(self, until_ns: int) -> None:
        """No step before then; what has been sent is sent, and what arrives waits."""
        self._busy_until_ns = max(self._busy_until_ns, until_ns)
        self._paused = True

    def _turn(self) -> None:
        self._due = False
        if not self.alive:
            return
        kernel = self._kernel
        if self._paused:
            self._paused = False
            if self._busy_until_ns > kernel.agenda.now_ns:
                self.wake()
                return
        if self.before is not None:
            self.before()
        events, self.events = self.events, []
        items, self.items = self.items, 0
        now_ns = kernel.agenda.now_ns
        # A clock never runs backwards within one process: see actors.clock.
        if now_ns + self.skew_ns > self._clock_ns:
            self._clock_ns = now_ns + self.skew_ns
        effects = self._core.step(events, self._clock_ns)
        kernel.steps += 1
        kernel.messages += items
        self._steps += 1
        if self._steps % self.check_every == 0:
            self.check()
        cost_ns = self.cost.of(items) * kernel.pace_percent // 100
        if self.work is not None:
            cost_ns += self.work(effects)
        self.busy_ns += cost_ns
        self._busy_until_ns = kernel.sending_ns = now_ns + cost_ns
        if events or effects:
            self._idle, self._idle_since_ns = 0, now_ns
        else:
            self._watch_idleness(now_ns)
        if effects and not self._carry_out_all(effects):
            return
        if self.after is not None:
            self.after()
        wakeup_ns = self._core.next_wakeup_ns()
        if wakeup_ns is None:
            self._timer_ns = None
        elif wakeup_ns <= self._clock_ns:
            self.wake()
        elif wakeup_ns != self._timer_ns:
            self._timer_ns = wakeup_ns
            kernel.agenda.at(wakeup_ns - self.skew_ns, ARRIVAL, self._timer_fired, wakeup_ns)

    def _carry_out_all(self, effects: Sequence[Any]) -> bool:
        """False: the program died on the way."""
        if self.fuse < 0:
            for effect in effects:
                self._carry_out(effect)
            return self.alive
        for effect in effects:
            if self.fuse == 0:
                assert self.on_fuse is not None
                self.on_fuse()
                return False
            self.fuse -= 1
            self._carry_out(effect)
        return self.alive

    def _timer_fired(self, due_ns: int) -> None:
        if self._timer_ns == due_ns:
            self._timer_ns = None
            self.wake()

    def _watch_idleness(self, now_ns: int) -> None:
        if now_ns - self._idle_since_ns > SECOND:
            self._idle, self._idle_since_ns = 0, now_ns
            return
        self._idle += 1
        if self._idle > IDLE_STEPS_MAX:
            message = f"{self._name} took {self._idle} steps within a second, all for nothing"
            raise Violation("timers", message)

    def check(self) -> None:
        self._core.check()
