"""Rows that change again after pods were scored ahead are rated as they are then."""

from typing import Any

from scheduler.changed_rows import ChangedRows
from scheduler.node_facts import node_facts
from tests.scheduler.scheduler_objects import node, pod
from tests.scheduler.test_scheduler_equality import World, preferring

WISHES = preferring([("z0", 10), ("z1", 50)])


def two_nodes() -> tuple[World, ChangedRows, Any]:
    """One node in a zone that is liked, and one, which is full, in the zone that is liked more;
    both have changed since."""
    world = World(1)
    changed = ChangedRows(world.table, world.engine, world.table.position)
    for number in (0, 1):
        world.table.put_node(node_facts(node(f"n{number}", labels={"zone": f"z{number}"})))
    world.place("default/full", 1, world.shapes.of_pod(pod("full", cpu="4")))
    assert changed.follow()
    return world, changed, world.shapes.of_pod(pod("p", affinity=WISHES))


def best_rows(changed: ChangedRows, shape: Any, maximum: int) -> list[int] | None:
    """When this is the highest preference over all feasible nodes. None: it is not."""
    assert changed.follow()
    maxima = [0] * len(shape.profile.levels)
    names = [score.name for score in shape.profile.levels]
    maxima[names.index("NodeAffinity")] = maximum
    found = changed.best([shape] * 3, tuple(maxima))
    return None if found is None else [int(row) for row in found[1]]


def test_a_row_that_becomes_feasible_may_raise_the_maximum() -> None:
    world, changed, shape = two_nodes()
    assert best_rows(changed, shape, 10) == [0]
    world.table.remove_pod("default/full", "n1")
    assert best_rows(changed, shape, 10) is None
    assert best_rows(changed, shape, 50) == [1]


def test_scores_made_ahead_are_none_of_a_node_object_that_changed() -> None:
    world, changed, shape = two_nodes()
    assert best_rows(changed, shape, 10) == [0]
    world.table.put_node(node_facts(node("n0", labels={"zone": "z0"}, unschedulable=True)))
    assert best_rows(changed, shape, 10) == []
    world.table.put_node(node_facts(node("n0", labels={"zone": "z1"})))
    assert best_rows(changed, shape, 50) == [0]
