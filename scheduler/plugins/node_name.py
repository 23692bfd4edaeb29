"""NodeName: a pod that names its node goes nowhere else.
Source: plugins/nodename/node_name.go, v1.36."""

import numpy as np

from scheduler.framework import Filter, always, one_reason
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Shape


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    wanted = shape.key.node_name
    everywhere = np.full(len(table.alive), not wanted)
    row = table.row_of.get(wanted)
    if row is not None:
        everywhere[row] = True
    return everywhere[rows]


PLUGIN = Filter(
    name="NodeName",
    static=True,
    applies=always,
    passes=passes,
    reasons=one_reason("node(s) didn't match the requested node name", hopeless=True),
)
