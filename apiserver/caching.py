"""How watch caches are kept, and how often open watches hear of their progress."""

from dataclasses import dataclass
from typing import Final

from apiserver.keys import CacheIndex

PIECE_BYTES: Final = 4 << 20
"""Bytes of an initial state sent in one step, and of one body."""


@dataclass(frozen=True, slots=True)
class Caching:
    """Knobs of the watch cache."""

    index: CacheIndex = "btree"
    bookmark_ns: int = 60 * 10**9
    """Source: kube-apiserver's bookmark frequency (pkg/storage/cacher/cacher.go, about a
    minute)."""
    piece_bytes: int = PIECE_BYTES
    """Of an initial state, sent in one step."""
    encode_once: bool = True
    """Or an event is encoded for each of its watchers, as before Kubernetes 1.17.
    Source: keps/sig-api-machinery/1152-less-object-serializations."""
    consistent_lists: bool = True
    """Or a list of the most recent state reads all of a resource from the store, as before
    Kubernetes 1.31. Source: keps/sig-api-machinery/2340-Consistent-reads-from-cache."""


DEFAULT_CACHING: Final = Caching()
