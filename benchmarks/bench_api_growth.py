"""What a request costs while the cluster grows: CPU of API server and store, 10^3 to 10^6 objects.

    python -m benchmarks.bench_api_growth [--most 1000000] [--index btree|hash]

Nine of ten objects are ConfigMaps, one is a pod, ten of them on each node; they are made over
frames. GETs and creates come over HTTPS on 32 connections and go all over; each list returns the
same number of objects at every size. Beside each cost stands its ratio to that of a second stack
which keeps the first size, asked in turn: what else the machine does falls on both.
"""

import argparse
from collections.abc import Sequence
from statistics import median

import orjson
import uvloop

from actors.net import FrameClient
from apiserver.keys import CacheIndex
from benchmarks.api_stack import Stack, running_stack
from benchmarks.bench_apiserver import POD, Bench

RUNS = 5
REQUESTS = 3000
LISTS = 800
BATCH = 250
SPACES = 10
MAPS = "/api/v1/namespaces/load-{}/configmaps"
STRIDE = 7_368_787
"""A prime: multiples of it, modulo a size, are all over."""


def _map(name: str) -> bytes:
    data = {f"key-{n}": "v" * 20 for n in range(6)}
    return orjson.dumps({"metadata": {"name": name, "labels": {"app": "bench"}}, "data": data})


def _pod(number: int) -> bytes:
    spec = {**POD["spec"], "nodeName": f"node-{number // 100}"}  # type: ignore[dict-item]
    return orjson.dumps({"metadata": {"name": f"p-{number:07}"}, "spec": spec})


class Side:
    """A stack that is filled, and asked."""

    def __init__(self, stack: Stack) -> None:
        self.bench = Bench(stack)
        self._stack = stack
        self._size = 0
        self._made = 0

    async def fill(self, size: int) -> None:
        """Up to ``size`` objects; each tenth is a pod."""

        async def resolve(name: str) -> str:
            return self._stack.api.address

        client = FrameClient("apiserver-0", self._stack.security, resolve, "bench")
        for first in range(self._size, size, BATCH):
            calls = [_call(number) for number in range(first, min(first + BATCH, size))]
            replies = await client.call(("api", calls))
            assert all(reply[0] == 201 for reply in replies), replies[0]
        self._size = size
        await client.close()

    async def cost(self, kind: str) -> float:
        """CPU of API server and store, µs a request; that of the handshakes is a small part."""
        if kind == "create":
            requests, code = self._creates(), "201"
        else:
            requests, code = self._gets() if kind == "get" else self._lists(kind), "200"
        before = sum(self._stack.cpu_s())
        await self.bench.https(requests, code, 32 if kind in ("get", "create") else 4)
        return (sum(self._stack.cpu_s()) - before) / len(requests) * 1e6

    def _gets(self) -> list[bytes]:
        """Of objects all over."""
        numbers = [at * STRIDE % self._size for at in range(REQUESTS + REQUESTS // 5)]
        paths = [f"{MAPS.format(n % SPACES)}/m-{n:07}" for n in numbers if n % 10]
        return [self.bench.request("GET", path) for path in paths[:REQUESTS]]

    def _creates(self) -> list[bytes]:
        """With names all over."""
        first, self._made = self._made, self._made + REQUESTS
        names = [f"m-{n * STRIDE % self._size:07}-{n}" for n in range(first, first + REQUESTS)]
        return [
            self.bench.request("POST", MAPS.format(n % SPACES), _map(name))
            for n, name in enumerate(names)
        ]

    def _lists(self, kind: str) -> list[bytes]:
        """Each of the same number of objects at every size."""
        target = {
            "by node": f"/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-{self._size // 200}",
            "by name": "/api/v1/configmaps?fieldSelector=metadata.name%3Dm-0000123",
            "page": "/api/v1/configmaps?limit=100",
        }[kind]
        return [self.bench.request("GET", target)] * LISTS


def _call(number: int) -> list[object]:
    resource, body = (
        ("configmaps", _map(f"m-{number:07}")) if number % 10 else ("pods", _pod(number))
    )
    space = f"load-{(number if number % 10 else number // 10) % SPACES}"
    return ["create", resource, space, "", "", "", body, "", True]


async def paired(grown: Side, small: Side, kind: str) -> tuple[float, float]:
    """Least cost at the size, and the median of its ratio to that of the small one in turn."""
    costs, ratios = [], []
    for _ in range(RUNS):
        now, then = [await side.cost(kind) for side in (grown, small)]
        costs.append(now)
        ratios.append(now / then)
    return min(costs), median(ratios)


async def grow(stack: Stack, reference: Stack, sizes: Sequence[int]) -> None:
    grown, small = Side(stack), Side(reference)
    for side in (grown, small):
        await side.bench.prepare()
        await side.fill(sizes[0])
    kinds = ("get", "create", "by node", "by name", "page")
    print("  objects" + "".join(f"{kind:>17}" for kind in kinds))
    for size in sizes:
        await grown.fill(size)
        cells = [await paired(grown, small, kind) for kind in kinds]
        print(
            f"{size:>9}" + "".join(f"{cost:>8.0f} µs {ratio:>4.2f}x" for cost, ratio in cells),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--index", choices=("btree", "hash"), default="btree")
    arguments = parser.parse_args()
    index: CacheIndex = arguments.index
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= arguments.most]
    with running_stack("fsync", index) as stack, running_stack("fsync", index) as reference:
        uvloop.run(grow(stack, reference, sizes))


if __name__ == "__main__":
    main()
