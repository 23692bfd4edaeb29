"""NodeVolumeLimits: a node attaches only so many volumes of a CSI driver.
Source: plugins/nodevolumelimits/csi.go, v1.36. VolumeAttachments are not counted."""

from scheduler.framework import Filter, one_reason
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.volumes import Key


def attaches(shape: Shape, _table: NodeTable) -> bool:
    key = shape.relations.key
    return bool(key.claims) or key.attaches


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = table.alive.copy()
    key, catalog = shape.relations.key, table.volumes
    wanted: dict[tuple[str, str], None] = {}
    for name, _ in key.claims:
        found = catalog.attached((key.namespace, name))
        if found is not None:
            wanted[found] = None
    if wanted:
        for node, limits in catalog.limits.items():
            row = table.row_of.get(node)
            if row is not None:
                held = table.volume_use.claims.get(row, {})
                result[row] = _fits(table, list(wanted), limits, held)
    return result[rows]


def _fits(
    table: NodeTable,
    wanted: list[tuple[str, str]],
    limits: dict[str, int],
    held: dict[Key, int],
) -> bool:
    """A volume that is there already is not counted again."""
    attached = dict.fromkeys(table.volumes.attached(key) for key in held)
    for driver, limit in limits.items():
        fresh = sum(one[0] == driver and one not in attached for one in wanted)
        present = sum(one is not None and one[0] == driver for one in attached)
        if fresh and present + fresh > limit:
            return False
    return True


FILTER = Filter(
    name="NodeVolumeLimits",
    static=False,
    coupled=True,
    applies=attaches,
    passes=passes,
    reasons=one_reason("node(s) exceed max volume count", hopeless=False),
)
