"""What one shard of the store costs: the program in its own process, the loader in another.

    python benchmarks/bench_store.py [--durability fsync buffered none] [--seconds 3]

Key 48 bytes, value 1,024 bytes. A row is one kind of request with so many in flight, each in a
frame of its own: rate, latency as the loader saw it, CPU of the store and of the loader a request.
"""

import argparse
import asyncio
import gc
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actors.clock import settle_gc
from actors.net import FrameClient
from actors.plan import Durability, Security, StoreConfig
from actors.store import start

SECURITY = Security("bench", "bench-token", "")
VALUE = bytes(1024)
HEADER = bytes(40)
CONNECTIONS = 4
Request = tuple[object, ...]


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def serve(pipe: Connection, directory: str, durability: Durability) -> None:
    """The process of the store: answers "cpu" until told to stop."""

    async def unused(name: str) -> str:
        raise AssertionError(name)

    async def main() -> None:
        config = StoreConfig(0, directory, SECURITY, durability)
        store = await start(config, unused)
        settle_gc()
        pipe.send(store.address)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv) == "cpu":
            pipe.send((cpu_s(), store.gauges()))
        await store.stop()

    uvloop.run(main())


class Loader:
    """Sends one request a frame over a few connections and measures."""

    def __init__(self, address: str, pipe: Connection) -> None:
        self._pipe = pipe

        async def resolve(name: str) -> str:
            return address

        self._clients = [
            FrameClient("store-0", SECURITY, resolve, f"bench-{n}") for n in range(CONNECTIONS)
        ]

    def store_cpu(self) -> tuple[float, dict[str, float]]:
        self._pipe.send("cpu")
        answer: tuple[float, dict[str, float]] = self._pipe.recv()
        return answer

    async def load(self, requests: Sequence[Request]) -> None:
        """One call with many requests."""
        replies = await self._clients[0].call(("store", requests), timeout_s=60)
        assert all(reply[0] == 0 for reply in replies)

    async def measure(
        self, name: str, in_flight: int, seconds: float, request: Callable[[int], Request]
    ) -> None:
        latencies: list[float] = []
        number = 0
        clients = self._clients
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        open_calls = 0
        clock = time.perf_counter

        def send() -> None:
            nonlocal number, open_calls
            number += 1
            open_calls += 1
            begun = clock()
            future = clients[number % CONNECTIONS].send(("store", [request(number)]))
            future.add_done_callback(lambda future: finish(future, begun))

        def finish(future: asyncio.Future[Any], begun: float) -> None:
            nonlocal open_calls
            assert future.result()[0][0] == 0, future.result()
            open_calls -= 1
            now = clock()
            latencies.append(now - begun)
            if now < deadline:
                send()
            elif not open_calls:
                done.set_result(None)

        store_before, gauges_before = self.store_cpu()
        own_before, begun = cpu_s(), clock()
        deadline = begun + seconds
        for _ in range(in_flight):
            send()
        await done
        elapsed, own = clock() - begun, cpu_s() - own_before
        store_after, gauges = self.store_cpu()
        latencies.sort()
        count = len(latencies)
        syncs = gauges["fsyncs"] - gauges_before["fsyncs"]
        print(
            f"{name:<22}{in_flight:>6}{count / elapsed:>10,.0f}/s"
            f"{latencies[count // 2] * 1e3:>9.2f}{latencies[count * 99 // 100] * 1e3:>9.2f} ms"
            f"{(store_after - store_before) / count * 1e6:>9.1f}{own / count * 1e6:>9.1f} µs"
            f"{count / syncs if syncs > 1 else 0:>8.0f}",
            flush=True,
        )

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def key(number: int) -> bytes:
    return b"/registry/pods/bench/%027d" % number


def put(number: int) -> Request:
    return ("put", key(number % 50_000), HEADER, VALUE, -1, 0)


async def rows(loader: Loader, durability: str, seconds: float) -> None:
    created = 1_000_000

    def create(number: int) -> Request:
        nonlocal created
        created += 1
        return ("put", key(created), HEADER, VALUE, 0, 0)

    for first in range(1, 50_001, 1000):
        await loader.load([put(number) for number in range(first, first + 1000)])
    for in_flight in (1, 100, 1000):
        await loader.measure(f"put {durability}", in_flight, seconds, put)
    if durability != "fsync":
        return
    await loader.measure("create (CAS)", 100, seconds, create)
    await loader.measure("get", 100, seconds, lambda n: ("get", key(n * 7919 % 50_000), 0))
    prefix = b"/registry/pods/bench/"
    await loader.measure(
        "range 10,000 of 50,000",
        1,
        seconds,
        lambda n: ("range", prefix, prefix + b"\xff", 0, 10_000, 0),
    )
    await loader.measure(
        "range 500 of 50,000", 4, seconds, lambda n: ("range", prefix, prefix + b"\xff", 0, 500, 0)
    )


def run(durability: Durability, seconds: float) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        process = context.Process(target=serve, args=(theirs, directory, durability))
        process.start()
        address = ours.recv()

        async def main() -> None:
            loader = Loader(address, ours)
            await rows(loader, durability, seconds)
            await loader.close()

        gc.freeze()
        uvloop.run(main())
        ours.send("stop")
        process.join()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", nargs="+", default=["fsync", "buffered", "none"])
    parser.add_argument("--seconds", type=float, default=3.0)
    chosen = parser.parse_args(arguments)
    print(
        f"{'request':<22}{'flight':>6}{'rate':>12}{'p50':>9}{'p99':>12}"
        f"{'store':>9}{'loader':>12}{'a sync':>8}"
    )
    for durability in chosen.durability:
        run(durability, chosen.seconds)


if __name__ == "__main__":
    main()
