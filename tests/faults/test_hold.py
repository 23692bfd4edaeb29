"""Programs that are slow on purpose: the line in front of them, and a wire that is narrow."""

import asyncio
from pathlib import Path

import uvloop

from actors.hold import Hold
from actors.local import LocalCluster
from actors.net import FrameClient
from actors.net.fault_proxy import Line, Partitions
from actors.plan import ClusterPlan, NetworkFaults, NodeSpec
from api.streams import Stream
from tests.faults.followed_pods import REPLICAS, Pods, deploy

SERVICE_S = 0.002


def test_who_is_not_slow_takes_everything_at_once() -> None:
    async def scenario() -> None:
        hold = Hold()
        taken: list[int] = []
        hold.enter(3, lambda: taken.append(1))
        hold.slow(60.0)
        hold.enter(0, lambda: taken.append(2))
        assert taken == [1, 2] and hold.gauges() == {"held_s_total": 0.0, "held_operations": 0.0}

    uvloop.run(scenario())


def test_operations_have_their_time_one_after_the_other() -> None:
    async def scenario() -> None:
        hold, loop = Hold(), asyncio.get_running_loop()
        hold.slow(SERVICE_S)
        began_s = loop.time()
        taken: list[tuple[int, float]] = []
        last = asyncio.Event()
        for number, operations in enumerate((5, 1, 10, 4)):
            hold.enter(operations, lambda number=number: taken.append((number, loop.time())))
        hold.enter(0, last.set)
        assert not taken and hold.gauges()["held_operations"] == 20
        await last.wait()
        assert [number for number, _ in taken] == [0, 1, 2, 3]
        served = [5, 6, 16, 20]
        # A timer of libuv counts in ms and may ring that much early.
        late = [at_s - began_s - SERVICE_S * n for (_, at_s), n in zip(taken, served, strict=True)]
        assert min(late) > -0.0011, late
        busy_s = hold.gauges()["held_s_total"]
        assert abs(busy_s - 20 * SERVICE_S) < 1e-9, "neither more nor less than it was told"

    uvloop.run(scenario())


class HandClock(asyncio.SelectorEventLoop):
    """Its time is what it is set to."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


def test_a_late_timer_costs_those_behind_nothing() -> None:
    taken: list[int] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HandClock)
        hold = Hold()
        hold.slow(1.0)
        for number in range(4):
            hold.enter(1, lambda number=number: taken.append(number))
        loop.now_s = 3.5
        hold.slow(1.0)
        assert taken == [0, 1, 2]
        assert hold.gauges() == {"held_s_total": 3.5, "held_operations": 1}
        hold.close()

    with asyncio.Runner(loop_factory=HandClock) as runner:
        runner.run(scenario())


def test_who_is_slow_no_more_lets_everybody_go_in_order() -> None:
    async def scenario() -> None:
        hold = Hold()
        hold.slow(60.0)
        taken: list[int] = []
        for number in range(5):
            hold.enter(1, lambda number=number: taken.append(number))
        assert not taken
        hold.slow(0.0)
        assert taken == [0, 1, 2, 3, 4] and hold.gauges()["held_operations"] == 0
        hold.slow(60.0)
        hold.enter(1, lambda: taken.append(5))
        hold.close()
        hold.slow(0.0)
        assert taken == [0, 1, 2, 3, 4], "who stood in line was dropped"

    uvloop.run(scenario())


def test_a_wire_is_busy_for_the_bytes_that_it_sends() -> None:
    faults = NetworkFaults(bandwidth_bytes_s=1000)
    line = Line(faults, Stream(1, "line"), Partitions(faults, Stream(1, "partitions"), 0.0))
    line.due_s(0.0, 500)
    line.due_s(0.1, 1500)
    assert (line.busy_s(0.25), line.waiting_s(0.25)) == (0.25, 1.75)
    assert (line.busy_s(3.0), line.waiting_s(3.0)) == (2.0, 0.0)


async def _work(directory: Path) -> None:
    """Every kind of program is slow, and one way is narrow: pods run all the same."""
    way = NetworkFaults(bandwidth_bytes_s=10_000_000, near="apiserver-0", far="store-0")
    plan = ClusterPlan(str(directory), nodes=(NodeSpec(4),), store_shards=2, network=way)
    async with LocalCluster(plan) as cluster:
        assert list(cluster.networks) == ["store-0", "apiserver-0"]
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "tester")
        pods = Pods(client)
        for program in cluster.running.values():
            program.hold.slow(SERVICE_S)  # type: ignore[attr-defined]
        await deploy(client, "web")
        await pods.until_running(REPLICAS)
        held = {name: program.gauges()["held_s_total"] for name, program in cluster.running.items()}
        always = ("store-0", "store-1", "apiserver-0", "scheduler", "hollow-0")
        assert all(held[name] > 0 for name in always), held
        assert held["controllers-0"] + held["controllers-1"] > 0, "one of them has the namespace"
        wires = cluster.networks["apiserver-0"].gauges()
        assert wires["link there store-0 busy_s"] > 0 and wires["link back store-0 busy_s"] > 0
        assert not any("store-1" in key for key in wires), "the other ways are sound"
        await client.close()


def test_a_cluster_works_slowly(tmp_path: Path) -> None:
    uvloop.run(_work(tmp_path))
