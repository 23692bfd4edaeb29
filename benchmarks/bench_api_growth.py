"""What a request costs while the cluster grows: CPU of API server and store, 10^3 to 10^6 objects.

    python -m benchmarks.bench_api_growth [--most 1000000] [--index btree|hash]

Nine of ten objects are ConfigMaps, one is a pod, ten of them on each node; they are made over
frames. GETs and creates come over HTTPS on 32 connections, GETs of objects all over; each list
returns the same number of objects at every size. The share of a size is of its least of three
runs: CPU of the least is what the machine's other work added to least.
"""

import argparse
from collections.abc import Sequence

import orjson
import uvloop

from actors.net import FrameClient
from apiserver.keys import CacheIndex
from benchmarks.api_stack import Stack, running_stack
from benchmarks.bench_apiserver import POD, Bench

RUNS = 3
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


async def fill(stack: Stack, start: int, end: int) -> None:
    """Objects number ``start`` to ``end``; each tenth is a pod."""

    async def resolve(name: str) -> str:
        return stack.api.address

    client = FrameClient("apiserver-0", stack.security, resolve, "bench")
    for first in range(start, end, BATCH):
        calls = []
        for number in range(first, min(first + BATCH, end)):
            resource, body = (
                ("configmaps", _map(f"m-{number:07}")) if number % 10 else ("pods", _pod(number))
            )
            space = f"load-{number % SPACES if number % 10 else number // 10 % SPACES}"
            calls.append(["create", resource, space, "", "", "", body, "", True])
        replies = await client.call(("api", calls))
        assert all(reply[0] == 201 for reply in replies), replies[0]
    await client.close()


def _gets(bench: Bench, size: int) -> list[bytes]:
    numbers = [at * STRIDE % size for at in range(REQUESTS + REQUESTS // 5)]
    numbers = [number for number in numbers if number % 10][:REQUESTS]
    return [
        bench.request("GET", f"{MAPS.format(number % SPACES)}/m-{number:07}") for number in numbers
    ]


def _creates(bench: Bench, size: int, run: int) -> list[bytes]:
    return [
        bench.request("POST", MAPS.format(n % SPACES), _map(f"new-{size}-{run}-{n * STRIDE}"))
        for n in range(REQUESTS)
    ]


async def _cost(
    stack: Stack, bench: Bench, requests: list[bytes], code: str, connections: int
) -> float:
    """CPU of API server and store, µs a request; that of the handshakes is a small part."""
    before = sum(stack.cpu_s())
    await bench.https(requests, code, connections)
    return (sum(stack.cpu_s()) - before) / len(requests) * 1e6


async def row(stack: Stack, bench: Bench, size: int) -> list[float]:
    """GET, create, and three lists."""
    out: list[float] = []
    for kind in ("get", "create"):
        costs = []
        for run in range(RUNS):
            requests = _gets(bench, size) if kind == "get" else _creates(bench, size, run)
            code = "200" if kind == "get" else "201"
            costs.append(await _cost(stack, bench, requests, code, 32))
        out.append(min(costs))
    for target in (
        f"/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-{size // 200}",
        "/api/v1/configmaps?fieldSelector=metadata.name%3Dm-0000123",
        "/api/v1/configmaps?limit=100",
    ):
        lists = [bench.request("GET", target)] * LISTS
        out.append(min([await _cost(stack, bench, lists, "200", 4) for _ in range(RUNS)]))
    return out


async def grow(stack: Stack, sizes: Sequence[int]) -> None:
    bench = Bench(stack)
    await bench.prepare()
    print("  objects     get  create  by node  by name    page   µs of CPU")
    first: list[float] = []
    start = 0
    for size in sizes:
        await fill(stack, start, size)
        start = size
        costs = await row(stack, bench, size)
        first = first or costs
        shares = " ".join(f"{now / was:.2f}" for now, was in zip(costs[:2], first[:2], strict=True))
        print(
            f"{size:>9}{costs[0]:>8.0f}{costs[1]:>8.0f}{costs[2]:>9.0f}{costs[3]:>9.0f}"
            f"{costs[4]:>8.0f}   get and create against the first row: {shares}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--index", choices=("btree", "hash"), default="btree")
    arguments = parser.parse_args()
    index: CacheIndex = arguments.index
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= arguments.most]
    with running_stack("fsync", index) as stack:
        uvloop.run(grow(stack, sizes))


if __name__ == "__main__":
    main()
