"""What the disk alone makes a log wait for and cost: the control of the store's benches.

    python -m benchmarks.bench_store_disk [--seconds 5] [--megabytes 1000]

A process that does nothing else appends to a log as a shard does: single records of 1,115 bytes and
groups of 100, undisturbed and beside another process that copies so many megabytes in the pieces of
a snapshot. First with room that is made on the way, as in a shard's first log file, then over zeros
that were made beforehand, as in the later ones. No store can answer a write sooner, or with less
CPU.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from actors.disk.aligned_file import AlignedFile
from actors.disk.room import Room
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


def log_alone(
    directory: Path, size: int, seconds: float, copied: int = 0, made: bool = True
) -> Waits:
    """Append ``size`` bytes again and again for ``seconds``; with ``copied`` bytes to copy beside
    it, until they are. ``made``: over zeros that were made beforehand."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    copier = context.Process(target=_copy, args=(str(directory / "copy"), copied))
    writer = context.Process(
        target=_append, args=(theirs, directory, size, 0.0 if copied else seconds, made)
    )
    writer.start()
    ours.recv()
    if copied:
        copier.start()
        copier.join()
        ours.send("enough")
    waits: Waits = ours.recv()
    writer.join()
    return waits


def _append(pipe: Connection, directory: Path, size: int, seconds: float, made: bool) -> None:
    """For ``seconds``, or, if that is 0, until told."""
    path = directory / "bare"
    path.unlink(missing_ok=True)
    room_bytes = LOG_BYTES + size if made else 0
    if made:
        with closing(AlignedFile(path)) as zeros:
            zeros.write(bytes(room_bytes))
            zeros.finish()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC | os.O_CLOEXEC, 0o600)
    room, at, data = Room(room_bytes), 0, os.urandom(size)
    pipe.send("ready")
    waits: list[float] = []
    clock = time.perf_counter
    used = resource.getrusage(resource.RUSAGE_SELF)
    begun = last = clock()
    while not (pipe.poll() if not seconds else last - begun >= seconds):
        room.write(file, data, at, True)
        at += size
        if at > LOG_BYTES:
            if not made:
                room.cut(file, 0)
            at = 0
        now = clock()
        waits.append(now - last)
        last = now
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    os.close(file)
    path.unlink()
    waits.sort()
    count = len(waits)
    pipe.send(Waits(count, waits[count // 2], waits[count * 99 // 100], waits[-1], cpu_s))


def _copy(path: str, size: int) -> None:
    file = AlignedFile(Path(path))
    piece = os.urandom(CHUNK_BYTES)
    for _ in range(0, size, len(piece)):
        file.write(piece)
    file.finish()
    Path(path).unlink()


def show(name: str, waits: Waits) -> None:
    print(
        f"{name:<48}{waits.count:>8,}{waits.p50_s * 1e3:>9.2f}{waits.p99_s * 1e3:>9.2f}"
        f"{waits.max_s * 1e3:>9.1f}{waits.cpu_s / waits.count * 1e6:>10.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=int, default=1000)
    chosen = parser.parse_args()
    head = f"{'a log and no store':<48}{'syncs':>8}{'p50 ms':>9}{'p99 ms':>9}"
    print(f"{head}{'max ms':>9}{'CPU µs':>10}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        for count in (1, GROUP):
            for copied in (0, chosen.megabytes << 20):
                beside = ", beside a copy" if copied else ""
                for made in (False, True):
                    size = count * RECORD_BYTES
                    waits = log_alone(Path(name), size, chosen.seconds, copied, made)
                    how = ", over zeros" if made else ", room on the way"
                    show(f"{count} a sync{how}{beside}", waits)


if __name__ == "__main__":
    main()
