"""The node table's columns of amounts for who reads or writes one row: views of the same memory,
which take half the time of indexing an array.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from scheduler.pod_shape import Shape

if TYPE_CHECKING:
    # The table makes these of its own columns.
    from scheduler.node_table import NodeTable

Cells = Sequence[memoryview]
"""[column] of [row]."""


class RowCells:
    """Made anew when columns move."""

    __slots__ = (
        "allocatable", "free", "nonzero_free", "nonzero_left", "pods", "pods_allowed", "used",
    )  # fmt: skip

    def __init__(self, table: "NodeTable") -> None:
        self.allocatable: Cells = [column.data for column in table.allocatable]
        self.free: Cells = [column.data for column in table.free]
        self.nonzero_free: Cells = [column.data for column in table.nonzero_free]
        self.nonzero_left = [_floats(column.data) for column in table.nonzero_left]
        self.used = [_floats(column.data) for column in table.used]
        self.pods = table.pods.data
        self.pods_allowed = table.pods_allowed.data

    def count(self, row: int, shape: Shape, sign: int) -> None:
        """What every pod counts for besides its requests: the defaults where it asks nothing."""
        self.pods[row] += sign
        cpu, memory = shape.key.counted
        cpu *= sign
        memory *= sign
        first, second = self.nonzero_free
        first[row] -= cpu
        second[row] -= memory
        left, left_memory = self.nonzero_left
        left[row] -= cpu
        left_memory[row] -= memory
        used, used_memory = self.used
        used[row] += sign * shape.cpu
        used_memory[row] += sign * shape.memory


def _floats(cells: memoryview) -> "memoryview[float]":
    return cast("memoryview[float]", cells)
