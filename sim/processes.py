"""A program of the world over all its lives: boot, crash at an effect boundary, boot again."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from sim.connection import Client, Handler
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network
from sim.turns import Turns

KILLED, CUT_OFF, MOVED = "killed", "cut off", "moved"
"""How a life ends: at once; at once and the cache of its disk with it; in order, with what is
queued written out, to go on at another place with the same files."""


class Shell(Protocol):
    """One life of a program."""

    @property
    def clients(self) -> Sequence[Client]:
        """Its connections to others; they end with it."""
        ...

    @property
    def turns(self) -> Turns | None:
        """Its rhythm; None: it steps within each call and has no timers."""
        ...

    def start(self, listen: Callable[[Handler], None]) -> None:
        """Begin. ``listen`` is called when it is ready to serve, if it serves."""
        ...


class Process:
    """``boot(life)`` builds the shell of the n-th life, from what its real one would have left."""

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        name: str,
        boot: Callable[[int], Shell],
        died: Callable[[str], None] = lambda how: None,
    ) -> None:
        self.name = name
        self.lives = 0
        self.shell: Shell | None = None
        self.skew_ns = 0
        self._kernel = kernel
        self._network = network
        self._boot = boot
        self._died = died

    def start(self) -> None:
        if self.shell is not None:
            return
        self.lives += 1
        kernel = self._kernel
        kernel.tell(self.name, "starts", "", f"life {self.lives}")
        shell = self.shell = self._boot(self.lives)
        if shell.turns is not None:
            shell.turns.skew_ns = self.skew_ns
        shell.start(partial(self._network.listen, self.name))

    def end(self, restart_after_ns: int, how: str, notice_ns: int) -> None:
        """Peers notice after ``notice_ns``."""
        shell = self.shell
        if shell is None:
            return
        kernel = self._kernel
        kernel.digest.add(kernel.agenda.now_ns, self.name, how)
        kernel.tell(self.name, "ends", "", how)
        if shell.turns is not None:
            shell.turns.stop()
        self.shell = None
        self._network.kill(self.name, list(shell.clients), notice_ns)
        self._died(how)
        for restarted in kernel.topics.restarted:
            restarted(self.name)
        kernel.agenda.at(kernel.agenda.now_ns + restart_after_ns, ARRIVAL, self.start)

    def crash_after(self, effects: int, restart_after_ns: int) -> None:
        """Die when so many more effects have been carried out, between two of them."""
        turns = self.shell.turns if self.shell is not None else None
        if turns is None:
            self.end(restart_after_ns, KILLED, 0)
            return
        turns.fuse = effects
        turns.on_fuse = lambda: self.end(restart_after_ns, KILLED, 0)

    def spare(self) -> None:
        """Take back an order to die that has not been met yet."""
        if self.shell is not None and self.shell.turns is not None:
            self.shell.turns.fuse = -1
