"""What tracing costs: CPU time of a whole cluster in one process, for each pod from create to
Running.

Run: ``python -m benchmarks.bench_tracing [--minutes 9] [--pods 40] [--arms ...]``. One cluster for
each arm, and their short rounds take turns, so what drifts on a machine meets all arms; two arms
have the narrowest interval that the time allows. A figure is
the arm's CPU time by that of the arm ``off``, with a 95 % bootstrap interval over rounds: in the
median of rounds that are neighbours, and of the quiet rounds (the lowest quarter of each arm's),
since neighbours on a machine only ever add. ``off again`` is ``off`` once more: the noise.
Beside it what the arm wrote, by the price of a span.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from typing import Any

import numpy as np
import orjson
import uvloop

from actors.local import LocalCluster
from actors.net import FrameClient
from actors.plan import ClusterPlan, NodeSpec
from actors.spans import SpanLog
from api.calls import DELETED
from api.core import JsonObject
from api.tracing import INTERNAL, Context
from loadtest.bodies import pod_body
from loadtest.sampled import Sampling, annotations
from loadtest.schedule import Arrival

CAPACITY = (("cpu", "99"), ("memory", "999Gi"), ("pods", "999"))
ARMS = {"off": None, "off again": None, "0 %": 0.0, "1 %": 0.01, "100 %": 1.0}
"""Share that is sampled; None: programs that do not trace at all."""
NODES = 20
BATCH = 50
"""Creates in one frame, as by a busy API server."""


class Bench:
    """One arm's cluster."""

    def __init__(self, cluster: LocalCluster, share: float) -> None:
        self.cluster = cluster
        self.sampling = Sampling(1, share)
        self._client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "bench")
        self._running: set[str] = set()
        self._gone: set[str] = set()
        self._news = asyncio.Event()
        self._made = 0
        body = ("watch", "pods", "default", "", "", 0)
        self._watch = self._client.open(body, self._heard, lambda reason: None)

    def _heard(self, body: Any) -> None:
        if body[0] != "items":
            return
        for kind, item in zip(body[1], body[3], strict=True):
            name = bytes(item).partition(b'"name":"')[2].partition(b'"')[0].decode()
            if kind == DELETED:
                self._gone.add(name)
            elif b'"phase":"Running"' in item:
                self._running.add(name)
        self._news.set()

    async def round(self, pods: int) -> float:
        """CPU seconds of ``pods`` pods from create to Running; they are deleted after it."""
        names = [f"pod-{self._made + number}" for number in range(pods)]
        self._made += pods
        creates = [self._create(name) for name in names]
        gc.collect()
        began = time.process_time()
        await self._ask(creates)
        await self._until(self._running, names)
        spent = time.process_time() - began
        query = "gracePeriodSeconds=0"
        await self._ask(
            [["delete", "pods", "default", name, "", query, None, "", True] for name in names]
        )
        await self._until(self._gone, names)
        return spent

    def _create(self, name: str) -> list[Any]:
        value = (("cpu", "1m"), ("memory", "1Mi"))
        arrival = Arrival(0, 0, "pods", "create", "pods", "default", name, value, 0)
        body = pod_body(arrival, annotations=annotations(self.sampling.context(arrival)))
        return ["create", "pods", "default", "", "", "", body.encode(), "", True]

    async def _ask(self, calls: list[list[Any]]) -> None:
        for begin in range(0, len(calls), BATCH):
            answers: Any = await self._client.call(("api", calls[begin : begin + BATCH]), 300)
            assert all(code < 300 for code, _, _ in answers), answers

    async def _until(self, known: set[str], names: list[str]) -> None:
        while not known.issuperset(names):
            self._news.clear()
            await self._news.wait()

    async def ready(self) -> None:
        """Once pods can be made and placed."""
        for resource, namespace, holds in (
            ("serviceaccounts", "default", lambda item: item["metadata"]["name"] == "default"),
            ("nodes", "", is_ready),
        ):
            await self._first(resource, namespace, holds)

    async def _first(self, resource: str, namespace: str, holds: Any) -> None:
        found = asyncio.Event()

        def heard(body: Any) -> None:
            if body[0] == "items" and any(holds(orjson.loads(item)) for item in body[3]):
                found.set()

        body = ("watch", resource, namespace, "", "", 0)
        stream = self._client.open(body, heard, lambda reason: None)
        await found.wait()
        stream.close()

    async def close(self) -> None:
        self._watch.close()
        await self._client.close()


