"""Runs experiments one after the other and keeps what is known after each of them."""

import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from api.core import InvariantError, JsonObject
from loadtest.experiments.reference.experiment import (
    Acceptance,
    Experiment,
    Finding,
    Scale,
    Tell,
)
from loadtest.host import host_facts, versions
from sim.campaign.run import VirtualError
from sim.topics import Violation

PASS, FAIL, ERROR, NOT_RUN = "PASS", "FAIL", "ERROR", "NOT RUN"
CSV_FIGURES: Final = "curves.csv"
CSV_ACCEPTANCES: Final = "acceptances.csv"


@dataclass(slots=True)
class Outcome:
    """What became of one experiment."""

    experiment: Experiment
    finding: Finding | None = None
    error: str = ""
    cpu_s: float = 0.0

    @property
    def word(self) -> str:
        if self.error:
            return ERROR
        if self.finding is None:
            return NOT_RUN
        return PASS if self.finding.held else FAIL


@dataclass(slots=True)
class Session:
    """One call of ``hollowfleet reproduce``."""

    scale: Scale
    outcomes: list[Outcome]
    host: JsonObject = field(default_factory=dict)
    software: JsonObject = field(default_factory=dict)
    interrupted: bool = False

    @property
    def word(self) -> str:
        """PASS, FAIL, or PARTIAL where something was not run to its end."""
        words = [one.word for one in self.outcomes]
        if NOT_RUN in words or ERROR in words:
            return "PARTIAL"
        return FAIL if FAIL in words else PASS


def begin(experiments: Sequence[Experiment], scale: Scale, out: Path) -> Session:
    return Session(scale, [Outcome(one) for one in experiments], host_facts(out), versions())


def execute(session: Session, tell: Tell, keep: Callable[[Session], None]) -> None:
    """Every experiment, in order; ``keep`` is called after each. Ctrl-C ends with what there is,
    marked as interrupted."""
    for outcome in session.outcomes:
        one = outcome.experiment
        tell(f"{one.id}  {one.title}")
        begun_s = time.process_time()
        try:
            outcome.finding = one.run(one.arms, session.scale, lambda line: tell(f"      {line}"))
        except (Violation, VirtualError, InvariantError) as error:
            outcome.error = f"{type(error).__name__}: {error}"
        except KeyboardInterrupt:
            session.interrupted = True
        outcome.cpu_s = time.process_time() - begun_s
        keep(session)
        if session.interrupted:
            return
        tell(f"      {summary(outcome)}")


def summary(outcome: Outcome) -> str:
    """One line of what came out."""
    if outcome.finding is None:
        return f"{outcome.word} {outcome.error}".strip()
    judged = outcome.finding.acceptances
    return f"{outcome.word}, {held_text(judged)}, {outcome.cpu_s:.1f} s of CPU"


def held_text(judged: Sequence[Acceptance]) -> str:
    """How many acceptances held."""
    return f"{sum(one.held for one in judged)} of {len(judged)} held"


def write_tables(session: Session, directory: Path) -> None:
    """The data beside the page."""
    rows: list[Sequence[object]] = [
        (one.experiment.id, figure.title, curve.label, curve.source or "this run", x, y)
        for one in session.outcomes
        if one.finding is not None
        for figure in one.finding.figures
        for curve in figure.curves
        for x, y in curve.points
    ]
    head = ("experiment", "figure", "curve", "source", "x", "y")
    _write_csv(directory / CSV_FIGURES, head, rows)
    judged: list[Sequence[object]] = [
        (one.experiment.id, a.kind, a.claim, a.measured, a.wanted, a.word)
        for one in session.outcomes
        if one.finding is not None
        for a in one.finding.acceptances
    ]
    head = ("experiment", "kind", "claim", "measured", "wanted", "result")
    _write_csv(directory / CSV_ACCEPTANCES, head, judged)
    state = {
        "stamp": session.word,
        "interrupted": session.interrupted,
        "scale": session.scale,
        "host": session.host,
        "versions": session.software,
        "experiments": {
            one.experiment.id: {
                "result": one.word,
                "error": one.error,
                "cpu_s": round(one.cpu_s, 3),
                "arms": one.experiment.arms._asdict(),
            }
            for one in session.outcomes
        },
    }
    (directory / "reproduce.json").write_text(json.dumps(state, indent=1) + "\n")


def _write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
