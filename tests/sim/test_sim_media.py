"""What a disk loses and a network holds back, and nothing else."""

from typing import Any

import pytest

from sim.connection import Client, ServerStream
from sim.disk import Disk, DiskEvent
from sim.heap import Agenda
from sim.kernel import Kernel
from sim.network import DOUBLED, LATE, Network
from sim.processes import CUT_OFF, KILLED, MOVED
from store.messages import OP_PUT, Append, AppendFailed, LogRecord, Persisted

MS, SECOND = 1_000_000, 1_000_000_000


def record(number: int) -> LogRecord:
    return (number, ((OP_PUT, b"/registry/x", b"", b"v" * 700, 0),))


class Written:
    """A disk to which ten records were written and synced, and what it has reported."""

    def __init__(self, seed: int = 1, durability: str = "fsync") -> None:
        self.kernel = Kernel(seed, Agenda(0))
        self.disk = Disk(self.kernel, 0, durability, 1 << 20)
        self.reports: list[DiskEvent] = []
        self.disk.attach(1, self.reports.append)
        self.append(1, 10)
        self.kernel.agenda.run(SECOND)
        assert self.reports == [Persisted(10, self.disk.log_bytes)]

    def append(self, first: int, last: int) -> None:
        records = [record(number) for number in range(first, last + 1)]
        self.disk.append(Append(first, records))

    def found(self) -> int:
        """How many records a new process finds, which are as they were written."""
        records = list(self.disk.recovered().records)
        assert [one[0] for one in records] == list(range(1, len(records) + 1))
        return len(records)


@pytest.mark.parametrize("how", [KILLED, CUT_OFF, MOVED])
def test_what_was_synced_is_there_after_every_end(how: str) -> None:
    for seed in range(1, 31):
        written = Written(seed)
        written.append(11, 20)
        written.disk.died(how)
        assert 10 <= written.found() <= 20
        if how == MOVED:
            assert written.found() == 20


def test_a_write_under_way_is_torn_at_any_place() -> None:
    found = []
    for seed in range(1, 61):
        written = Written(seed)
        written.append(11, 20)
        written.disk.died(KILLED)
        found.append(written.found())
    assert min(found) == 10
    assert max(found) >= 18


def test_only_a_machine_that_dies_loses_what_was_not_synced() -> None:
    killed = Written(durability="buffered")
    killed.disk.died(KILLED)
    assert killed.found() == 10
    cut = []
    for seed in range(1, 61):
        written = Written(seed, "buffered")
        written.disk.died(CUT_OFF)
        cut.append(written.found())
    assert min(cut) <= 1
    assert max(cut) >= 9


def test_a_full_disk_refuses_and_forgets() -> None:
    written = Written()
    written.disk.full_until_ns = 2 * SECOND
    written.append(11, 12)
    written.kernel.agenda.run(2 * SECOND - 1)
    failed = written.reports[-1]
    assert isinstance(failed, AppendFailed)
    assert failed.index == 11
    assert written.found() == 10
    written.kernel.agenda.run(2 * SECOND)
    written.append(11, 12)
    written.kernel.agenda.run(3 * SECOND)
    assert written.reports[-1] == Persisted(12, written.disk.log_bytes)
    assert written.found() == 12


def test_a_full_disk_that_is_moved_loses_what_is_queued() -> None:
    written = Written()
    written.disk.full_until_ns = 2 * SECOND
    written.append(11, 12)
    written.disk.died(MOVED)
    assert written.found() == 10


class Pair:
    """A client and a server that notes what it is asked, and answers."""

    def __init__(self, seed: int = 1) -> None:
        self.kernel = Kernel(seed, Agenda(0))
        self.network = Network(self.kernel, (100, 100), 2000)
        self.asked: list[tuple[int, Any]] = []
        self.answers: list[Any] = []
        self.closed: list[ServerStream] = []
        self.network.listen("server", self)
        self.client = Client(self.network, "client", "server")
        self.kernel.agenda.run(SECOND)
        assert self.client.connected

    def on_call(self, reply: Any, body: Any) -> None:
        self.asked.append((self.kernel.agenda.now_ns, body))
        reply(body)

    def on_open(self, stream: ServerStream, body: Any) -> None: ...

    def on_closed(self, stream: ServerStream) -> None:
        self.closed.append(stream)

    def call(self, *bodies: int) -> None:
        for body in bodies:
            self.client.send(body, self.answers.append)

    def run(self, until_ns: int) -> None:
        self.kernel.agenda.run(until_ns)

    @property
    def order(self) -> list[Any]:
        return [body for _, body in self.asked]


