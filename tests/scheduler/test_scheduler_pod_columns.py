"""Bound pods as columns say what objects would say."""

from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.placed import Placed, PodReference
from scheduler.pod_columns import NONE, PodColumns
from scheduler.pod_descriptions import Selected
from scheduler.pod_shape import Shape
from scheduler.shapes import Shapes
from tests.scheduler.scheduler_objects import node, pod

SHAPES = Shapes()


def shape(cpu: str = "100m", app: str = "a") -> Any:
    made = pod("p", cpu)
    made["metadata"]["labels"] = {"app": app}
    return SHAPES.of_pod(made)


def content(one: Shape) -> tuple[object, ...]:
    return (one.key, one.cpu, one.memory, one.relations, one.profile)


uids = st.one_of(
    st.uuids().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.uuids().map(lambda uid: str(uid).upper()),
)
orders = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "remove"]),
        st.sampled_from(["x", "y"]),
        st.integers(0, 12),
        uids,
        st.integers(0, 4),
    ),
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(orders=orders)
def test_columns_follow_a_dictionary(orders: list[Any]) -> None:
    columns, plain = PodColumns(), {}
    for what, namespace, name, uid, row in orders:
        key = f"{namespace}/pod-{name}"
        at = columns.find(key)
        assert (at == NONE) == (key not in plain)
        if at != NONE:
            columns.remove(at)
            del plain[key]
        if what == "add":
            reference = PodReference(namespace, f"pod-{name}", uid, len(uid), f"s{row}")
            placed = Placed(shape(f"{row + 1}00m"), name, 1 << name)
            columns.add(reference, row, placed)
            plain[key] = (reference, row, placed)
    assert columns.count == len(plain)
    assert sorted(columns.key(at) for at in columns) == sorted(plain)
    for key, expected in plain.items():
        at = columns.find(key)
        reference, row, placed = expected
        assert (columns.reference(at), columns.row(at)) == (reference, row)
        found = columns.placed(at)
        assert (found.priority, found.started_ns) == (placed.priority, placed.started_ns)
        assert content(found.shape) == content(placed.shape)
    for row in range(5):
        there = sorted(key for key, one in plain.items() if one[1] == row)
        assert sorted(columns.key(at) for at in columns.on_row(row)) == there
        assert columns.any_on(row) == bool(there)


def test_thousands_come_and_go() -> None:
    """The index and the text are made anew in between."""
    columns = PodColumns()
    for turn in range(3):
        for number in range(3000):
            reference = PodReference("default", f"p{number}-{turn}", str(UUID(int=number)), 1, "s")
            columns.add(reference, number % 7, Placed(shape(), 0, number))
        for number in range(0, 3000, 2 if turn else 1):
            columns.remove(columns.find(f"default/p{number}-{turn}"))
    left = [f"default/p{number}-{turn}" for turn in (1, 2) for number in range(1, 3000, 2)]
    assert sorted(columns.key(at) for at in columns) == sorted(left)
    assert all(columns.placed(columns.find(key)).started_ns % 2 for key in left)
    assert columns.find("default/p0-1") == NONE


def place(table: NodeTable, name: str, on: str, settle: bool, app: str = "a") -> None:
    table.add_pod(f"default/{name}", on, shape(app=app))
    if settle:
        table.settle(PodReference("default", name, name, 1, "s"), on)


def test_settled_pods_count_like_others_when_nodes_come_and_go() -> None:
    tables = []
    for settle in (False, True):
        table = NodeTable()
        place(table, "early", "n1", settle)
        table.put_node(node_facts(node("n0")))
        place(table, "p0", "n0", settle)
        table.put_node(node_facts(node("n1")))
        place(table, "p1", "n1", settle)
        place(table, "p2", "nowhere", settle)
        selector = {"matchLabels": {"app": "a"}}
        constraint = {"topologyKey": "zone", "maxSkew": 1, "labelSelector": selector}
        asking = SHAPES.of_pod(pod("q", topologySpreadConstraints=[constraint]))
        counter = table.pod_counts.counter(
            Selected("default", asking.relations.key.spread[0].selector)
        )
        steps = [dict(counter.rows)]
        for step in range(4):
            if step == 0:
                table.remove_node("n1")
            elif step == 1:
                table.remove_pod("default/early", "n1")
                table.remove_pod("default/p2", "nowhere")
            elif step == 2:
                place(table, "p3", "n1", settle)
                table.put_node(node_facts(node("n2")))
            else:
                table.put_node(node_facts(node("n1")))
            table.check()
            by_name = {table.names[row]: pods for row, pods in counter.rows.items()}
            amounts = {n: table.free[:, row].tolist() for n, row in table.row_of.items()}
            steps.append((by_name, amounts, sorted(table.pods_on("n1"))))  # type: ignore[arg-type]
        tables.append(steps[1:])
    assert tables[0] == tables[1]
    assert tables[0][-1][2] == ["default/p1", "default/p3"]


def test_a_counter_asked_for_late_counts_settled_pods() -> None:
    table = NodeTable()
    for name in ("n0", "n1", "n2"):
        table.put_node(node_facts(node(name)))
    for number in range(30):
        place(table, f"p{number}", f"n{number % 3}", number % 2 == 0, "ab"[number % 5 == 0])
    table.remove_node("n2")
    selector = {"matchLabels": {"app": "a"}}
    term = {"topologyKey": "zone", "labelSelector": selector}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    wanted = SHAPES.of_pod(pod("q", affinity=affinity)).relations.key.anti[0].selector
    table.pod_counts.counter(Selected("default", wanted))
    table.check()
    table.put_node(node_facts(node("n2")))
    table.check()
    for number in range(30):
        table.remove_pod(f"default/p{number}", f"n{number % 3}")
        table.check()
    assert not len(list(table.placed.settled))
