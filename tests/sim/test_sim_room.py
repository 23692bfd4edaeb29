"""Drawn worlds are large enough, and have room for what their users want, in each part to which
pods are tied."""

from collections import Counter

from api.quantity import milli_value
from sim.options import options_of
from sim.workload import CPUS, NODE_CAPACITY, PODS, PODS_PER_NODE, STEADY, ZONES, Users, crowds

CAPACITY = dict(NODE_CAPACITY)
STEADY_NAMES = [f"web-{number}" for number in range(STEADY)]


def test_a_node_has_room_for_so_many_pods_whatever_they_ask_for() -> None:
    largest = max(milli_value(cpu) for cpu in CPUS)
    assert PODS_PER_NODE * largest <= milli_value(CAPACITY["cpu"])
    assert int(CAPACITY["pods"]) >= PODS_PER_NODE


def test_every_drawn_crowd_finds_room() -> None:
    for seed in range(1, 10_001):
        for pods, nodes in crowds(options_of(seed)):
            assert pods <= nodes * PODS_PER_NODE, seed


def test_every_drawn_world_has_fifty_pods_and_some_have_many_more() -> None:
    seen: Counter[bool] = Counter()
    for seed in range(1, 501):
        options = options_of(seed)
        scripts = [script for script in Users(options, 0).scripts if script.replicas is not None]
        steady = [one.replicas or 0 for one in scripts if one.name in STEADY_NAMES]
        assert len(steady) == STEADY
        assert sum(steady) + options.bare_pods >= 50
        assert options.nodes >= 10
        seen[options.changes > 1] += 1
    assert min(seen[False], seen[True]) >= 50


def test_users_want_no_more_than_their_crowds() -> None:
    seen: Counter[int] = Counter()
    for seed in range(1, 101):
        options = options_of(seed)
        wanted: Counter[str] = Counter()
        for script in Users(options, 0).scripts:
            body = script.steps[0][1]
            if script.steps[0][0] != "create" or body is None or "containers" not in str(body):
                continue
            bare = script.resource == PODS
            spec = body["spec"] if bare else body["spec"]["template"]["spec"]
            zone = spec.get("nodeSelector", {"zone": "anywhere"})["zone"]
            sizes = [1 if bare else body["spec"]["replicas"]]
            sizes += [patch["spec"].get("replicas", 0) for verb, patch in script.steps[1:] if patch]
            wanted[zone] += max(sizes)
        places = ZONES if options.zones == 2 else ("anywhere",)
        assert list(dict.fromkeys(wanted)) == list(places)
        for place, (pods, _) in zip(places, crowds(options), strict=True):
            assert wanted[place] <= pods
        seen[options.zones] += 1
    assert set(seen) == {1, 2}
