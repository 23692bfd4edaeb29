"""Rules of volumes that no recorded case reaches: classes by the old annotation, attributes, terms
over fields, and sources that became CSI drivers."""

from collections.abc import Sequence

import numpy as np
import pytest

from api.core import JsonObject
from scheduler.migrated_volumes import MIGRATED_ANNOTATION, Attached, attached
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.plugins import node_volume_limits, volume_binding, volume_zone
from scheduler.pod_shape import Shape
from scheduler.shapes import Shapes
from scheduler.volume_objects import BETA_CLASS, BOUND_ANNOTATION
from scheduler.volumes import CLAIMS, CLASSES, CSI_NODES, VOLUMES
from tests.scheduler.scheduler_objects import node, pod

ZONE = "topology.kubernetes.io/zone"
EBS_ZONE = "topology.ebs.csi.aws.com/zone"


def table_of(*nodes: JsonObject) -> NodeTable:
    table = NodeTable(len(nodes))
    for item in nodes:
        table.put_node(node_facts(item))
    wait = {"provisioner": "example.com/disks", "volumeBindingMode": "WaitForFirstConsumer"}
    table.volumes.put(CLASSES, {"metadata": {"name": "wait"}, **wait})
    return table


def claim(
    name: str, volume: str = "", notes: JsonObject | None = None, **spec: object
) -> JsonObject:
    annotations = {**(notes or {}), **({BOUND_ANNOTATION: "yes"} if volume else {})}
    meta = {"namespace": "default", "name": name, "uid": name, "annotations": annotations}
    requests = {"requests": {"storage": "1Gi"}}
    more = {"volumeName": volume} if volume else {}
    return {
        "metadata": meta,
        "spec": {"storageClassName": "wait", "resources": requests, **more, **spec},
    }


def volume(name: str, labels: JsonObject | None = None, **spec: object) -> JsonObject:
    whole = {"capacity": {"storage": "1Gi"}, "storageClassName": "wait", **spec}
    meta = {"name": name, "labels": labels or {}}
    return {"metadata": meta, "spec": whole, "status": {"phase": "Available"}}


def affinity(*terms: JsonObject) -> JsonObject:
    return {"required": {"nodeSelectorTerms": list(terms)}}


def within(key: str, *values: str, operator: str = "In") -> JsonObject:
    return {"key": key, "operator": operator, "values": list(values)}


def user_of(*claims: str, volumes: Sequence[JsonObject] = ()) -> Shape:
    named = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return Shapes().of_pod(pod("p", volumes=[*named, *volumes]))


def reached(table: NodeTable, *claims: str) -> str:
    rows = np.arange(table.rows)
    passes = volume_binding.passes(user_of(*claims), table, rows)
    return "".join(table.names[row] for row in np.flatnonzero(passes).tolist())


def test_an_empty_annotation_means_no_class() -> None:
    table = table_of(node("a"))
    table.volumes.put(CLAIMS, claim("c", notes={BETA_CLASS: ""}))
    assert volume_binding.stops(user_of("c"), table) == volume_binding.UNBOUND
    assert "no pv name and storageClass" in volume_zone.stops(user_of("c"), table)
    table.volumes.put(CLAIMS, claim("c", notes={BETA_CLASS: "wait"}, storageClassName="other"))
    assert volume_binding.stops(user_of("c"), table) == ""
    table.volumes.put(VOLUMES, volume("v"))
    (found,) = volume_binding.bindings_on(user_of("c"), table, 0).matched
    assert found[1].name == "v"
    meta = {"name": "v", "annotations": {BETA_CLASS: ""}}
    table.volumes.put(VOLUMES, {**volume("v"), "metadata": meta})
    assert not volume_binding.bindings_on(user_of("c"), table, 0).matched


def test_a_volume_has_the_attributes_that_its_claim_asks_for() -> None:
    table = table_of(node("a"))
    table.volumes.put(CLAIMS, claim("c", volumeAttributesClassName="gold"))
    table.volumes.put(VOLUMES, volume("plain"))
    table.volumes.put(VOLUMES, volume("silver", volumeAttributesClassName="silver"))
    assert not volume_binding.bindings_on(user_of("c"), table, 0).matched
    table.volumes.put(VOLUMES, volume("gold", volumeAttributesClassName="gold"))
    (found,) = volume_binding.bindings_on(user_of("c"), table, 0).matched
    assert found[1].name == "gold"
    table.volumes.put(CLAIMS, claim("c"))
    (found,) = volume_binding.bindings_on(user_of("c"), table, 0).matched
    assert found[1].name == "plain"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([{"matchFields": [within("metadata.name", "a")]}], "ab"),
        ([{"matchFields": [within("metadata.name", "a")],
           "matchExpressions": [within("x", "1")]}], "b"),
        ([{"matchFields": [within("metadata.name", "a", "b")]}], ""),
        ([{"matchFields": [within("metadata.name", "a", operator="Exists")]}], ""),
        ([{}], ""),
        ([{}, {"matchExpressions": [within("x", "1")]}], "b"),
    ],
)  # fmt: skip
def test_a_volume_is_not_told_the_name_of_a_node(terms: list[JsonObject], expected: str) -> None:
    table = table_of(node("a"), node("b", labels={"x": "1"}))
    table.volumes.put(CLAIMS, claim("c", "v"))
    table.volumes.put(VOLUMES, volume("v", nodeAffinity=affinity(*terms)))
    assert reached(table, "c") == expected


