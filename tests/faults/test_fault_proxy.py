"""A bad network between programs: its arithmetic, one connection over it, and a whole cluster."""

from pathlib import Path
from typing import Any

import pytest
import uvloop

from actors.net import FrameClient, FrameOptions, FrameServer, PeerLost, ServerStream
from actors.net.fault_proxy import RETRANSMIT_S, FaultyNames, Line, Partitions
from actors.plan import NetworkFaults, Security
from api.streams import Stream
from tests.faults.bad_network import work
from tests.faults.followed_pods import run

SECURITY = Security("cluster-a", "right-token", "/nonexistent")
CUTS = 6
BRISK = FrameOptions(back_off_s=(0.005, 0.02))


def line_of(faults: NetworkFaults, name: str = "line") -> Line:
    return Line(faults, Stream(1, name), Partitions(faults, Stream(1, "partitions"), 0.0))


def test_bytes_are_late_as_told_and_never_overtake() -> None:
    line = line_of(NetworkFaults(delay_s=0.01, jitter_s=0.02))
    sent = [number * 0.001 for number in range(1000)]
    arrived = [line.due_s(at, 100) for at in sent]
    assert arrived == sorted(arrived)
    assert all(0.01 <= due - at <= 0.03 for at, due in zip(sent, arrived, strict=True))
    assert len({round(due - at, 4) for at, due in zip(sent, arrived, strict=True)}) > 50
    again = line_of(NetworkFaults(delay_s=0.01, jitter_s=0.02))
    assert arrived == [again.due_s(at, 100) for at in sent], "the same seed, the same network"


def test_bandwidth_is_shared_in_order() -> None:
    line = line_of(NetworkFaults(bandwidth_bytes_s=1000))
    assert [line.due_s(at, 500) for at in (0.0, 0.0, 0.1, 9.0)] == [0.5, 1.0, 1.5, 9.5]


def test_a_lost_segment_comes_a_retransmission_later() -> None:
    line = line_of(NetworkFaults(loss=0.1))
    late = [line.due_s(float(at), 100) - at for at in range(1000)]
    assert 60 <= sum(wait > 0 for wait in late) <= 140
    assert min(wait for wait in late if wait) == pytest.approx(RETRANSMIT_S)
    assert max(late) >= 3 * RETRANSMIT_S, "some segment is lost twice, and waits twice as long"


def test_both_directions_are_cut_off_at_the_same_times() -> None:
    faults = NetworkFaults(stall_every_s=5.0, stall_s=1.0)
    there, back = line_of(faults, "there"), line_of(faults, "back")
    arrived = [there.due_s(at / 100, 10) for at in range(10_000)]
    assert arrived == [back.due_s(at / 100, 10) for at in range(10_000)]
    waits = [due - at / 100 for at, due in enumerate(arrived)]
    share = sum(wait > 0 for wait in waits) / len(waits)
    assert 0.08 <= share <= 0.3 and 0.9 < max(waits) <= 1.0


class Echo:
    def on_call(self, reply: Any, body: Any, peer: str) -> None:
        reply(body)

    def on_open(self, stream: ServerStream, body: Any) -> None: ...

    def on_closed(self, stream: ServerStream) -> None: ...


def test_connections_that_are_cut_lose_calls_and_come_back() -> None:
    async def scenario() -> None:
        server = await FrameServer.start("127.0.0.1", 0, SECURITY, Echo(), BRISK)

        async def resolve(name: str) -> str:
            return server.address

        faults = NetworkFaults(delay_s=0.002, jitter_s=0.002, cut_every_s=0.05)
        names = FaultyNames(faults, 1, "tester", resolve)
        client = FrameClient("echo", SECURITY, names.resolve, "tester", BRISK)
        answered = lost = 0
        while names.gauges()["network_cuts_total"] < 4 or answered <= 4 or not lost:
            try:
                assert await client.call([answered, bytes(2000)]) == [answered, bytes(2000)]
                answered += 1
            except PeerLost:
                lost += 1
        assert client.connections >= 4
        assert names.gauges()["network_held_s_total"] >= 2 * 0.002 * answered
        await client.close()
        await names.close()
        await names.close()
        await server.stop()

    run(scenario())


def test_a_cluster_works_over_a_bad_network(tmp_path: Path) -> None:
    assert uvloop.run(work(tmp_path, seed=1, cuts=CUTS)) >= 1
