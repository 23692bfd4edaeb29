"""Pods that look at other pods: the fast ways to decide agree with the plain one, and counters say
what counting again says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from scheduler.explain import Pod, choose, explain
from scheduler.node_facts import node_facts
from scheduler.placed import Nominee
from scheduler.preemption import best_trials, trials
from tests.scheduler.scheduler_objects import node, pod
from tests.scheduler.test_scheduler_equality import World, nodes

APPS = ("a", "b")
ZONE, HOST = "zone", "kubernetes.io/hostname"

selectors = st.sampled_from(
    [{"matchLabels": {"app": app}} for app in APPS]
    + [{}, {"matchExpressions": [{"key": "app", "operator": "Exists"}]}]
)
keys = st.sampled_from([ZONE, HOST, "nowhere"])
constraints = st.fixed_dictionaries(
    {
        "topologyKey": keys,
        "maxSkew": st.integers(1, 2),
        "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": selectors,
        "nodeTaintsPolicy": st.sampled_from(["Honor", "Ignore"]),
        "minDomains": st.sampled_from([1, 3]),
    }
)
terms = st.fixed_dictionaries(
    {
        "topologyKey": keys,
        "labelSelector": selectors,
        "namespaceSelector": st.sampled_from([None, {}, {"matchLabels": {"team": "x"}}]),
    }
)
weighted = st.fixed_dictionaries({"weight": st.integers(1, 9), "podAffinityTerm": terms})


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=1)


@st.composite
def related_pods(draw: st.DrawFn) -> JsonObject:
    made = pod("p", cpu=draw(st.sampled_from(["100m", "500m"])), priority=draw(st.integers(0, 2)))
    made["metadata"]["labels"] = {"app": draw(st.sampled_from(APPS))}
    made["metadata"]["namespace"] = draw(st.sampled_from(["default", "other"]))
    spec = made["spec"]
    spec["topologySpreadConstraints"] = draw(st.lists(constraints, max_size=2))
    required, preferred = (
        f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred")
    )
    spec["affinity"] = {
        kind: {required: draw(sometimes(terms)), preferred: draw(sometimes(weighted))}
        for kind in ("podAffinity", "podAntiAffinity")
    }
    return made


def disturb(world: World, data: st.DataObject) -> None:
    """A pod or node goes, a node comes or changes, a service or namespace changes."""
    table = world.table
    what = data.draw(st.integers(0, 6))
    if what < 4:
        world.disturb(what, data)
    elif what == 4:
        selector = {"app": data.draw(st.sampled_from(APPS))}
        meta = {"namespace": "default", "name": "s"}
        table.workloads.put("services", {"metadata": meta, "spec": {"selector": selector}})
    elif what == 5:
        team = data.draw(st.sampled_from(["x", "y"]))
        table.pod_counts.put_namespace("other", {"team": team})


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_coupled_pods_are_placed_as_one_at_a_time(data: st.DataObject) -> None:
    world = World(2)
    for number, facts in enumerate(data.draw(st.lists(nodes, min_size=1, max_size=6))):
        if data.draw(st.integers(0, 3)) == 0:
            facts = {**facts, "labels": {}}
        world.table.put_node(node_facts(node(f"n{number}", **facts)))
    kinds = data.draw(st.lists(related_pods(), min_size=1, max_size=3))
    for batch in range(data.draw(st.integers(1, 3))):
        questions = []
        for number in range(data.draw(st.integers(1, 5))):
            made = data.draw(st.sampled_from(kinds))
            shape = world.shapes.of_pod(made)
            who = Pod(
                f"{made['metadata']['namespace']}/p{batch}.{number}", made["spec"]["priority"]
            )
            questions.append((number, shape, data.draw(st.integers(0, 2**64 - 1)), who))
        world.ask([question[:3] for question in questions])
        for number, shape, salt, who in questions:
            _decide(world, number, shape, salt, who, data)
        disturb(world, data)
        world.table.check()


def _decide(
    world: World, number: int, shape: Any, salt: int, who: Pod, data: st.DataObject
) -> None:
    table = world.table
    explanation = explain(shape, table, who)
    plain = choose(explanation, table, salt)
    assert world.engine.choose(shape, salt, who) == plain
    assert world.pool.choose(number, shape, salt, who) == plain
    if plain >= 0:
        table.add_pod(who.name, table.names[plain], shape, who.priority, number)
        world.placed.append((who.name, table.names[plain]))
        table.nominations.drop(who.name)
        return
    best = best_trials(trials(shape, table, who, explanation, ()))
    nominate: bool = bool(best) and data.draw(st.booleans())
    if nominate:
        node_name = table.names[best[0].row]
        for victim in best[0].victims:
            table.remove_pod(victim.pod, node_name)
            world.placed.remove((victim.pod, node_name))
        table.nominations.add(Nominee(who.name, shape, who.priority), node_name)
        after = explain(shape, table, who)
        assert best[0].row in after.feasible.tolist(), "the victims made room"
