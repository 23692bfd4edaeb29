"""Carries out what a campaign does to its own cluster, each deed at its moment."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.cluster import ClusterHandle
from actors.outages import serving
from loadtest.faults import PAUSE, Kill, Slowing
from loadtest.fields import SECOND_NS
from loadtest.interruptions import SAID, Interruption

SERVES_S = 20.0
"""A program that is away at its moment is met when it serves again, if that is not later."""


Deed = Kill | Slowing | Interruption


@dataclass(slots=True)
class Away:
    """A program that stands still or is cut off. Wall clock ns."""

    program: str
    how: str
    since_ns: int
    until_ns: int = 0
    """0: it still is."""


class Saboteur:
    """A thread of its own. ``stop`` ends it, whatever is left to do, and nobody stays away."""

    def __init__(
        self, handle: ClusterHandle, deeds: Sequence[Deed], say: Callable[[str], None]
    ) -> None:
        """``deeds``: of those at one moment the first goes first. ``say``: what was done, from a
        thread of its own."""
        self._say = say
        self._handle = handle
        self._deeds = sorted(deeds, key=lambda deed: deed.at_ns)
        self._start_wall_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saboteur", daemon=True)
        self.killed: list[int] = []
        """Pids."""
        self.missed: list[Slowing | Interruption] = []
        """Of programs that were not there, or left it at once."""
        self.away: list[Away] = []

    def start(self, start_wall_ns: int) -> None:
        """``start_wall_ns``: when the load begins."""
        self._start_wall_ns = start_wall_ns
        self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(SERVES_S)
        for away in self.away:
            self._bring_back(away)

    def _run(self) -> None:
        for deed in self._deeds:
            left_ns = self._start_wall_ns + deed.at_ns - time.time_ns()
            if self._stopping.wait(max(0, left_ns) / SECOND_NS):
                return
            self._do(deed)

    def _do(self, deed: Deed) -> None:
        if isinstance(deed, Interruption) and not deed.away:
            for away in self.away:
                if away.program == deed.program:
                    self._bring_back(away)
            return
        self._handle.await_lives(lambda lives: deed.program in serving(lives), SERVES_S)
        if self._stopping.is_set():
            return
        if isinstance(deed, Slowing):
            if not self._handle.slow(deed.program, deed.per_operation_ns / 1e9):
                self.missed.append(deed)
            elif deed.per_operation_ns:
                self._say(f"{deed.program} takes {deed.per_operation_ns / 1e6:g} ms an operation")
            else:
                self._say(f"{deed.program} is slow no more")
        elif isinstance(deed, Interruption):
            self.away.append(Away(deed.program, deed.how, time.time_ns()))
            if not self._switch(deed.program, deed.how, True):
                self.away.pop()
                self.missed.append(deed)
            else:
                self._say(f"{deed.program} {SAID[deed.how]}")
        elif pid := self._handle.kill(deed.program):
            self.killed.append(pid)
            self._say(f"{deed.program} was killed")

    def _bring_back(self, away: Away) -> None:
        if not away.until_ns:
            self._switch(away.program, away.how, False)
            away.until_ns = time.time_ns()
            self._say(f"{away.program} is back")

    def _switch(self, program: str, how: str, away: bool) -> bool:
        """False: the program does not run."""
        if how == PAUSE:
            return self._handle.pause(program, still=away)
        return self._handle.disconnect(program, off=away)
