"""Claims, volumes, storage classes and what nodes and drivers can hold, by key; and which placed
pods use what.

Source: pkg/scheduler/framework/plugins/volumebinding, volumerestrictions, nodevolumelimits,
volumezone and component-helpers/storage/volume, v1.36.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from api.core import JsonObject
from scheduler.migrated_volumes import MIGRATED_ANNOTATION, Attached, driver_of
from scheduler.relations import Disk, Relations
from scheduler.volume_objects import (
    Capacity,
    Claim,
    StorageClass,
    Volume,
    capacity_of,
    claim_of,
    class_of,
    limits_of,
    volume_of,
)

CLAIMS = "persistentvolumeclaims"
VOLUMES = "persistentvolumes"
CLASSES = "storage.k8s.io/storageclasses"
DRIVERS = "storage.k8s.io/csidrivers"
CSI_NODES = "storage.k8s.io/csinodes"
CAPACITIES = "storage.k8s.io/csistoragecapacities"
RESOURCES = (CLAIMS, VOLUMES, CLASSES, DRIVERS, CSI_NODES, CAPACITIES)

K = TypeVar("K")
Key = tuple[str, str]
"""(namespace, name); the namespace is empty for what has none."""


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
    migrated: dict[str, tuple[str, ...]]
    """Node to the plugins that became drivers there."""
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
                self.classes[key[1]] = class_of(item)
            case _ if resource == DRIVERS:
                self.drivers[key[1]] = bool((item.get("spec") or {}).get("storageCapacity"))
            case _ if resource == CSI_NODES:
                self.limits[key[1]] = limits_of(item)
                notes = item["metadata"].get("annotations") or {}
                self.migrated[key[1]] = tuple(notes.get(MIGRATED_ANNOTATION, "").split(","))
            case _:
                self.capacities[key] = capacity_of(item)

    def remove(self, resource: str, namespace: str, name: str) -> None:
        self.version += 1
        if resource == CLAIMS:
            self.claims.pop((namespace, name), None)
        elif resource == CAPACITIES:
            self.capacities.pop((namespace, name), None)
        else:
            self._by_name(resource).pop(name, None)
            if resource == CSI_NODES:
                self.migrated.pop(name, None)

    def names(self, resource: str) -> list[Key]:
        if resource == CLAIMS:
            return list(self.claims)
        if resource == CAPACITIES:
            return list(self.capacities)
        return [("", name) for name in self._by_name(resource)]

    def waits(self, claim: Claim) -> bool:
        found = self.classes.get(claim.storage_class)
        return found is not None and found.waits

    def attached(self, key: Key) -> Attached | None:
        """What a claim attaches to its node, or will."""
        claim = self.claims.get(key)
        if claim is None:
            return None
        volume = self.volumes.get(claim.volume)
        if volume is not None:
            return volume.attached if volume.attached.driver else None
        found = self.classes.get(claim.storage_class)
        driver = driver_of(found.provisioner) if found else ""
        # A name no volume can have.
        return Attached(driver, f"claim {key[0]}/{key[1]}") if driver else None

    def _by_name(self, resource: str) -> dict[str, Volume] | dict[str, StorageClass]:
        tables: dict[str, dict[str, Volume] | dict[str, StorageClass]] = {
            VOLUMES: self.volumes,
            CLASSES: self.classes,
            DRIVERS: self.drivers,  # type: ignore[dict-item]
            CSI_NODES: self.limits,  # type: ignore[dict-item]
        }
        return tables[resource]


def empty_catalog() -> VolumeCatalog:
    return VolumeCatalog({}, {}, {}, {}, {}, {}, {})


class VolumeUse:
    """Claims and disks of placed pods, by row."""

    def __init__(self) -> None:
        self.users: dict[Key, int] = {}
        """Claim to the number of pods that use it."""
        self.claims: dict[int, dict[Key, int]] = {}
        self.disks: dict[int, dict[Disk, int]] = {}
        self.attached: dict[int, dict[Attached, int]] = {}
        """Of the pods' own specs."""

    def add(self, row: int, pod: Relations, sign: int) -> None:
        namespace = pod.key.namespace
        for name, _ in pod.key.claims:
            key = (namespace, name)
            _count(self.users, key, sign)
            _count(self.claims.setdefault(row, {}), key, sign)
        for disk in pod.key.disks:
            _count(self.disks.setdefault(row, {}), disk, sign)
        for one in pod.key.attached:
            _count(self.attached.setdefault(row, {}), one, sign)


def _count(counts: dict[K, int], key: K, sign: int) -> None:
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
    else:
        del counts[key]
