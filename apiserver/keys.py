"""The two ways in which a watch cache finds the keys of a list, as kube-apiserver has had them.

``btree``: keys lie in order, so a page costs what it returns. ``hash``: keys lie as they came, so a
write costs nothing and each list looks at every key and sorts what it wants. Both give the same.

Source: pkg/storage/cacher/store (orderedLister, sortableStoreElements) of the apiserver library and
the feature gate BtreeWatchCache.
"""

from collections.abc import Iterator
from typing import Literal

from api.sorted_keys import SortedKeys

CacheIndex = Literal["btree", "hash"]


class HashedKeys:
    """Distinct byte strings without an order of their own."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """A key that is there already stays once."""
        self._keys[key] = None

    def remove(self, key: bytes) -> None:
        """Raises KeyError where the key is not there."""
        del self._keys[key]

    def pieces(self, start: bytes, end: bytes) -> Iterator[list[bytes]]:
        """All keys in [start, end), in order, as one list. Cost: a look at every key."""
        yield sorted(key for key in self._keys if start <= key < end)

    def count(self, start: bytes, end: bytes) -> int:
        """Of keys from ``start`` on and before ``end``: looks at every key."""
        return sum(start <= key < end for key in self._keys)

    def check(self) -> None:
        """Nothing can be out of order."""


Keys = SortedKeys | HashedKeys


def keys_for(index: CacheIndex) -> Keys:
    """An empty collection."""
    return HashedKeys() if index == "hash" else SortedKeys()
