"""A scoring pool over more nodes than it names: rounds that overlap, maxima that differ between
partitions and move while a batch is decided, lists that run out."""

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.engine import Engine
from scheduler.explain import choose, explain
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_rows import partition_of
from scheduler.partition_wire import answer_body, request_from
from scheduler.pool import ScoringPool
from scheduler.shapes import Shapes
from tests.scheduler.scheduler_objects import node, pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
RACKS = [f"r{number}" for number in range(5)]


def preferring(*racks: tuple[str, int]) -> dict[str, object]:
    terms = [
        {
            "weight": weight,
            "preference": {
                "matchExpressions": [{"key": "rack", "operator": "In", "values": [rack]}]
            },
        }
        for rack, weight in racks
    ]
    return {"nodeAffinity": {PREFERRED: terms}}


class Cluster:
    """A table, and a pool over it whose answers may come after the next changes."""

    def __init__(self, partitions: int) -> None:
        self.table = NodeTable()
        self.shapes = Shapes()
        self.pool = ScoringPool(self.table, Engine(self.table), partitions)
        self.cores = [PartitionCore() for _ in range(partitions)]
        self.answers: list[tuple[int, Any]] = []
        self.names = 0
        self.decided = 0

    def ask(self, questions: list[tuple[int, Any, int]], undecided: int) -> None:
        for number, body in self.pool.ask(questions, undecided, 0):
            changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
            (answer,) = self.cores[number].step([changed, request], 0)
            self.answers.append((number, msgpack.unpackb(msgpack.packb(answer_body(answer)))))

    def close(self) -> None:
        for number, answer in self.answers:
            self.pool.answered(number, answer, 0)
        self.answers = []
        self.pool.close()

    def decide(self, questions: list[tuple[int, Any, int]]) -> None:
        """As one at a time."""
        for number, shape, salt in questions:
            plain = choose(explain(shape, self.table), self.table, salt)
            assert self.pool.choose(number, shape, salt) == plain
            self.decided += 1
            if plain >= 0:
                self.names += 1
                self.table.add_pod(f"default/p{self.names}", self.table.names[plain], shape)

    @property
    def merged(self) -> int:
        """Decisions by the merged order."""
        return self.decided - self.pool.fallbacks - self.pool.by_levels


nodes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["2", "4", "16"]),
        "memory": st.sampled_from(["4Gi", "32Gi"]),
        "labels": st.sampled_from(RACKS).map(lambda rack: {"rack": rack}),
        "taints": st.sampled_from([[], [], ["spot=yes:PreferNoSchedule"]]),
    }
)
affinities = st.lists(
    st.tuples(st.sampled_from(RACKS), st.sampled_from([1, 7, 50])), max_size=3
).map(lambda terms: preferring(*terms))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_overlapping_rounds_choose_as_one_at_a_time(data: st.DataObject) -> None:
    cluster = Cluster(data.draw(st.integers(1, 4)))
    kinds = data.draw(st.lists(nodes, min_size=1, max_size=6))
    rare = data.draw(nodes)
    for number in range(data.draw(st.integers(20, 90))):
        facts = rare if number == 7 else kinds[number * 7919 % len(kinds)]
        cluster.table.put_node(node_facts(node(f"n{number}", **facts)))
    wishes = data.draw(st.lists(affinities, min_size=1, max_size=2))
    before: list[tuple[int, Any, int]] = []
    for _ in range(data.draw(st.integers(2, 4))):
        batch = []
        salt, step = data.draw(st.integers(0, 2**64 - 1)), data.draw(st.integers(0, 29))
        for number in range(data.draw(st.integers(1, 20))):
            cpu = f"{100 + number * step % 30 * 100}m"
            affinity = wishes[number % len(wishes)]
            shape = cluster.shapes.of_pod(pod("p", cpu=cpu, affinity=affinity))
            batch.append((number, shape, salt * (number + 1) % 2**64))
        cluster.ask(batch, len(before))
        cluster.decide(before)
        cluster.close()
        if data.draw(st.booleans()):
            # The only one of its kind may come, change or go.
            at = f"n{data.draw(st.sampled_from([7, 7, 200, 201]))}"
            cluster.table.put_node(node_facts(node(at, **data.draw(nodes))))
        before = batch
    cluster.decide(before)
    cluster.table.check()


