"""Two API servers over the same shards: what one is told, the other knows."""

from pathlib import Path

from actors.local import LocalCluster
from actors.net import FrameClient
from actors.plan import ClusterPlan, NodeSpec
from tests.actors.loopback import run
from tests.faults.followed_pods import REPLICAS, Pods, deploy


async def work(directory: Path) -> None:
    plan = ClusterPlan(
        str(directory),
        nodes=(NodeSpec(6),),
        store_shards=2,
        shard_by="hash",
        api_servers=2,
        hollow_actors=2,
    )
    async with LocalCluster(plan) as cluster:
        assert len(set(cluster.servers)) == 2 and cluster.server == cluster.servers[0]
        clients = [
            FrameClient(f"apiserver-{index}", cluster.security, cluster.resolve, "tester")
            for index in range(2)
        ]
        pods = Pods(clients[0])
        await deploy(clients[1], "web")
        await pods.until_running(REPLICAS)
        for program in ("controllers-1", "hollow-1"):
            assert cluster.running[program].gauges()["requests_total"] > 0, "of the second server"
        for client in clients:
            await client.close()


def test_components_are_dealt_out_and_agree(tmp_path: Path) -> None:
    run(work(tmp_path))
