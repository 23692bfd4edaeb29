"""NodeResourcesBalancedAllocation: prefers nodes where the pod brings the used shares of cpu and
memory closer together.
Source: plugins/noderesources/balanced_allocation.go, v1.36; worked by hand in
tests/golden/scheduler/FORMAT.md."""

from collections.abc import Sequence

import numpy as np

from scheduler.framework import SCORE_MAX, Amounts, Score, narrow
from scheduler.node_table import FloatArray, IntArray, NodeTable, Rows
from scheduler.plugins.resource_scoring import balance
from scheduler.pod_shape import Shape
from scheduler.resources import CPU, MEMORY

HALF = SCORE_MAX // 2
CPU_COLUMN, MEMORY_COLUMN = 0, 1


def has_requests(shape: Shape, _table: NodeTable) -> bool:
    return shape.cpu > 0 or shape.memory > 0


def balance_gain(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """50..100 where the pod improves or keeps the balance, less where it spoils it."""
    return _gain(table, rows, float(shape.cpu), float(shape.memory))


def balance_gain_many(of: Amounts, table: NodeTable, rows: slice) -> IntArray:
    return _gain(table, rows, of.cpu, of.memory)


def _gain(
    table: NodeTable, rows: Rows, cpu: float | FloatArray, memory: float | FloatArray
) -> IntArray:
    after = _balance(table, rows, cpu, memory)
    after -= balance_now(table)[rows]
    # Differences are at least -50, so the sum is never negative and halving rounds as in Go.
    after += HALF
    after >>= 1
    after += HALF
    return after


def balance_now(table: NodeTable) -> IntArray:
    """[row]: 0..100 without the pod."""
    return table.derived("balance", _balance_now, _balance_now_row)


def _balance_now(table: NodeTable, rows: Rows) -> IntArray:
    return _balance(table, rows, 0.0, 0.0)


def _balance_now_row(table: NodeTable, row: int) -> int:
    if table.lacking.item(row):
        return SCORE_MAX
    cpu, memory = table.used.item(0, row), table.used.item(1, row)
    first, second = table.capacity.item(0, row), table.capacity.item(1, row)
    return int((1.0 - abs(min(cpu / first, 1.0) - min(memory / second, 1.0)) / 2) * SCORE_MAX)


def _balance(
    table: NodeTable, rows: Rows, cpu: float | FloatArray, memory: float | FloatArray
) -> IntArray:
    share = _share(table, rows, CPU_COLUMN, cpu)
    share -= _share(table, rows, MEMORY_COLUMN, memory)
    np.abs(share, out=share)
    share *= -0.5
    share += 1.0
    share *= SCORE_MAX
    result = narrow(share)
    lacking = table.lacking[rows]
    if lacking.any():
        result[..., lacking] = SCORE_MAX
    return result


def _share(table: NodeTable, rows: Rows, column: int, more: float | FloatArray) -> FloatArray:
    """Used share of a resource, at most 1."""
    share: FloatArray = table.used[column, rows] + more
    share /= table.capacity[column, rows]
    return np.minimum(share, 1.0, out=share)


def balance_gain_row(shape: Shape, table: NodeTable, row: int) -> int:
    cells = table.cells
    allocatable, free = cells.allocatable, cells.free
    cpu, memory = allocatable[CPU_COLUMN][row], allocatable[MEMORY_COLUMN][row]
    if not cpu or not memory:
        return HALF + HALF // 2
    cpu_used = cpu - free[CPU_COLUMN][row]
    memory_used = memory - free[MEMORY_COLUMN][row]
    # Without calls: this is on the way of every pod.
    before = (cpu_used / cpu if cpu_used < cpu else 1.0) - (
        memory_used / memory if memory_used < memory else 1.0
    )
    cpu_used += shape.cpu
    memory_used += shape.memory
    after = (cpu_used / cpu if cpu_used < cpu else 1.0) - (
        memory_used / memory if memory_used < memory else 1.0
    )
    gain = int((1.0 - abs(after) / 2) * SCORE_MAX) - int((1.0 - abs(before) / 2) * SCORE_MAX)
    return HALF + (HALF + gain) // 2


def score_over(resources: Sequence[str]) -> Score:
    """NodeResourcesBalancedAllocationArgs.resources."""
    if tuple(resources) == (CPU, MEMORY):
        return SCORE

    def raw(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
        gain = balance(shape, table, rows, resources, True)
        gain -= balance(shape, table, rows, resources, False)
        return HALF + (HALF + gain) // 2

    def raw_row(shape: Shape, table: NodeTable, row: int) -> int:
        return int(raw(shape, table, slice(row, row + 1))[0])

    def asks(shape: Shape, _table: NodeTable) -> bool:
        return any(name in resources for name, _ in shape.key.requests)

    return SCORE._replace(applies=asks, raw=raw, raw_row=raw_row, raw_many=None)


SCORE = Score(
    name="NodeResourcesBalancedAllocation",
    weight=1,
    static=False,
    normalise="as is",
    applies=has_requests,
    raw=balance_gain,
    raw_row=balance_gain_row,
    amounts=True,
    raw_many=balance_gain_many,
)
