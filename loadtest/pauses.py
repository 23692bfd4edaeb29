"""Programs that stand still for a time: from the knobs to the deeds, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.faults import FaultKnobs, called
from loadtest.fields import SECOND_NS, CampaignError


@dataclass(frozen=True, slots=True)
class Pausing:
    """At a moment a program stands still, or goes on."""

    at_ns: int
    """Since the start of the load."""
    program: str
    still: bool


def compile_pauses(
    knobs: FaultKnobs, programs: Sequence[str], duration_ns: int
) -> tuple[Pausing, ...]:
    """In order of time, each pause with its end, which lies within the load. Errors:
    CampaignError."""
    spans: dict[str, list[tuple[int, int]]] = {}
    found = []
    for number, knob in enumerate(knobs.pause):
        field, end_ns = f"pause[{number}]", knob.at_ns + knob.for_ns
        if end_ns > duration_ns:
            raise CampaignError(f"spec.faults.{field}: the load has ended before it goes on")
        for program in called(knob.component, programs, f"{field}.component"):
            others = spans.setdefault(program, [])
            if any(knob.at_ns <= until and since <= end_ns for since, until in others):
                raise CampaignError(
                    f"spec.faults.{field}: {program} stands still at that time already"
                )
            others.append((knob.at_ns, end_ns))
            found += [Pausing(knob.at_ns, program, True), Pausing(end_ns, program, False)]
    return tuple(sorted(found, key=lambda one: (one.at_ns, one.still, one.program)))


def describe_pauses(pauses: Sequence[Pausing]) -> list[str]:
    """For people, one for each program and time."""
    return [
        f"{one.program} stands still from {one.at_ns / SECOND_NS:g} to {until_ns / SECOND_NS:g} s"
        for place, one in enumerate(pauses)
        if one.still
        for until_ns in [end.at_ns for end in pauses[place + 1 :] if end.program == one.program][:1]
    ]
