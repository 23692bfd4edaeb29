"""What any Python process pays to answer a request with one synced write: the floor of a put.

    python -m benchmarks.bench_store_floor [--seconds 1] [--rounds 5]

A server on uvloop that decodes nothing and decides nothing: it takes what a put weighs on the wire,
appends and syncs a record as a shard's log does, over zeros that were made beforehand, and answers
with as much as a shard. One client, one request in flight. Beside it the same without the sync, and
a server that is a loop around ``recv``. CPU of the server's process in microseconds, the least of
some rounds in turns: whatever else the machine does can only add.
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from actors.disk.aligned_file import AlignedFile
from actors.disk.room import Room
from benchmarks.bench_store_disk import LOG_BYTES, RECORD_BYTES

ANSWER = bytes(40)
ARMS = ("uvloop, synced", "uvloop, no disk", "recv and send, synced")


class Echo(asyncio.Protocol):
    """Answers whatever came, once it is on the disk."""

    def __init__(self, append: Callable[[], None], gone: asyncio.Future[None]) -> None:
        self._append = append
        self._gone = gone
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._append()
        assert self._transport is not None
        self._transport.write(ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set_result(None)


def put_floor(directory: Path, arm: str, seconds: float) -> float:
    """Server CPU of a request, in s."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, directory / "floor", arm)
    )
    process.start()
    with socket.create_connection(("127.0.0.1", ours.recv())) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert process.pid is not None
        request = bytes(RECORD_BYTES)
        used, count, begun = _on_cpu_s(process.pid), 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            client.sendall(request)
            assert client.recv(len(ANSWER)), "the server is gone"
            count += 1
        used = _on_cpu_s(process.pid) - used
    process.join()
    return used / count


def _on_cpu_s(pid: int) -> float:
    """Of a process with one thread, finer than hundredths of a second. Source: Linux
    Documentation/scheduler/sched-stats.rst."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _serve(pipe: Connection, path: Path, arm: str) -> None:
    with closing(AlignedFile(path)) as zeros:
        zeros.write(bytes(LOG_BYTES))
        zeros.finish()
    file = os.open(path, os.O_WRONLY | os.O_DSYNC | os.O_CLOEXEC)
    room, record, at = Room(LOG_BYTES), bytes(RECORD_BYTES), 0

    def append() -> None:
        nonlocal at
        room.write(file, record, at, True)
        at = at + RECORD_BYTES if at + 2 * RECORD_BYTES < LOG_BYTES else 0

    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        if arm == ARMS[2]:
            _loop(listener, append)
        else:
            uvloop.run(_echo(listener, append if arm == ARMS[0] else _nothing))
    os.close(file)
    path.unlink()


def _loop(listener: socket.socket, append: Callable[[], None]) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(1 << 16):
            append()
            connection.sendall(ANSWER)


async def _echo(listener: socket.socket, append: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    server = await loop.create_server(lambda: Echo(append, gone), sock=listener)
    await gone
    server.close()


def _nothing() -> None:
    """Of a server without a disk."""


def floors(directory: Path, seconds: float, rounds: int) -> dict[str, float]:
    """The least CPU of each arm, in s."""
    found: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for _ in range(rounds):
        for arm in ARMS:
            found[arm].append(put_floor(directory, arm, seconds))
    return {arm: min(costs) for arm, costs in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        for arm, cost_s in floors(Path(name), chosen.seconds, chosen.rounds).items():
            print(f"{arm:<24}{cost_s * 1e6:>8.1f} µs of CPU a request", flush=True)


if __name__ == "__main__":
    main()
