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
