"""Slopes of curves on logarithmic axes, which is how shapes are judged."""

from collections.abc import Sequence
from itertools import combinations
from math import log
from statistics import median


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil-Sen on log-log: the median slope of all pairs. Coordinates are above 0.
    Source: SciPy's theilslopes describes the method; Sen, JASA 63 (1968)."""
    return median(
        log(y / y_first) / log(x / x_first)
        for (x_first, y_first), (x, y) in combinations(points, 2)
        if x != x_first
    )


def steepness(points: Sequence[tuple[float, float]]) -> float:
    """The same on plain axes: growth of y with x."""
    return median(
        (y - y_first) / (x - x_first) for (x_first, y_first), (x, y) in combinations(points, 2)
    )


def ranks_agree(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rho, mean ranks for ties. 1: the same order, -1: the opposite one."""
    a, b = _ranks(one), _ranks(other)
    mean = (len(a) + 1) / 2
    shared = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spread = sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    return float(shared / spread**0.5)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) + 1) / 2 for v in values]
