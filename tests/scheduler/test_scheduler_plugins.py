"""Plugins one by one, at the edges that the recorded cases do not reach."""

import numpy as np
import pytest

from api.core import JsonObject
from scheduler.explain import Pod, explain, filters_for, refusal_beside_nominees
from scheduler.node_facts import Taint, node_facts
from scheduler.node_table import NodeTable
from scheduler.placed import Nominee
from scheduler.plugins import (
    balanced_allocation,
    image_locality,
    node_affinity,
    node_name,
    node_ports,
    node_resources_fit,
    node_unschedulable,
    taint_toleration,
    volume_binding,
)
from scheduler.plugins.taint_toleration import tolerates
from scheduler.pod_shape import Shape, Toleration
from scheduler.preemption import trials
from scheduler.resources import pod_requests
from scheduler.shapes import Shapes
from scheduler.volume_objects import BOUND_ANNOTATION
from scheduler.volumes import CLAIMS, VOLUMES
from scheduler.workloads import Workloads
from tests.scheduler.scheduler_objects import node, pod

ALL = slice(0, 64)


def table_of(*nodes: JsonObject) -> NodeTable:
    table = NodeTable(len(nodes))
    for item in nodes:
        table.put_node(node_facts(item))
    return table


def shape_of(**spec: object) -> Shape:
    return Shapes().of_pod(pod("p", **spec))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("toleration", "taint", "expected"),
    [
        (Toleration("", "Exists", "", ""), Taint("k", "v", "NoExecute"), True),
        (Toleration("k", "", "v", ""), Taint("k", "v", "NoSchedule"), True),
        (Toleration("k", "Equal", "w", ""), Taint("k", "v", "NoSchedule"), False),
        (Toleration("k", "Exists", "", "NoExecute"), Taint("k", "v", "NoSchedule"), False),
        (Toleration("k", "Like", "v", ""), Taint("k", "v", "NoSchedule"), False),
        (Toleration("other", "Exists", "", ""), Taint("k", "v", "NoSchedule"), False),
    ],
)
def test_tolerates(toleration: Toleration, taint: Taint, expected: bool) -> None:
    assert tolerates(toleration, taint) is expected


def test_untolerated_soft_taints_are_counted() -> None:
    table = table_of(
        node("a", taints=["x:PreferNoSchedule", "y:PreferNoSchedule"]),
        node("b", taints=["x:NoSchedule"]),
    )
    shape = shape_of(tolerations=[{"key": "y", "operator": "Exists"}])
    assert taint_toleration.untolerated(shape, table, ALL).tolist() == [1, 0]
    assert taint_toleration.passes(shape, table, ALL).tolist() == [True, False]


def test_a_cordon_can_be_tolerated() -> None:
    table = table_of(node("a", unschedulable=True), node("b"))
    plain = shape_of()
    tolerant = shape_of(tolerations=[{"operator": "Exists", "effect": "NoSchedule"}])
    assert node_unschedulable.passes(plain, table, ALL).tolist() == [False, True]
    assert node_unschedulable.passes(tolerant, table, ALL).tolist() == [True, True]


def test_node_name_of_nobody() -> None:
    table = table_of(node("a"), node("b"))
    assert node_name.passes(shape_of(nodeName="b"), table, ALL).tolist() == [False, True]
    assert not node_name.passes(shape_of(nodeName="c"), table, ALL).any()


def _required(*expressions: tuple[str, str, list[str]], fields: bool = False) -> JsonObject:
    part = "matchFields" if fields else "matchExpressions"
    term = {part: [{"key": k, "operator": o, "values": v} for k, o, v in expressions]}
    required = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (("gen", "In", ["7", "x"]), "a"),
        (("gen", "NotIn", ["7"]), "bcd"),
        (("gen", "Exists", []), "abc"),
        (("gen", "DoesNotExist", []), "d"),
        (("gen", "Gt", ["7"]), "b"),
        (("gen", "Lt", ["10"]), "a"),
        (("gen", "Gt", ["seven"]), ""),
        (("gen", "In", ["absent"]), ""),
        (("other", "NotIn", ["x"]), "abcd"),
        (("gen", "Unknown", ["7"]), ""),
    ],
)
def test_node_selector_operators(expression: tuple[str, str, list[str]], expected: str) -> None:
    values = (("a", "7"), ("b", "10"), ("c", "old"), ("d", None))
    table = table_of(*(node(n, labels={"gen": v} if v else {}) for n, v in values))
    passes = node_affinity.passes(shape_of(affinity=_required(expression)), table, ALL)
    assert "".join(np.array(list("abcd"))[passes].tolist()) == expected


