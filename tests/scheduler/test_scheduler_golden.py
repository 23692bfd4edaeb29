"""Placements recorded from the real kube-scheduler: every field of every attempt agrees."""

from pathlib import Path

import msgpack
import pytest

from scheduler.engine import Engine
from scheduler.explain import Pod
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.tie import FIRST
from tests.golden_scheduler.remix import differences
from tests.golden_scheduler.replay import Choose, replay_case

GOLDEN = Path(__file__).parents[1] / "golden" / "scheduler"
FAMILIES = (
    "tiny",
    "basic",
    "podlevel",
    "taints",
    "node_affinity",
    "ports",
    "images",
    "unschedulable",
    "topology_spread",
    "pod_affinity",
    "preemption",
    "mixed",
    "volumes",
    "scale500",
    "openb-4000",
)
CASES = sorted(
    path.name for family in FAMILIES for path in (GOLDEN / "cases").glob(f"{family}*.jsonl.gz")
)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_record(name: str) -> None:
    outcome = replay_case(GOLDEN / "cases" / name, GOLDEN / "results" / name)
    assert outcome.attempts > 0
    assert outcome.differences == []
    assert outcome.agree == outcome.attempts


def pool_of_three(table: NodeTable) -> Choose:
    """Every decision over the wire format, by three partitions and a leader that merges."""
    pool = ScoringPool(table, Engine(table), 3)
    cores = [PartitionCore() for _ in range(3)]

    def ask(shape: Shape, pod: Pod) -> int:
        for number, body in pool.ask([(0, shape, FIRST)], 0, 0):
            changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
            (answer,) = cores[number].step([changed, request], 0)
            pool.answered(number, msgpack.unpackb(msgpack.packb(answer_body(answer))), 0)
        pool.close()
        row = pool.choose(0, shape, FIRST, pod)
        assert pool.fallbacks == 0
        return row

    return ask


@pytest.mark.parametrize("name", [name for name in CASES if "openb" not in name])
def test_a_pool_agrees_with_the_record(name: str) -> None:
    outcome = replay_case(GOLDEN / "cases" / name, GOLDEN / "results" / name, pool_of_three)
    assert outcome.differences == []


def test_a_difference_is_named() -> None:
    def always_first(table: NodeTable) -> Choose:
        return lambda _shape, _pod: 0

    name = "tiny.jsonl.gz"
    outcome = replay_case(GOLDEN / "cases" / name, GOLDEN / "results" / name, always_first)
    assert outcome.agree < outcome.attempts
    assert FIRST == 0
    assert all("chooses another node" in text for text in outcome.differences)


@pytest.mark.parametrize("seed", range(1, 17))
def test_clusters_made_of_recorded_parts_are_scheduled_alike_in_all_ways(seed: int) -> None:
    assert differences(seed) == []
