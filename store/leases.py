"""Leases: keys that disappear together when nobody keeps their lease alive.

Grants and revocations are in the log; keepalives are not, so after a recovery every lease has its
whole time again, as in etcd.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush

NS_PER_S = 1_000_000_000
TTL_S_MAX = 9_000_000_000
"""Source: etcd server/lease/lessor.go, MaxLeaseTTL."""
ADOPTED_TTL_S = 0
"""TTL of a lease that another shard keeps: it never expires here, only by that shard's word."""


@dataclass(slots=True)
class Lease:
    """A lease that was granted and has not run out; ``deadline_ns`` by the clock of this shard."""

    ttl_s: int
    deadline_ns: int
    keys: dict[bytes, None] = field(default_factory=dict)
    """Attached keys in order of attachment."""
    revoking: bool = False


class Leases:
    """The granted leases of a shard and the heap of their deadlines."""

    __slots__ = ("_deadlines", "granted")

    def __init__(self) -> None:
        self.granted: dict[int, Lease] = {}
        self._deadlines: list[tuple[int, int]] = []
        """(time ns, lease). A kept-alive lease has an entry that is too early: it is put back."""

    def grant(self, lease: int, ttl_s: int, now_ns: int) -> None:
        deadline_ns = now_ns + ttl_s * NS_PER_S
        self.granted[lease] = Lease(ttl_s, deadline_ns)
        if ttl_s != ADOPTED_TTL_S:
            heappush(self._deadlines, (deadline_ns, lease))

    def keep_alive(self, lease: int, now_ns: int) -> int | None:
        """The lease's whole time in seconds, counted from now; None when there is none."""
        held = self.granted.get(lease)
        if held is None or held.revoking:
            return None
        held.deadline_ns = now_ns + held.ttl_s * NS_PER_S
        return held.ttl_s

    def forget(self, lease: int) -> None:
        self.granted.pop(lease, None)

    def attach(self, key: bytes, before: int, after: int) -> None:
        """A key moved from one lease to another (0: none). A lease that is gone is passed over:
        in a recovery its keys are deleted by a later record."""
        if before == after:
            return
        if before in self.granted:
            self.granted[before].keys.pop(key, None)
        if after in self.granted:
            self.granted[after].keys[key] = None

    def remaining_s(self, lease: int, now_ns: int) -> int:
        """Whole seconds that a granted lease has left, negative when it should be gone.
        Source: etcd server/etcdserver/v3_server.go, LeaseTimeToLive cuts the fraction."""
        return int((self.granted[lease].deadline_ns - now_ns) / NS_PER_S)

    def expired(self, now_ns: int, limit: int) -> list[int]:
        """Up to ``limit`` leases whose time is over; each is named once."""
        due: list[int] = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_ns and len(due) < limit:
            _, lease = heappop(deadlines)
            held = self.granted.get(lease)
            if held is None or held.revoking:
                continue
            if held.deadline_ns > now_ns:
                heappush(deadlines, (held.deadline_ns, lease))
                continue
            held.revoking = True
            due.append(lease)
        return due

    def retry(self, lease: int, at_ns: int) -> None:
        """The revocation was not written: the lease lives on and is due again at ``at_ns``."""
        held = self.granted.get(lease)
        if held is not None:
            held.revoking = False
            held.deadline_ns = max(held.deadline_ns, at_ns)
            heappush(self._deadlines, (held.deadline_ns, lease))

    def restart(self, now_ns: int) -> None:
        """Count the time of every lease from now, as after a recovery."""
        self._deadlines = []
        for lease, held in self.granted.items():
            held.deadline_ns = now_ns + held.ttl_s * NS_PER_S
            if held.ttl_s != ADOPTED_TTL_S:
                heappush(self._deadlines, (held.deadline_ns, lease))

    def next_deadline_ns(self) -> int | None:
        return self._deadlines[0][0] if self._deadlines else None
