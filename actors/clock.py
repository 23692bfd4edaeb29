"""The one place where a program reads the time, and the policy of its garbage collector."""

import gc
import time
from typing import Final

GC_THRESHOLDS: Final = (10_000, 100, 50)
"""Young objects between collections, and generations per generation. With Python's own (700, 10,
10) a process that holds 100,000 records spends several percent of its time walking them. A young
collection walks what it is named for: 5 ms of pause for 10,000, 25 for 50,000."""
TABLE_GC_THRESHOLDS: Final = (10_000, 10, 2**31 - 1)
"""Of a process that is one growing table: what is old is never walked. With a million keys that
takes a quarter of a second."""


class WallClock:
    """Wall time in int nanoseconds that never runs backwards within this process."""

    __slots__ = ("_last_ns",)

    def __init__(self) -> None:
        self._last_ns = 0

    def __call__(self) -> int:
        now = time.time_ns()
        if now > self._last_ns:
            self._last_ns = now
        return self._last_ns


def settle_gc() -> None:
    """Call once, after a program has loaded what it keeps: what is alive now is taken out of every
    later collection, and collections become rarer. Cost: one full collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def settle_table_gc() -> None:
    """The same for a process that hosts store shards and nothing else, all of whose objects are
    freed by their count of references: a shard, its port and its connections make no cycles."""
    settle_gc()
    gc.set_threshold(*TABLE_GC_THRESHOLDS)


def pass_young() -> None:
    """What was made since the last time is young no more. For whoever replaces as much as he makes:
    Python counts the difference, and would let the young become so many that to walk them is a
    pause. Free in a process of one table, where they are taken out of every collection; elsewhere
    they are walked, 0.5 µs for each."""
    if gc.get_threshold() == TABLE_GC_THRESHOLDS:
        gc.freeze()
    else:
        gc.collect(0)
