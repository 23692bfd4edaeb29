"""The two loaders of bench_store: frames from this process, gRPC by the Go tool in etcdload/.

Both do the same: keep so many requests in flight over so many connections for some seconds.
"""

import asyncio
import gc
import json
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from actors.net import FrameClient
from benchmarks.bench_store_servers import SECURITY, Etcd, Shards, cpu_s

SOURCE = Path(__file__).parent / "etcdload"
PREFIX = b"/registry/pods/bench/"
KEY_BYTES = 48
RANGE_KEYS = 10_000
FILL_BATCH = 100
WATCHERS = 1000
Request = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One row: the same load for every server."""

    name: str
    mode: str
    """put, create, get, range or watch."""
    in_flight: int
    connections: int
    keys: int = 50_000
    value_bytes: int = 1024
    bar_us: float = 0.0
    """Server CPU of one operation that is wanted of ours; 0: four times less than etcd's."""
    rate_times: float = 0.0
    """How many times etcd's rate is wanted."""
    p99_ms: float = 0.0
    """The p99 that is wanted of ours; infinite: no worse than etcd's."""
    together: bool = False
    """In rounds: the next requests are sent when all are answered, so that as many share a step and
    a sync however busy the machine is. For loads by frames."""


@dataclass(frozen=True, slots=True)
class Result:
    count: int
    seconds: float
    p50_s: float
    p99_s: float
    max_s: float
    loader_cpu_s: float
    server_cpu_s: float

    @property
    def server_us(self) -> float:
        return self.server_cpu_s / self.count * 1e6

    @property
    def loader_us(self) -> float:
        return self.loader_cpu_s / self.count * 1e6


def key(number: int) -> bytes:
    return b"%s%0*d" % (PREFIX, KEY_BYTES - len(PREFIX), number)


def own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class FrameLoader:
    """Loads shards by frames. A key's shard is its number modulo the number of shards; a writer
    stays on its connection, as those of the Go tool do."""

    def __init__(self, server: Shards, connections: int) -> None:
        self._server = server
        shards = len(server.addresses)

        async def resolve(name: str) -> str:
            return server.addresses[int(name)]

        self._clients = [
            FrameClient(str(number % shards), SECURITY, resolve, f"bench-{number}")
            for number in range(max(connections, shards))
        ]

    async def connect(self) -> None:
        for client in self._clients:
            await client.connect()

    async def fill(self, keys: int, value: bytes) -> None:
        """Put keys 0 to ``keys`` in calls of FILL_BATCH, eight calls in flight at each shard."""
        shards = len(self._server.addresses)

        async def lane(first: int, stride: int) -> None:
            client = self._clients[first % shards]
            numbers = range(first, keys, stride)
            for at in range(0, len(numbers), FILL_BATCH):
                batch = [
                    ("put", key(number), b"", value, -1, 0)
                    for number in numbers[at : at + FILL_BATCH]
                ]
                replies = await client.call(("store", batch), timeout_s=60)
                assert all(reply[0] == 0 for reply in replies)

        lanes = 8 * shards
        await asyncio.gather(*(lane(number, lanes) for number in range(lanes)))

    async def measure(self, case: Case, seconds: float, first_new: int) -> Result:
        if case.mode == "watch":
            return await self._fan_out(case, seconds)
        return await self._pump(_request_of(case, first_new), case, seconds)

    async def _pump(self, request: Callable[[int], Request], case: Case, seconds: float) -> Result:
        latencies: list[float] = []
        clients = self._clients
        clock = time.perf_counter
        done = asyncio.get_running_loop().create_future()
        open_calls = 0
        shards = len(self._server.addresses)
        numbers = list(range(shards))
        """The last key of each shard."""

        def send(writer: int) -> None:
            nonlocal open_calls
            lane = writer % len(clients)
            numbers[lane % shards] += shards
            open_calls += 1
            begun = clock()
            future = clients[lane].send(("store", [request(numbers[lane % shards])]))
            future.add_done_callback(lambda future: finish(writer, future, begun))

        def finish(writer: int, future: asyncio.Future[Any], begun: float) -> None:
            nonlocal open_calls
            reply = future.result()[0]
            assert reply[0] == 0, reply
            open_calls -= 1
            now = clock()
            latencies.append(now - begun)
            if now >= deadline:
                if not open_calls:
                    done.set_result(None)
            elif not case.together:
                send(writer)
            elif not open_calls:
                send_all()

        def send_all() -> None:
            for writer in range(case.in_flight):
                send(writer)

        before, own_before, begun = cpu_s(self._server.pids), own_cpu_s(), clock()
        deadline = begun + seconds
        send_all()
        await done
        elapsed, own = clock() - begun, own_cpu_s() - own_before
        return _result(latencies, elapsed, own, cpu_s(self._server.pids) - before)

    async def _fan_out(self, case: Case, seconds: float) -> Result:
        """WATCHERS watch one key, which changes with so many changes not yet delivered to all."""
        latencies: list[float] = []
        clock = time.perf_counter
        loop = asyncio.get_running_loop()
        ready, done = loop.create_future(), loop.create_future()
        opened = missing = 0
        deadline = 0.0

        def change() -> None:
            nonlocal missing
            missing += WATCHERS
            stamp = b"%020.9f" % clock()
            value = stamp.ljust(case.value_bytes, b"\0")
            self._clients[0].send(("store", [("put", key(0), b"", value, -1, 0)]))

        def on_body(body: Any) -> None:
            nonlocal opened, missing
            events, _ = body
            if not events:
                opened += 1
                if opened == WATCHERS:
                    ready.set_result(None)
                return
            now = clock()
            for event in events:
                latencies.append(now - float(event[6][:20]))
                missing -= 1
                if len(latencies) % WATCHERS == 0 and now < deadline:
                    change()
            if not missing and now >= deadline:
                done.set_result(None)

        streams = [
            self._clients[number % len(self._clients)].open(
                ("watch", key(0), 0, False), on_body, _unexpected_end
            )
            for number in range(WATCHERS)
        ]
        await ready
        before, own_before, begun = cpu_s(self._server.pids), own_cpu_s(), clock()
        deadline = begun + seconds
        for _ in range(case.in_flight):
            change()
        await done
        elapsed, own = clock() - begun, own_cpu_s() - own_before
        used = cpu_s(self._server.pids) - before
        for stream in streams:
            stream.close()
        return _result(latencies, elapsed, own, used)

    async def ask(self, request: Request) -> Any:
        """The reply to one request of the first shard."""
        return (await self._clients[0].call(("store", [request]), timeout_s=60))[0]

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def _unexpected_end(reason: str) -> None:
    raise AssertionError(f"a watch ended: {reason}")


