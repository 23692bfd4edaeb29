"""The largest value of one knob that keeps every SLO, from runs that may come out either way.

The limit is where a run holds as often as not. A value counts as decided when its runs that held
lead those that did not by LEAD, or the other way round: Wald's sequential test between a share of
1/4 and of 3/4 at 5 % error, ln 19 / ln 3 rounded up. First one run a value halves the bracket; then
both ends are repeated until they are decided; an end that turns out wrong moves outwards by doubled
steps. Source: Wald, Sequential Tests of Statistical Hypotheses, 1945.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

LEAD = 3
STEPS_MAX = 200
"""Values tried, at most."""
State = Literal["holds", "breaks", "open"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run says."""

    broken: tuple[str, ...]
    """SLOs that did not hold; none: the value is fine."""


Probe = Callable[[float, Sequence[int]], Iterable[Answer]]
"""Runs of a value, by the numbers of their repetitions. Each answer is kept as it comes."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where to look: from a value that should hold to one that should not."""

    begin: float
    end: float
    whole: bool
    """Only whole numbers."""
    tolerance: float
    """Width of the interval to reach, as a share of its larger end."""
    repetitions_max: int
    """Of one value; one that is still open then belongs to the interval."""

    def between(self, low: float, high: float) -> float | None:
        """The value to try next: the geometric mean while the ends differ by more than a factor
        of two. None: the ends are close enough, or neighbours."""
        top = max(abs(low), abs(high))
        if abs(high - low) <= self.tolerance * top:
            return None
        small = min(abs(low), abs(high))
        middle = (low * high) ** 0.5 if small > 0 and top > 2 * small else (low + high) / 2
        if self.whole:
            middle = float(round(middle))
        return None if middle in (low, high) else middle


@dataclass(frozen=True, slots=True)
class Limit:
    """What was found."""

    holds: float | None
    """The hardest value that was decided to hold; None: not even the first."""
    breaks: float | None
    """The easiest value that was decided not to; None: not even the last."""
    first_broken: tuple[tuple[str, int], ...]
    """SLOs by how many runs of ``breaks`` broke them, most often first."""
    runs: int
    history: tuple[tuple[float, int, int], ...]
    """(value, runs that held, runs that did not), in the order of the knob."""
    settled: bool
    """The interval is as narrow as was asked, or no value lies within."""


class Search:
    """One search, used once."""

    def __init__(self, axis: Axis, probe: Probe) -> None:
        self._axis = axis
        self._probe = probe
        self._answers: dict[float, list[Answer]] = {}

    def find(self) -> Limit:
        axis = self._axis
        low, high = axis.begin, axis.end
        if not self._once(low) and self._decide(low) != "holds":
            return self._limit(None, low)
        if self._once(high) and self._decide(high) != "breaks":
            return self._limit(high, None)
        while (middle := axis.between(low, high)) is not None:
            if self._once(middle):
                low = middle
            else:
                high = middle
        return self._settle(low, high)

    def so_far(self) -> Limit:
        """What is known of a search that was broken off: the runs, and no verdict."""
        return self._limit(None, None)

    def _settle(self, low: float, high: float) -> Limit:
        """Decide both ends; move outwards what turns out wrong, inwards what can be."""
        width = high - low
        step = width
        while self._decide(low) != "holds":
            if low == self._axis.begin:
                return self._limit(None, low)
            low = self._within(low - step)
            step *= 2
        step = width
        while (state := self._decide(high)) != "breaks":
            if high == self._axis.end:
                return self._limit(high if state == "holds" else low, None)
            high = self._within(high + step)
            step *= 2
        for _ in range(STEPS_MAX):
            middle = self._axis.between(low, high)
            state = self._decide(middle) if middle is not None else "open"
            if middle is None or state == "open":
                break
            if state == "holds":
                low = middle
            else:
                high = middle
        return self._limit(low, high)

    def _within(self, value: float) -> float:
        if self._axis.whole:
            value = float(round(value))
        ends = sorted((self._axis.begin, self._axis.end))
        return min(max(value, ends[0]), ends[1])

    def _run(self, value: float, count: int) -> list[Answer]:
        have = self._answers.setdefault(value, [])
        if count > len(have):
            for answer in self._probe(value, range(len(have), count)):
                have.append(answer)
        return have

    def _once(self, value: float) -> bool:
        return not self._run(value, 1)[0].broken

    def _decide(self, value: float) -> State:
        """Repeat until one side leads by LEAD."""
        while True:
            answers = self._run(value, max(LEAD, len(self._answers.get(value, ()))))
            broken = sum(bool(answer.broken) for answer in answers)
            lead = len(answers) - 2 * broken
            if abs(lead) >= LEAD:
                return "holds" if lead > 0 else "breaks"
            if len(answers) >= self._axis.repetitions_max:
                return "open"
            more = min(len(answers) + LEAD - abs(lead), self._axis.repetitions_max)
            self._run(value, more)

    def _limit(self, holds: float | None, breaks: float | None) -> Limit:
        counts: Counter[str] = Counter()
        if breaks is not None:
            for answer in self._answers[breaks]:
                counts.update(answer.broken)
        history = tuple(
            (value, sum(not one.broken for one in some), sum(bool(one.broken) for one in some))
            for value, some in sorted(self._answers.items())
            if some
        )
        both = holds is not None and breaks is not None
        return Limit(
            holds,
            breaks,
            tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
            sum(len(some) for some in self._answers.values()),
            history,
            both and self._axis.between(float(holds or 0), float(breaks or 0)) is None,
        )
