"""What every program of the cluster looks like to whoever starts it.

A program is a plain asyncio component: ``async def start(config, resolve) -> Running``. Tests start
it on their own loop, ``actors.local`` in one process, ``actors.ray`` inside an actor.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

Resolve = Callable[[str], Awaitable[str]]
"""Name of a program ("store-0", "apiserver-0", "partition-1") to its frame address "host:port".
Asked again after each lost connection, because a restarted program may have moved."""


class Line(Protocol):
    """Something by which a program speaks with others: a frame port, or a client of one."""

    def cut_off(self, off: bool) -> None:
        """Nothing comes or goes from now on, and nothing is lost; or all goes on."""
        ...


class Running(Protocol):
    """A started program."""

    @property
    def address(self) -> str:
        """Where its frame port listens, "host:port"; empty if it has none."""
        ...

    @property
    def lines(self) -> Sequence[Line]:
        """All by which it speaks frames with other programs."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Counters and lengths of queues for the supervisor, cheap to read."""
        ...

    async def stop(self) -> None:
        """Finish what is acknowledged, close ports, return. Idempotent."""
        ...


def cut_off(program: Running, off: bool) -> None:
    """Cut a program off from all others, as if its cable were pulled, or connect it again."""
    for line in program.lines:
        line.cut_off(off)
