"""NodeResourcesBalancedAllocation: prefers nodes where the pod brings the used shares of cpu and
memory closer together.
Source: plugins/noderesources/balanced_allocation.go, v1.36; worked by hand in
tests/golden/scheduler/FORMAT.md."""

import numpy as np
import numpy.typing as npt

from scheduler.framework import SCORE_MAX, Score
from scheduler.node_table import IntArray, NodeTable, Rows
from scheduler.pod_shape import Shape

HALF = SCORE_MAX // 2
CPU_COLUMN, MEMORY_COLUMN = 0, 1


def has_requests(shape: Shape) -> bool:
    return shape.cpu > 0 or shape.memory > 0


def balance_gain(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """50..100 where the pod improves or keeps the balance, less where it spoils it."""
    after = _balance(table, rows, shape.cpu, shape.memory)
    before = _balance(table, rows, 0, 0)
    # Differences are at least -50, so the sum is never negative and // rounds as Go does.
    return HALF + (HALF + after - before) // 2


def _balance(table: NodeTable, rows: Rows, cpu: int, memory: int) -> IntArray:
    difference = _share(table, rows, CPU_COLUMN, cpu)
    difference -= _share(table, rows, MEMORY_COLUMN, memory)
    missing = (table.allocatable[0, rows] == 0) | (table.allocatable[1, rows] == 0)
    difference[missing] = 0.0
    np.abs(difference, out=difference)
    difference /= 2
    return ((1.0 - difference) * SCORE_MAX).astype(np.int64)


def _share(table: NodeTable, rows: Rows, column: int, more: int) -> npt.NDArray[np.float64]:
    """Used share of a resource, at most 1."""
    capacity = table.allocatable[column, rows]
    used = capacity - table.free[column, rows] + more
    share: npt.NDArray[np.float64] = used / np.maximum(capacity, 1)
    return np.minimum(share, 1.0)


def balance_gain_row(shape: Shape, table: NodeTable, row: int) -> int:
    allocatable, free = table.allocatable, table.free
    cpu, memory = allocatable.item(0, row), allocatable.item(1, row)
    if not cpu or not memory:
        return HALF + HALF // 2
    cpu_used = cpu - free.item(0, row)
    memory_used = memory - free.item(1, row)
    before = min(cpu_used / cpu, 1.0) - min(memory_used / memory, 1.0)
    after = min((cpu_used + shape.cpu) / cpu, 1.0) - min((memory_used + shape.memory) / memory, 1.0)
    gain = int((1.0 - abs(after) / 2) * SCORE_MAX) - int((1.0 - abs(before) / 2) * SCORE_MAX)
    return HALF + (HALF + gain) // 2


SCORE = Score(
    name="NodeResourcesBalancedAllocation",
    weight=1,
    static=False,
    normalise="as is",
    applies=has_requests,
    raw=balance_gain,
    raw_row=balance_gain_row,
)
