"""Claims, volumes, storage classes and what nodes and drivers can hold, as far as they decide where
a pod may run; and which placed pods use what.

Source: pkg/scheduler/framework/plugins/volumebinding, volumerestrictions, nodevolumelimits,
volumezone and component-helpers/storage/volume, v1.36.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from api.core import JsonObject
from api.quantity import whole_value
from api.selectors import LabelSelector, label_selector_of
from scheduler.pod_shape import Term, node_selector_term
from scheduler.relations import Disk, Relations

CLAIMS = "persistentvolumeclaims"
VOLUMES = "persistentvolumes"
CLASSES = "storage.k8s.io/storageclasses"
DRIVERS = "storage.k8s.io/csidrivers"
CSI_NODES = "storage.k8s.io/csinodes"
CAPACITIES = "storage.k8s.io/csistoragecapacities"
RESOURCES = (CLAIMS, VOLUMES, CLASSES, DRIVERS, CSI_NODES, CAPACITIES)

BOUND_ANNOTATION = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
ONE_POD = "ReadWriteOncePod"

K = TypeVar("K")
Key = tuple[str, str]
"""(namespace, name); the namespace is empty for what has none."""


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
    terms: tuple[Term, ...] | None
    """Its required node affinity."""
    driver: str
    """Of CSI; empty for other sources."""
    handle: str


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


@dataclass(slots=True)
class VolumeCatalog:
    """All of it by key. ``version`` grows with every change."""

    claims: dict[Key, Claim]
    volumes: dict[str, Volume]
    classes: dict[str, StorageClass]
    drivers: dict[str, bool]
    """Driver to whether it tells its capacity."""
    limits: dict[str, dict[str, int]]
    """Node to driver to how many volumes it can have."""
    capacities: dict[Key, Capacity]
    version: int = 0
    held: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Volume to the claim (namespace, name, uid) that a placement chose it for, until it is bound
    or given up."""
    heading: dict[Key, str] = field(default_factory=dict)
    """Claim to the node that it is going to be provisioned for, likewise."""

    def claim(self, key: Key) -> Claim | None:
        """With what placements under way decided."""
        claim = self.claims.get(key)
        node = self.heading.get(key)
        if claim is None or node is None or claim.selected_node:
            return claim
        return claim._replace(selected_node=node)

    def all_volumes(self) -> Iterator[Volume]:
        """With what placements under way decided."""
        for name, volume in self.volumes.items():
            held = self.held.get(name) if volume.claim is None else None
            yield volume if held is None else volume._replace(claim=held)

    def put(self, resource: str, item: JsonObject) -> None:
        """Raises QuantityError and SelectorError."""
        meta = item["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        self.version += 1
        match resource:
            case _ if resource == CLAIMS:
                self.claims[key] = claim_of(item)
            case _ if resource == VOLUMES:
                self.volumes[key[1]] = volume_of(item)
            case _ if resource == CLASSES:
                self.classes[key[1]] = _class_of(item)
            case _ if resource == DRIVERS:
                self.drivers[key[1]] = bool((item.get("spec") or {}).get("storageCapacity"))
            case _ if resource == CSI_NODES:
                self.limits[key[1]] = _limits_of(item)
            case _:
                self.capacities[key] = _capacity_of(item)

    def remove(self, resource: str, namespace: str, name: str) -> None:
        self.version += 1
        if resource == CLAIMS:
            self.claims.pop((namespace, name), None)
        elif resource == CAPACITIES:
            self.capacities.pop((namespace, name), None)
        else:
            self._by_name(resource).pop(name, None)

    def names(self, resource: str) -> list[Key]:
        if resource == CLAIMS:
            return list(self.claims)
        if resource == CAPACITIES:
            return list(self.capacities)
        return [("", name) for name in self._by_name(resource)]

    def waits(self, claim: Claim) -> bool:
        found = self.classes.get(claim.storage_class)
        return found is not None and found.waits

    def attached(self, key: Key) -> tuple[str, str] | None:
        """(driver, handle) of what a claim attaches to its node, or will."""
        claim = self.claims.get(key)
        if claim is None:
            return None
        volume = self.volumes.get(claim.volume)
        if volume is not None:
            return (volume.driver, volume.handle) if volume.driver else None
        found = self.classes.get(claim.storage_class)
        # A name no volume can have.
        return (found.provisioner, f"claim {key[0]}/{key[1]}") if found else None

    def _by_name(self, resource: str) -> dict[str, Volume] | dict[str, StorageClass]:
        tables: dict[str, dict[str, Volume] | dict[str, StorageClass]] = {
            VOLUMES: self.volumes,
            CLASSES: self.classes,
            DRIVERS: self.drivers,  # type: ignore[dict-item]
            CSI_NODES: self.limits,  # type: ignore[dict-item]
        }
        return tables[resource]


def empty_catalog() -> VolumeCatalog:
    return VolumeCatalog({}, {}, {}, {}, {}, {})


class VolumeUse:
    """Claims and disks of placed pods, by row."""

    def __init__(self) -> None:
        self.users: dict[Key, int] = {}
        """Claim to the number of pods that use it."""
        self.claims: dict[int, dict[Key, int]] = {}
        self.disks: dict[int, dict[Disk, int]] = {}

    def add(self, row: int, pod: Relations, sign: int) -> None:
        namespace = pod.key.namespace
        for name, _ in pod.key.claims:
            key = (namespace, name)
            _count(self.users, key, sign)
            _count(self.claims.setdefault(row, {}), key, sign)
        for disk in pod.key.disks:
            _count(self.disks.setdefault(row, {}), disk, sign)


def _count(counts: dict[K, int], key: K, sign: int) -> None:
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
    else:
        del counts[key]


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
        storage_class=notes.get(BETA_CLASS) or spec.get("storageClassName") or "",
        volume=volume,
        bound=bool(volume) and BOUND_ANNOTATION in notes,
        lost=(item.get("status") or {}).get("phase") == "Lost",
        deleting="deletionTimestamp" in meta,
        modes=tuple(spec.get("accessModes") or ()),
        block=spec.get("volumeMode") == "Block",
        size=whole_value(str(requests.get("storage", "0"))),
        selector=None if selector is None else label_selector_of(selector),
        selected_node=notes.get(SELECTED_NODE, ""),
    )


