"""How long a shard's thread is ever busy with one turn: what a write may have to wait for.

    python -m benchmarks.bench_store_turns [--keys 100000 1000000]

A shard in this process, without clients or a port, on a log that is not synced: so neither other
programs nor the disk are in the figures. 100 writes of 1,024 bytes are in flight. Turns are
measured in CPU time of the thread, with what the garbage collector takes: while all keys are put;
while all are overwritten; while history of 2 s is compacted and a snapshot is written. Beside it
the longest gap between two acknowledgements in wall time, which a busy machine and the other
threads of this process lengthen.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from actors.clock import settle_table_gc
from actors.shard import Shard, open_shard
from benchmarks.bench_store_load import key
from store.core import StoreSettings

IN_FLIGHT = 100
VALUE_BYTES = 1024
RETAIN_NS = 2_000_000_000
TURN_S_MAX = 0.05
STRIDE = 7919


@dataclass(slots=True)
class Longest:
    """Of one phase: the longest turn in CPU time and the longest gap in wall time, seconds."""

    turn_s: float = 0.0
    gap_s: float = 0.0
    writes: int = 0


class Writer:
    """Keeps writes in flight at a shard, in calls of one, and looks at the clocks in each turn."""

    def __init__(self, shard: Shard, keys: int) -> None:
        self._shard = shard
        self._keys = keys
        self._number = 0
        self._answered = 0

    async def until(self, enough: Callable[[int], bool]) -> Longest:
        """Write until ``enough(writes)``."""
        found = Longest()
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        cpu, wall = time.thread_time(), time.perf_counter()
        self._answered = 0

        def turn() -> None:
            nonlocal cpu, wall
            now = time.thread_time()
            found.turn_s = max(found.turn_s, now - cpu)
            cpu = now
            answered, self._answered = self._answered, 0
            if answered:
                now = time.perf_counter()
                found.gap_s = max(found.gap_s, now - wall)
                wall = now
                found.writes += answered
                if enough(found.writes):
                    done.set_result(None)
                    return
                self._write(answered)
            loop.call_soon(turn)

        self._write(IN_FLIGHT)
        loop.call_soon(turn)
        await done
        return found

    def _write(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            value = b"%0*d" % (VALUE_BYTES, self._number)
            place = key(self._number * STRIDE % self._keys)
            self._shard.call((("put", place, b"", value, -1, 0),), self._took)

    def _took(self, replies: Sequence[Any]) -> None:
        assert replies[0][0] == 0, replies
        self._answered += 1


async def measure(path: Path, keys: int) -> None:
    """Print a line for each phase as it ends."""
    assert keys % STRIDE
    shard = await open_shard(str(path), StoreSettings(0, "buffered", retain_ns=0))
    settle_table_gc()
    writer = Writer(shard, keys)
    show(keys, "new keys", await writer.until(lambda writes: writes >= keys))
    show(keys, "overwritten", await writer.until(lambda writes: writes >= keys))
    await shard.stop()
    shard = await open_shard(str(path), StoreSettings(0, "buffered", retain_ns=RETAIN_NS))
    settle_table_gc()
    begun = shard.revision

    def compacted(writes: int) -> bool:
        """A snapshot is written of a state in which every version from before is replaced."""
        return writes >= keys and shard.core.snapshots.written_revision > begun

    writer = Writer(shard, keys)
    show(keys, "compacted, snapshot", await writer.until(compacted))
    await shard.stop()


def show(keys: int, phase: str, longest: Longest) -> None:
    held = "" if longest.turn_s <= TURN_S_MAX else f"  NO: over {TURN_S_MAX * 1e3:.0f}"
    print(
        f"{keys:>10,}  {phase:<22}{longest.writes:>10,}{longest.turn_s * 1e3:>22.1f}"
        f"{longest.gap_s * 1e3:>9.1f}{held}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100_000, 1_000_000])
    chosen = parser.parse_args()
    print(
        f"{'keys':>10}  {'while':<22}{'writes':>10}{'longest turn, CPU ms':>22}{'gap ms':>9}",
        flush=True,
    )
    for keys in chosen.keys:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            uvloop.run(measure(Path(name), keys))


if __name__ == "__main__":
    main()
