"""Controllers of claims and volumes beyond what is recorded: provisioning, loss, deletion."""

from api.calls import ApiRequest
from api.core import JsonObject
from controllers.claims import PROVISIONED_BY, SELECTED_NODE
from controllers.hollow_provisioner import PROVISIONER, ZONE
from controllers.limits import limits_of
from controllers.records import CLAIMS, NODES, STORAGE_CLASSES, VOLUMES
from tests.controllers.world import SECOND, Program, World

RUNNING = ("persistent-volume-binder", "volume-protection", "hollow-provisioner")


def call(world: World, verb: str, resource: str, name: str = "", body: object = None) -> None:
    namespace = "default" if resource in (CLAIMS, "pods") else ""
    reply = world.call(ApiRequest(0, verb, resource, namespace, name, "", "", body))  # type: ignore[arg-type]
    assert 200 <= reply.code < 300, reply
    world.run(world.now_ns + SECOND)


def started(mode: str = "Immediate", provisioner: str = PROVISIONER) -> World:
    """A world with these controllers, a node in zone a and a storage class ``disks``."""
    world = World()
    for name in ("default", "kube-system"):
        call(world, "create", "namespaces", body={"metadata": {"name": name}})
    node = {"metadata": {"name": "n1", "labels": {ZONE: "a"}}}
    call(world, "create", NODES, body=node)
    storage = {"metadata": {"name": "disks"}, "provisioner": provisioner}
    more = {"volumeBindingMode": mode, "reclaimPolicy": "Delete"}
    call(world, "create", STORAGE_CLASSES, body=storage | more)
    Program(world, "controllers-0", 1, limits_of("unlimited"), RUNNING)
    world.run(world.now_ns + SECOND)
    return world


def claim(name: str, **spec: object) -> JsonObject:
    return {
        "metadata": {"name": name},
        "spec": {
            "storageClassName": "disks",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        },
    }


def found(world: World, resource: str, name: str) -> JsonObject:
    item = world.api.get(resource, "default" if resource == CLAIMS else "", name)
    assert item is not None, name
    return item


def phase(world: World, resource: str, name: str) -> str:
    said = found(world, resource, name)["status"]["phase"]
    assert isinstance(said, str)
    return said


def reasons(world: World) -> list[str]:
    return [item["reason"] for item in world.api.list("events", "default")]


def select(world: World, name: str, node: str) -> None:
    item = found(world, CLAIMS, name)
    notes = {**(item["metadata"].get("annotations") or {}), SELECTED_NODE: node}
    meta = {**item["metadata"], "annotations": notes}
    call(world, "update", CLAIMS, name, {**item, "metadata": meta})


def test_a_hollow_volume_is_made_bound_and_taken_away_with_its_claim() -> None:
    world = started()
    call(world, "create", CLAIMS, body=claim("c"))
    assert phase(world, CLAIMS, "c") == "Bound"
    (volume,) = world.api.list(VOLUMES)
    assert volume["metadata"]["name"] == found(world, CLAIMS, "c")["spec"]["volumeName"]
    assert volume["metadata"]["annotations"][PROVISIONED_BY] == PROVISIONER
    assert volume["status"]["phase"] == "Bound" and "nodeAffinity" not in volume["spec"]
    assert reasons(world) == ["ExternalProvisioning", "ProvisioningSucceeded"]
    call(world, "delete", CLAIMS, "c")
    assert world.api.list(CLAIMS, "default") == [] and world.api.list(VOLUMES) == []


def test_where_the_class_waits_a_volume_is_made_for_the_node_that_was_chosen() -> None:
    world = started("WaitForFirstConsumer")
    call(world, "create", CLAIMS, body=claim("c"))
    assert phase(world, CLAIMS, "c") == "Pending" and world.api.list(VOLUMES) == []
    assert reasons(world) == ["WaitForFirstConsumer"]
    select(world, "c", "n1")
    (volume,) = world.api.list(VOLUMES)
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": ZONE, "operator": "In", "values": ["a"]}]
    assert phase(world, CLAIMS, "c") == "Bound"


def test_a_node_that_is_gone_gives_the_choice_back_to_the_scheduler() -> None:
    world = started("WaitForFirstConsumer")
    call(world, "create", CLAIMS, body=claim("c"))
    select(world, "c", "gone")
    assert SELECTED_NODE not in found(world, CLAIMS, "c")["metadata"]["annotations"]
    assert world.api.list(VOLUMES) == []


def test_a_class_that_nobody_provisions_for_is_told() -> None:
    world = started(provisioner="kubernetes.io/no-provisioner")
    call(world, "create", CLAIMS, body=claim("c"))
    (event,) = world.api.list("events", "default")
    assert event["message"] == "no volume plugin matched name: kubernetes.io/no-provisioner"
    volume = {
        "metadata": {"name": "v"},
        "spec": claim("v")["spec"] | {"capacity": {"storage": "2Gi"}},
    }
    del volume["spec"]["resources"]
    call(world, "create", VOLUMES, body=volume)
    assert phase(world, CLAIMS, "c") == phase(world, VOLUMES, "v") == "Bound"
    assert found(world, CLAIMS, "c")["status"]["capacity"] == {"storage": "2Gi"}


def test_a_claim_in_use_outlives_its_deletion() -> None:
    world = started()
    call(world, "create", CLAIMS, body=claim("c"))
    source = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1", "volumes": [source]}
    call(world, "create", "pods", body={"metadata": {"name": "p"}, "spec": spec})
    call(world, "delete", CLAIMS, "c")
    assert "deletionTimestamp" in found(world, CLAIMS, "c")["metadata"]
    call(world, "delete", "pods", "p", {"gracePeriodSeconds": 0})
    assert world.api.list(CLAIMS, "default") == []


def test_a_volume_whose_claim_took_another_is_free_again() -> None:
    world = started(provisioner="kubernetes.io/no-provisioner")
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    spec["storageClassName"] = "disks"
    call(world, "create", VOLUMES, body={"metadata": {"name": "v"}, "spec": spec})
    call(world, "create", CLAIMS, body=claim("c"))
    item = found(world, CLAIMS, "c")
    reference = {"namespace": "default", "name": "c", "uid": item["metadata"]["uid"]}
    notes = {"pv.kubernetes.io/bound-by-controller": "yes"}
    other = {
        "metadata": {"name": "w", "annotations": notes},
        "spec": spec | {"claimRef": reference},
    }
    call(world, "create", VOLUMES, body=other)
    assert (phase(world, VOLUMES, "v"), phase(world, VOLUMES, "w")) == ("Bound", "Available")
    assert "claimRef" not in found(world, VOLUMES, "w")["spec"]
