"""NodeResourcesFit: what a pod requests must be free; emptier nodes score higher.
Source: plugins/noderesources/fit.go and least_allocated.go, v1.36."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from scheduler.framework import SCORE_MAX, Amounts, Filter, Reason, Score, always, narrow
from scheduler.node_table import FloatArray, IntArray, Mask, NodeTable, Rows
from scheduler.plugins.resource_scoring import Strategy, Weighted
from scheduler.pod_shape import Shape

NAME = "NodeResourcesFit"


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = table.pods[rows] < table.pods_allowed[rows]
    for name, amount in shape.key.requests:
        column = table.resource(name)
        if column < 0:
            return np.zeros_like(result)
        result &= table.free[column, rows] >= amount
    return result


def passes_many(of: Amounts, table: NodeTable, rows: slice) -> Mask:
    result = table.pods[rows] < table.pods_allowed[rows]
    for name, amounts in of.requests:
        column = table.resource(name)
        if column < 0:
            return np.zeros((len(amounts), result.shape[-1]), np.bool_)
        result = result & (table.free[column, rows] >= amounts)
    return result


def passes_row(shape: Shape, table: NodeTable, row: int) -> bool:
    cells, index = table.cells, table.resource_index
    if cells.pods[row] >= cells.pods_allowed[row]:
        return False
    free = cells.free
    for name, amount in shape.key.requests:
        column = index.get(name)
        if column is None or free[column][row] < amount:
            return False
    return True


def shortages(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
    """What is short where. A node that never had as much is hopeless in all its reasons."""
    never = np.zeros(len(rows), np.bool_)
    found = [("Too many pods", table.pods[rows] >= table.pods_allowed[rows])]
    for name, amount in shape.key.requests:
        column = table.resource(name)
        if column < 0:
            short = ~np.zeros_like(never)
            never |= short
        else:
            short = table.free[column, rows] < amount
            never |= table.allocatable[column, rows] < amount
        found.append((f"Insufficient {name}", short))
    return [Reason(text, short, never) for text, short in found if short.any()]


def least_allocated(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """Mean of the free shares of cpu and memory after the pod, each a whole number of 0..100. A
    resource that the node does not have is left out."""
    if table.amounts_wide:
        return _least_allocated_wide(shape, table, rows)
    return _mean_free(table, rows, shape.key.scored)


def least_allocated_many(of: Amounts, table: NodeTable, rows: slice) -> IntArray:
    return _mean_free(table, rows, of.scored)


def _mean_free(
    table: NodeTable, rows: Rows, scored: tuple[int, int] | tuple[IntArray, IntArray]
) -> IntArray:
    total = _free_percent(table, rows, 0, scored[0])
    total += _free_percent(table, rows, 1, scored[1])
    result = narrow(total)
    lacking = table.lacking[rows]
    if lacking.any():
        # A resource that is missing gave 0.
        result >>= ~lacking
    else:
        result >>= 1
    return result


def _free_percent(table: NodeTable, rows: Rows, column: int, asked: int | IntArray) -> FloatArray:
    """Whole numbers. Source of the arithmetic: integers; dividing floats below 2 ** 52 and
    dropping the fraction gives the same."""
    left: FloatArray = table.nonzero_left[column, rows] - asked
    np.maximum(left, 0.0, out=left)
    left *= SCORE_MAX
    left /= table.capacity[column, rows]
    return np.floor(left, out=left)


def _least_allocated_wide(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """The same in integers, for amounts of any size."""
    cpu, memory = table.allocatable[0, rows], table.allocatable[1, rows]
    total = _free_percent_wide(cpu, table.nonzero_free[0, rows] - shape.key.scored[0])
    total += _free_percent_wide(memory, table.nonzero_free[1, rows] - shape.key.scored[1])
    total >>= (cpu != 0) & (memory != 0)
    return total


def _free_percent_wide(capacity: IntArray, left: IntArray) -> IntArray:
    """Overwrites ``left``. 0 where there is no capacity, because nothing is left of it then."""
    np.maximum(left, 0, out=left)
    left *= SCORE_MAX
    left //= np.maximum(capacity, 1)
    return np.minimum(left, SCORE_MAX, out=left)


def least_allocated_row(shape: Shape, table: NodeTable, row: int) -> int:
    cells, scored = table.cells, shape.key.scored
    total = kinds = 0
    for column in (0, 1):
        capacity = cells.allocatable[column][row]
        if capacity:
            kinds += 1
            left = cells.nonzero_free[column][row] - scored[column]
            if left > 0:
                total += left * SCORE_MAX // capacity
    return total // kinds if kinds else 0


def filter_without(ignored: Collection[str], groups: Collection[str]) -> Filter:
    """NodeResourcesFitArgs.ignoredResources and ignoredResourceGroups: extended resources that
    somebody else counts."""
    if not ignored and not groups:
        return FILTER

    def seen(shape: Shape) -> Shape:
        kept = tuple(
            (name, amount)
            for name, amount in shape.key.requests
            if name not in ignored and name.partition("/")[0] not in groups
        )
        return replace(shape, key=shape.key._replace(requests=kept))

    return FILTER._replace(
        passes=lambda shape, table, rows: passes(seen(shape), table, rows),
        passes_row=lambda shape, table, row: passes_row(seen(shape), table, row),
        passes_many=None,
        reasons=lambda shape, table, rows: shortages(seen(shape), table, rows),
    )


def score_by(
    resources: Sequence[Weighted], strategy: Strategy, mean: Callable[..., IntArray]
) -> Score:
    """Any strategy over any resources. ``mean``: one of resource_scoring's."""

    def raw(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
        return mean(shape, table, rows, resources, strategy)

    def raw_row(shape: Shape, table: NodeTable, row: int) -> int:
        return int(raw(shape, table, slice(row, row + 1))[0])

    return SCORE._replace(raw=raw, raw_row=raw_row, raw_many=None)


FILTER = Filter(
    name=NAME,
    static=False,
    applies=always,
    passes=passes,
    reasons=shortages,
    passes_row=passes_row,
    amounts=True,
    passes_many=passes_many,
)
SCORE = Score(
    name=NAME,
    weight=1,
    static=False,
    normalise="as is",
    applies=always,
    raw=least_allocated,
    raw_row=least_allocated_row,
    amounts=True,
    raw_many=least_allocated_many,
)