def is_ready(node: JsonObject) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions) and not (
        node["spec"].get("taints")
    )


async def measure(
    seconds: float, pods: int, arms: list[str]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """By arm: CPU seconds of each round, and spans a pod."""
    spans: dict[str, float] = {}
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    with tempfile.TemporaryDirectory() as place:
        benches = {}
        for number, arm in enumerate(arms):
            share = ARMS[arm]
            plan = ClusterPlan(
                f"{place}/{number}",
                nodes=(NodeSpec(NODES, capacity=CAPACITY),),
                store_shards=1,
                durability="none",
                lease_period_s=3600.0,
                traced=share is not None,
            )
            cluster = LocalCluster(plan)
            await cluster.__aenter__()
            benches[arm] = Bench(cluster, share or 0.0)
            await benches[arm].ready()
        until_s = time.monotonic() + seconds
        rounds = 0
        while rounds < 2 * len(arms) or time.monotonic() < until_s:
            order = list(arms)
            # Not always the same neighbour.
            order = order[rounds % len(order) :] + order[: rounds % len(order)]
            for arm in order:
                spent = await benches[arm].round(pods)
                if rounds:  # the first one warms up
                    found[arm].append(spent)
            rounds += 1
        for arm, bench in benches.items():
            written = [
                one.gauges().get("spans_total", 0.0) for one in bench.cluster.running.values()
            ]
            spans[arm] = sum(written) / rounds / pods
            await bench.close()
            await bench.cluster.__aexit__(None, None, None)
    return found, spans


def quiet(arm: list[float], off: list[float]) -> tuple[float, float, float]:
    """Ratio of the means of the lowest quarters, and its 95 % bootstrap interval."""
    chance = np.random.default_rng(2)

    def lowest(rounds: list[float]) -> Any:
        drawn = np.sort(chance.choice(rounds, (4000, len(rounds))), axis=1)
        return drawn[:, : max(1, len(rounds) // 4)].mean(axis=1)

    low, high = np.percentile(lowest(arm) / lowest(off), [2.5, 97.5])
    count = max(1, len(arm) // 4)
    return float(np.mean(sorted(arm)[:count]) / np.mean(sorted(off)[:count])), low, high


def ratio(arm: list[float], off: list[float]) -> tuple[float, float, float]:
    """Median of the paired ratios, and its 95 % bootstrap interval."""
    ratios = np.array(arm) / np.array(off)
    draws = np.random.default_rng(1).choice(ratios, (4000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


async def one_span() -> float:
    """CPU seconds to write one, with its share of the file."""
    with tempfile.TemporaryDirectory() as place:
        log = SpanLog(f"{place}/x.jsonl", time.time_ns)
        context, count = Context("0" * 32, "1" * 16), 20_000
        began = time.process_time()
        for _ in range(count):
            log.add(context, ("score", INTERNAL), (1, 2), {"k8s.pod.name": "pod-1"})
        log.flush()
        return (time.process_time() - began) / count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--pods", type=int, default=40)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    options = parser.parse_args()
    arms = list(dict.fromkeys(["off", *options.arms]))
    found, spans = uvloop.run(measure(options.minutes * 60, options.pods, arms))
    off, each = found["off"], uvloop.run(one_span())
    pod = float(np.median(off)) / options.pods
    print(
        f"off: {np.median(off) / options.pods * 1e3:.3f} ms of CPU a pod, create to Running; "
        f"{len(off)} rounds of each arm"
    )
    for arm, spent in found.items():
        if arm != "off":
            middle, low, high = (share - 1 for share in ratio(spent, off))
            least, least_low, least_high = (share - 1 for share in quiet(spent, off))
            print(
                f"{arm:<10} {middle:+7.2%}  [{low:+.2%}, {high:+.2%}]  quiet rounds "
                f"{least:+.2%}  [{least_low:+.2%}, {least_high:+.2%}]  "
                f"{spans[arm]:.2f} spans a pod are {spans[arm] * each / pod:.3%}"
            )
    print(f"one span: {each * 1e6:.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
