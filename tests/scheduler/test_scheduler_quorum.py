"""A scoring pool that does not wait for all: what is left out, and what never is."""

import msgpack

from scheduler.engine import Engine
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.pool import ScoringPool
from scheduler.shapes import Shapes
from scheduler.tie import FIRST
from tests.scheduler.scheduler_objects import node, pod


class Cluster:
    """Three nodes, each in a partition of its own; the last node is the best by far."""

    def __init__(self, quorum_percent: int) -> None:
        self.table = NodeTable()
        self.shapes = Shapes()
        for number in range(3):
            self.table.put_node(node_facts(node(f"n{number}", cpu=str(2 + 30 * (number == 2)))))
        self.pool = ScoringPool(self.table, Engine(self.table), 3, quorum_percent)
        self.cores = [PartitionCore() for _ in range(3)]
        self.late: list[tuple[int, object]] = []

    def choose(self, cpu: str, silent: tuple[int, ...] = ()) -> tuple[list[int], str]:
        """The partitions that are asked, and the node."""
        shape = self.shapes.of_pod(pod("p", cpu))
        orders = self.pool.ask([(0, shape, FIRST)], 0, 0)
        for number, body in orders:
            changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
            (scored,) = self.cores[number].step([changed, request], 0)
            answer = msgpack.unpackb(msgpack.packb(answer_body(scored)))
            if number in silent:
                self.late.append((number, answer))
            else:
                self.pool.answered(number, answer, 0)
        assert not self.pool.waiting
        self.pool.close()
        row = self.pool.choose(0, shape, FIRST)
        return [number for number, _ in orders], "" if row < 0 else self.table.names[row]


def test_a_round_closes_without_a_partition_that_is_asked_again_when_it_has_answered() -> None:
    cluster = Cluster(60)
    assert cluster.choose("100m", silent=(2,)) == ([0, 1, 2], "n0")
    assert cluster.choose("101m") == ([0, 1], "n0")
    ((number, answer),) = cluster.late
    cluster.pool.answered(number, answer, 0)
    assert cluster.choose("102m") == ([0, 1, 2], "n2")
    assert cluster.pool.fallbacks == 0


def test_a_pod_that_fits_only_where_nobody_has_answered_is_placed_by_the_leader() -> None:
    cluster = Cluster(60)
    assert cluster.choose("4", silent=(2,)) == ([0, 1, 2], "n2")
    assert cluster.pool.fallbacks == 1


def test_one_that_is_lost_meanwhile_begins_anew() -> None:
    cluster = Cluster(60)
    cluster.choose("100m", silent=(2,))
    cluster.pool.lost(2, -2_000_000_000)
    assert cluster.choose("101m") == ([0, 1, 2], "n2")


def test_at_a_hundred_percent_every_answer_is_awaited() -> None:
    cluster = Cluster(100)
    shape = cluster.shapes.of_pod(pod("p"))
    orders = cluster.pool.ask([(0, shape, FIRST)], 0, 0)
    for number, body in orders:
        assert cluster.pool.waiting
        changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
        (scored,) = cluster.cores[number].step([changed, request], 0)
        answer = msgpack.unpackb(msgpack.packb(answer_body(scored)))
        cluster.pool.answered(number, answer, 0)
    assert not cluster.pool.waiting