def volume_of(item: JsonObject) -> Volume:
    meta, spec = item["metadata"], item.get("spec") or {}
    notes = meta.get("annotations") or {}
    claim, csi = spec.get("claimRef"), spec.get("csi") or {}
    required = (spec.get("nodeAffinity") or {}).get("required")
    return Volume(
        name=meta["name"],
        labels=meta.get("labels") or {},
        storage_class=notes.get(BETA_CLASS) or spec.get("storageClassName") or "",
        size=whole_value(str((spec.get("capacity") or {}).get("storage", "0"))),
        modes=tuple(spec.get("accessModes") or ()),
        block=spec.get("volumeMode") == "Block",
        available=(item.get("status") or {}).get("phase") == "Available",
        deleting="deletionTimestamp" in meta,
        claim=None
        if claim is None
        else (claim.get("namespace", ""), claim.get("name", ""), claim.get("uid", "")),
        terms=None
        if required is None
        else tuple(node_selector_term(t) for t in required.get("nodeSelectorTerms") or ()),
        driver=csi.get("driver", ""),
        handle=csi.get("volumeHandle", ""),
    )


def _class_of(item: JsonObject) -> StorageClass:
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


def _limits_of(item: JsonObject) -> dict[str, int]:
    return {
        driver["name"]: int(driver["allocatable"]["count"])
        for driver in (item.get("spec") or {}).get("drivers") or ()
        if (driver.get("allocatable") or {}).get("count") is not None
    }


def _capacity_of(item: JsonObject) -> Capacity:
    topology = item.get("nodeTopology")
    size = item.get("maximumVolumeSize", item.get("capacity"))
    return Capacity(
        item.get("storageClassName") or "",
        None if topology is None else label_selector_of(topology),
        -1 if size is None else whole_value(str(size)),
    )
