"""Carries out what a campaign does to its own cluster, each deed at its moment."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from actors.cluster import ClusterHandle
from actors.outages import serving
from loadtest.faults import Kill, Slowing
from loadtest.fields import SECOND_NS
from loadtest.pauses import Pausing

SERVES_S = 20.0
"""A program that is away at its moment is met when it serves again, if that is not later."""


@dataclass(slots=True)
class Standstill:
    """Wall clock ns."""

    program: str
    since_ns: int
    until_ns: int = 0
    """0: it still stands."""


class Saboteur:
    """A thread of its own. ``stop`` ends it, whatever is left to do, and nobody stands still."""

    def __init__(self, handle: ClusterHandle, deeds: Sequence[Kill | Slowing | Pausing]) -> None:
        """``deeds``: of those at one moment the first goes first."""
        self._handle = handle
        self._deeds = sorted(deeds, key=lambda deed: deed.at_ns)
        self._start_wall_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saboteur", daemon=True)
        self.killed: list[int] = []
        """Pids."""
        self.missed: list[Slowing | Pausing] = []
        """Of programs that were not there, or left it at once."""
        self.stood: list[Standstill] = []

    def start(self, start_wall_ns: int) -> None:
        """``start_wall_ns``: when the load begins."""
        self._start_wall_ns = start_wall_ns
        self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(SERVES_S)
        for stood in self.stood:
            self._go_on(stood)

    def _run(self) -> None:
        for deed in self._deeds:
            left_ns = self._start_wall_ns + deed.at_ns - time.time_ns()
            if self._stopping.wait(max(0, left_ns) / SECOND_NS):
                return
            self._do(deed)

    def _do(self, deed: Kill | Slowing | Pausing) -> None:
        if isinstance(deed, Pausing) and not deed.still:
            for stood in self.stood:
                if stood.program == deed.program:
                    self._go_on(stood)
            return
        self._handle.await_lives(lambda lives: deed.program in serving(lives), SERVES_S)
        if self._stopping.is_set():
            return
        if isinstance(deed, Slowing):
            if not self._handle.slow(deed.program, deed.per_operation_ns / 1e9):
                self.missed.append(deed)
        elif isinstance(deed, Pausing):
            self.stood.append(Standstill(deed.program, time.time_ns()))
            if not self._handle.pause(deed.program, still=True):
                self.stood.pop()
                self.missed.append(deed)
        elif pid := self._handle.kill(deed.program):
            self.killed.append(pid)

    def _go_on(self, stood: Standstill) -> None:
        if not stood.until_ns:
            self._handle.pause(stood.program, still=False)
            stood.until_ns = time.time_ns()
