"""Queueing hints: which events give which unschedulable pods another try, as Kubernetes documents
it for each plugin, and that no pod is left behind."""

import random
from typing import Any

import pytest

from api.core import JsonObject
from scheduler.configuration import DEFAULT, Configuration
from scheduler.explain import Pod, explain
from scheduler.hints import HINTS
from scheduler.leader import SchedulerCore
from scheduler.profile import FILTERS
from scheduler.queue import FLUSH_AFTER_NS
from tests.scheduler.scheduler_fake_api import MS, FakeApi
from tests.scheduler.scheduler_objects import node, pod

SECOND = 1000 * MS


def cluster(*nodes: JsonObject, hints: bool = True) -> FakeApi:
    api = FakeApi(SchedulerCore(1, 0, Configuration(DEFAULT.profiles, queueing_hints=hints)))
    for one in nodes:
        api.put_node(one)
    api.sync()
    api.run()
    return api


def labelled(name: str, app: str, **spec: Any) -> JsonObject:
    item = pod(name, **spec)
    item["metadata"]["labels"] = {"app": app}
    return item


def term(app: str) -> JsonObject:
    selector = {"matchLabels": {"app": app}}
    return {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}


def near(app: str) -> JsonObject:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(app)]}}


def away_from(app: str) -> JsonObject:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(app)]}}


def is_moved(api: FakeApi, waiting: str) -> bool:
    """Whether the pod left the unschedulable ones, after what was just told."""
    assert api.node_of(waiting) == ""
    tried = api.core.failed
    api.run()
    still = api.core.queue.is_unschedulable(f"default/{waiting}")
    return not still or api.core.failed > tried


def waits(api: FakeApi, waiting: JsonObject) -> FakeApi:
    api.put_pod(waiting)
    api.run()
    assert api.core.queue.is_unschedulable(f"default/{waiting['metadata']['name']}")
    api.now_ns += 20 * SECOND
    return api


def test_every_filter_has_hints() -> None:
    assert sorted(HINTS) == sorted(plugin.name for plugin in FILTERS)


def test_resources_a_larger_node_helps_a_small_or_relabelled_one_does_not() -> None:
    api = waits(cluster(node("n1", cpu="1")), pod("p", cpu="2"))
    api.put_node(node("n2", cpu="1"))
    assert not is_moved(api, "p")
    api.put_node(node("n1", cpu="1", labels={"new": "yes"}))
    assert not is_moved(api, "p")
    api.put_node(node("n1", cpu="1500m"))
    assert not is_moved(api, "p")
    api.put_node(node("n1", cpu="2"))
    assert is_moved(api, "p")
    assert api.node_of("p") == "n1"


def test_resources_any_pod_that_leaves_helps() -> None:
    api = cluster(node("n1", cpu="2"))
    api.put_pod(pod("q", cpu="100m"))
    api.run()
    waits(api, pod("p", cpu="2"))
    api.delete_pod("q")
    assert is_moved(api, "p")


def test_taints_only_a_node_that_is_tolerated_now_helps() -> None:
    api = waits(cluster(node("n1", taints=["a=b:NoSchedule"])), pod("p"))
    api.put_node(node("n1", taints=["a=c:NoSchedule"]))
    assert not is_moved(api, "p")
    api.put_node(node("n1", taints=["a=c:NoSchedule"], labels={"new": "yes"}))
    assert not is_moved(api, "p")
    api.put_node(node("n1"))
    assert is_moved(api, "p")


def test_a_cordoned_node_helps_when_it_is_not_any_more() -> None:
    api = waits(cluster(node("n1", unschedulable=True)), pod("p"))
    api.put_node(node("n1", unschedulable=True, cpu="9"))
    assert not is_moved(api, "p")
    api.put_node(node("n1", cpu="9"))
    assert is_moved(api, "p")


def test_node_affinity_only_a_node_that_matches_helps() -> None:
    api = waits(cluster(node("n1")), pod("p", nodeSelector={"disk": "ssd"}))
    api.put_node(node("n2", labels={"disk": "hdd"}))
    assert not is_moved(api, "p")
    api.put_node(node("n2", labels={"disk": "hdd"}, cpu="64"))
    assert not is_moved(api, "p")
    api.put_node(node("n2", labels={"disk": "ssd"}, cpu="64"))
    assert is_moved(api, "p")


def test_ports_only_a_pod_that_held_the_port_helps_by_leaving() -> None:
    api = cluster(node("n1"))
    for name, port in (("held", 80), ("other", 81)):
        api.put_pod(pod(name, ports=[port]))
    api.run()
    waits(api, pod("p", ports=[80]))
    api.delete_pod("other")
    assert not is_moved(api, "p")
    api.delete_pod("held")
    assert is_moved(api, "p")


def test_affinity_a_wanted_pod_helps_by_coming() -> None:
    api = waits(cluster(node("n1")), pod("p", affinity=near("a")))
    api.put_pod(labelled("q", "b"))
    assert not is_moved(api, "p")
    api.put_pod(labelled("r", "a"))
    assert is_moved(api, "p")
    assert api.node_of("p") == "n1"


