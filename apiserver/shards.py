"""Which shard of the store holds which key, and which shards have to be read together.

``kind``: a resource lives on one shard, so its events need no merging. ``hash``: a key lives on the
shard of its CRC-32, every resource is spread over all shards, and lists and watches are merged.
``namespace``: the same by the CRC-32 of the namespace, so that all of one lies together; what has
none goes by its name, which puts a Namespace to its content.
"""

from functools import lru_cache
from typing import Literal
from zlib import crc32

ShardBy = Literal["kind", "namespace", "hash"]

_FREQUENT = ("events", "coordination.k8s.io/leases")
"""Written all the time by every node, read by few: kept away from pods and workloads."""


class Sharding:
    """The map of keys to shards. ``groups``: sets of shards whose events are merged."""

    __slots__ = ("_by_kind", "_by_namespace", "count", "groups")

    def __init__(self, shard_by: ShardBy, count: int) -> None:
        assert count > 0
        self.count = count
        self._by_kind = shard_by == "kind" or count == 1
        self._by_namespace = shard_by == "namespace"
        self.groups: tuple[tuple[int, ...], ...] = (
            tuple((shard,) for shard in range(count)) if self._by_kind else (tuple(range(count)),)
        )

    def shard_of(self, resource: str, key: bytes) -> int:
        """The shard that holds ``key`` of ``resource``."""
        if self._by_kind:
            return _home(resource, self.count)
        if self._by_namespace:
            # /registry/RESOURCE/NAMESPACE/NAME, or without the namespace.
            key = key[len("/registry/") + len(resource) + 1 :].partition(b"/")[0]
        return crc32(key) % self.count

    def group_of(self, resource: str) -> int:
        """Index into ``groups`` of the shards that may hold keys of ``resource``."""
        return _home(resource, self.count) if self._by_kind else 0


@lru_cache(maxsize=4096)
def _home(resource: str, count: int) -> int:
    """Of ``count`` shards. One: everything there. Two: frequent small writes on the last. Three:
    pods alone on the first. Four and more: leases and events apart, the rest spread by name."""
    last = count - 1
    if last == 0:
        return 0
    if resource in _FREQUENT:
        return last if count < 4 or resource == "events" else last - 1
    if resource == "pods" or count == 2:
        return 0
    middle = max(1, count - (2 if count < 4 else 3))
    return 1 + crc32(resource.encode()) % middle
