"""How NodeResourcesFit and NodeResourcesBalancedAllocation score when their arguments say more than
the defaults: any resources, weighted, by one of the strategies.

Amounts are whole numbers, [row]: capacity, and what is requested with the pod counted in. A
resource without capacity, or an extended one that the pod does not ask for, is left out.
Source: plugins/noderesources/resource_allocation.go, least_allocated.go, most_allocated.go,
requested_to_capacity_ratio.go, balanced_allocation.go, v1.36.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scheduler.framework import SCORE_MAX
from scheduler.node_table import FloatArray, IntArray, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.resources import CPU, MEMORY, STORAGE

NONZERO = {CPU: 0, MEMORY: 1}
"""Resources that count with defaults for containers that ask for nothing, and their column."""
POINTS_OF_SHAPE = 10
"""Scores of a shape go to 10, those of the scheduler to 100."""


class Weighted(NamedTuple):
    """One of the resources that are scored."""

    name: str
    weight: int


class ShapePoint(NamedTuple):
    """RequestedToCapacityRatio: at this utilisation in per cent, this score of 0..10."""

    utilization: int
    score: int


class Amounts(NamedTuple):
    """Of one resource, [row]."""

    capacity: IntArray
    requested: IntArray


Strategy = Callable[[Amounts], IntArray]
"""Points of 0..100 for each row; where there is no capacity it does not matter."""


def least_allocated(of: Amounts) -> IntArray:
    free: IntArray = np.maximum(of.capacity - of.requested, 0) * SCORE_MAX
    return free // np.maximum(of.capacity, 1)


def most_allocated(of: Amounts) -> IntArray:
    points: IntArray = np.minimum(of.requested, of.capacity) * SCORE_MAX
    return points // np.maximum(of.capacity, 1)


def by_shape(points: Sequence[ShapePoint]) -> Strategy:
    """RequestedToCapacityRatio: straight lines between the points, flat outside."""
    whole = np.arange(SCORE_MAX + 1)
    scores = np.full(SCORE_MAX + 1, points[-1].score * SCORE_MAX // POINTS_OF_SHAPE)
    scaled = [p._replace(score=p.score * SCORE_MAX // POINTS_OF_SHAPE) for p in points]
    for left, right in reversed(list(pairwise(scaled))):
        rise = (right.score - left.score) * (whole - left.utilization)
        width = right.utilization - left.utilization
        # Go divides towards zero.
        line = left.score + np.sign(rise) * (np.abs(rise) // width)
        scores = np.where(whole <= right.utilization, line, scores)
    scores = np.where(whole <= scaled[0].utilization, scaled[0].score, scores)

    def points_at(of: Amounts) -> IntArray:
        used = np.clip(of.requested, 0, of.capacity) * SCORE_MAX // np.maximum(of.capacity, 1)
        return scores[used]

    return points_at


def amounts(
    shape: Shape, table: NodeTable, rows: Rows, resource: str, counted_in_full: bool
) -> Amounts | None:
    """``counted_in_full``: containers that ask for nothing count with defaults. None: left out."""
    column = table.resource(resource)
    if column < 0:
        return None
    capacity = table.allocatable[column, rows]
    asked = dict(shape.key.requests).get(resource, 0)
    if counted_in_full and resource in NONZERO:
        at = NONZERO[resource]
        return Amounts(capacity, capacity - table.nonzero_free[at, rows] + shape.key.scored[at])
    if not asked and resource not in (CPU, MEMORY, STORAGE):
        return None
    return Amounts(capacity, capacity - table.free[column, rows] + asked)


def mean_of_points(
    shape: Shape, table: NodeTable, rows: Rows, resources: Sequence[Weighted], strategy: Strategy
) -> IntArray:
    """Weighted mean over the resources that a node has, rounded down."""
    total = np.zeros(len(table.alive), np.int64)[rows]
    weights = np.zeros_like(total)
    for resource in resources:
        found = amounts(shape, table, rows, resource.name, True)
        if found is not None:
            present = found.capacity > 0
            total += np.where(present, strategy(found) * resource.weight, 0)
            weights += present * resource.weight
    return total // np.maximum(weights, 1)


def mean_of_used_points(
    shape: Shape, table: NodeTable, rows: Rows, resources: Sequence[Weighted], strategy: Strategy
) -> IntArray:
    """The same as RequestedToCapacityRatio does it: points of 0 are left out, and the mean is
    rounded to the nearest."""
    total = np.zeros(len(table.alive), np.int64)[rows]
    weights = np.zeros_like(total)
    for resource in resources:
        found = amounts(shape, table, rows, resource.name, True)
        if found is not None:
            points = np.where(found.capacity > 0, strategy(found), 0)
            total += points * resource.weight
            weights += (points > 0) * resource.weight
    return np.floor(total / np.maximum(weights, 1) + 0.5).astype(np.int64)


def balance(
    shape: Shape, table: NodeTable, rows: Rows, resources: Sequence[str], with_pod: bool
) -> IntArray:
    """How near to each other the used shares of the resources are: 100 when equal."""
    shares: list[FloatArray] = []
    present: list[FloatArray] = []
    for name in resources:
        found = amounts(shape, table, rows, name, False)
        if found is not None:
            asked = 0 if with_pod else dict(shape.key.requests).get(name, 0)
            share = (found.requested - asked) / np.maximum(found.capacity, 1)
            present.append((found.capacity > 0).astype(np.float64))
            shares.append(np.minimum(share, 1.0) * present[-1])
    if not shares:
        return np.full_like(np.zeros(len(table.alive), np.int64)[rows], SCORE_MAX)
    count = np.maximum(np.sum(present, axis=0), 1)
    mean = np.sum(shares, axis=0) / count
    squares = sum((share - mean) ** 2 * here for share, here in zip(shares, present, strict=True))
    deviation = np.sqrt(squares / count)
    # Of two the difference is the same by a shorter way, whose last digit may decide.
    most = np.max([np.where(here, s, 0.0) for s, here in zip(shares, present, strict=True)], axis=0)
    least = np.min(
        [np.where(here, s, 1.0) for s, here in zip(shares, present, strict=True)], axis=0
    )
    deviation = np.where(count == 2, (most - least) / 2, deviation)
    result: IntArray = ((1 - deviation) * SCORE_MAX).astype(np.int64)
    return result
