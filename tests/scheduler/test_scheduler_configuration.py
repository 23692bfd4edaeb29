"""KubeSchedulerConfiguration: what a file enables, weighs and says to plugins, and what is refused.

Expected scores are worked out by hand from the formulas of Kubernetes' documentation of scheduler
configuration and resource bin packing.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from api.sections import ConfigurationError
from scheduler.configuration import Configuration, configuration_from
from scheduler.diagnosis import NOT_TRIED, failure_message
from scheduler.engine import Engine
from scheduler.explain import Explanation, choose, explain
from scheduler.framework import Filter, Profile, Score, always, one_reason
from scheduler.leader import SchedulerCore
from scheduler.node_facts import node_facts
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.partition import PartitionCore
from scheduler.pod_shape import Shape
from scheduler.profile import FILTERS, SCORES
from scheduler.registry import Registry, plugin_of
from scheduler.sampling import ADAPTIVE
from scheduler.shapes import Shapes
from scheduler.tie import FIRST
from tests.scheduler.scheduler_fake_api import FakeApi
from tests.scheduler.scheduler_objects import node, pod

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


def configuration(third_party: Registry | None = None, **fields: Any) -> Configuration:
    return configuration_from({**HEAD, **fields}, "file.yaml", third_party)


def profile(third_party: Registry | None = None, **fields: Any) -> Profile:
    (only,) = configuration(third_party, profiles=[fields]).profiles.values()
    return only


def arguments(plugin: str, **args: Any) -> JsonObject:
    return {"pluginConfig": [{"name": plugin, "args": args}]}


def explained(of: Profile, nodes: list[JsonObject], item: JsonObject) -> Explanation:
    """The plain way; the engine must choose the same."""
    table, shapes = NodeTable(), Shapes({of.name: of})
    for one in nodes:
        table.put_node(node_facts(one))
    shape = shapes.of_pod(item)
    found = explain(shape, table)
    assert Engine(table).choose(shape, FIRST) == choose(found, table, FIRST)
    return found


def points(found: Explanation, plugin: str) -> list[int]:
    (scored,) = [one for one in found.scored if one.plugin.name == plugin]
    return scored.normalised.tolist()


# What runs


def test_a_file_that_says_nothing_is_the_default_but_for_the_adaptive_percentage() -> None:
    (only,) = configuration().profiles.values()
    assert (only.name, only.filters, only.scores) == ("default-scheduler", FILTERS, SCORES)
    assert only.percentage_of_nodes_to_score == ADAPTIVE


def test_weights_and_disabled_plugins() -> None:
    only = profile(
        plugins={
            "score": {
                "enabled": [{"name": "ImageLocality", "weight": 7}],
                "disabled": [{"name": "NodeResourcesBalancedAllocation"}, {"name": "NodeAffinity"}],
            },
            "preScore": {
                "disabled": [{"name": "NodeResourcesBalancedAllocation"}, {"name": "NodeAffinity"}]
            },
        }
    )
    # One that the point itself names goes first.
    assert [(one.name, one.weight) for one in only.scores] == [
        ("ImageLocality", 7),
        ("TaintToleration", 3),
        ("NodeResourcesFit", 1),
        ("PodTopologySpread", 2),
        ("InterPodAffinity", 2),
    ]


def test_score_alone_may_be_disabled_as_the_documented_example_has_it() -> None:
    """What a plugin then prepares at preScore is read by nobody."""
    only = profile(plugins={"score": {"disabled": [{"name": "PodTopologySpread"}]}})
    assert [one.name for one in only.scores] == [
        one.name for one in SCORES if one.name != "PodTopologySpread"
    ]
    assert [one.name for one in only.filters] == [one.name for one in FILTERS]


def test_a_default_plugin_named_for_all_points_keeps_its_place() -> None:
    only = profile(plugins={"multiPoint": {"enabled": [{"name": "NodeAffinity", "weight": 9}]}})
    assert [one.name for one in only.filters] == [one.name for one in FILTERS]
    assert [(one.name, one.weight) for one in only.scores][:2] == [
        ("TaintToleration", 3),
        ("NodeAffinity", 9),
    ]


def test_all_disabled_and_few_enabled() -> None:
    names = ["PrioritySort", "DefaultBinder", "SchedulingGates", "DynamicResources",
             "NodeDeclaredFeatures", "NodeResourcesFit"]  # fmt: skip
    only = profile(
        plugins={
            "multiPoint": {
                "disabled": [{"name": "*"}],
                "enabled": [{"name": name} for name in names],
            }
        }
    )
    assert [one.name for one in only.filters] == ["NodeResourcesFit"]
    assert [(one.name, one.weight) for one in only.scores] == [("NodeResourcesFit", 1)]
    assert only.preemption is None


def test_without_preemption_the_message_says_only_that_claims_do_not_help() -> None:
    only = profile(plugins={"postFilter": {"disabled": [{"name": "DefaultPreemption"}]}})
    found = explained(only, [node("a", cpu="1")], pod("p", cpu="2"))
    assert failure_message(found, NOT_TRIED) == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate"
    )


def test_two_profiles_serve_two_names() -> None:
    packing = {
        "schedulerName": "packing",
        "percentageOfNodesToScore": 100,
        **arguments("NodeResourcesFit", scoringStrategy={"type": "MostAllocated"}),
    }
    spread = {"schedulerName": "default-scheduler", "percentageOfNodesToScore": 100}
    both = configuration(profiles=[spread, packing])
    api = FakeApi(SchedulerCore(1, 2, both), 0)
    api.partitions = [PartitionCore(both.profiles) for _ in range(2)]
    api.put_node(node("small", cpu="2", memory="4Gi"))
    api.put_node(node("large", cpu="64", memory="128Gi"))
    for name, scheduler in (("a", "default-scheduler"), ("b", "packing"), ("c", "unknown")):
        api.put_pod(pod(name, cpu="1", memory="2Gi", schedulerName=scheduler))
    api.sync()
    api.run()
    assert (api.node_of("a"), api.node_of("b"), api.node_of("c")) == ("large", "small", "")
    reporters = [
        request.body["reportingComponent"]
        for request in api.written
        if request.resource == "events" and isinstance(request.body, dict)
    ]
    assert sorted(reporters) == ["default-scheduler", "packing"]


# Arguments of plugins


def test_most_allocated_prefers_the_fuller_node() -> None:
    only = profile(**arguments("NodeResourcesFit", scoringStrategy={"type": "MostAllocated"}))
    found = explained(
        only, [node("a", "4", "8Gi"), node("b", "8", "32Gi")], pod("p", cpu="1", memory="2Gi")
    )
    # a: (25 + 25) / 2; b: (12 + 6) / 2.
    assert points(found, "NodeResourcesFit") == [25, 9]


def test_requested_to_capacity_ratio_as_documented() -> None:
    """The worked example of the documentation: intel.com/foo and cpu, memory with weights."""
    shape = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
    resources = [
        {"name": "intel.com/foo", "weight": 5},
        {"name": "memory", "weight": 1},
        {"name": "cpu", "weight": 3},
    ]
    only = profile(
        **arguments(
            "NodeResourcesFit",
            scoringStrategy={
                "type": "RequestedToCapacityRatio",
                "resources": resources,
                "requestedToCapacityRatio": {"shape": shape},
            },
        )
    )
    table, shapes = NodeTable(), Shapes({only.name: only})
    for name, cpu, memory, foo, used in (
        ("n1", "4", "1Gi", "4", ("1", "256Mi", "1")),
        ("n2", "8", "1Gi", "8", ("6", "512Mi", "2")),
    ):
        table.put_node(node_facts(node(name, cpu, memory, extended={"intel.com/foo": foo})))
        placed = pod(f"on-{name}", used[0], used[1], extended={"intel.com/foo": used[2]})
        table.add_pod(f"on-{name}", name, shapes.of_pod(placed))
    item = pod("p", "2", "256Mi", extended={"intel.com/foo": "2"})
    found = explain(shapes.of_pod(item), table)
    # Documented points of each resource: foo 75, memory 50, cpu 75; and foo 50, memory 75, cpu 100.
    assert points(found, "NodeResourcesFit") == [
        round((75 * 5 + 50 + 75 * 3) / 9),
        round((50 * 5 + 75 + 100 * 3) / 9),
    ]


def test_extended_resources_that_a_pod_does_not_ask_for_are_left_out() -> None:
    resources = [{"name": "cpu", "weight": 1}, {"name": "example.com/gpu", "weight": 3}]
    strategy = {"type": "LeastAllocated", "resources": resources}
    only = profile(**arguments("NodeResourcesFit", scoringStrategy=strategy))
    nodes = [node("a", extended={"example.com/gpu": "4"}), node("b")]
    assert points(explained(only, nodes, pod("p", cpu="1")), "NodeResourcesFit") == [75, 75]
    asking = pod("p", cpu="1", extended={"example.com/gpu": "2"})
    both = [nodes[0], node("c", extended={"example.com/gpu": "8"})]
    # (75 + 3 * 50) / 4 and (75 + 3 * 75) / 4.
    assert points(explained(only, both, asking), "NodeResourcesFit") == [56, 75]


def test_balance_over_three_resources() -> None:
    names = ("cpu", "memory", "example.com/gpu")
    resources = [{"name": name, "weight": 1} for name in names]
    only = profile(**arguments("NodeResourcesBalancedAllocation", resources=resources))
    gpus = {"example.com/gpu": "4"}
    nodes = [node("a", "4", "8Gi", extended=gpus), node("b", "8", "8Gi", extended=gpus)]
    item = pod("p", cpu="2", memory="4Gi", extended={"example.com/gpu": "2"})
    after = [(1 - np.std([0.5, 0.5, 0.5])) * 100, (1 - np.std([0.25, 0.5, 0.5])) * 100]
    expected = [50 + (50 + int(one) - 100) // 2 for one in after]
    found = points(explained(only, nodes, item), "NodeResourcesBalancedAllocation")
    assert found == expected == [75, 69]


def test_balance_of_two_resources_is_half_their_difference() -> None:
    """The standard deviation says the same but for its last digit, which would give 57."""
    names = ("cpu", "memory", "example.com/gpu")
    resources = [{"name": name, "weight": 1} for name in names]
    only = profile(**arguments("NodeResourcesBalancedAllocation", resources=resources))
    nodes = [node("a", "1", "25Gi"), node("b", "1", "25Gi")]
    found = explained(only, nodes, pod("p", cpu="1", memory="8Gi"))
    assert points(found, "NodeResourcesBalancedAllocation") == [58, 58]


def test_ignored_resources_are_not_looked_at() -> None:
    only = profile(
        **arguments(
            "NodeResourcesFit",
            ignoredResources=["example.com/foo"],
            ignoredResourceGroups=["example.org"],
        )
    )
    wanted = {"example.com/foo": "1", "example.org/bar": "1"}
    assert len(explained(only, [node("a")], pod("p", extended=wanted)).feasible) == 1
    left = pod("p", extended={"example.com/other": "1"})
    assert explained(only, [node("a")], left).reasons() == {"Insufficient example.com/other": 1}


def test_an_added_affinity_holds_for_every_pod() -> None:
    def of(operator: str, value: str) -> JsonObject:
        return {"matchExpressions": [{"key": "pool", "operator": operator, "values": [value]}]}

    only = profile(
        **arguments(
            "NodeAffinity",
            addedAffinity={
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [of("NotIn", "c")]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 10, "preference": of("In", "b")}
                ],
            },
        )
    )
    nodes = [node(name, labels={"pool": name}) for name in ("a", "b", "c")]
    found = explained(only, nodes, pod("p"))
    assert points(found, "NodeAffinity") == [0, 100]
    assert found.reasons() == {"node(s) didn't match scheduler-enforced node affinity": 1}
    picky = explained(only, nodes, pod("p", nodeSelector={"pool": "a"}))
    assert picky.reasons() == {
        "node(s) didn't match scheduler-enforced node affinity": 1,
        "node(s) didn't match Pod's node affinity/selector": 1,
    }


def _affine(name: str, labels: dict[str, str], **affinity: list[JsonObject]) -> JsonObject:
    item = pod(name, affinity={"podAffinity": affinity} if affinity else {})
    item["metadata"]["labels"] = labels
    return item


def test_weights_of_pod_affinity() -> None:
    term: JsonObject = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    hard = "requiredDuringSchedulingIgnoredDuringExecution"
    soft = "preferredDuringSchedulingIgnoredDuringExecution"
    placed = _affine("there", {"app": "web"}, **{hard: [term]})
    newcomer = _affine("new", {"app": "web"})
    for args, expected in (
        ({"hardPodAffinityWeight": 5}, [100, 0]),
        ({"hardPodAffinityWeight": 0}, None),
        ({"ignorePreferredTermsOfExistingPods": True}, None),
    ):
        only = profile(**arguments("InterPodAffinity", **args))
        table, shapes = NodeTable(), Shapes({only.name: only})
        for one in (node("a"), node("b")):
            table.put_node(node_facts(one))
        table.add_pod("default/there", "a", shapes.of_pod(placed))
        found = explain(shapes.of_pod(newcomer), table)
        names = [one.plugin.name for one in found.scored]
        assert ("InterPodAffinity" in names) is (expected is not None), args
        if expected is not None:
            assert points(found, "InterPodAffinity") == expected
            # A pod with preferences of its own is scored either way.
            eager = _affine("e", {}, **{soft: [{"weight": 3, "podAffinityTerm": term}]})
            assert points(explain(shapes.of_pod(eager), table), "InterPodAffinity") == [100, 0]


def test_default_constraints_of_a_list_may_be_hard() -> None:
    only = profile(
        **arguments(
            "PodTopologySpread",
            defaultingType="List",
            defaultConstraints=[
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ],
        )
    )
    table, shapes = NodeTable(), Shapes({only.name: only})
    for name, labels in (("a", {"zone": "x"}), ("b", {"zone": "y"}), ("c", {})):
        table.put_node(node_facts(node(name, labels=labels)))
    service = {"metadata": {"namespace": "default", "name": "s"}, "spec": {"selector": {"k": "v"}}}
    table.workloads.put("services", service)
    item = pod("p")
    item["metadata"]["labels"] = {"k": "v"}
    table.add_pod("default/p0", "a", shapes.of_pod(item))
    found = explain(shapes.of_pod(item), table)
    assert [table.names[row] for row in found.feasible.tolist()] == ["b"]
    assert Engine(table).choose(shapes.of_pod(item), FIRST) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_engine_follows_any_strategy_as_the_plain_way_does(data: st.DataObject) -> None:
    """Placing pods one after the other, with rows rescored one by one and all together."""
    kinds = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
    kind = data.draw(st.sampled_from(kinds))
    names = data.draw(
        st.lists(st.sampled_from(["cpu", "memory", "x.io/a"]), min_size=1, unique=True)
    )
    strategy: JsonObject = {
        "type": kind,
        "resources": [{"name": n, "weight": data.draw(st.integers(1, 100))} for n in names],
    }
    if kind == "RequestedToCapacityRatio":
        steps = sorted(data.draw(st.sets(st.integers(0, 100), min_size=1, max_size=4)))
        strategy["requestedToCapacityRatio"] = {
            "shape": [{"utilization": u, "score": data.draw(st.integers(0, 10))} for u in steps]
        }
    only = profile(
        percentageOfNodesToScore=100, **arguments("NodeResourcesFit", scoringStrategy=strategy)
    )
    table, shapes = NodeTable(), Shapes({only.name: only})
    for number in range(data.draw(st.integers(2, 6))):
        cpu, amount = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 4))
        item = node(f"n{number}", str(cpu), "8Gi", extended={"x.io/a": str(amount)})
        table.put_node(node_facts(item))
    engine = Engine(table)
    for number in range(12):
        asked = {"x.io/a": "1"} if data.draw(st.booleans()) else {}
        cpu_asked = data.draw(st.sampled_from(["", "250m", "1"]))
        shape = shapes.of_pod(pod(f"p{number}", cpu_asked, "512Mi", extended=asked))
        expected = choose(explain(shape, table), table, FIRST)
        assert engine.choose(shape, FIRST) == expected
        if expected >= 0:
            table.add_pod(f"p{number}", table.names[expected], shape)


# Third-party plugins


def _odd_only(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    return np.array([name[-1:] in "13579" for name in table.names])[rows]


def _by_number(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    return np.array([int(name[1:]) for name in table.names], np.int64)[rows]


def test_a_third_party_plugin_filters_and_scores() -> None:
    odd = Filter(
        name="OddNodes", static=True, applies=always, passes=_odd_only,
        reasons=one_reason("node(s) were even", hopeless=True),
    )  # fmt: skip
    last = Score(
        name="HighNumbers", weight=1, static=True, normalise="share of maximum", applies=always,
        raw=_by_number,
    )  # fmt: skip
    registry = {"OddNodes": plugin_of(filter=odd), "HighNumbers": plugin_of(score=last)}
    enabled = [{"name": "OddNodes"}, {"name": "HighNumbers", "weight": 50}]
    only = profile(registry, plugins={"multiPoint": {"enabled": enabled}})
    found = explained(only, [node(f"n{number}") for number in range(1, 7)], pod("p"))
    assert found.reasons() == {"node(s) were even": 3}
    assert points(found, "HighNumbers") == [20, 60, 100]
    assert found.total.argmax() == 2


# What is refused


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "Other"}, "file.yaml: kind: must be KubeSchedulerConfiguration"),
        ({"profils": []}, "file.yaml: profils: unknown key; did you mean 'profiles'?"),
        ({"percentageOfNodesToScore": 101}, "percentageOfNodesToScore: must be a whole number"),
        ({"podInitialBackoffSeconds": 20, "podMaxBackoffSeconds": 10}, "podMaxBackoffSeconds"),
        ({"extenders": [{"urlPrefix": "x"}]}, "extenders[0].urlPrefix: must begin with http://"),
        (
            {"profiles": [{"plugins": {"score": {"enabled": [{"name": "ImageLocalty"}]}}}]},
            "profiles[0].plugins.score.enabled[0].name: unknown plugin 'ImageLocalty'; did you",
        ),
        (
            {"profiles": [{"plugins": {"filter": {"enabled": [{"name": "ImageLocality"}]}}}]},
            "ImageLocality does not run at filter",
        ),
        (
            {"profiles": [{"plugins": {"filter": {"disabled": [{"name": "NodePorts"}]}}}]},
            "NodePorts runs at preFilter and filter, or at neither",
        ),
        (
            {"profiles": [{"plugins": {"preScore": {"disabled": [{"name": "NodeAffinity"}]}}}]},
            "NodeAffinity runs at preScore and score, or at neither",
        ),
        (
            {"profiles": [{"plugins": {"bind": {"disabled": [{"name": "*"}]}}}]},
            "bind: must be DefaultBinder alone",
        ),
        (
            {"profiles": [arguments("NodeResourcesFit", scoringStrategy={"type": "Most"})]},
            "pluginConfig[0].args.scoringStrategy.type: unknown value 'Most'",
        ),
        (
            {"profiles": [arguments("InterPodAffinity", hardPodAffinityWeight=101)]},
            "hardPodAffinityWeight: must be a whole number from 0 to 100, not 101",
        ),
        ({"profiles": [arguments("NodePorts", a=1)]}, "NodePorts takes no arguments"),
        (
            {"profiles": [arguments("NodeAffinity", addedAffinty={})]},
            "addedAffinty: unknown key; did you mean 'addedAffinity'?",
        ),
        ({"profiles": [{}, {}]}, "profiles[1].schedulerName: 'default-scheduler' is given twice"),
    ],
)
def test_a_wrong_file_is_one_clear_error(fields: JsonObject, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration(**fields)
    text = str(caught.value)
    assert text.startswith("file.yaml: ") and words in text, text


def test_fields_of_the_process_are_taken_and_named() -> None:
    given = configuration(leaderElection={"leaderElect": False}, parallelism=4)
    assert given.without_effect == ("parallelism", "leaderElection")
