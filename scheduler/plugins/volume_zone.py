"""VolumeZone: a volume that names its zone or region by labels is reached from there only.
Source: plugins/volumezone/volume_zone.go, v1.36."""

import numpy as np

from scheduler.framework import Filter, one_reason
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.volume_objects import Claim, Volume

NAME = "VolumeZone"
GENERAL = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
"""Old labels and what they are called now."""
LABELS = (*GENERAL, *GENERAL.values())
SEPARATOR = "__"


def stops(shape: Shape, table: NodeTable) -> str:
    key, catalog = shape.relations.key, table.volumes
    for name, ephemeral in key.claims:
        claim = catalog.claims.get((key.namespace, name))
        if ephemeral:
            continue
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.volume:
            if claim.volume not in catalog.volumes:
                return f'persistentvolume "{claim.volume}" not found'
        elif found := _unbound(claim, table):
            return found
    return ""


def _unbound(claim: Claim, table: NodeTable) -> str:
    if not claim.storage_class:
        return "PersistentVolumeClaim had no pv name and storageClass name"
    storage = table.volumes.classes.get(claim.storage_class)
    if storage is None:
        return f'storageclass.storage.k8s.io "{claim.storage_class}" not found'
    if not storage.mode:
        return f'VolumeBindingMode not set for StorageClass "{storage.name}"'
    return "" if storage.waits else "PersistentVolume had no name"


def _volumes(shape: Shape, table: NodeTable) -> list[Volume]:
    """Those of the pod that have such labels."""
    key, catalog = shape.relations.key, table.volumes
    found = []
    for name, ephemeral in key.claims:
        claim = catalog.claims.get((key.namespace, name))
        volume = catalog.volumes.get(claim.volume) if claim and not ephemeral else None
        if volume is not None and any(label in volume.labels for label in LABELS):
            found.append(volume)
    return found


def concerned(shape: Shape, table: NodeTable) -> bool:
    return bool(_volumes(shape, table))


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = np.ones(len(table.alive), np.bool_)[rows]
    placed_somewhere = np.zeros_like(result)
    for label in LABELS:
        placed_somewhere |= table.label_column(label)[0][rows] > 0
    for volume in _volumes(shape, table):
        for label in LABELS:
            value = volume.labels.get(label)
            if value is not None:
                result &= _reached(table, rows, label, value.split(SEPARATOR))
    return result | ~placed_somewhere


def _reached(table: NodeTable, rows: Rows, label: str, values: list[str]) -> Mask:
    column, numbers = table.label_column(label)
    own = column[rows]
    wanted = np.zeros(len(numbers) + 1, np.bool_)
    for value in values:
        wanted[numbers.get(value, 0)] = True
    wanted[0] = False
    result: Mask = wanted[own]
    if label in GENERAL:
        result |= (own == 0) & _reached(table, rows, GENERAL[label], values)
    return result


FILTER = Filter(
    name=NAME,
    static=False,
    coupled=True,
    applies=concerned,
    passes=passes,
    reasons=one_reason("node(s) had no available volume zone", hopeless=True),
    stops=stops,
)
