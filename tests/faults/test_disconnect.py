"""A program that is cut off from all others: nothing comes, nothing goes, and nothing is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.local import LocalCluster
from actors.net import FrameClient, FrameServer, ServerStream
from actors.plan import ClusterPlan, NodeSpec, Security
from actors.program import cut_off
from tests.faults.followed_pods import REPLICAS, Pods, deploy, run

SECURITY = Security("cluster-a", "right-token", "/nonexistent")


class Echo:
    """Answers what it is told, and keeps the streams that are opened."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.streams: list[ServerStream] = []

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        self.heard.append(body)
        reply(body)

    def on_open(self, stream: ServerStream, body: Any) -> None:
        self.streams.append(stream)
        stream.send("opened")

    def on_closed(self, stream: ServerStream) -> None: ...


class Pair:
    """A server that may be cut off, one that never is, and a client of each."""

    async def __aenter__(self) -> "Pair":
        self.echo = Echo()
        self.cut = await FrameServer.start("127.0.0.1", 0, SECURITY, self.echo)
        self.whole = await FrameServer.start("127.0.0.1", 0, SECURITY, Echo())
        self.to_cut, self.to_whole = self.client(self.cut), self.client(self.whole)
        return self

    def client(self, server: FrameServer) -> FrameClient:
        async def resolve(name: str) -> str:
            return server.address

        return FrameClient("echo", SECURITY, resolve, "tester")

    async def meanwhile(self) -> None:
        """Others talk, so that whatever can come by loopback has come."""
        for number in range(100):
            assert await self.to_whole.call(number) == number

    async def __aexit__(self, *error: object) -> None:
        await self.to_cut.close()
        await self.to_whole.close()
        await self.cut.stop()
        await self.whole.stop()


def test_a_server_that_is_cut_off_hears_and_says_nothing_until_it_is_back() -> None:
    async def scenario() -> None:
        async with Pair() as pair:
            items: asyncio.Queue[Any] = asyncio.Queue()
            pair.to_cut.open("stream", items.put_nowait, items.put_nowait)
            assert await items.get() == "opened"
            pair.cut.cut_off(True)
            asked = [pair.to_cut.send(number) for number in range(3)]
            assert pair.echo.streams[0].send("late")
            newcomer = pair.client(pair.cut)
            late = newcomer.send("newcomer")
            await pair.meanwhile()
            assert not pair.echo.heard and items.empty()
            assert not any(one.done() for one in asked) and not newcomer.connected
            pair.cut.cut_off(False)
            assert await asyncio.gather(*asked) == [0, 1, 2]
            assert await items.get() == "late" and await late == "newcomer"
            assert pair.to_cut.connections == 1, "the connection was never lost"
            await newcomer.close()

    run(scenario())


def test_a_client_that_is_cut_off_says_and_hears_nothing_until_it_is_back() -> None:
    async def scenario() -> None:
        async with Pair() as pair:
            items: asyncio.Queue[Any] = asyncio.Queue()
            pair.to_cut.open("stream", items.put_nowait, items.put_nowait)
            assert await items.get() == "opened"
            never = pair.client(pair.cut)
            for client in (pair.to_cut, never):
                client.cut_off(True)
            asked = [client.send(name) for client, name in ((pair.to_cut, "old"), (never, "new"))]
            assert pair.echo.streams[0].send("late")
            await pair.meanwhile()
            assert not pair.echo.heard and items.empty() and len(pair.cut.peers) == 1
            for client in (pair.to_cut, never):
                client.cut_off(False)
            assert await asyncio.gather(*asked) == ["old", "new"]
            assert await items.get() == "late"
            await never.close()

    run(scenario())


def test_who_leaves_while_cut_off_is_gone() -> None:
    async def scenario() -> None:
        async with Pair() as pair:
            assert await pair.to_cut.call("hello") == "hello"
            pair.to_cut.cut_off(True)
            asked = pair.to_cut.send("never sent")
            await pair.to_cut.close()
            assert asked.exception() is not None
            pair.cut.cut_off(True)
            await pair.cut.stop()
            assert pair.echo.heard == ["hello"]

    run(scenario())


def test_a_cluster_goes_on_where_it_was_when_a_program_is_back(tmp_path: Path) -> None:
    """Each kind of program in its turn, while pods are to be made."""

    async def scenario() -> None:
        plan = ClusterPlan(str(tmp_path), nodes=(NodeSpec(4),), store_shards=1)
        async with LocalCluster(plan) as cluster:
            client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "tester")
            pods = Pods(client)
            cut_off(cluster.running["scheduler"], True)
            await deploy(client, "web")
            await pods.until_pending(REPLICAS)
            cut_off(cluster.running["hollow-0"], True)
            cut_off(cluster.running["scheduler"], False)
            await pods.until_bound(REPLICAS)
            assert list(pods.phases.values()) == ["Pending"] * REPLICAS
            cut_off(cluster.running["store-0"], True)
            cut_off(cluster.running["hollow-0"], False)
            read = ["get", "pods", "default", "none", "", "resourceVersion=0", b"", "", False]
            ((code, _, _),) = await client.call(["api", [read]])
            assert code == 404, "what needs no shard is answered"
            assert list(pods.phases.values()) == ["Pending"] * REPLICAS
            cut_off(cluster.running["store-0"], False)
            await pods.until_running(REPLICAS)
            assert all(len(nodes - {""}) == 1 for nodes in pods.nodes.values())
            await client.close()

    run(scenario())
