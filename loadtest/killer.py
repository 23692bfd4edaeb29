"""Carries out a campaign's kills, each at its moment, and says which processes it killed."""

import threading
import time
from collections.abc import Sequence

from actors.cluster import ClusterHandle
from actors.outages import serving
from loadtest.faults import Kill
from loadtest.fields import SECOND_NS

SERVES_S = 20.0
"""A program that is away at its moment is killed when it serves again, if that is not later."""


class Killer:
    """A thread of its own. ``stop`` ends it, whatever is left to do."""

    def __init__(self, handle: ClusterHandle, kills: Sequence[Kill]) -> None:
        self._handle = handle
        self._kills = kills
        self._start_wall_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self.killed: list[int] = []
        """Pids."""

    def start(self, start_wall_ns: int) -> None:
        """``start_wall_ns``: when the load begins."""
        self._start_wall_ns = start_wall_ns
        self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(SERVES_S)

    def _run(self) -> None:
        for kill in self._kills:
            left_ns = self._start_wall_ns + kill.at_ns - time.time_ns()
            if self._stopping.wait(max(0, left_ns) / SECOND_NS):
                return
            self._strike(kill.program)

    def _strike(self, program: str) -> None:
        self._handle.await_lives(lambda lives: program in serving(lives), SERVES_S)
        if not self._stopping.is_set() and (pid := self._handle.kill(program)):
            self.killed.append(pid)
