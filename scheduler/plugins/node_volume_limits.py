"""NodeVolumeLimits: a node attaches only so many volumes of a CSI driver.
Source: plugins/nodevolumelimits/csi.go, v1.36. VolumeAttachments are not counted."""

from scheduler.framework import Filter, one_reason
from scheduler.migrated_volumes import Attached
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Shape


def attaches(shape: Shape, _table: NodeTable) -> bool:
    key = shape.relations.key
    return bool(key.claims or key.attached)


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = table.alive.copy()
    key, catalog = shape.relations.key, table.volumes
    wanted: dict[Attached, None] = dict.fromkeys(key.attached)
    for name, _ in key.claims:
        found = catalog.attached((key.namespace, name))
        if found is not None:
            wanted[found] = None
    if wanted:
        for node, limits in catalog.limits.items():
            row = table.row_of.get(node)
            if row is not None:
                result[row] = _fits(list(wanted), limits, _attached_to(table, row))
    return result[rows]


def _attached_to(table: NodeTable, row: int) -> dict[Attached | None, None]:
    """Volumes of the pods there, each once."""
    use = table.volume_use
    found = dict.fromkeys(table.volumes.attached(key) for key in use.claims.get(row, ()))
    return found | dict.fromkeys(use.attached.get(row, ()))


def _fits(
    wanted: list[Attached], limits: dict[str, int], attached: dict[Attached | None, None]
) -> bool:
    """A volume that is there already is not counted again."""
    for driver, limit in limits.items():
        fresh = sum(one.driver == driver and one not in attached for one in wanted)
        present = sum(one is not None and one.driver == driver for one in attached)
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
