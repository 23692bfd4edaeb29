"""How watch caches are kept, and how often open watches hear of their progress."""

from dataclasses import dataclass
from typing import Final

from apiserver.keys import CacheIndex


@dataclass(frozen=True, slots=True)
class Caching:
    """Knobs of the watch cache."""

    index: CacheIndex = "btree"
    bookmark_ns: int = 60 * 10**9
    """Source: kube-apiserver's bookmark frequency (pkg/storage/cacher/cacher.go, about a
    minute)."""


DEFAULT_CACHING: Final = Caching()
