"""CPU and rate of an API server with two store shards, each in a process of its own.

    python -m benchmarks.bench_apiserver [--operations 8000] [--durability fsync]

HTTPS creates of a pod of 1.1 KB, reads, lists and lease updates come from raw connections of this
process; the last row sends the same creates in batches over the frame port. CPU is that of the
server's processes by /proc, in microseconds for each operation; the loader's own is shown apart.
"""

import argparse
import asyncio
import multiprocessing as mp
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import orjson
import uvloop

from actors import apiserver, store
from actors.net import FrameClient
from actors.plan import ApiServerConfig, Durability, Security, StoreConfig
from actors.processes import cpu_seconds
from actors.security import admin_token, client_ssl_context, create_security

CONNECTIONS = 32
BATCH = 50
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "bench-", "labels": {"app": "bench", "tier": "a"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "registry.example.com/bench:1.25",
                "ports": [{"containerPort": 8080}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "64Mi"},
                    "limits": {"cpu": "200m", "memory": "128Mi"},
                },
                "env": [{"name": f"VARIABLE_{n}", "value": "x" * 24} for n in range(12)],
            }
        ]
    },
}


def _serve(
    start: Callable[..., Any], config: Any, addresses: dict[str, str], end: Connection
) -> None:
    """Run one program until the parent says so."""

    async def resolve(name: str) -> str:
        return addresses[name]

    async def serve() -> None:
        running = await start(config, resolve)
        end.send((running.address, getattr(running, "https_port", 0)))
        await asyncio.get_running_loop().run_in_executor(None, end.recv)
        await running.stop()

    uvloop.run(serve())


@dataclass
class Program:
    """A started process and what it told of itself."""

    process: Any
    end: Connection
    address: str
    https_port: int


def _spawn(start: Callable[..., Any], config: Any, addresses: dict[str, str]) -> Program:
    ours, theirs = mp.Pipe()
    process = mp.get_context("spawn").Process(
        target=_serve, args=(start, config, addresses, theirs)
    )
    process.start()
    address, port = ours.recv()
    return Program(process, ours, address, port)


class _Loader(asyncio.Protocol):
    """One connection: the next request leaves when the answer is complete."""

    def __init__(self, queue: list[bytes], code: bytes) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue = queue
        self._code = code
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._queue:
            self._transport.write(self._queue.pop())
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.index(b"content-length: ") + 16
        size = int(head[at : head.find(b"\r\n", at)] if b"\r\n" in head[at:] else head[at:])
        if len(self._buffer) >= head_end + 4 + size:
            assert self._buffer.startswith(b"HTTP/1.1 " + self._code), self._buffer[:600]
            self._buffer = b""
            self._next()


