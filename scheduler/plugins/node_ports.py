"""NodePorts: a host port is held by one pod of a node.
Source: plugins/nodeports/node_ports.go, framework/types.go (HostPortInfo), v1.36."""

from collections.abc import Iterable

import numpy as np

from scheduler.framework import Filter, one_reason
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Port, Shape

ANY_ADDRESS = "0.0.0.0"


def has_ports(shape: Shape, _table: NodeTable) -> bool:
    return bool(shape.key.ports)


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = np.ones(len(table.alive), np.bool_)
    for port in shape.key.ports:
        for holders in _holders(table, port):
            result[list(holders)] = False
    return result[rows]


def passes_row(shape: Shape, table: NodeTable, row: int) -> bool:
    return not any(row in holders for port in shape.key.ports for holders in _holders(table, port))


def _holders(table: NodeTable, port: Port) -> Iterable[dict[int, int]]:
    """Rows where the port is taken on an address that overlaps."""
    by_ip = table.ports.get((port.protocol, port.port), {})
    if port.ip == ANY_ADDRESS:
        return by_ip.values()
    return [by_ip[ip] for ip in (port.ip, ANY_ADDRESS) if ip in by_ip]


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
