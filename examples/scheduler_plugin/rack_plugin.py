"""A scheduler plugin of one's own: pods with a toleration named ``example.com/rack`` go to nodes of
even racks only, and racks of higher numbers are preferred. See docs/scheduler.md.
"""

import numpy as np

from scheduler.framework import Filter, Score, always, one_reason
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.registry import plugin_of

LABEL = "example.com/rack"


def rack_numbers(table: NodeTable, rows: Rows) -> IntArray:
    """Rack of each row, 0 for nodes without the label."""
    column, values = table.label_column(LABEL)
    numbers = np.zeros(max(values.values(), default=0) + 1, np.int64)
    for value, index in values.items():
        numbers[index] = int(value) if value.isdecimal() else 0
    return numbers[column[rows]]


def wants_even(shape: Shape, _table: NodeTable) -> bool:
    return any(one.key == LABEL for one in shape.key.tolerations)


def is_even(_shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    return rack_numbers(table, rows) % 2 == 0


EVEN_RACKS = plugin_of(
    filter=Filter(
        name="EvenRacks", static=True, applies=wants_even, passes=is_even,
        reasons=one_reason("node(s) were in an odd rack", hopeless=True),
    ),
    score=Score(
        name="EvenRacks", weight=1, static=True, normalise="share of maximum", applies=always,
        raw=lambda _shape, table, rows: rack_numbers(table, rows),
    ),
)  # fmt: skip
