"""One plain way to decide, and three fast ones: they must agree, tie for tie."""

from typing import Any

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.engine import Engine
from scheduler.explain import choose, explain
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.placed import PodReference
from scheduler.pod_columns import NONE
from scheduler.pool import ScoringPool
from scheduler.rating import rate
from scheduler.shapes import Shapes
from scheduler.views import NOWHERE
from tests.scheduler.scheduler_objects import node, pod

TAINTS = ("a=1:PreferNoSchedule", "b=1:PreferNoSchedule", "c=1:NoSchedule")
ZONES = ("z0", "z1", "z2")

nodes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["1", "2", "3", "16"]),
        "memory": st.sampled_from(["1Gi", "2Gi", "3Gi"]),
        "pods": st.integers(1, 4),
        "labels": st.fixed_dictionaries({"zone": st.sampled_from(ZONES)}),
        "taints": st.lists(st.sampled_from(TAINTS), max_size=2, unique=True),
        "unschedulable": st.sampled_from([False, False, True]),
        "extended": st.sampled_from([{}, {"x/gpu": "2"}]),
        "images": st.sampled_from([[], [{"names": ["app:1"], "sizeBytes": 900_000_000}]]),
    }
)


def preferring(zones: list[tuple[str, int]]) -> dict[str, Any]:
    terms = [
        {
            "weight": weight,
            "preference": {
                "matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]
            },
        }
        for zone, weight in zones
    ]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


pods: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["", "100m", "500m", "700m"]),
        "memory": st.sampled_from(["", "100Mi", "512Mi"]),
        "ports": st.sampled_from([(), (), (80,)]),
        "extended": st.sampled_from([{}, {}, {"x/gpu": "1"}]),
        "tolerations": st.sampled_from(
            [[], [{"key": "a", "operator": "Exists"}], [{"operator": "Exists"}]]
        ),
        "affinity": st.lists(
            st.tuples(st.sampled_from(ZONES), st.sampled_from([1, 10, 50])), max_size=2
        ).map(preferring),
    }
)


class World:
    """One table, and the ways to decide over it."""

    def __init__(self, partitions: int) -> None:
        self.table = NodeTable()
        self.shapes = Shapes()
        self.engine = Engine(self.table)
        self.pool = ScoringPool(self.table, Engine(self.table), partitions)
        self.cores = [PartitionCore() for _ in range(partitions)]
        self.placed: list[tuple[str, str]] = []

    def ask(self, questions: list[Any], lost: int | None = None, data_loss: bool = False) -> None:
        """One round over the wire format."""
        for number, body in self.pool.ask(questions, 0, 0):
            if number == lost:
                self.pool.lost(number, -2_000_000_000)
                continue
            changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
            if data_loss:
                self.cores[number] = PartitionCore()
            (scored,) = self.cores[number].step([changed, request], 0)
            self.cores[number].check()
            answer = msgpack.unpackb(msgpack.packb(answer_body(scored)))
            self.pool.answered(number, answer, 0)
        self.pool.close()

    def place(self, name: str, row: int, shape: Any) -> None:
        if row >= 0:
            self.table.add_pod(name, self.table.names[row], shape)
            self.placed.append((name, self.table.names[row]))

    def disturb(self, what: int, data: st.DataObject) -> None:
        """Between two batches: a pod goes, a node goes, comes back, or changes, pods settle."""
        if what == 0 and self.placed:
            at = data.draw(st.integers(0, len(self.placed) - 1))
            self.table.remove_pod(*self.placed.pop(at))
        elif what == 4:
            for name, node_name in self.placed:
                if self.table.placed.number(name, node_name) == NONE:
                    space, _, bare = name.rpartition("/")
                    self.table.settle(PodReference(space, bare, bare, 1, "s"), node_name)
        elif what == 1 and self.table.count > 1:
            self.table.remove_node(sorted(self.table.row_of)[0])
        elif what in (2, 3):
            name = f"n{data.draw(st.integers(0, 7))}"
            self.table.put_node(node_facts(node(name, **data.draw(nodes))))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_batched_and_pooled_equal_one_at_a_time(data: st.DataObject) -> None:
    world = World(data.draw(st.integers(1, 3)))
    for number, facts in enumerate(data.draw(st.lists(nodes, min_size=1, max_size=8))):
        world.table.put_node(node_facts(node(f"n{number}", **facts)))
    kinds = data.draw(st.lists(pods, min_size=1, max_size=3))
    for batch in range(data.draw(st.integers(1, 3))):
        questions = []
        for number in range(data.draw(st.integers(1, 8))):
            kind = dict(data.draw(st.sampled_from(kinds)))
            shape = world.shapes.of_pod(pod("p", **kind))
            questions.append((number, shape, data.draw(st.integers(0, 2**64 - 1))))
        lost, restarted = data.draw(st.sampled_from([(None, False), (0, False), (None, True)]))
        world.ask(questions, lost, restarted)
        if data.draw(st.booleans()):
            world.disturb(data.draw(st.integers(0, 4)), data)
        for number, shape, salt in questions:
            plain = choose(explain(shape, world.table), world.table, salt)
            assert world.engine.choose(shape, salt) == plain
            assert world.pool.choose(number, shape, salt) == plain
            world.place(f"default/p{batch}.{number}", plain, shape)
        world.disturb(data.draw(st.integers(0, 4)), data)
        world.table.check()


