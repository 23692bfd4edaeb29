"""CPU and rate of an API server with two store shards: in three processes, and all in one.

    python -m benchmarks.bench_apiserver [--operations 8000] [--durability fsync] [--loader python]
                                         [--store own|apiserver|both] [--memory]

Both arms run side by side and take turns, row by row: what drifts on the machine meets both. Over
HTTPS with the Go tool of benchmarks/apiload where there is Go, else from raw connections of this
process, with fewer rows; then creates in batches over the frame port. CPU is that of the server's
processes by /proc; the loader's own is shown apart. Beside the creates that come alone stands what
the least of programs would need for them (``benchmarks.api_floor``). ``--memory``: what 50,000 pods
and 5,000 nodes weigh, before and after lists, and what those lists cost.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import orjson
import uvloop

from actors.net import FrameClient
from actors.plan import Durability
from actors.security import admin_token, client_ssl_context
from benchmarks import apiload_rows
from benchmarks.api_stack import PLACEMENTS, Placement, Stack, running_floor, running_stack

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

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._token = admin_token(stack.security).encode()
        self._tls = client_ssl_context(f"{stack.security.directory}/ca.crt")

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
                self.stack.api.https_port,
                ssl=self._tls,
            )
            loaders.append(loader.done)
        await asyncio.gather(*loaders)

    async def measure(self, name: str, operations: int, work: Any) -> None:
        """Run ``work`` and print a row."""
        before = self.stack.cpu_s()
        own, start = time.process_time(), time.perf_counter()
        await work
        seconds = time.perf_counter() - start
        used = [
            (now - was) / operations * 1e6
            for now, was in zip(self.stack.cpu_s(), before, strict=True)
        ]
        loader = (time.process_time() - own) / operations * 1e6
        print(
            f"{name:<34}{operations / seconds:>9.0f}/s{used[0]:>9.0f}{used[1]:>9.0f}"
            f"{sum(used):>9.0f}{loader:>9.0f}"
        )

    async def prepare(self) -> None:
        """The namespaces that the loaders write to, with the accounts that pods need."""
        names = ("default", "load-fan", *(f"load-{n}" for n in range(10)))
        spaces = [b'{"metadata":{"name":"%b"}}' % name.encode() for name in names[1:]]
        await self.https([self.request("POST", "/api/v1/namespaces", s) for s in spaces], "201", 1)
        account = b'{"metadata":{"name":"default"}}'
        for name in names:
            path = f"/api/v1/namespaces/{name}/serviceaccounts"
            await self.https([self.request("POST", path, account)], "201", 1)

    async def run(self, operations: int) -> None:
        """The rows without Go."""
        print("loader: Python, raw connections of one process (no Go here)")
        self._print_head()
        path = "/api/v1/namespaces/default"
        pod = orjson.dumps(POD)
        create = self.request("POST", f"{path}/pods", pod)
        # Once unmeasured: plans and tables are made when first asked for.
        await self.https([create] * 200, "201", CONNECTIONS)
        for count in (1, CONNECTIONS, 256):
            wanted = operations if count == CONNECTIONS else operations // 4
            await self.measure(
                f"create, {len(pod)} B, {count} in flight",
                wanted,
                self.https([create] * wanted, "201", count),
            )
        await self.leases(operations)
        get = self.request("GET", f"{path}/serviceaccounts/default")
        await self.measure(
            "get (consistent)", operations, self.https([get] * operations, "200", CONNECTIONS)
        )
        listing = self.request("GET", "/api/v1/pods?resourceVersion=0")
        await self.measure(
            f"list of {operations + operations // 2 + 200} pods",
            10,
            self.https([listing] * 10, "200", 1),
        )

    def _print_head(self) -> None:
        print(f"{'':<34}{'rate':>11}{'api':>9}{'store':>9}{'sum':>9}{'loader':>9}   µs of CPU each")

    async def leases(self, operations: int) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        leases = [
            self.request("PUT", f"{path}/node-{n % 1000}", _lease(n % 1000, n))
            for n in range(operations + 1000)
        ]
        await self.https(leases[:1000], "20", 256)
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

    async def frames(self, operations: int) -> None:
        pod = orjson.dumps(POD)
        self._print_head()

        async def resolve(name: str) -> str:
            return self.stack.api.address

        client = FrameClient("apiserver-0", self.stack.security, resolve, "bench")
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


Stacks = Mapping[Placement, Stack]


def by_apiload(tool: str, stacks: Stacks, scale: int) -> None:
    print(f"loader: apiload (Go)\n{'':<10}{apiload_rows.HEAD}")
    for row in apiload_rows.rows(scale):
        with running_floor() if row.alone else nullcontext() as floor:
            arms = [*stacks.items(), *([("floor", floor)] if floor is not None else [])]
            for name, stack in arms:
                report = apiload_rows.run(tool, stack, row)
                if row.real:
                    print(f"{name:<10}{apiload_rows.line(row, report)}", flush=True)


def by_python(stacks: Stacks, operations: int) -> None:
    for placement, stack in stacks.items():
        print(f"store: {placement}")
        uvloop.run(Bench(stack).run(operations))


def by_frames(stacks: Stacks, operations: int) -> None:
    for placement, stack in stacks.items():
        print(f"store: {placement}")
        uvloop.run(Bench(stack).frames(operations))


def weigh(tool: str, stack: Stack) -> None:
    """Resident memory as the cluster fills. The real one: 282, 2,154, 2,736, 3,992 MiB + etcd."""
    fills = (
        ("empty", ()),
        ("50,000 pods", ("create-pods", "-n", "50000", "-c", "32", "-prefix", "heavy")),
        ("and 5,000 nodes", ("create-nodes", "-n", "5000", "-c", "32")),
        ("after 8 lists, 4 at once", apiload_rows.ALL_AT_ONCE.arguments),
    )
    for name, arguments in fills:
        if arguments:
            report = apiload_rows.run(tool, stack, apiload_rows.Row(name, arguments))
            if arguments is apiload_rows.ALL_AT_ONCE.arguments:
                print(f"{apiload_rows.HEAD}\n{apiload_rows.line(apiload_rows.ALL_AT_ONCE, report)}")
        api, store = stack.memory_mib()
        print(
            f"memory, {name:<28}{api:>8.0f} MiB api{store:>8.0f} MiB store{api + store:>8.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=8000)
    parser.add_argument("--durability", choices=("fsync", "buffered", "none"), default="fsync")
    parser.add_argument("--loader", choices=("auto", "python"), default="auto")
    parser.add_argument("--store", choices=("own", "apiserver", "both"), default="both")
    parser.add_argument("--memory", action="store_true", help="weigh it instead, needs Go")
    arguments = parser.parse_args()
    durability: Durability = arguments.durability
    wanted = [arm for arm in PLACEMENTS if arguments.store in (arm, "both")]
    with tempfile.TemporaryDirectory() as home, ExitStack() as running:
        stacks = {
            arm: running.enter_context(running_stack(durability, placement=arm)) for arm in wanted
        }
        print(f"2 shards, durability {durability}")
        tool = apiload_rows.build(home) if arguments.loader == "auto" else None
        for stack in stacks.values():
            uvloop.run(Bench(stack).prepare())
        if arguments.memory:
            assert tool is not None, "--memory needs Go"
            for arm, stack in stacks.items():
                print(f"store: {arm}")
                weigh(tool, stack)
            return
        if tool is not None:
            by_apiload(tool, stacks, arguments.operations)
        else:
            by_python(stacks, arguments.operations)
        by_frames(stacks, arguments.operations)


if __name__ == "__main__":
    main()