class Bench:
    """The loader's side."""

    def __init__(self, security: Security, api: Program, stores: list[Program]) -> None:
        self.security = security
        self.api = api
        self.stores = stores
        self._token = admin_token(security).encode()
        self._tls = client_ssl_context(f"{security.directory}/ca.crt")

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        return (
            (
                f"{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
                "authorization: Bearer "
            ).encode()
            + self._token
            + b"\r\n\r\n"
            + body
        )

    async def https(self, requests: list[bytes], code: str, connections: int) -> None:
        loop, queue = asyncio.get_running_loop(), list(reversed(requests))
        loaders = []
        for _ in range(min(connections, len(requests))):
            _, loader = await loop.create_connection(
                lambda: _Loader(queue, code.encode()),
                "127.0.0.1",
                self.api.https_port,
                ssl=self._tls,
            )
            loaders.append(loader.done)
        await asyncio.gather(*loaders)

    async def measure(self, name: str, operations: int, work: Any) -> None:
        """Run ``work`` and print a row."""
        pids = [self.api.process.pid, *(one.process.pid for one in self.stores)]
        before = [cpu_seconds(pid) for pid in pids]
        own, start = time.process_time(), time.perf_counter()
        await work
        seconds = time.perf_counter() - start
        used = [
            (cpu_seconds(pid) - was) / operations * 1e6
            for pid, was in zip(pids, before, strict=True)
        ]
        loader = (time.process_time() - own) / operations * 1e6
        print(
            f"{name:<34}{operations / seconds:>9.0f}/s{used[0]:>9.0f}{sum(used[1:]):>9.0f}"
            f"{sum(used):>9.0f}{loader:>9.0f}"
        )

    async def run(self, operations: int) -> None:
        print(f"{'':<34}{'rate':>11}{'api':>9}{'store':>9}{'sum':>9}{'loader':>9}   µs of CPU each")
        account = b'{"metadata":{"name":"default"}}'
        path = "/api/v1/namespaces/default"
        await self.https([self.request("POST", f"{path}/serviceaccounts", account)], "201", 1)
        pod = orjson.dumps(POD)
        create = self.request("POST", f"{path}/pods", pod)
        # Once unmeasured: plans and tables are made when first asked for.
        await self.https([create] * 200, "201", CONNECTIONS)
        await self.measure(
            f"HTTPS create, {len(pod)} B, {CONNECTIONS} in flight",
            operations,
            self.https([create] * operations, "201", CONNECTIONS),
        )
        await self.leases(operations)
        get = self.request("GET", f"{path}/serviceaccounts/default")
        await self.measure(
            "HTTPS get (consistent)", operations, self.https([get] * operations, "200", CONNECTIONS)
        )
        listing = self.request("GET", "/api/v1/pods?resourceVersion=0")
        await self.measure(
            f"HTTPS list of {operations + 200} pods", 10, self.https([listing] * 10, "200", 1)
        )
        await self.frames(operations, pod)

    async def leases(self, operations: int) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        leases = [
            self.request("PUT", f"{path}/node-{n % 1000}", _lease(n % 1000, n))
            for n in range(operations + 1000)
        ]
        await self.https(leases[:1000], "20", 256)
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        patch = [
            self.request("PATCH", f"{path}/node-{n % 1000}", _renewal(n)).replace(
                b"application/json\r\ncontent-length",
                b"application/merge-patch+json\r\ncontent-length",
            )
            for n in range(operations)
        ]
        await self.measure(
            "HTTPS lease renewal (merge patch)", operations, self.https(patch, "200", 256)
        )

    async def frames(self, operations: int, pod: bytes) -> None:
        async def resolve(name: str) -> str:
            return self.api.address

        client = FrameClient("apiserver-0", self.security, resolve, "bench")
        words = ["create", "pods", "default", "", "", "", pod, "", True]

        async def work() -> None:
            for _ in range(operations // BATCH):
                replies = await client.call(("api", [words] * BATCH))
                assert all(reply[0] == 201 for reply in replies), replies[0]

        await self.measure(f"frames create, batches of {BATCH}", operations, work())
        await client.close()


def _lease(node: int, number: int) -> bytes:
    return orjson.dumps({"metadata": {"name": f"node-{node}"}, "spec": _spec(number)})


def _renewal(number: int) -> bytes:
    return orjson.dumps({"spec": _spec(number)})


def _spec(number: int) -> dict[str, object]:
    return {
        "holderIdentity": f"node-{number % 1000}",
        "leaseDurationSeconds": 40,
        "renewTime": f"2026-01-01T00:00:00.{number % 1_000_000:06}Z",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=8000)
    parser.add_argument("--durability", choices=("fsync", "buffered", "none"), default="fsync")
    arguments = parser.parse_args()
    durability: Durability = arguments.durability
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        stores = [
            _spawn(store.start, StoreConfig(n, f"{home}/store-{n}", security, durability), {})
            for n in range(2)
        ]
        addresses = {f"store-{n}": one.address for n, one in enumerate(stores)}
        config = ApiServerConfig("apiserver-0", ("store-0", "store-1"), security, seed=1)
        api = _spawn(apiserver.start, config, addresses)
        try:
            print(f"2 shards, durability {durability}")
            uvloop.run(Bench(security, api, stores).run(arguments.operations))
        finally:
            for program in (api, *stores):
                program.end.send("stop")
                program.process.join()


if __name__ == "__main__":
    main()
