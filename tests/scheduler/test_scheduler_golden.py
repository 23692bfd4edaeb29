"""Placements recorded from the real kube-scheduler: every field of every attempt agrees."""

from pathlib import Path

import pytest

from scheduler.node_table import NodeTable
from scheduler.tie import FIRST
from tests.golden_scheduler.replay import Choose, replay_case

GOLDEN = Path(__file__).parents[1] / "golden" / "scheduler"
FAMILIES = (
    "tiny",
    "basic",
    "taints",
    "node_affinity",
    "ports",
    "images",
    "unschedulable",
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


def test_a_difference_is_named() -> None:
    def always_first(table: NodeTable) -> Choose:
        return lambda _shape: 0

    name = "tiny.jsonl.gz"
    outcome = replay_case(GOLDEN / "cases" / name, GOLDEN / "results" / name, always_first)
    assert outcome.agree < outcome.attempts
    assert FIRST == 0
    assert all("chooses another node" in text for text in outcome.differences)
