"""Rows of volumes, claims, storage classes and what the storage drivers register.

Source: pkg/printers/internalversion/printers.go.
"""

from collections.abc import Sequence
from typing import Any

from api.core import JsonObject
from api.printers.ages import UNSET, age

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def volume_cells(volume: JsonObject, now_ns: int) -> list[Any]:
    """Name, capacity, modes, policy, status, claim, classes, reason, age; wide: mode."""
    metadata, spec, status = volume["metadata"], volume["spec"], volume.get("status", {})
    claim = spec.get("claimRef")
    phase = status.get("phase", "")
    return [
        metadata["name"],
        spec.get("capacity", {}).get("storage", "0"),
        _modes(spec.get("accessModes") or ()),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if "deletionTimestamp" in metadata else phase,
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _class_of(volume),
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason", ""),
        age(metadata.get("creationTimestamp"), now_ns),
        spec.get("volumeMode") or UNSET,
    ]


def claim_cells(claim: JsonObject, now_ns: int) -> list[Any]:
    """Name, status, volume, capacity, modes, classes, age; wide: mode."""
    metadata, spec, status = claim["metadata"], claim["spec"], claim.get("status", {})
    volume = spec.get("volumeName", "")
    phase = status.get("phase", "")
    return [
        metadata["name"],
        "Terminating" if "deletionTimestamp" in metadata else phase,
        volume,
        status.get("capacity", {}).get("storage", "0") if volume else "",
        _modes(status.get("accessModes") or ()) if volume else "",
        _class_of(claim),
        spec.get("volumeAttributesClassName") or UNSET,
        age(metadata.get("creationTimestamp"), now_ns),
        spec.get("volumeMode") or UNSET,
    ]


def _class_of(obj: JsonObject) -> str:
    named: str = obj["metadata"].get("annotations", {}).get(BETA_CLASS, "")
    return named or str(obj["spec"].get("storageClassName") or "")


def _modes(modes: Sequence[str]) -> str:
    """Each kind of access once, in the order in which Kubernetes knows them."""
    return ",".join(short for mode, short in _MODES.items() if mode in modes)


def storage_class_cells(storage_class: JsonObject, now_ns: int) -> list[Any]:
    """Name, provisioner, policy, binding, growth, age."""
    metadata = storage_class["metadata"]
    name = metadata["name"]
    annotations = metadata.get("annotations", {})
    if any(annotations.get(key) == "true" for key in _DEFAULT_ANNOTATIONS):
        name += " (default)"
    return [
        name,
        storage_class.get("provisioner", ""),
        storage_class.get("reclaimPolicy", "Delete"),
        storage_class.get("volumeBindingMode", "Immediate"),
        bool(storage_class.get("allowVolumeExpansion")),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


_DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def csi_driver_cells(driver: JsonObject, now_ns: int) -> list[Any]:
    """Name, what it wants to be asked and told, modes, age."""
    metadata, spec = driver["metadata"], driver["spec"]
    tokens = ",".join(one.get("audience", "") for one in spec.get("tokenRequests") or ())
    return [
        metadata["name"],
        bool(spec.get("attachRequired", True)),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        tokens if spec.get("tokenRequests") else UNSET,
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or "<none>",
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def csi_node_cells(node: JsonObject, now_ns: int) -> list[Any]:
    """Name, number of drivers, age."""
    metadata = node["metadata"]
    drivers = len(node["spec"].get("drivers") or ())
    return [metadata["name"], drivers, age(metadata.get("creationTimestamp"), now_ns)]


def volume_attachment_cells(attachment: JsonObject, now_ns: int) -> list[Any]:
    """Name, attacher, volume, node, attached, age."""
    metadata, spec = attachment["metadata"], attachment["spec"]
    return [
        metadata["name"],
        spec.get("attacher", ""),
        spec.get("source", {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool(attachment.get("status", {}).get("attached")),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def volume_attributes_class_cells(attributes: JsonObject, now_ns: int) -> list[Any]:
    """Name, driver, age."""
    metadata = attributes["metadata"]
    return [
        metadata["name"],
        attributes.get("driverName", ""),
        age(metadata.get("creationTimestamp"), now_ns),
    ]
