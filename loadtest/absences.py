"""The deaths of a run and the times for which programs were away, as its report tells them, and
what they make of its numbers."""

from dataclasses import dataclass
from typing import cast

from loadtest.bundle import RunState
from loadtest.faults import DISCONNECT, PAUSE
from loadtest.fields import SECOND_NS

DEATH = "death"
SAID = {PAUSE: "paused", DISCONNECT: "cut off"}


@dataclass(frozen=True, slots=True)
class Absence:
    """One program was away. Seconds since the start of the load."""

    program: str
    died_s: float
    away_s: float | None
    """None: it did not come back."""
    planned: bool
    """The campaign did it."""
    how: str = DEATH
    """Or it did not die: PAUSE, DISCONNECT."""

    @property
    def said(self) -> str:
        """For people."""
        if self.how != DEATH:
            return f"{SAID[self.how]} by the campaign"
        return "killed by the campaign" if self.planned else "died of its own"


def absences(state: RunState) -> list[Absence]:
    """Deaths in their order, then interruptions in theirs."""
    found = []
    # Before any load there is nothing to count from.
    start_ns = state.load_start_wall_ns
    for row in state.outages:
        died_ns, back_ns = cast(int, row["died_ns"]), cast(int, row["back_ns"])
        found.append(
            Absence(
                program=str(row["program"]),
                died_s=round((died_ns - (start_ns or died_ns)) / SECOND_NS, 3),
                away_s=round((back_ns - died_ns) / SECOND_NS, 3) if back_ns else None,
                planned=bool(row["planned"]),
            )
        )
    for row in state.interruptions:
        since_ns, until_ns = cast(int, row["since_ns"]), cast(int, row["until_ns"])
        away_s = round((until_ns - since_ns) / SECOND_NS, 3)
        began_s = round((since_ns - start_ns) / SECOND_NS, 3)
        how = str(row["how"])
        found.append(Absence(str(row["program"]), began_s, away_s, planned=True, how=how))
    return found


def broken_promises(state: RunState) -> list[str]:
    """Why the numbers of such a run do not count. A planned death from which a program came back
    is part of the campaign: its costs are in the numbers, and judged with them."""
    out = []
    for absence in absences(state):
        if absence.away_s is None:
            out.append(f"{absence.program} died at {absence.died_s:.1f} s and did not come back")
        elif not absence.planned:
            out.append(
                f"{absence.program} died at {absence.died_s:.1f} s and was away for "
                f"{absence.away_s:.1f} s"
            )
    if state.audit.get("missing_total"):
        out.append(audit_text(state))
    return out


def audit_text(state: RunState) -> str:
    """One sentence about what the store kept; empty when nobody looked."""
    found = state.audit
    if not found:
        return ""
    missing = cast(int, found["missing_total"])
    of = f"of {found['acknowledged']:,} acknowledged creates"
    if not missing:
        return f"After the run the store had all {of}."
    names = ", ".join(cast("list[str]", found["missing"]))
    return f"After the run the store lacked {missing:,} {of}: {names}"
