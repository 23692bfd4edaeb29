"""Scoring one node of each class gives what scoring every node gives."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from api.streams import Stream
from scheduler.engine import CLASSES_ROWS_MIN, Engine
from scheduler.explain import choose, explain
from scheduler.node_classes import (
    ASKS_MIN,
    NodeClasses,
    best_by_classes,
    group,
    mixed_columns,
    stand_for_nodes,
)
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.shapes import Shapes
from scheduler.views import StaticView
from tests.scheduler.scheduler_objects import node, pod
from tests.scheduler.test_scheduler_equality import TAINTS, World, nodes, preferring

pods: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["", "100m", "500m", "700m"]),
        "memory": st.sampled_from(["", "100Mi", "512Mi"]),
        "extended": st.sampled_from([{}, {"x/gpu": "1"}]),
        "tolerations": st.sampled_from([[], [{"operator": "Exists"}]]),
        "affinity": st.sampled_from([[], [("z0", 10)], [("z0", 10), ("z1", 50)]]).map(preferring),
    }
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_classes_decide_as_all_nodes_do(data: st.DataObject) -> None:
    world = World(1)
    known: dict[Any, NodeClasses] = {}
    table = world.table
    for number, facts in enumerate(data.draw(st.lists(nodes, min_size=1, max_size=8))):
        table.put_node(node_facts(node(f"n{number}", **facts)))
    for number in range(data.draw(st.integers(1, 12))):
        shape = world.shapes.of_pod(pod("p", **data.draw(pods)))
        classes = known.get(shape.place)
        current = classes is not None and classes.static.is_current(shape, table)
        if classes is None or not current or not classes.catch_up(table):
            classes = known[shape.place] = NodeClasses(StaticView(shape, table), table)
        salt = data.draw(st.integers(0, 2**64 - 1))
        plain = choose(explain(shape, table), table, salt)
        assert best_by_classes(shape, classes, table, salt) == plain
        _hold_together(classes)
        world.place(f"p{number}", plain, shape)
        if data.draw(st.integers(0, 3)) == 0:
            world.disturb(data.draw(st.integers(0, 3)), data)


def _hold_together(classes: NodeClasses) -> None:
    live = np.flatnonzero(classes.sizes).tolist()
    assert classes.count == len(live)
    for number in live:
        assert classes.of_row[classes.representatives[number]] == number
        assert len(classes.rows_of(number)) == classes.sizes[number]


def test_a_class_that_many_join_and_leave() -> None:
    """All rows go from one class to another and back, in more than one order."""
    table, shapes, rows = NodeTable(), Shapes(), 600
    for number in range(rows):
        table.put_node(node_facts(node(f"n{number}")))
    shape = shapes.of_pod(pod("p", cpu="500m"))
    classes = NodeClasses(StaticView(shape, table), table)
    for turn in range(6):
        for at in range(rows):
            row = (at * 7 + turn) % rows
            if turn % 2:
                table.remove_pod("p", f"n{row}")
            else:
                table.add_pod("p", f"n{row}", shape)
            if at % 50 == 0:
                assert classes.catch_up(table)
                _hold_together(classes)
                best = best_by_classes(shape, classes, table, at + 1)
                assert best == choose(explain(shape, table), table, at + 1)


def test_states_with_one_mix_are_two_groups() -> None:
    """Two states made so that they collide."""
    first = np.array([0, 5, 0, 5], np.int64)
    mixed = mixed_columns([first])
    second = (mixed ^ mixed[0]).astype(np.int64)
    assert len(set(mixed_columns([first, second]).tolist())) == 1
    numbers, order, starts = group([first, second])
    assert numbers.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    assert sorted(order.tolist()) == [0, 1, 2, 3] and starts.tolist() == [0, 2]


def test_the_engine_asks_classes_where_they_are_few() -> None:
    """Pods of many kinds over a large table, some twice; host ports are not for classes."""
    table, shapes, chance = NodeTable(), Shapes(), Stream(1, "classes")
    for number in range(CLASSES_ROWS_MIN):
        taints = [TAINTS[number % 2]] if number % 3 == 0 else []
        facts: dict[str, Any] = {"cpu": str(2 + number % 2), "taints": taints}
        table.put_node(node_facts(node(f"n{number}", **facts)))
    engine, by_classes = Engine(table), 0
    for number in range(3 * ASKS_MIN):
        ports = (80,) if number % 5 == 4 else ()
        shape = shapes.of_pod(pod("p", cpu=f"{100 + number % 20}m", ports=ports))
        salt = max(chance.next_u64(), 1)
        row = engine.choose(shape, salt)
        by_classes += not engine.has_view(shape)
        assert row == choose(explain(shape, table), table, salt)
        assert stand_for_nodes(shape, table) is not bool(ports)
        table.add_pod(f"p{number}", table.names[row], shape)
    assert by_classes >= ASKS_MIN, "without a score for every node"
