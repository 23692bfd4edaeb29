"""What every core of the house promises to its shell.

A core is plain data with one mutator. A shell (real or simulated) hands it a batch of events,
which are facts, together with the time, and carries out the effects, which are orders. The same
core therefore runs over sockets and disks or on a virtual clock.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

JsonObject = dict[str, Any]
"""A parsed JSON object. The one place where ``Any`` is allowed."""

E = TypeVar("E", contravariant=True)
F = TypeVar("F", covariant=True)


class InvariantError(AssertionError):
    """A core found its own state broken. Always a bug, never an expected outcome."""


class Core(Protocol[E, F]):
    """A state machine: total, bounded, never waits, never reads a clock."""

    def step(self, events: Sequence[E], now_ns: int) -> Sequence[F]:
        """Take facts, return orders. The only mutator. ``now_ns``: wall clock, int nanoseconds."""
        ...

    def next_wakeup_ns(self) -> int | None:
        """When ``step([], now)`` is due at the latest, or None: timers are data."""
        ...

    def check(self) -> None:
        """Raise InvariantError if the state is inconsistent."""
        ...
