"""Whether a shard stays as fast and as small a key as it grows, and how long it ever falls silent.

    python -m benchmarks.bench_store_growth [--keys 10000 100000 1000000] [--seconds 5] [--full]

For each number of keys (48 bytes, values of 1,024; fsync) a fresh shard is filled: resident bytes a
key. Then all of them are overwritten in turns, in rounds of 100, five times: the best rate, the
least server CPU a put, as whatever else the machine does can only add, to a turn of each alike.
Rounds, because a put costs less the more share its step: of writers that do not wait for each other
12 to 33 of 100 do on a busy machine, at up to twice the CPU. A size for which memory is not there
is left out, and that is said: keys and values are kept in memory.

Then, with that many keys, the longest time between two acknowledgements to 100 writers:
undisturbed, and while history is compacted and a snapshot of everything is written; in all, and
without what the main thread of server or loader, ready to run, waited for a CPU meanwhile; how long
the same disk makes a bare log wait (bench_store_disk.py); and what of it was the shard's: its
longest step in CPU time, which is all that it has in it, and the longest sync of its log, up to the
next power of two. ``--full``: 5,000,000 keys, too.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.bench_store_disk import log_alone
from benchmarks.bench_store_load import (
    Case,
    FrameLoader,
    Result,
    fill_by_frames,
    key,
    load_by_frames,
)
from benchmarks.bench_store_servers import LONGEST_STEP, LONGEST_SYNC, Shards, resident_bytes

FLAT = 1.25
BYTES_A_KEY_MAX = 2_000
"""What a key is taken to need before it is measured, with room for what overwrites it."""
SILENCE_S_MAX = 0.05
RETAIN_S = 2.0
IN_FLIGHT = 100
VALUE = bytes(1024)
KEPT_S = 86400.0
TURNS = 5


@dataclass(slots=True)
class Grown:
    """A shard with so many keys."""

    server: Shards
    keys: int
    bytes_a_key: float = 0.0
    """Resident, less those of the empty server."""
    overwrites: list[Result] = field(default_factory=list)

    def fill(self) -> None:
        self.server.start()
        empty = resident_bytes(self.server.pids)
        fill_by_frames(self.server, self.keys, len(VALUE))
        self.bytes_a_key = (resident_bytes(self.server.pids) - empty) / self.keys

    def overwrite(self, seconds: float) -> None:
        case = Case("put", "put", IN_FLIGHT, 1, keys=self.keys, together=True)
        self.overwrites.append(load_by_frames(self.server, case, seconds, 0))

    @property
    def put_us(self) -> float:
        return min(result.server_us for result in self.overwrites)

    @property
    def rate(self) -> float:
        return max(result.count / result.seconds for result in self.overwrites)

    def __str__(self) -> str:
        p99_ms = min(result.p99_s for result in self.overwrites) * 1e3
        row = f"{self.keys:>10,}{self.bytes_a_key:>13,.0f}{self.rate:>9,.0f}"
        return f"{row}{self.put_us:>11.1f}{p99_ms:>8.1f}"


def grown(directory: Path, sizes: Sequence[int], seconds: float) -> list[Grown]:
    """Shards of these sizes, those that fit into memory, overwritten in turns. History is kept,
    however long the fill takes: compaction is measured on its own."""
    found: list[Grown] = []
    try:
        for keys in sizes:
            free = available_bytes()
            if keys * BYTES_A_KEY_MAX > free:
                print(f"{keys:>10,}  SKIPPED: {free / 1e9:.1f} GB of memory are free", flush=True)
                continue
            server = Shards(directory / f"grown-{keys}", "fsync", retain_s=KEPT_S)
            found.append(Grown(server, keys))
            found[-1].fill()
        for _ in range(TURNS):
            for one in found:
                one.overwrite(seconds / TURNS)
    finally:
        for one in found:
            one.server.stop()
    return found


def available_bytes() -> int:
    """What programs can still take without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/meminfo has no MemAvailable")


@dataclass(frozen=True, slots=True)
class Silence:
    """Longest times between two acknowledgements, seconds."""

    in_all_s: float
    own_s: float
    """Without what the server or the loader, whichever is more, waited for a CPU."""
    took_s: float
    longest_step_s: float
    """Of the server, in CPU time."""
    longest_sync_s: float
    """Of the server's log: no sync took longer."""

    def __str__(self) -> str:
        return (
            f"{self.in_all_s * 1e3:.0f} ms ({self.own_s * 1e3:.0f} without waits for a CPU, longest"
            f" step {self.longest_step_s * 1e3:.0f}, a sync up to {self.longest_sync_s * 1e3:.0f})"
        )


