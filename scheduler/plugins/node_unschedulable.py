"""NodeUnschedulable: cordoned nodes take only pods that tolerate it.
Source: plugins/nodeunschedulable/node_unschedulable.go, v1.36."""

from scheduler.framework import Filter, always, one_reason
from scheduler.node_facts import Taint
from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.plugins.taint_toleration import tolerates
from scheduler.pod_shape import Shape

CORDONED = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    cordoned = table.unschedulable[rows]
    if any(tolerates(toleration, CORDONED) for toleration in shape.key.tolerations):
        return cordoned | True
    return ~cordoned


PLUGIN = Filter(
    name="NodeUnschedulable",
    static=True,
    applies=always,
    passes=passes,
    reasons=one_reason("node(s) were unschedulable", hopeless=True),
)
