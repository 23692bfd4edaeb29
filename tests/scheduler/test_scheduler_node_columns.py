"""What Node objects say, kept once for all nodes that say the same."""

import msgpack

from scheduler.engine import Engine
from scheduler.interned import Interned
from scheduler.node_columns import NodeColumns
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.pool import ScoringPool
from scheduler.shapes import Shapes
from scheduler.tie import FIRST
from tests.scheduler.scheduler_objects import node


def test_facts_come_back_as_they_were_put() -> None:
    columns = NodeColumns(2)
    said = [
        node_facts(
            node(
                name,
                labels={"host": name, "zone": "z", "other": "n1"},
                taints=["a=1:NoSchedule"],
                images=[{"names": ["app:1", "app"], "sizeBytes": 7}],
            )
        )
        for name in ("n0", "n1")
    ]
    for row, facts in enumerate(said):
        columns.put(row, facts)
    assert [columns.get(row, facts.name) for row, facts in enumerate(said)] == said
    columns.drop(0)
    assert columns.get(0, "n0") is None
    assert columns.get(1, "n1") == said[1]


def test_what_nobody_says_any_more_is_forgotten() -> None:
    """A node that flaps with ever new labels leaves nothing behind."""
    values: Interned[str] = Interned()
    for number in range(100):
        taken = values.take(f"set {number}")
        assert values[taken] == f"set {number}"
        values.give_back(taken)
    assert len(values) == 1
    first, again, other = values.take("a"), values.take("a"), values.take("b")
    assert first == again != other
    values.give_back(first)
    assert values[again] == "a"


def test_a_label_that_names_its_node_is_a_column_like_any_other() -> None:
    table = NodeTable()
    for number in range(3):
        table.put_node(node_facts(node(f"n{number}", labels={"host": f"n{number}"})))
    table.put_node(node_facts(node("n3", labels={"host": "n1"})))
    column, values = table.label_column("host")
    assert column[1] == column[3] == values["n1"]
    assert len(dict.fromkeys(column[:3].tolist())) == 3
    table.put_node(node_facts(node("n3", labels={"host": "n3"})))
    column, values = table.label_column("host")
    assert column[3] == values["n3"] != column[1]


def test_a_partition_hears_that_a_node_came_anew_between_two_questions() -> None:
    """It says the same as before but is younger than the others now, so it is not the first."""
    table, core = NodeTable(), PartitionCore()
    pool = ScoringPool(table, Engine(table), 1)
    for name in ("n0", "n1"):
        table.put_node(node_facts(node(name)))
    shape = Shapes().of_pod({"spec": {"containers": [{"name": "c", "image": "a"}]}})
    chosen = []
    for _ in range(2):
        for _, body in pool.ask([(0, shape, FIRST)], 0, 0):
            (answer,) = core.step(request_from(msgpack.unpackb(msgpack.packb(body))), 0)
            pool.answered(0, msgpack.unpackb(msgpack.packb(answer_body(answer))), 0)
        pool.close()
        chosen.append(table.names[pool.choose(0, shape, FIRST)])
        table.remove_node("n0")
        table.put_node(node_facts(node("n0")))
    assert chosen == ["n0", "n1"]