class CpuWaits:
    """How long the main threads of processes that were ready to run have waited for a CPU.

    Source: Linux Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._files = [os.open(f"/proc/{pid}/schedstat", os.O_RDONLY) for pid in pids]
        self._before = self._waited_ns()

    def _waited_ns(self) -> list[int]:
        return [int(os.pread(file, 64, 0).split()[1]) for file in self._files]

    def since_last_s(self) -> float:
        """The longest of them since the last time."""
        before, self._before = self._before, self._waited_ns()
        pairs = zip(self._before, before, strict=True)
        return max([after - earlier for after, earlier in pairs]) / 1e9

    def close(self) -> None:
        for file in self._files:
            os.close(file)


def longest_silences(directory: Path, keys: int, seconds: float) -> tuple[Silence, Silence]:
    """Undisturbed, then until a snapshot is written and what it covers is gone."""
    quiet = Shards(directory / "silence", "fsync", retain_s=KEPT_S)
    quiet.start()
    fill_by_frames(quiet, keys, len(VALUE))
    undisturbed = uvloop.run(_silence(quiet, keys, lambda elapsed, _: elapsed >= seconds))
    quiet.stop()
    server = Shards(directory / "silence", "fsync", retain_s=RETAIN_S)
    server.start()
    log_bytes = server.gauges()["log_bytes"]

    def written(elapsed: float, gauges: dict[str, float]) -> bool:
        done = gauges["log_bytes"] < log_bytes / 2 and gauges["changes_kept"] < keys / 2
        return (done and elapsed >= seconds) or elapsed > 300

    disturbed = uvloop.run(_silence(server, keys, written))
    server.stop()
    return undisturbed, disturbed


async def _silence(server: Shards, keys: int, enough: Any) -> Silence:
    """Overwrite keys until it is enough."""
    loader = FrameLoader(server, 10)
    await loader.connect()
    loop = asyncio.get_running_loop()
    waits = CpuWaits([os.getpid(), *server.pids])
    longest = own = 0.0
    begun = last = time.perf_counter()
    number = 0
    running = True

    async def lane() -> None:
        nonlocal longest, own, last, number
        while running:
            number += 1
            reply = await loader.ask(("put", key(number * 7919 % keys), b"", VALUE, -1, 0))
            assert reply[0] == 0, reply
            now = time.perf_counter()
            longest = max(longest, now - last)
            own = max(own, now - last - waits.since_last_s())
            last = now

    lanes = [loop.create_task(lane()) for _ in range(IN_FLIGHT)]
    while not enough(time.perf_counter() - begun, await loop.run_in_executor(None, server.gauges)):
        await asyncio.sleep(0.1)
    running = False
    await asyncio.gather(*lanes)
    await loader.close()
    waits.close()
    took_s = time.perf_counter() - begun
    gauges = server.gauges()
    return Silence(longest, own, took_s, gauges[LONGEST_STEP], gauges[LONGEST_SYNC])


def show_growth(directory: Path, sizes: Sequence[int], seconds: float) -> None:
    print(f"{'keys':>10}{'bytes a key':>13}{'puts/s':>9}{'server µs':>11}{'p99 ms':>8}")
    found = grown(directory, sizes, seconds)
    print(*found, sep="\n", flush=True)
    columns = {
        # Ten thousand keys are small beside what any process takes.
        "bytes a key": [one.bytes_a_key for one in found[1:] or found],
        "CPU a put": [one.put_us for one in found],
        "puts/s": [one.rate for one in found],
    }
    for name, values in columns.items():
        spread = max(values) / min(values)
        print(
            f"{name}: greatest / smallest {spread:.2f}; flat: {'yes' if spread <= FLAT else 'NO'}"
        )


def show_silence(directory: Path, keys: int, seconds: float) -> None:
    """The bare log goes first and last: what else the machine does comes and goes."""
    copied = keys * len(VALUE)
    before = log_alone(directory, IN_FLIGHT * len(VALUE), seconds, copied)
    undisturbed, disturbed = longest_silences(directory, keys, seconds)
    after = log_alone(directory, IN_FLIGHT * len(VALUE), seconds, copied)
    bare_s = max(before.max_s, after.max_s)
    print(
        f"longest silence with {keys:,} keys and {IN_FLIGHT} writers: undisturbed {undisturbed};"
        f" while compacting and writing a snapshot {disturbed}, in {disturbed.took_s:.1f} s; of a"
        f" bare log beside a copy of as much {bare_s * 1e3:.0f} ms; at most"
        f" {SILENCE_S_MAX * 1e3:.0f} ms while compacting: {_word(disturbed.in_all_s)}, by the"
        f" shard's own steps: {_word(disturbed.longest_step_s)}"
    )


def _word(silence_s: float) -> str:
    return "yes" if silence_s <= SILENCE_S_MAX else "NO"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--silence", action="store_true", help="only the second half")
    chosen = parser.parse_args()
    sizes = [*chosen.keys, *([5_000_000] if chosen.full else [])]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        if not chosen.silence:
            show_growth(directory, sizes, chosen.seconds)
        show_silence(directory, chosen.keys[-1], chosen.seconds)


if __name__ == "__main__":
    main()
