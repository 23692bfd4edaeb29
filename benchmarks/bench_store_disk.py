"""What the disk alone makes a log wait for and cost: the control of the store's benches.

    python -m benchmarks.bench_store_disk [--seconds 5] [--megabytes 1000]

A process that does nothing else appends to a log as a shard does (room behind the records, one
fdatasync for each group): single records of 1,115 bytes and groups of 100, undisturbed and beside
another process that copies so many megabytes in the pieces of a snapshot. No store can answer a
write sooner, or for less CPU.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from actors.disk.room import Room
from actors.disk.snapshot_file import write_all
from store.snapshots import CHUNK_BYTES

RECORD_BYTES = 1115
"""A put of a key of 48 bytes with a value of 1,024, in the log."""
GROUP = 100
LOG_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Waits:
    """Of one writer: appends with their syncs, seconds each, and CPU of the process in all."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float
    cpu_s: float


def log_alone(directory: Path, size: int, seconds: float, copied: int = 0) -> Waits:
    """Append ``size`` bytes again and again for ``seconds``; with ``copied`` bytes to copy beside
    it, until they are."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    copier = context.Process(target=_copy, args=(str(directory / "copy"), copied))
    if copied:
        copier.start()
    writer = context.Process(
        target=_append, args=(theirs, str(directory / "bare"), size, 0.0 if copied else seconds)
    )
    writer.start()
    if copied:
        copier.join()
        ours.send("enough")
    waits: Waits = ours.recv()
    writer.join()
    return waits


def _append(pipe: Connection, path: str, size: int, seconds: float) -> None:
    """For ``seconds``, or, if that is 0, until told."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    room, at, data = Room(0), 0, os.urandom(size)
    waits: list[float] = []
    clock = time.perf_counter
    used = resource.getrusage(resource.RUSAGE_SELF)
    begun = last = clock()
    while not (pipe.poll() if not seconds else last - begun >= seconds):
        room.write(file, data, at, True)
        os.fdatasync(file)
        at += size
        if at > LOG_BYTES:
            room.cut(file, 0)
            at = 0
        now = clock()
        waits.append(now - last)
        last = now
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    os.close(file)
    Path(path).unlink()
    waits.sort()
    count = len(waits)
    pipe.send(Waits(count, waits[count // 2], waits[count * 99 // 100], waits[-1], cpu_s))


def _copy(path: str, size: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DSYNC | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    piece = os.urandom(CHUNK_BYTES)
    for _ in range(0, size, len(piece)):
        write_all(file, piece)
    os.close(file)
    Path(path).unlink()


def show(name: str, waits: Waits) -> None:
    print(
        f"{name:<32}{waits.count:>8,}{waits.p50_s * 1e3:>9.2f}{waits.p99_s * 1e3:>9.2f}"
        f"{waits.max_s * 1e3:>9.1f}{waits.cpu_s / waits.count * 1e6:>10.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=int, default=1000)
    chosen = parser.parse_args()
    head = f"{'a log and no store':<32}{'syncs':>8}{'p50 ms':>9}{'p99 ms':>9}"
    print(f"{head}{'max ms':>9}{'CPU µs':>10}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        for count in (1, GROUP):
            for copied in (0, chosen.megabytes << 20):
                beside = ", beside a copy" if copied else ""
                waits = log_alone(Path(name), count * RECORD_BYTES, chosen.seconds, copied)
                show(f"{count} a sync{beside}", waits)


if __name__ == "__main__":
    main()