def test_anti_affinity_a_shunned_pod_helps_by_leaving() -> None:
    api = cluster(node("n1"))
    for name, app in (("q", "a"), ("r", "b")):
        api.put_pod(labelled(name, app))
    api.run()
    waits(api, pod("p", affinity=away_from("a")))
    api.delete_pod("r")
    assert not is_moved(api, "p")
    api.delete_pod("q")
    assert is_moved(api, "p")


def test_spread_a_pod_of_the_kind_helps_and_others_do_not() -> None:
    selector = {"matchLabels": {"app": "a"}}
    rule = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    spread = [{**rule, "labelSelector": selector}]
    zones = (node("n1", labels={"zone": "z1"}), node("n2", labels={"zone": "z2"}, pods=1))
    api = cluster(*zones)
    api.put_pod(labelled("q", "a", nodeName="n1"))
    api.put_pod(labelled("r", "b", nodeName="n2"))
    api.run()
    waits(api, labelled("p", "a", topologySpreadConstraints=spread))
    api.put_pod(labelled("s", "b", nodeName="n1"))
    assert not is_moved(api, "p")
    api.delete_pod("q")
    assert is_moved(api, "p")


def test_claims_its_own_claim_helps_and_another_one_does_not() -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "mine"}}
    api = waits(cluster(node("n1")), pod("p", volumes=[volume]))
    for name, moves in (("other", False), ("mine", True)):
        item = {"metadata": {"namespace": "default", "name": name}, "spec": {}}
        api.put("persistentvolumeclaims", item)
        assert is_moved(api, "p") is moves


def test_without_hints_every_change_moves_all() -> None:
    api = waits(cluster(node("n1", cpu="1"), hints=False), pod("p", cpu="2"))
    api.put_node(node("n2", cpu="1"))
    assert is_moved(api, "p")


def test_equal_pods_are_one_question() -> None:
    """L39: useless events cost one hint a kind of pod and no attempt."""
    api = cluster(node("n1", cpu="1"))
    for number in range(100):
        api.put_pod(pod(f"p{number}", cpu="2"))
    api.run()
    tried = api.core.failed
    for number in range(50):
        api.now_ns += 20 * SECOND // 50
        api.put_node(node(f"small{number}", cpu="1"))
        api.run()
    assert api.core.failed == tried == 100
    assert api.core.gauges()["hints_asked"] == 50


def _some_node(chance: random.Random, number: int) -> JsonObject:
    return node(
        f"n{number}",
        cpu=chance.choice(["1", "2", "4"]),
        labels={"zone": chance.choice(["z1", "z2"]), "disk": chance.choice(["ssd", "hdd"])},
        taints=chance.choice([(), (), ("a=b:NoSchedule",)]),
        unschedulable=chance.random() < 0.2,
    )


def _some_pod(chance: random.Random, number: int) -> JsonObject:
    app = chance.choice("ab")
    rule = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    wishes: list[JsonObject] = [
        {},
        {"nodeSelector": {"disk": "ssd"}},
        {"affinity": near(chance.choice("ab"))},
        {"affinity": away_from(chance.choice("ab"))},
        {"ports": [80]},
        {"topologySpreadConstraints": [{**rule, "labelSelector": {"matchLabels": {"app": app}}}]},
        {"tolerations": [{"operator": "Exists"}]},
    ]
    item = labelled(
        f"p{number}", app, cpu=chance.choice(["500m", "1", "3"]), **chance.choice(wishes)
    )
    item["spec"]["priority"] = chance.choice([0, 0, 10])
    return item


@pytest.mark.parametrize("seed", range(25))
def test_no_pod_is_left_behind(seed: int) -> None:
    """When all is quiet and back-offs are over, whoever waits fits nowhere, and no time-out was
    needed for that."""
    chance = random.Random(seed)
    api = cluster(*(_some_node(chance, number) for number in range(3)))
    begun = api.now_ns
    for number in range(60):
        match chance.randrange(6):
            case 0 | 1 | 2:
                api.put_pod(_some_pod(chance, number))
            case 3:
                api.put_node(_some_node(chance, chance.randrange(6)))
            case 4 if api.pods:
                api.delete_pod(chance.choice(sorted(api.pods)))
            case 5 if len(api.nodes) > 1:
                api.delete_node(chance.choice(sorted(api.nodes)))
        api.now_ns += chance.choice([0, 500 * MS])
        if chance.random() < 0.7:
            api.run()
    for _ in range(8):
        api.run()
        api.now_ns += 11 * SECOND
    assert api.now_ns - begun < FLUSH_AFTER_NS
    core = api.core
    for key, record in core._book.records.items():
        if not record.node:
            found = explain(record.shape, core.table, Pod(key, record.priority))
            assert not len(found.feasible), (key, core._book.records[key].message)
