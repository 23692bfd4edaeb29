"""A whole cluster of programs over a network that delays, loses, cuts and parts them.

    python -m tests.faults.bad_network --seeds 50 --cuts 60

Each seed is another network. Deployments are made until so many connections were cut; all their
pods must run, each bound to one node only.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import uvloop

from actors.local import LocalCluster
from actors.net import FrameClient
from actors.plan import ClusterPlan, NetworkFaults, NodeSpec
from tests.faults.followed_pods import PATIENCE_S, REPLICAS, Pods, deploy

FAULTS = NetworkFaults(
    delay_s=0.001,
    jitter_s=0.002,
    loss=0.002,
    bandwidth_bytes_s=20_000_000,
    cut_every_s=0.7,
    stall_every_s=2.0,
    stall_s=0.2,
)


def cuts_of(cluster: LocalCluster) -> float:
    return sum(names.gauges()["network_cuts_total"] for names in cluster.networks.values())


async def work(directory: Path, seed: int, cuts: int) -> int:
    """Until so many cuts; the number of Deployments. TimeoutError after PATIENCE_S."""
    plan = ClusterPlan(str(directory), seed=seed, nodes=(NodeSpec(9),), network=FAULTS)
    deployments = 0
    async with asyncio.timeout(PATIENCE_S), LocalCluster(plan) as cluster:
        # Who looks is on a sound network.
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "tester")
        pods = Pods(client)
        while cuts_of(cluster) < cuts:
            await deploy(client, f"web-{deployments}")
            deployments += 1
            await pods.until_running(deployments * REPLICAS)
        twice = {name: nodes for name, nodes in pods.nodes.items() if len(nodes - {""}) > 1}
        assert not twice, f"bound twice: {twice}"
        await client.close()
    return deployments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--cuts", type=int, default=60)
    options = parser.parse_args()
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as directory:
            deployments = uvloop.run(work(Path(directory), seed, options.cuts))
        print(f"seed {seed}: {deployments} Deployments of {REPLICAS} over {options.cuts} cuts")


if __name__ == "__main__":
    main()
