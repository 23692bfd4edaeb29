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


def has_requests(shape: Shape, _table: NodeTable) -> bool:
    return shape.cpu > 0 or shape.memory > 0


def balance_gain(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """50..100 where the pod improves or keeps the balance, less where it spoils it."""
    after = _balance(table, rows, shape.cpu, shape.memory)
    after -= table.derived("balance", _balance_now)[rows]
    # Differences are at least -50, so the sum is never negative and halving rounds as in Go.
    after += HALF
    after >>= 1
    after += HALF
    return after


def _balance_now(table: NodeTable, rows: Rows) -> IntArray:
    return _balance(table, rows, 0, 0)


def _balance(table: NodeTable, rows: Rows, cpu: int, memory: int) -> IntArray:
    cpu_share, has_cpu = _share(table, rows, CPU_COLUMN, cpu)
    memory_share, has_memory = _share(table, rows, MEMORY_COLUMN, memory)
    cpu_share -= memory_share
    np.abs(cpu_share, out=cpu_share)
    cpu_share *= -0.5
    cpu_share += 1.0
    cpu_share *= SCORE_MAX
    result = cpu_share.astype(np.int64)
    if not (has_cpu and has_memory):
        lacking = (table.allocatable[0, rows] == 0) | (table.allocatable[1, rows] == 0)
        result[lacking] = SCORE_MAX
    return result


def _share(
    table: NodeTable, rows: Rows, column: int, more: int
) -> tuple[npt.NDArray[np.float64], bool]:
    """Used share of a resource, at most 1, and whether every node has some of it."""
    capacity = table.allocatable[column, rows]
    used = capacity - table.free[column, rows]
    used += more
    everywhere = bool(capacity.all())
    share: npt.NDArray[np.float64] = used / (capacity if everywhere else np.maximum(capacity, 1))
    return np.minimum(share, 1.0, out=share), everywhere


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
