"""Equal pods that look at other pods are placed by divisions of rows as by looking at every row."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from api.streams import Stream
from scheduler.coupling import coupling_of
from scheduler.division_book import ASKS_MIN, DivisionBook
from scheduler.divisions import DIVISIONS_MIN
from scheduler.explain import NOBODY, choose, explain
from scheduler.node_facts import node_facts
from tests.scheduler.scheduler_objects import node, pod
from tests.scheduler.test_scheduler_coupled import HOST, ZONE, disturb, related_pods
from tests.scheduler.test_scheduler_equality import World, nodes

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_many_equal_pods_are_placed_as_one_at_a_time(data: st.DataObject) -> None:
    world = World(1)
    for number, facts in enumerate(data.draw(st.lists(nodes, min_size=1, max_size=8))):
        if data.draw(st.integers(0, 5)) == 0:
            facts = {**facts, "labels": {}}
        world.table.put_node(node_facts(node(f"n{number}", **facts)))
    made = data.draw(related_pods())
    shape = world.shapes.of_pod(made)
    salts = Stream(data.draw(st.integers(0, 2**32)), "salts")
    for number in range(data.draw(st.integers(ASKS_MIN, 16))):
        salt = max(salts.next_u64(), 1)
        plain = choose(explain(shape, world.table), world.table, salt)
        assert world.engine.choose(shape, salt) == plain
        if plain >= 0:
            world.place(f"{made['metadata']['namespace']}/p{number}", plain, shape)
        else:
            disturb(world, data)
        if data.draw(st.integers(0, 5)) == 0:
            disturb(world, data)


def spread(key: str, when: str, skew: int = 1) -> JsonObject:
    selector = {"matchLabels": {"app": "a"}}
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": when,
        "labelSelector": selector,
    }


def apart(key: str) -> JsonObject:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "a"}}}
    return {"affinity": {"podAntiAffinity": {REQUIRED: [term]}}}


def cluster(nodes_count: int) -> World:
    """Three zones, unequal nodes, and every fifth one better left alone."""
    world = World(1)
    for number in range(nodes_count):
        facts = node(
            f"n{number}",
            cpu=str(2 + number % 3),
            pods=6,
            labels={ZONE: f"z{number % 3}"},
            taints=["a=1:PreferNoSchedule"] if number % 5 == 0 else [],
        )
        world.table.put_node(node_facts(facts))
    return world


def place_all(world: World, made: JsonObject, count: int) -> int:
    """Each as the plain way does, while pods leave too; how many were decided by divisions."""
    made["metadata"]["labels"] = {"app": "a"}
    shape, book = world.shapes.of_pod(made), DivisionBook()
    table, divided = world.table, 0
    for number in range(count):
        salt = number * 0x9E3779B97F4A7C15 % 2**64 + 1
        plain = choose(explain(shape, table), table, salt)
        assert world.engine.choose(shape, salt) == plain
        coupling = coupling_of(shape, table, NOBODY)
        if coupling is not None:
            row = book.choose(table, coupling, world.engine.view(shape), salt)
            divided += row is not None
            assert row in (plain, None)
        world.place(f"default/p{number}", plain, shape)
        if number % 7 == 6 and world.placed:
            table.remove_pod(*world.placed.pop(len(world.placed) // 2))
    return divided


def test_spread_over_zones_and_hosts() -> None:
    constraints = [spread(ZONE, "DoNotSchedule"), spread(HOST, "ScheduleAnyway")]
    made = pod("p", cpu="300m", topologySpreadConstraints=constraints)
    assert place_all(cluster(40), made, 150) == 150 - ASKS_MIN


def test_spread_by_several_soft_constraints() -> None:
    constraints = [
        spread(HOST, "ScheduleAnyway", 3),
        spread(ZONE, "ScheduleAnyway", 5),
        spread(HOST, "DoNotSchedule", 2),
    ]
    made = pod("p", cpu="300m", topologySpreadConstraints=constraints)
    assert place_all(cluster(40), made, 120) > 90


def test_apart_on_hosts() -> None:
    assert place_all(cluster(40), pod("p", cpu="300m", **apart(HOST)), 60) > 40


def test_every_row_is_looked_at_where_divisions_are_too_many() -> None:
    """Racks with few nodes each, and as many scores as racks."""
    world = World(1)
    racks = DIVISIONS_MIN + 8
    for number in range(2 * racks):
        labels = {"rack": f"r{number % racks}"}
        world.table.put_node(node_facts(node(f"n{number}", labels=labels)))
    made = pod("p", topologySpreadConstraints=[spread("rack", "ScheduleAnyway")])
    assert place_all(world, made, 20) == 0


def test_more_equal_pods_than_fit() -> None:
    world = cluster(6)
    made: Any = pod("p", cpu="900m", topologySpreadConstraints=[spread(ZONE, "DoNotSchedule")])
    place_all(world, made, 40)
    assert 10 < len(world.placed) < 34


def test_a_full_node_that_empties_is_found_at_once() -> None:
    """It leaves no division when it joins one, and the last pod went to another zone."""
    world, book = cluster(12), DivisionBook()
    zones = spread(ZONE, "DoNotSchedule", 9)
    made = pod("p", cpu="100m", topologySpreadConstraints=[zones])
    made["metadata"]["labels"] = {"app": "a"}
    shape = world.shapes.of_pod(made)
    guests = []
    for row in range(1, 12, 2):
        guest = world.shapes.of_pod(pod("g", cpu=str(2 + row % 3)))
        world.place(f"default/g{row}", row, guest)
        guests.append(world.placed.pop())
    for number in range(ASKS_MIN + 4 * len(guests)):
        if number >= ASKS_MIN and number % 4 == 0:
            world.table.remove_pod(*guests.pop())
        salt = number * 0x9E3779B97F4A7C15 % 2**64 + 1
        plain = choose(explain(shape, world.table), world.table, salt)
        coupling = coupling_of(shape, world.table, NOBODY)
        assert coupling is not None
        found = book.choose(world.table, coupling, world.engine.view(shape), salt)
        assert found == plain if number >= ASKS_MIN else found in (plain, None)
        world.place(f"default/p{number}", plain, shape)
    assert not guests
