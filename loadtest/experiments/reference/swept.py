"""What every experiment does with its arms: each is run at each size, and each is a curve."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from loadtest.experiments.reference.experiment import Arms, Curve

V = TypeVar("V")
R = TypeVar("R")
Point = tuple[float, float]


def by_arm(arms: Arms, values: Sequence[V], one: Callable[[str, V], R]) -> list[list[R]]:
    """Runs of the historic arm and of the remedy, at each value. Two arms in one position, as in a
    planted wrong knob, are run once."""
    runs = {arm: [one(arm, value) for value in values] for arm in dict.fromkeys(arms)}
    return [runs[arm] for arm in arms]


def curves(
    arms: Iterable[str],
    runs: Sequence[Sequence[R]],
    point: Callable[[R], Point],
    label: Callable[[str], str] = str,
) -> tuple[Curve, ...]:
    """One for each arm."""
    return tuple(
        Curve(label(arm), tuple(map(point, each))) for arm, each in zip(arms, runs, strict=True)
    )