@settings(max_examples=100, deadline=None)
@given(st.lists(nodes, min_size=1, max_size=8), st.lists(pods, min_size=1, max_size=6))
def test_views_and_subsets_rate_alike(
    node_list: list[dict[str, Any]], pod_list: list[dict[str, Any]]
) -> None:
    world = World(1)
    for number, facts in enumerate(node_list):
        world.table.put_node(node_facts(node(f"n{number}", **facts)))
    for number, kind in enumerate(pod_list):
        shape = world.shapes.of_pod(pod("p", **kind))
        view = world.engine.view(shape)
        whole = {
            row: (int(view.base[row]) - view.static.constant, levels)
            for levels, rows in view.static.groups(shape.profile.levels)
            for row in rows.tolist()
            if view.base[row] != NOWHERE
        }
        parts = rate(shape, world.table, np.arange(world.table.rows))
        levels_of = [tuple(column) for column in parts.levels.T.tolist()]
        pairs = zip(parts.bases.tolist(), levels_of, strict=True)
        assert dict(zip(parts.rows.tolist(), pairs, strict=True)) == whole
        world.place(f"p{number}", world.engine.choose(shape, 7), shape)


def test_the_winner_of_a_partition_may_lose_under_the_global_maximum() -> None:
    """Two partitions whose highest preference differs: each one's own normalisation would put
    another node first."""
    world = World(2)
    labels = [{"zone": "z0"}, {"zone": "z1"}, {"zone": "z2"}, {"zone": "z1"}]
    sizes = ["4", "2", "2", "16"]
    for number, (label, cpu) in enumerate(zip(labels, sizes, strict=True)):
        facts = node_facts(node(f"n{number}", cpu=cpu, labels=label))
        world.table.put_node(facts)
    preference = preferring([("z0", 100), ("z1", 3), ("z2", 1)])
    shape = world.shapes.of_pod(pod("p", cpu="1", affinity=preference))
    world.ask([(0, shape, 1)])
    assert world.table.names[world.pool.choose(0, shape, 1)] == "n0"
    world.table.put_node(node_facts(node("n0", cpu="4", unschedulable=True)))
    plain = choose(explain(shape, world.table), world.table, 1)
    assert world.pool.choose(0, shape, 1) == plain == world.engine.choose(shape, 1)


def test_ties_are_shared_out_evenly() -> None:
    world = World(1)
    for number in range(5):
        world.table.put_node(node_facts(node(f"n{number}")))
    shape = world.shapes.of_pod(pod("p"))
    counts = [0] * 5
    for salt in range(1, 5001):
        counts[world.engine.choose(shape, salt * 0x9E3779B97F4A7C15 % 2**64)] += 1
    assert min(counts) > 880 and max(counts) < 1120


