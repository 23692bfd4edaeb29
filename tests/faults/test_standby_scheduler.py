"""Two schedulers as programs: the holder of the Lease stops, the other one takes over."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.local import LocalCluster
from actors.net import FrameClient
from actors.net.transport import FrameTransport
from actors.plan import ClusterPlan, NodeSpec
from api.calls import WatchSpec
from api.core import JsonObject
from tests.faults.followed_pods import REPLICAS, Pods, deploy, run

LEASES = "coordination.k8s.io/leases"


class LeaseHolders:
    """Who held kube-scheduler's Lease, in order."""

    def __init__(self, client: FrameClient) -> None:
        self.seen: list[str] = []
        self._news = asyncio.Event()
        spec = WatchSpec("lease", LEASES, "kube-system", "", "metadata.name=kube-scheduler")
        self._watch = FrameTransport(client).watch(spec, 0, self)

    def items(self, types: Any, revisions: Any, objects: Sequence[JsonObject]) -> None:
        for item in objects:
            holder = item["spec"]["holderIdentity"]
            if self.seen[-1:] != [holder]:
                self.seen.append(holder)
        self._news.set()

    def synced(self, revision: int) -> None: ...

    def bookmark(self, revision: int) -> None: ...

    def ended(self, reason: str) -> None:
        raise AssertionError(f"the watch ended: {reason}")

    async def until(self, holder: str) -> None:
        while self.seen[-1:] != [holder]:
            self._news.clear()
            await self._news.wait()


def leading(cluster: LocalCluster) -> dict[str, float]:
    names = ("scheduler", "scheduler-1")
    return {name: cluster.running[name].gauges()["leading"] for name in names}


def test_the_standby_takes_over_and_nothing_is_bound_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        plan = ClusterPlan(str(tmp_path), nodes=(NodeSpec(5),), schedulers=2)
        async with LocalCluster(plan) as cluster:
            client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "tester")
            holders, pods = LeaseHolders(client), Pods(client)
            await holders.until("scheduler")
            await deploy(client, "before")
            await pods.until_running(REPLICAS)
            assert leading(cluster) == {"scheduler": 1, "scheduler-1": 0}
            # Amid its work.
            await deploy(client, "amid")
            stopping = asyncio.create_task(cluster.running["scheduler"].stop())
            await holders.until("scheduler-1")
            await stopping
            await deploy(client, "after")
            await pods.until_running(3 * REPLICAS)
            assert leading(cluster) == {"scheduler": 0, "scheduler-1": 1}
            assert all(len(nodes - {""}) == 1 for nodes in pods.nodes.values())
            assert holders.seen == ["scheduler", "", "scheduler-1"]
            await client.close()

    run(scenario())