def test_an_empty_term_matches_nothing_and_fields_name_nodes() -> None:
    table = table_of(node("a"), node("b"))
    assert not node_affinity.passes(shape_of(affinity=_required()), table, ALL).any()
    named = shape_of(affinity=_required(("metadata.name", "In", ["b"]), fields=True))
    assert node_affinity.passes(named, table, ALL).tolist() == [False, True]
    assert node_affinity.named_nodes(named) == ("b",)
    excluded = shape_of(affinity=_required(("metadata.name", "NotIn", ["b"]), fields=True))
    assert node_affinity.passes(excluded, table, ALL).tolist() == [True, False]
    assert node_affinity.named_nodes(excluded) is None


def test_labels_that_change_and_nodes_that_go_are_followed() -> None:
    table = table_of(node("a", labels={"disk": "ssd"}), node("b"))
    shape = shape_of(nodeSelector={"disk": "ssd"})
    assert node_affinity.passes(shape, table, ALL).tolist() == [True, False]
    table.put_node(node_facts(node("b", labels={"disk": "ssd"})))
    table.remove_node("a")
    table.put_node(node_facts(node("c")))
    assert node_affinity.passes(shape, table, ALL).tolist() == [False, True]


def test_host_ports_clash_by_address_and_protocol() -> None:
    def with_port(ip: str, protocol: str) -> Shape:
        port = {"hostPort": 80, "containerPort": 80, "hostIP": ip, "protocol": protocol}
        spec = {"containers": [{"name": "c", "ports": [port]}]}
        return Shapes().of_pod({"spec": spec})

    table = table_of(node("a"))
    table.add_pod("d/one", "a", with_port("10.0.0.1", "TCP"))
    for ip, protocol, free in (
        ("10.0.0.1", "TCP", False),
        ("10.0.0.2", "TCP", True),
        ("", "TCP", False),
        ("10.0.0.1", "UDP", True),
    ):
        shape = with_port(ip, protocol)
        assert node_ports.passes(shape, table, ALL).tolist() == [free]
        assert node_ports.passes_row(shape, table, 0) is free
    table.remove_pod("d/one", "a")
    assert node_ports.passes(with_port("", "TCP"), table, ALL).all()


def test_shortages_and_what_is_hopeless() -> None:
    table = table_of(node("a", cpu="1", pods=1), node("b", cpu="4"))
    table.add_pod("d/x", "a", shape_of())
    table.add_pod("d/y", "b", shape_of(cpu="3"))
    shape = shape_of(cpu="2", extended={"x/gpu": "1"})
    rows = np.array([0, 1])
    found = node_resources_fit.shortages(shape, table, rows)
    assert [(r.text, r.rows.tolist()) for r in found] == [
        ("Too many pods", [True, False]),
        ("Insufficient cpu", [True, True]),
        ("Insufficient x/gpu", [True, True]),
    ]
    assert found[0].hopeless.tolist() == [True, True]
    few = node_resources_fit.shortages(shape_of(cpu="2"), table, rows[1:])
    assert few[0].hopeless.tolist() == [False]


def test_nodes_without_a_resource_are_scored_by_the_other() -> None:
    table = table_of(node("a", cpu="0"), node("b", memory="0"), node("c", cpu="0", memory="0"))
    shape = shape_of(cpu="100m", memory="1Gi")
    least = node_resources_fit.least_allocated(shape, table, ALL)
    assert least.tolist() == [87, 97, 0]
    assert balanced_allocation.balance_gain(shape, table, ALL).tolist() == [75, 75, 75]
    for row in range(3):
        assert node_resources_fit.least_allocated_row(shape, table, row) == least[row]
        assert balanced_allocation.balance_gain_row(shape, table, row) == 75


def test_images_count_by_size_and_spread() -> None:
    images = [{"names": ["app:1", "app@sha256:1"], "sizeBytes": 600 * 1024 * 1024}]
    table = table_of(node("a", images=images), node("b"))
    # Half of the nodes have it, so 300 of at most 1,000 MiB count, above the floor of 23.
    assert image_locality.locality(shape_of(), table, ALL).tolist() == [28, 0]
    assert image_locality.locality(shape_of(image="app"), table, ALL).tolist() == [0, 0]
    table.remove_node("b")
    assert image_locality.locality(shape_of(), table, ALL).tolist()[0] == 59


def test_init_containers_sidecars_overhead_and_pod_level() -> None:
    def container(cpu: str, **more: object) -> JsonObject:
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("1"), container("500m")],
        "initContainers": [
            container("2"),
            container("250m", restartPolicy="Always"),
            container("1700m"),
        ],
        "overhead": {"cpu": "10m"},
    }
    assert pod_requests(spec).amounts == {"cpu": 2010}
    assert pod_requests(spec).scored[0] == 2010
    bigger = {**spec, "resources": {"requests": {"cpu": "5", "x/gpu": "1"}}}
    assert pod_requests(bigger).amounts == {"cpu": 5010}
    nothing = pod_requests({"containers": [{"name": "c"}]})
    assert nothing == ({}, (100, 200 << 20), (100, 200 << 20))