def test_frames_arrive_in_order_and_in_time() -> None:
    pair = Pair()
    for number in range(100):
        pair.call(number)
        pair.run(pair.kernel.agenda.now_ns + 20_000)
    pair.run(2 * SECOND)
    assert pair.order == pair.answers == list(range(100))
    assert pair.asked[0][0] - SECOND >= 100_000


def test_a_partition_holds_back_and_loses_nothing() -> None:
    pair = Pair()
    pair.network.block("client", "server", 3 * SECOND)
    pair.call(1, 2)
    pair.run(3 * SECOND)
    assert pair.asked == []
    pair.run(4 * SECOND)
    assert pair.order == pair.answers == [1, 2]


def test_no_connection_comes_about_in_a_partition() -> None:
    pair = Pair()
    pair.network.block("client", "server", 5 * SECOND)
    pair.network.reset("client", "server")
    pair.run(5 * SECOND)
    assert not pair.client.connected
    pair.run(10 * SECOND)
    assert pair.client.connected


def test_only_the_way_to_a_slow_reader_is_slow() -> None:
    pair = Pair()
    pair.network.slow_down("client", "server", 9 * SECOND, SECOND)
    pair.call(1)
    pair.run(SECOND + 100 * MS)
    assert pair.order == [1]
    pair.run(2 * SECOND)
    assert pair.answers == []
    pair.run(2 * SECOND + 100 * MS)
    assert pair.answers == [1]


def test_a_reset_loses_calls_and_tells_both_ends() -> None:
    lost = heard = 0
    for seed in range(1, 21):
        pair = Pair(seed)
        pair.client.open("stream", pair.answers.append, pair.answers.append)
        pair.run(2 * SECOND)
        pair.call(1)
        pair.run(2 * SECOND + 90_000)
        pair.call(2)
        pair.network.reset("client", "server")
        pair.run(9 * SECOND)
        assert len(pair.closed) == 1
        assert "lost" in pair.answers
        lost += pair.answers.count(None)
        heard += len(pair.order)
        pair.call(3)
        pair.run(10 * SECOND)
        assert pair.answers[-1] == 3
    assert lost == 40
    assert 0 < heard < 40


@pytest.mark.parametrize("how", [DOUBLED, LATE])
def test_a_third_of_the_calls_go_astray_and_none_is_lost(how: str) -> None:
    pair = Pair()
    pair.network.disturb("client", "server", 30 * SECOND, how)
    for number in range(300):
        pair.call(number)
        pair.run(pair.kernel.agenda.now_ns + MS)
    pair.run(20 * SECOND)
    assert sorted(dict.fromkeys(pair.order)) == list(range(300))
    assert sorted(dict.fromkeys(pair.answers)) == list(range(300))
    if how == DOUBLED:
        assert 360 < len(pair.order) < 440
    else:
        assert len(pair.order) == 300
        assert pair.order != sorted(pair.order)
    pair.run(30 * SECOND)
    pair.asked.clear()
    pair.call(*range(50))
    pair.run(40 * SECOND)
    assert pair.order == list(range(50))


def test_healing_ends_all_of_it() -> None:
    pair = Pair()
    pair.network.block("client", "server", 9 * SECOND)
    pair.network.slow_down("client", "server", 9 * SECOND, SECOND)
    pair.network.disturb("client", "server", 9 * SECOND, DOUBLED)
    pair.network.heal()
    pair.call(*range(20))
    pair.run(SECOND + 10 * MS)
    assert pair.order == pair.answers == list(range(20))