def test_an_empty_topology_of_a_class_is_nowhere() -> None:
    table = table_of(node("a", labels={ZONE: "z1"}))
    table.volumes.put(CLAIMS, claim("c"))
    assert reached(table, "c") == "a"
    terms = [{"matchLabelExpressions": []}]
    wait = {"provisioner": "example.com/disks", "volumeBindingMode": "WaitForFirstConsumer"}
    storage = {"metadata": {"name": "wait"}, **wait, "allowedTopologies": terms}
    table.volumes.put(CLASSES, storage)
    assert reached(table, "c") == ""
    terms.append({"matchLabelExpressions": [{"key": ZONE, "values": ["z1"]}]})
    table.volumes.put(CLASSES, storage)
    assert reached(table, "c") == "a"


@pytest.mark.parametrize(
    ("source", "labels", "expected"),
    [
        ({"awsElasticBlockStore": {"volumeID": "aws://z1/vol-1"}}, {}, "ebs.csi.aws.com vol-1"),
        ({"awsElasticBlockStore": {"volumeID": "vol-1"}}, {}, "ebs.csi.aws.com vol-1"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {},
         "pd.csi.storage.gke.io projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a"},
         "pd.csi.storage.gke.io projects/UNSPECIFIED/zones/us-a/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a__us-b"},
         "pd.csi.storage.gke.io projects/UNSPECIFIED/regions/us/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a__eu-b"}, " "),
        ({"azureDisk": {"diskURI": "/d"}}, {}, "disk.csi.azure.com /d"),
        ({"cinder": {"volumeID": "c"}}, {}, "cinder.csi.openstack.org c"),
        ({"portworxVolume": {"volumeID": "p"}}, {}, "pxd.portworx.com p"),
        ({"azureFile": {"shareName": "s"}}, {}, " "),
        ({"vsphereVolume": {"volumePath": "p"}}, {}, " "),
        ({"nfs": {"path": "p"}}, {}, None),
    ],
)  # fmt: skip
def test_what_a_driver_calls_an_older_volume(
    source: JsonObject, labels: dict[str, str], expected: str | None
) -> None:
    found = attached(source, labels)
    assert found == (None if expected is None else Attached(*expected.split(" ", 1)))


def test_older_volumes_count_as_ones_of_their_driver() -> None:
    table = table_of(node("a"), node("b"))
    for name in ("a", "b"):
        drivers = [{"name": "ebs.csi.aws.com", "allocatable": {"count": 2}}]
        table.volumes.put(CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": drivers}})

    def disk(name: str) -> JsonObject:
        return {"name": name, "awsElasticBlockStore": {"volumeID": name}}

    def free(shape: Shape) -> list[bool]:
        found: list[bool] = node_volume_limits.passes(shape, table, slice(0, 2)).tolist()
        return found

    table.volumes.put(CLAIMS, claim("c", "v"))
    table.volumes.put(VOLUMES, volume("v", awsElasticBlockStore={"volumeID": "aws://z/vol-1"}))
    table.add_pod("d/one", "a", user_of("c", volumes=[disk("vol-2")]))
    assert free(user_of(volumes=[disk("vol-3")])) == [False, True]
    # The claim's and the pod's own volume are those that are there.
    assert free(user_of("c", volumes=[disk("vol-1"), disk("vol-2")])) == [True, True]
    table.volumes.put(
        CLASSES, {"metadata": {"name": "old"}, "provisioner": "kubernetes.io/aws-ebs"}
    )
    table.volumes.put(CLAIMS, claim("new", storageClassName="old"))
    assert free(user_of("new")) == [False, True]
    table.remove_pod("d/one", "a")
    assert free(user_of("new", volumes=[disk("vol-3")])) == [True, True]
    assert free(user_of("new", volumes=[disk("vol-3"), disk("vol-4")])) == [False, False]


@pytest.mark.parametrize(
    ("terms", "labels", "expected"),
    [
        ([{"matchExpressions": [within(ZONE, "z1")]}], {}, "ad"),
        ([], {ZONE: "z1__z2"}, "acd"),
        ([], {}, "abcd"),
        # These are not the zones it is in, so nothing is translated: a has no such label.
        ([{"matchExpressions": [within(ZONE, "z1", operator="NotIn")]}], {}, "abc"),
    ],
)
def test_the_zone_of_an_older_volume_is_its_drivers(
    terms: list[JsonObject], labels: dict[str, str], expected: str
) -> None:
    """a and b have a driver in the plugin's place, c and d the plugin."""
    table = table_of(
        node("a", labels={EBS_ZONE: "z1"}),
        node("b", labels={ZONE: "z2"}),
        node("c", labels={ZONE: "z2"}),
        node("d", labels={ZONE: "z1"}),
    )
    for name in ("a", "b"):
        notes = {MIGRATED_ANNOTATION: "kubernetes.io/gce-pd,kubernetes.io/aws-ebs"}
        table.volumes.put(CSI_NODES, {"metadata": {"name": name, "annotations": notes}})
    spec = {"nodeAffinity": affinity(*terms)} if terms else {}
    table.volumes.put(CLAIMS, claim("c", "v"))
    table.volumes.put(VOLUMES, volume("v", labels, awsElasticBlockStore={"volumeID": "v"}, **spec))
    assert reached(table, "c") == expected