def test_most_decisions_follow_the_merged_order() -> None:
    """Sixty nodes of three kinds, two of which some partitions do not have."""
    cluster = Cluster(3)
    for number in range(60):
        rack = RACKS[0] if number % 3 else RACKS[1 + (number == 30)]
        facts = node(f"n{number}", cpu=str(4 + number % 5), labels={"rack": rack})
        cluster.table.put_node(node_facts(facts))
    wish = preferring((RACKS[1], 40), (RACKS[0], 20))
    for first in range(0, 64, 16):
        batch = [
            (n, cluster.shapes.of_pod(pod("p", cpu=f"{100 + 7 * n}m", affinity=wish)), 99 * n + 1)
            for n in range(first, first + 16)
        ]
        cluster.ask(batch, 0)
        cluster.close()
        cluster.decide(batch)
    assert cluster.decided == 64
    assert cluster.merged > 48


def test_nodes_that_are_named_without_a_draw_give_way_to_those_that_are_not() -> None:
    """When the maxima moved, a list that seemed hopeless may have the best node."""
    cluster = Cluster(1)
    kinds = [("2", "r0"), ("2", "r2"), ("4", "r1"), ("16", "r0")]
    for number in range(42):
        cpu, rack = ("2", "r0") if number == 7 else kinds[number * 7919 % 4]
        facts = node(f"n{number}", cpu=cpu, memory="4Gi", labels={"rack": rack})
        cluster.table.put_node(node_facts(facts))
    before: list[tuple[int, Any, int]] = []
    for size, step in ((3, 10), (1, 0)):
        batch = []
        for number in range(size):
            cpu = f"{100 + number * step % 30 * 100}m"
            wish = preferring(("r1", 1), ("r2", 7))
            batch.append((number, cluster.shapes.of_pod(pod("p", cpu=cpu, affinity=wish)), 0))
        cluster.ask(batch, len(before))
        cluster.decide(before)
        cluster.close()
        before = batch
    cluster.decide(before)


def overlapping(cluster: Cluster, rounds: int) -> list[int]:
    """Batches of 48 pods that all want the same nodes, each asked about before the one before it is
    decided. How often the leader scored all nodes itself, by batch."""
    before: list[tuple[int, Any, int]] = []
    alone = []
    for first in range(0, (rounds + 1) * 48, 48):
        batch = [
            (n, cluster.shapes.of_pod(pod("p", cpu=f"{3000 + first + n}m")), n + 1)
            for n in range(48)
        ]
        cluster.ask(batch, len(before))
        fallbacks = cluster.pool.fallbacks
        cluster.decide(before)
        alone.append(cluster.pool.fallbacks - fallbacks)
        cluster.close()
        before = batch
    return alone[1:]


@pytest.mark.parametrize("partitions", [1, 2, 3, 7])
def test_so_many_nodes_are_named_that_one_of_them_has_not_changed(partitions: int) -> None:
    """No two nodes alike, so all pods have the same best nodes, which only one of them gets."""
    cluster = Cluster(partitions)
    for number in range(400):
        facts = node(f"n{number}", cpu=f"{4000 + 10 * number}m", memory="64Gi")
        cluster.table.put_node(node_facts(facts))
    assert overlapping(cluster, 4) == [0, 0, 0, 0]


def test_a_partition_that_gets_more_than_its_share_names_more_from_then_on() -> None:
    """All large nodes are in one of three partitions, which nobody knows at first."""
    cluster = Cluster(3)
    whose = partition_of(np.arange(600), 3).tolist()
    for number in range(600):
        cpu = 4000 + 10 * number if whose[number] == 1 else 3000
        cluster.table.put_node(node_facts(node(f"n{number}", cpu=f"{cpu}m", memory="64Gi")))
    alone = overlapping(cluster, 4)
    assert alone[0] > 0 and alone[-1] == 0
