"""What claims, volumes and storage classes say, as far as it decides where a pod may run.

Source: component-helpers/storage/volume, pkg/scheduler/framework/plugins/volumebinding, v1.36.
"""

from collections.abc import Mapping
from typing import NamedTuple

from api.core import JsonObject
from api.quantity import whole_value
from api.selectors import LabelSelector, label_selector_of
from scheduler.migrated_volumes import Attached, attached, source_of
from scheduler.volume_reach import Terms, migrated_reach_of, reach_of

BOUND_ANNOTATION = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
ONE_POD = "ReadWriteOncePod"


class Claim(NamedTuple):
    namespace: str
    name: str
    uid: str
    storage_class: str
    volume: str
    """Its volume's name; empty until it has one."""
    bound: bool
    """Binding is complete."""
    lost: bool
    deleting: bool
    modes: tuple[str, ...]
    block: bool
    size: int
    selector: LabelSelector | None
    selected_node: str
    attributes: str
    """Its VolumeAttributesClass; a volume must have the same."""


class Volume(NamedTuple):
    name: str
    labels: Mapping[str, str]
    storage_class: str
    size: int
    modes: tuple[str, ...]
    block: bool
    available: bool
    deleting: bool
    claim: tuple[str, str, str] | None
    """(namespace, name, uid) of the claim it is meant for; an empty uid means any."""
    attributes: str
    terms: Terms
    """From where it is reached ..."""
    migrated_terms: Terms
    """... and that on nodes where ``plugin`` has become a driver."""
    plugin: str
    """What it is of, when that once was part of Kubernetes."""
    attached: Attached
    """Empty in both when no driver attaches it."""


class StorageClass(NamedTuple):
    name: str
    provisioner: str
    waits: bool
    """Binds when a pod that uses the claim is placed."""
    mode: str
    topologies: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
    """Terms of (label, values); none: everywhere."""


class Capacity(NamedTuple):
    """A CSIStorageCapacity."""

    storage_class: str
    topology: LabelSelector | None
    largest: int
    """Bytes that one volume may have; -1: unknown."""


def claim_of(item: JsonObject) -> Claim:
    meta, spec = item["metadata"], item.get("spec") or {}
    notes = meta.get("annotations") or {}
    selector = spec.get("selector")
    requests = (spec.get("resources") or {}).get("requests") or {}
    volume = spec.get("volumeName") or ""
    return Claim(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta.get("uid", ""),
        storage_class=_class_named(notes, spec),
        volume=volume,
        bound=bool(volume) and BOUND_ANNOTATION in notes,
        lost=(item.get("status") or {}).get("phase") == "Lost",
        deleting="deletionTimestamp" in meta,
        modes=tuple(spec.get("accessModes") or ()),
        block=spec.get("volumeMode") == "Block",
        size=whole_value(str(requests.get("storage", "0"))),
        selector=None if selector is None else label_selector_of(selector),
        selected_node=notes.get(SELECTED_NODE, ""),
        attributes=spec.get("volumeAttributesClassName") or "",
    )


def _class_named(notes: Mapping[str, str], spec: JsonObject) -> str:
    """The old annotation comes first, also when it is empty: then there is no class."""
    return notes[BETA_CLASS] if BETA_CLASS in notes else spec.get("storageClassName") or ""


def volume_of(item: JsonObject) -> Volume:
    meta, spec = item["metadata"], item.get("spec") or {}
    notes = meta.get("annotations") or {}
    claim, csi = spec.get("claimRef"), spec.get("csi") or {}
    labels, plugin = meta.get("labels") or {}, source_of(spec)
    driven = Attached(csi.get("driver", ""), csi.get("volumeHandle", ""))
    return Volume(
        name=meta["name"],
        labels=labels,
        storage_class=_class_named(notes, spec),
        size=whole_value(str((spec.get("capacity") or {}).get("storage", "0"))),
        modes=tuple(spec.get("accessModes") or ()),
        block=spec.get("volumeMode") == "Block",
        available=(item.get("status") or {}).get("phase") == "Available",
        deleting="deletionTimestamp" in meta,
        claim=None
        if claim is None
        else (claim.get("namespace", ""), claim.get("name", ""), claim.get("uid", "")),
        attributes=spec.get("volumeAttributesClassName") or "",
        terms=reach_of(spec),
        migrated_terms=migrated_reach_of(spec, labels),
        plugin=plugin.name if plugin else "",
        attached=attached(spec, labels) or driven,
    )


def class_of(item: JsonObject) -> StorageClass:
    mode = item.get("volumeBindingMode") or ""
    topologies = tuple(
        tuple(
            (one["key"], tuple(one.get("values") or ()))
            for one in term.get("matchLabelExpressions") or ()
        )
        for term in item.get("allowedTopologies") or ()
    )
    name, provisioner = item["metadata"]["name"], item.get("provisioner") or ""
    return StorageClass(name, provisioner, mode == "WaitForFirstConsumer", mode, topologies)


def limits_of(item: JsonObject) -> dict[str, int]:
    return {
        driver["name"]: int(driver["allocatable"]["count"])
        for driver in (item.get("spec") or {}).get("drivers") or ()
        if (driver.get("allocatable") or {}).get("count") is not None
    }


def capacity_of(item: JsonObject) -> Capacity:
    topology = item.get("nodeTopology")
    size = item.get("maximumVolumeSize", item.get("capacity"))
    return Capacity(
        item.get("storageClassName") or "",
        None if topology is None else label_selector_of(topology),
        -1 if size is None else whole_value(str(size)),
    )
