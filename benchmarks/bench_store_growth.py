"""Whether a shard stays as fast and as small a key as it grows, and how long it ever falls silent.

    python -m benchmarks.bench_store_growth [--keys 10000 100000 1000000] [--seconds 2] [--full]

For each number of keys (48 bytes, values of 1,024; fsync) a fresh shard is filled: resident bytes a
key, then overwrites in rounds of 100, five times: the best rate, the least server CPU a put, as
whatever else the machine does can only add. Rounds, because a put costs less the more share its
step: of writers that do not wait for each other 12 to 33 of 100 do on a busy machine, at up to
twice the CPU. Then, with that many keys, the longest time between two acknowledgements to 100
writers: undisturbed, and while history is compacted and a snapshot of everything is written; and
how long the same disk makes a bare log wait (bench_store_disk.py). ``--full``: 5,000,000 keys, too.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
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
from benchmarks.bench_store_servers import Shards, resident_bytes

FLAT = 1.25
SILENCE_S_MAX = 0.05
RETAIN_S = 2.0
IN_FLIGHT = 100
VALUE = bytes(1024)
KEPT_S = 86400.0
TURNS = 5


def grown(directory: Path, keys: int, seconds: float) -> tuple[float, list[Result]]:
    """Resident bytes a key, and the overwrites. History is kept, however long the fill takes:
    compaction is measured on its own."""
    server = Shards(directory / f"grown-{keys}", "fsync", retain_s=KEPT_S)
    server.start()
    empty = resident_bytes(server.pids)
    fill_by_frames(server, keys, len(VALUE))
    each = (resident_bytes(server.pids) - empty) / keys
    case = Case("put", "put", IN_FLIGHT, 1, keys=keys, together=True)
    results = [load_by_frames(server, case, seconds / TURNS, 0) for _ in range(TURNS)]
    server.stop()
    return each, results


def longest_silences(directory: Path, keys: int, seconds: float) -> tuple[float, float, float]:
    """Longest seconds between acknowledgements: undisturbed, then until a snapshot is written and
    what it covers is gone; and how long that took."""
    quiet = Shards(directory / "silence", "fsync", retain_s=KEPT_S)
    quiet.start()
    fill_by_frames(quiet, keys, len(VALUE))
    undisturbed = uvloop.run(_silence(quiet, keys, lambda elapsed, _: elapsed >= seconds))[0]
    quiet.stop()
    server = Shards(directory / "silence", "fsync", retain_s=RETAIN_S)
    server.start()
    log_bytes = server.gauges()["log_bytes"]

    def written(elapsed: float, gauges: dict[str, float]) -> bool:
        done = gauges["log_bytes"] < log_bytes / 2 and gauges["changes_kept"] < keys / 2
        return (done and elapsed >= seconds) or elapsed > 300

    disturbed, took = uvloop.run(_silence(server, keys, written))
    server.stop()
    return undisturbed, disturbed, took


async def _silence(server: Shards, keys: int, enough: Any) -> tuple[float, float]:
    """Overwrite keys until it is enough; the longest silence, and how long it took."""
    loader = FrameLoader(server, 10)
    await loader.connect()
    loop = asyncio.get_running_loop()
    longest = 0.0
    begun = last = time.perf_counter()
    number = 0
    running = True

    async def lane() -> None:
        nonlocal longest, last, number
        while running:
            number += 1
            reply = await loader.ask(("put", key(number * 7919 % keys), b"", VALUE, -1, 0))
            assert reply[0] == 0, reply
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now

    lanes = [loop.create_task(lane()) for _ in range(IN_FLIGHT)]
    while not enough(time.perf_counter() - begun, await loop.run_in_executor(None, server.gauges)):
        await asyncio.sleep(0.1)
    running = False
    await asyncio.gather(*lanes)
    await loader.close()
    return longest, time.perf_counter() - begun


def show_growth(directory: Path, sizes: Sequence[int], seconds: float) -> None:
    print(f"{'keys':>10}{'bytes a key':>13}{'puts/s':>9}{'server µs':>11}{'p99 ms':>8}")
    costs: list[tuple[float, float, float]] = []
    for keys in sizes:
        each, results = grown(directory, keys, seconds)
        put_us = min(result.server_us for result in results)
        rate = max(result.count / result.seconds for result in results)
        p99_ms = min(result.p99_s for result in results) * 1e3
        costs.append((each, put_us, rate))
        print(f"{keys:>10,}{each:>13,.0f}{rate:>9,.0f}{put_us:>11.1f}{p99_ms:>8.1f}", flush=True)
    for name, column in (("bytes a key", 0), ("CPU a put", 1), ("puts/s", 2)):
        # Ten thousand keys are small beside what any process takes.
        values = [cost[column] for cost in costs if column or cost is not costs[0]]
        spread = max(values) / min(values)
        print(
            f"{name}: greatest / smallest {spread:.2f}; flat: {'yes' if spread <= FLAT else 'NO'}"
        )


def show_silence(directory: Path, keys: int, seconds: float) -> None:
    """The bare log goes first and last: what else the machine does comes and goes."""
    copied = keys * len(VALUE)
    before = log_alone(directory, IN_FLIGHT * len(VALUE), seconds, copied)
    undisturbed, disturbed, took = longest_silences(directory, keys, seconds)
    after = log_alone(directory, IN_FLIGHT * len(VALUE), seconds, copied)
    bare_s = max(before.max_s, after.max_s)
    held = disturbed <= max(SILENCE_S_MAX, undisturbed, bare_s)
    wanted = f"at most {SILENCE_S_MAX * 1e3:.0f}, or as one of the other two"
    print(
        f"longest silence with {keys:,} keys and {IN_FLIGHT} writers: undisturbed"
        f" {undisturbed * 1e3:.0f} ms; while compacting and writing a snapshot"
        f" {disturbed * 1e3:.0f} ms, in {took:.1f} s; of a bare log beside a copy of as much"
        f" {bare_s * 1e3:.0f} ms; {wanted}: {'yes' if held else 'NO'}"
    )


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