def _request_of(case: Case, first_new: int) -> Callable[[int], Request]:
    """The request with a number, from 1."""
    value = bytes(case.value_bytes)
    match case.mode:
        case "put":
            return lambda n: ("put", key(n % case.keys), b"", value, -1, 0)
        case "create":
            return lambda n: ("put", key(first_new + n), b"", value, 0, 0)
        case "get":
            return lambda n: ("get", key(n * 7919 % case.keys), 0)
        case "range":
            end = PREFIX[:-1] + bytes([PREFIX[-1] + 1])
            return lambda n: ("range", PREFIX, end, 0, RANGE_KEYS, 0)
    raise AssertionError(case.mode)


def _result(latencies: list[float], seconds: float, loader: float, server: float) -> Result:
    latencies.sort()
    count = len(latencies)
    p50, p99 = latencies[count // 2], latencies[count * 99 // 100]
    return Result(count, seconds, p50, p99, latencies[-1], loader, server)


def load_by_frames(server: Shards, case: Case, seconds: float, first_new: int) -> Result:
    """One row, with fresh connections."""

    async def main() -> Result:
        loader = FrameLoader(server, case.connections)
        await loader.connect()
        try:
            return await loader.measure(case, seconds, first_new)
        finally:
            await loader.close()

    gc.collect()
    gc.freeze()
    return uvloop.run(main())


def fill_by_frames(server: Shards, keys: int, value_bytes: int) -> float:
    """Seconds that the fill took."""

    async def main() -> float:
        loader = FrameLoader(server, 4)
        await loader.connect()
        begun = time.perf_counter()
        await loader.fill(keys, bytes(value_bytes))
        elapsed = time.perf_counter() - begun
        await loader.close()
        return elapsed

    return uvloop.run(main())


def build_tool(directory: Path) -> str | None:
    """The path of the built Go tool; None without Go."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        return None
    path = str(directory / "etcdload")
    subprocess.run([go, "build", "-o", path, "."], cwd=SOURCE, check=True)
    return path


def load_by_grpc(tool: str, server: Etcd, mode: str, arguments: Sequence[str]) -> Result:
    """One run of the Go tool. RuntimeError with its words if it fails."""
    command = [tool, mode, "-endpoint", server.endpoint, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        line = run.stderr.readline()
        if line != "ready\n":
            raise RuntimeError(f"{' '.join(command)}: {line}{run.stderr.read()}")
        before = cpu_s(server.pids)
        output = run.stdout.read()
        used = cpu_s(server.pids) - before
        trouble = run.stderr.read()
        if run.wait():
            raise RuntimeError(f"{' '.join(command)}: {trouble}")
    report = json.loads(output)
    loader = report.pop("cpu_s")
    return Result(**report, loader_cpu_s=loader, server_cpu_s=used)


def grpc_arguments(case: Case, seconds: float, first_new: int) -> list[str]:
    return [
        *("-clients", str(case.in_flight), "-conns", str(case.connections)),
        *("-keys", str(case.keys), "-size", str(case.value_bytes), "-seconds", str(seconds)),
        *("-first", str(first_new), "-limit", str(RANGE_KEYS), "-watchers", str(WATCHERS)),
    ]
