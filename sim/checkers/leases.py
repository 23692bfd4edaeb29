"""Promise: a key that hangs on a lease stays while the lease is kept alive, and goes when it is
revoked or its time is over.

Times are those of the asker: a lease lives at least its TTL from when the last keepalive that was
answered was sent. A restart of its shard gives it its whole time again.
"""

from dataclasses import dataclass

from sim.checkers.history import Change, History
from sim.topics import Violation

NAME = "leases"
PREFIX = b"/registry/leased/"


@dataclass(slots=True)
class Lease:
    """One lease as its owner knows it."""

    shard: int
    number: int
    ttl_ns: int
    alive_until_ns: int = 0
    revoked: bool = False
    """Its end was asked for, so its keys may go at any time."""


class Leases:
    """Told by the owners of leases; watches the keys."""

    def __init__(self, history: History) -> None:
        self.expired = 0
        """Keys that went because the time of their lease was over."""
        self.revoked = 0
        self._history = history
        self._lease_of: dict[bytes, Lease] = {}
        history.changed.append(self._changed)

    def attaching(self, key: bytes, lease: Lease) -> None:
        """The key, never used before, is being written with this lease."""
        self._lease_of[key] = lease

    def gone(self, lease: Lease, now_ns: int) -> None:
        """The shard's word that it does not know the lease has arrived; when the shard looked is
        not known, only that it was not later."""
        if now_ns < lease.alive_until_ns and not lease.revoked:
            left_ms = (lease.alive_until_ns - now_ns) // 1_000_000
            raise Violation(NAME, f"{lease} is gone {left_ms} ms too early")

    def _changed(self, change: Change) -> None:
        if change.new is not None or not change.key.startswith(PREFIX):
            return
        lease = self._lease_of[change.key]
        if lease.revoked:
            self.revoked += 1
            return
        if change.at_ns < lease.alive_until_ns:
            left_ms = (lease.alive_until_ns - change.at_ns) // 1_000_000
            raise Violation(NAME, f"{change.key!r} went {left_ms} ms before {lease} is over")
        self.expired += 1

    def missing(self) -> list[str]:
        """Keys that are still there although nobody keeps any lease."""
        left = [key for key in self._history.objects if key.startswith(PREFIX)]
        return [f"{key.decode()} is still there and its lease is not" for key in left]