def test_a_port_that_two_pods_hold_is_free_when_one_goes() -> None:
    table = table_of(node("a"))
    shape = shape_of(ports=(80,))
    for name in ("d/one", "d/two"):
        table.add_pod(name, "a", shape)
    assert not node_ports.passes_row(shape, table, 0)
    table.remove_pod("d/one", "a")
    assert node_ports.passes_row(shape, table, 0) and table.ports.of_row(0) == ()
    table.remove_pod("d/two", "a")
    assert node_ports.passes_row(shape, table, 0)


def test_looking_for_victims_leaves_ports_as_they_were() -> None:
    table = table_of(node("a"))
    shape = shape_of(ports=(80,))
    for name, priority in (("d/low", 1), ("d/high", 9), ("d/gone", 9)):
        table.add_pod(name, "a", shape, priority)
    who = Pod("d/p", 5)
    # The one of low priority takes the port with it, whoever else holds it.
    (trial,) = trials(shape, table, who, explain(shape, table, who), ())
    assert [victim.pod for victim in trial.victims] == ["d/low"]
    assert table.ports.of_row(0) == shape.key.ports
    table.remove_pod("d/gone", "a")
    # Trying without a pod and with it gives no port back.
    table.add_pod("d/large", "a", shape_of(cpu="4"), 1)
    full = shape_of(cpu="2")
    (trial,) = trials(full, table, who, explain(full, table, who), ())
    assert [victim.pod for victim in trial.victims] == ["d/large"]
    assert table.ports.of_row(0) == ()
    table.nominations.add(Nominee("d/nominee", shape, 9), "a")
    assert refusal_beside_nominees(full, table, 0, who, filters_for(full, table)) is not None
    assert table.ports.of_row(0) == ()


def test_a_field_with_two_values_matches_nothing() -> None:
    table = table_of(node("a"), node("b"))
    for operator in ("In", "NotIn"):
        field = {"key": "metadata.name", "operator": operator, "values": ["a", "c"]}
        terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        shape = shape_of(affinity={"nodeAffinity": required})
        assert not node_affinity.passes(shape, table, slice(0, 2)).any()


def test_a_replication_controller_outdoes_the_services_of_its_pods() -> None:
    def selects(resource: str, name: str, selector: JsonObject) -> None:
        meta = {"namespace": "default", "name": name}
        workloads.put(resource, {"metadata": meta, "spec": {"selector": selector}})

    workloads, shapes = Workloads(), Shapes()
    selects("services", "web", {"app": "web", "tier": "front"})
    selects("replicationcontrollers", "old", {"app": "old"})
    selects("apps/replicasets", "new", {"matchLabels": {"app": "new"}})
    item = pod("p")
    item["metadata"]["labels"] = {"app": "web", "tier": "front"}
    for api, kind, name, expected in (
        ("v1", "ReplicationController", "old", {"app": ["old"], "tier": ["front"]}),
        ("apps/v1", "ReplicaSet", "new", {"app": ["web", "new"], "tier": ["front"]}),
    ):
        owner = {"apiVersion": api, "kind": kind, "name": name, "controller": True}
        item["metadata"]["ownerReferences"] = [owner]
        found: dict[str, list[str]] = {}
        selector = workloads.default_selector(shapes.of_pod(item).relations)
        for requirement in selector.requirements:
            found.setdefault(requirement.key, []).extend(requirement.values)
        assert found == expected


def test_volumes_out_of_reach_are_told_up_to_the_first() -> None:
    table = table_of(node("a"), node("b"))
    for name, on in (("here", "a"), ("gone", "")):
        meta = {"namespace": "default", "name": name, "annotations": {BOUND_ANNOTATION: "yes"}}
        table.volumes.put(CLAIMS, {"metadata": meta, "spec": {"volumeName": name}})
        there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [there]}]}
        if on:
            affinity = {"nodeAffinity": {"required": terms}}
            table.volumes.put(VOLUMES, {"metadata": {"name": name}, "spec": affinity})
    for names, expected in (
        (("here", "gone"), [(volume_binding.NO_VOLUME, "a"), (volume_binding.NO_AFFINITY, "b")]),
        (("gone", "here"), [(volume_binding.NO_VOLUME, "a"), (volume_binding.NO_VOLUME, "b")]),
    ):
        volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in names]
        reasons = volume_binding.reasons(shape_of(volumes=volumes), table, np.arange(2))
        found = [(r.text, table.names[row]) for r in reasons for row in np.flatnonzero(r.rows)]
        assert sorted(found, key=lambda one: one[1]) == expected
