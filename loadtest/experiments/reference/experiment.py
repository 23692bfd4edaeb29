"""What a reference experiment is, and what it finds: curves, and acceptances with their numbers.

An experiment is run with a pair of arms: the historic position of its knob, and the remedy. Judged
is what does not depend on the host: counts, constants of virtual time, ratios of the two arms, and
shapes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["count", "virtual time", "ratio", "shape"]
Scale = Literal["ci", "small"]
Points = tuple[tuple[float, float], ...]
Tell = Callable[[str], None]
"""Told a line of progress now and then."""


class Curve(NamedTuple):
    """Points of one arm, or published ones."""

    label: str
    points: Points
    source: str = ""
    """Where it was published; empty: it is of this run."""


class Figure(NamedTuple):
    """One plot."""

    title: str
    caption: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log: str = ""
    """Logarithmic axes: "x", "y" or "xy"."""


class Acceptance(NamedTuple):
    """One condition, judged."""

    kind: Kind
    claim: str
    measured: str
    wanted: str
    held: bool

    @property
    def word(self) -> str:
        return "PASS" if self.held else "FAIL"


class Finding(NamedTuple):
    """What one run of an experiment came to."""

    figures: tuple[Figure, ...]
    acceptances: tuple[Acceptance, ...]
    conditions: tuple[str, ...]
    """Sizes, service times and what was left out, a sentence each."""

    @property
    def held(self) -> bool:
        return all(one.held for one in self.acceptances)


class Arms(NamedTuple):
    """Positions of the knob."""

    historic: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One published limit."""

    id: str
    title: str
    mechanism: str
    knob: str
    arms: Arms
    sources: tuple[str, ...]
    run: Callable[[Arms, Scale, Tell], Finding]


class Missing(NamedTuple):
    """The place of an experiment that is not there yet."""

    id: str
    title: str
    needs: str


def exactly(claim: str, measured: Sequence[object], wanted: Sequence[object]) -> Acceptance:
    """Counts that must be equal one by one."""
    return Acceptance("count", claim, _listed(measured), _listed(wanted), measured == wanted)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(_said, values))


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return f"{value:,.0f}" if whole else str(value)


def within(kind: Kind, claim: str, measured: float, low: float, high: float) -> Acceptance:
    """A number between two, both included."""
    if low == high:
        wanted = f"{low:.6g}"
    elif high == float("inf"):
        wanted = f"at least {low:.6g}"
    elif low == float("-inf"):
        wanted = f"at most {high:.6g}"
    else:
        wanted = f"{low:.6g} to {high:.6g}"
    return Acceptance(kind, claim, f"{measured:.4g}", wanted, low <= measured <= high)