def test_when_more_nodes_changed_than_was_foreseen_the_leader_scores_all() -> None:
    world = World(1)
    for number in range(80):
        world.table.put_node(node_facts(node(f"n{number}", cpu="2" if number % 2 else "4")))
    shape = world.shapes.of_pod(pod("p", cpu="1"))
    world.ask([(0, shape, 5)])
    for number in range(60):
        plain = choose(explain(shape, world.table), world.table, 5)
        assert world.pool.choose(0, shape, 5) == plain
        world.place(f"p{number}", plain, shape)
    assert 0 < world.pool.fallbacks < 60


def test_a_partition_forgets_the_ports_of_a_node_that_went() -> None:
    world = World(1)
    world.table.put_node(node_facts(node("n0")))
    shape = world.shapes.of_pod(pod("p", ports=(80,)))
    world.place("p0", 0, shape)
    world.ask([(0, shape, 1)])
    assert world.pool.choose(0, shape, 1) == -1
    world.table.remove_node("n0")
    world.table.put_node(node_facts(node("n1")))
    world.ask([(0, shape, 1)])
    assert world.pool.choose(0, shape, 1) == 0


def test_images_that_come_and_go_are_followed() -> None:
    world = World(2)
    images = [{"names": ["app:1"], "sizeBytes": 900_000_000}]
    for number in range(4):
        world.table.put_node(node_facts(node(f"n{number}", images=images if number == 2 else [])))
    shape = world.shapes.of_pod(pod("p"))
    for now in (images, [], images):
        world.table.put_node(node_facts(node("n2", images=now)))
        world.ask([(0, shape, 0)])
        expected = 2 if now else 0
        assert world.engine.choose(shape, 0) == world.pool.choose(0, shape, 0) == expected


def test_a_node_that_comes_changes_the_image_scores_of_all() -> None:
    """With four nodes the image is worth 19 to n3, with five only 15; its smaller cpu costs 18."""
    world = World(2)
    images = [{"names": ["app:1"], "sizeBytes": 900_000_000}]
    for number in range(3):
        world.table.put_node(node_facts(node(f"n{number}")))
    world.table.put_node(node_facts(node("n3", cpu="270m", images=images)))
    shape = world.shapes.of_pod(pod("p", cpu="", memory=""))
    world.ask([(0, shape, 0)])
    assert world.pool.choose(0, shape, 0) == 3
    world.table.put_node(node_facts(node("n4")))
    assert choose(explain(shape, world.table), world.table, 0) == 0
    assert world.engine.choose(shape, 0) == 0
    assert world.pool.choose(0, shape, 0) == 0


def test_amounts_that_no_float_holds_are_scored_as_integers() -> None:
    """Of one node's memory just less than half is left, of the other's just half: 49 and 50 points,
    which with 96 for the processor are 72 and 73."""
    world = World(1)
    asked = (1 << 54) + 1
    for name, memory in (("less", 2 * asked - 2), ("half", 2 * asked)):
        world.table.put_node(node_facts(node(name, memory=str(memory))))
    shape = world.shapes.of_pod(pod("p", cpu="160m", memory=str(asked)))
    questions = [(number, shape, salt) for number, salt in enumerate((0, 3, 7, 12, 99, 2**63))]
    world.ask(questions)
    for number, _, salt in questions:
        plain = choose(explain(shape, world.table), world.table, salt)
        assert world.table.names[plain] == "half"
        assert world.pool.choose(number, shape, salt) == plain
        assert world.engine.choose(shape, salt) == plain


def test_a_view_that_lags_too_far_behind_is_not_asked_again() -> None:
    world = World(1)
    for number in range(40):
        world.table.put_node(node_facts(node(f"n{number}", cpu="1")))
    asked, filler = world.shapes.of_pod(pod("p", cpu="600m")), world.shapes.of_pod(pod("f", "500m"))
    for salt in (1, 2, 3):
        assert world.engine.choose(asked, salt) >= 0
    for row in range(40):
        world.place(f"f{row}", row, filler)
    assert world.engine.choose(asked, 4) == -1
