"""NodePorts: a host port is held by one pod of a node.
Source: plugins/nodeports/node_ports.go, framework/types.go (HostPortInfo), v1.36."""

import numpy as np

from scheduler.framework import Filter, one_reason
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Shape


def has_ports(shape: Shape, _table: NodeTable) -> bool:
    return bool(shape.key.ports)


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = np.ones(len(table.alive), np.bool_)
    for port in shape.key.ports:
        for holders in table.ports.holders(port):
            result[list(holders)] = False
    return result[rows]


def passes_row(shape: Shape, table: NodeTable, row: int) -> bool:
    ports = shape.key.ports
    return not any(row in rows for port in ports for rows in table.ports.holders(port))


PLUGIN = Filter(
    name="NodePorts",
    static=False,
    applies=has_ports,
    passes=passes,
    reasons=one_reason(
        "node(s) didn't have free ports for the requested pod ports", hopeless=False
    ),
    passes_row=passes_row,
)
