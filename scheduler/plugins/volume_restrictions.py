"""VolumeRestrictions: some disks are mounted by one pod of a node only, and a ReadWriteOncePod
claim by one pod of the cluster.
Source: plugins/volumerestrictions/volume_restrictions.go, v1.36."""

from collections.abc import Sequence

import numpy as np

from scheduler.framework import Filter, Reason
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.volume_objects import ONE_POD

NAME = "VolumeRestrictions"
DISK = "node(s) had no available disk"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already "
    "in-use by another pod"
)


def stops(shape: Shape, table: NodeTable) -> str:
    key = shape.relations.key
    for name, ephemeral in key.claims:
        if not ephemeral and (key.namespace, name) not in table.volumes.claims:
            return f'persistentvolumeclaim "{name}" not found'
    return ""


def concerned(shape: Shape, table: NodeTable) -> bool:
    return bool(shape.relations.key.disks) or _in_use(shape, table)


def _in_use(shape: Shape, table: NodeTable) -> bool:
    """Another pod holds a claim that only one may."""
    key = shape.relations.key
    for name, ephemeral in key.claims:
        claim = table.volumes.claims.get((key.namespace, name))
        alone = claim is not None and not ephemeral and ONE_POD in claim.modes
        if alone and table.volume_use.users.get((key.namespace, name)):
            return True
    return False


def _disks_free(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = np.ones(len(table.alive), np.bool_)
    for disk in shape.relations.key.disks:
        for row, held in table.volume_use.disks.items():
            if any(disk.conflicts(other) for other in held):
                result[row] = False
    return result[rows]


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = _disks_free(shape, table, rows)
    if _in_use(shape, table):
        result[:] = False
    return result


def reasons(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
    free = _disks_free(shape, table, rows)
    nowhere = np.zeros(len(rows), np.bool_)
    found = (Reason(DISK, ~free, nowhere), Reason(IN_USE, free, nowhere))
    return [reason for reason in found if reason.rows.any()]


FILTER = Filter(
    name=NAME,
    static=False,
    coupled=True,
    applies=concerned,
    passes=passes,
    reasons=reasons,
    stops=stops,
)
