"""What the lives of its processes say of a program: how long it was away, and who serves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.lives import Life

RESTARTS_MAX = 3
"""Of one program. One that dies once more is gone for good."""


@dataclass(frozen=True, slots=True)
class Outage:
    """From the death of a program's process to the next one that serves. Wall clock ns."""

    program: str
    died_ns: int
    back_ns: int = 0
    """0: it has not come back."""
    pids: tuple[int, ...] = ()
    """Of the processes that died: more than one when they died before they served."""


def outages_of(lives: Sequence[Life]) -> list[Outage]:
    """In order of death. A process that ended before it ever served prolongs the outage."""
    found: list[Outage] = []
    away: dict[str, int] = {}
    events = [(life.ended_ns, False, life.program, life.pid) for life in lives if life.ended_ns]
    events += [(life.up_ns, True, life.program, life.pid) for life in lives if life.up_ns]
    for at_ns, serves, program, pid in sorted(events):
        number = away.get(program)
        if number is None and not serves:
            away[program] = len(found)
            found.append(Outage(program, at_ns, pids=(pid,)))
        elif number is not None and serves:
            found[number] = replace(found[number], back_ns=at_ns)
            del away[program]
        elif number is not None:
            found[number] = replace(found[number], pids=(*found[number].pids, pid))
    return found


def gone(lives: Sequence[Life]) -> list[str]:
    """Programs that will not be started again, in order of their first death."""
    ended = Counter(life.program for life in lives if life.ended_ns)
    living = {life.program for life in lives if not life.ended_ns}
    return [name for name, deaths in ended.items() if deaths > RESTARTS_MAX and name not in living]


def stranded(lives: Sequence[Life]) -> list[str]:
    """Programs whose last process ended with its machine, with the machine: "store-0 (10.0.0.2)".
    One that keeps its data there does not come back; others may."""
    last = {life.program: life for life in lives}
    return [f"{name} ({life.machine})" for name, life in last.items() if life.lost]


def serving(lives: Sequence[Life]) -> dict[str, int]:
    """Pid of each program that serves now, by name."""
    return {life.program: life.pid for life in lives if life.up_ns and not life.ended_ns}
