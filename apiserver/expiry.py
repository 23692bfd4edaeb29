"""Objects that do not live for good: events hang on leases of the store, which deletes them with
their lease.

Many events share a lease, so leases are few. Its number is chosen here and its grant goes to the
shard ahead of the writes that name it, so only the first of them waits for it.

Source: --event-ttl of kube-apiserver, 1 h; apiserver/pkg/storage/etcd3/lease_manager.go: a lease is
shared for a minute by 1,000 objects at most, and lives a minute longer.
"""

from typing import Final

from api.kinds import Kind
from api.streams import Stream

TTL_S: Final = {"events": 3600}
"""How long an object of a kind is kept after its last write."""
SHARED_S: Final = 60
SHARERS_MAX: Final = 1000
SECOND_NS: Final = 10**9


class _Lease:
    __slots__ = ("number", "sharers", "until_ns")

    def __init__(self, number: int, until_ns: int) -> None:
        self.number = number
        self.sharers = 0
        self.until_ns = until_ns


class Leases:
    """The lease of each kind and shard that is being shared."""

    __slots__ = ("_numbers", "_shared")

    def __init__(self, numbers: Stream) -> None:
        self._numbers = numbers
        self._shared: dict[tuple[str, int], _Lease] = {}

    def take(self, kind: Kind, shard: int, now_ns: int) -> tuple[int, int]:
        """The lease for one more write, and the seconds to grant it for if it is new, else 0."""
        lease = self._shared.get((kind.key, shard))
        granted_s = 0
        if lease is None or now_ns >= lease.until_ns or lease.sharers >= SHARERS_MAX:
            # The upper half of the positive int64: the store names its own after revisions.
            number = 1 << 62 | self._numbers.next_u64() >> 2
            lease = self._shared[kind.key, shard] = _Lease(number, now_ns + SHARED_S * SECOND_NS)
            granted_s = TTL_S[kind.key] + SHARED_S
        lease.sharers += 1
        return lease.number, granted_s

    def forget(self, kind: Kind, shard: int, number: int) -> None:
        """The shard does not know this lease: the next write takes another."""
        lease = self._shared.get((kind.key, shard))
        if lease is not None and lease.number == number:
            del self._shared[kind.key, shard]
