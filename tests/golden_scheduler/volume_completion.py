"""What the volume controllers would do after a placement: FORMAT.md, "Volumes"."""

from collections.abc import Callable

from api.core import JsonObject
from scheduler.node_table import NodeTable
from scheduler.plugins.volume_binding import bindings_on
from scheduler.pod_shape import Shape
from scheduler.volume_objects import BOUND_ANNOTATION, SELECTED_NODE, Claim

ZONE = "topology.kubernetes.io/zone"
Find = Callable[[str, str, str], JsonObject]


def bindings(shape: Shape, table: NodeTable, row: int) -> list[tuple[Claim, str]]:
    """Claims that a placement decides, and their volumes' names; provisioned ones as pvc-CLAIM."""
    found = bindings_on(shape, table, row)
    pairs = [(claim, volume.name) for claim, volume in found.matched]
    pairs += [(claim, f"pvc-{claim.name}") for claim in found.provisioned]
    return sorted(pairs, key=lambda pair: (pair[0].namespace, pair[0].name))


def bound_volumes(shape: Shape, table: NodeTable, row: int) -> list[str]:
    return [f"{c.namespace}/{c.name}={volume}" for c, volume in bindings(shape, table, row)]


def completed(
    find: Find, table: NodeTable, claim: Claim, volume: str, row: int
) -> list[JsonObject]:
    """Claim and volume as they are once bound."""
    bound = find("PersistentVolumeClaim", claim.namespace, claim.name)
    notes = {**(bound["metadata"].get("annotations") or {}), BOUND_ANNOTATION: "yes"}
    if volume == f"pvc-{claim.name}":
        notes[SELECTED_NODE] = table.names[row]
        found = _provisioned(table, bound, volume, row)
    else:
        found = find("PersistentVolume", "", volume)
    bound = {
        **bound,
        "metadata": {**bound["metadata"], "annotations": notes},
        "spec": {**bound["spec"], "volumeName": volume},
        "status": {"phase": "Bound"},
    }
    reference = {"namespace": claim.namespace, "name": claim.name, "uid": claim.uid}
    spec = {**found["spec"], "claimRef": reference}
    return [bound, {**found, "spec": spec, "status": {"phase": "Bound"}}]


def _provisioned(table: NodeTable, claim: JsonObject, name: str, row: int) -> JsonObject:
    spec = claim["spec"]
    storage = table.volumes.classes[spec["storageClassName"]]
    volume: JsonObject = {
        "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "storageClassName": spec["storageClassName"],
            "csi": {
                "driver": storage.provisioner,
                "volumeHandle": f"h-{claim['metadata']['name']}",
            },
        },
    }
    zone = table.facts(row).labels.get(ZONE)
    if zone is not None:
        expression = {"key": ZONE, "operator": "In", "values": [zone]}
        terms = [{"matchExpressions": [expression]}]
        volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    return volume
