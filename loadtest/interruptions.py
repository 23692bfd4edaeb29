"""Programs that are away for a time and come back as they were: they stand still, or are cut off.

From the knobs to the deeds, and what is said of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.faults import DISCONNECT, PAUSE, FaultKnobs, InterruptionKnobs, called
from loadtest.fields import SECOND_NS, CampaignError

SAID = {PAUSE: "stands still", DISCONNECT: "is cut off"}


@dataclass(frozen=True, slots=True)
class Interruption:
    """At a moment a program goes away, or is back."""

    at_ns: int
    """Since the start of the load."""
    program: str
    how: str
    """PAUSE or DISCONNECT."""
    away: bool


def compile_interruptions(
    knobs: FaultKnobs, programs: Sequence[str], duration_ns: int
) -> tuple[Interruption, ...]:
    """In order of time, each with its end, which lies within the load. Errors: CampaignError."""
    spans: dict[str, list[tuple[int, int]]] = {}
    found = []
    for field, knob in _listed(knobs):
        end_ns = knob.at_ns + knob.for_ns
        if end_ns > duration_ns:
            raise CampaignError(f"spec.faults.{field}: the load has ended before it is over")
        for program in called(knob.component, programs, f"{field}.component"):
            others = spans.setdefault(program, [])
            if any(knob.at_ns <= until and since <= end_ns for since, until in others):
                raise CampaignError(f"spec.faults.{field}: {program} is away at that time already")
            others.append((knob.at_ns, end_ns))
            found += [
                Interruption(knob.at_ns, program, knob.how, True),
                Interruption(end_ns, program, knob.how, False),
            ]
    return tuple(sorted(found, key=lambda one: (one.at_ns, one.away, one.program)))


def _listed(knobs: FaultKnobs) -> list[tuple[str, InterruptionKnobs]]:
    """With the name of each in the campaign."""
    lists = ((PAUSE, knobs.pause), (DISCONNECT, knobs.disconnect))
    return [(f"{how}[{at}]", knob) for how, found in lists for at, knob in enumerate(found)]


def spans(deeds: Sequence[Interruption]) -> list[tuple[Interruption, int]]:
    """Each beginning with its end, in ns since the start of the load."""
    # Those of one program do not overlap: the next word on it is its end.
    return [
        (one, next(end.at_ns for end in deeds[place + 1 :] if end.program == one.program))
        for place, one in enumerate(deeds)
        if one.away
    ]


def describe_interruptions(deeds: Sequence[Interruption]) -> list[str]:
    """For people, one for each program and time."""
    return [
        f"{one.program} {SAID[one.how]} from {one.at_ns / SECOND_NS:g} to {end_ns / SECOND_NS:g} s"
        for one, end_ns in spans(deeds)
    ]
