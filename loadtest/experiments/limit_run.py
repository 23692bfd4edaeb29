"""A search for a limit carried out on trials, and its directory: limit.json and index.html."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from api.core import JsonObject
from loadtest.bundle import write_json
from loadtest.experiments.limit import Answer, Axis, Limit, Search
from loadtest.experiments.metrics import broken_slos
from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Finished, Knobs, Trial, knobs_text
from loadtest.page import heading, page, section, table
from loadtest.plots import BLUE, RED, svg_of
from sim.campaign.costs import DEFAULT, CostProfile


@dataclass(frozen=True, slots=True)
class Question:
    """Where a campaign's limit is sought."""

    base: Base
    knob: str
    unit: str
    """After the number, for knobs that are durations; may be empty."""
    axis: Axis
    costs: CostProfile = DEFAULT
    fixed: Knobs = ()
    """Other knobs, as they are in every run."""

    def trial(self, value: float, repetition: int) -> Trial:
        knobs = (*self.fixed, (self.knob, self.setting(value)))
        return Trial(self.base, knobs, repetition, self.costs)

    def setting(self, value: float) -> object:
        """As the campaign file would have it."""
        number = int(value) if self.axis.whole else value
        return f"{number}{self.unit}" if self.unit else number

    def key(self) -> str:
        axis = self.axis
        facts: list[object] = [
            self.base.document,
            self.base.shell,
            self.knob,
            self.unit,
            axis.begin,
            axis.end,
        ]
        facts += [asdict(self.costs), self.fixed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


class LimitError(Exception):
    """A run that says nothing about the cluster; the text is one sentence."""


class Prober:
    """Runs the trials of a search."""

    def __init__(self, question: Question, runner: Runner, tell: Callable[[str], None]) -> None:
        self._question = question
        self._runner = runner
        self._tell = tell

    def __call__(self, value: float, repetitions: Sequence[int]) -> Iterator[Answer]:
        """The sentence comes after the answers were taken: a search broken off by whoever has
        read it keeps them."""
        question = self._question
        trials = [question.trial(value, repetition) for repetition in repetitions]
        done = sorted(self._runner.run(trials), key=lambda one: one.trial.repetition)
        answers = [_answer(finished) for finished in done]
        yield from answers
        held = sum(not answer.broken for answer in answers)
        broken = sorted({slo for answer in answers for slo in answer.broken})
        self._tell(
            f"  {knobs_text(trials[0].knobs)}: {held} of {len(answers)} held"
            + (f"; broken: {', '.join(broken)}" if broken else "")
        )


def _answer(finished: Finished) -> Answer:
    """A run whose load was not the load asked for counts only where an SLO broke all the same."""
    knobs = knobs_text(finished.trial.knobs)
    if finished.outcome != "complete":
        why = finished.error or f"the run was {finished.outcome}"
        raise LimitError(f"{knobs}: {why}")
    broken = broken_slos(finished.summary)
    if finished.summary["stamp"] != "VALID" and not broken:
        reasons = "; ".join(finished.summary["reasons"])
        raise LimitError(f"{knobs}: the run is not valid, and no SLO broke: {reasons}")
    return Answer(tuple(broken))


def find_limit(question: Question, out: Path, jobs: int, tell: Callable[[str], None]) -> Path:
    """Search, write, and return the directory. A search that is broken off writes what it has,
    stamped PARTIAL. Errors: CampaignError, LimitError."""
    runner = Runner(out, jobs)
    search = Search(question.axis, Prober(question, runner, tell))
    name = question.trial(question.axis.begin, 0).campaign().name
    directory = out / f"limit-{name}-{question.key()}"
    try:
        found = search.find()
    except KeyboardInterrupt:
        if search.so_far().runs:
            _write(directory, limit_document(question, search.so_far(), complete=False))
            tell(f"Page {directory / 'index.html'} (partial: the same command goes on)")
        raise
    if runner.kept:
        tell(f"{runner.kept} of {found.runs} runs were there already")
    _write(directory, limit_document(question, found))
    return directory


def _write(directory: Path, document: JsonObject) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory, "limit.json", document)
    (directory / "index.html").write_text(page_html(document))


def limit_document(question: Question, found: Limit, complete: bool = True) -> JsonObject:
    axis = question.axis
    return {
        "version": 1,
        "complete": complete,
        "knob": question.knob,
        "unit": question.unit,
        "simulated": question.base.shell == "virtual",
        "from": axis.begin,
        "to": axis.end,
        "tolerance": axis.tolerance,
        "holds": found.holds,
        "breaks": found.breaks,
        "settled": found.settled,
        "first_broken": [list(pair) for pair in found.first_broken],
        "runs": found.runs,
        "history": [list(row) for row in found.history],
        "verdict": limit_text(question, found) if complete else _broken_off(found),
    }


def _broken_off(found: Limit) -> str:
    return f"broken off after {found.runs} runs: nothing is decided"


def limit_text(question: Question, found: Limit) -> str:
    """One sentence."""
    knob = question.knob
    broken = f"; first broken: {found.first_broken[0][0]}" if found.first_broken else ""
    if found.holds is None:
        assert found.breaks is not None
        return f"{knob}={question.setting(found.breaks)} does not hold already{broken}"
    if found.breaks is None:
        return f"every SLO holds up to {knob}={question.setting(found.holds)}, where it was sought"
    text = (
        f"limit {knob}={question.setting(found.holds)}, interval "
        f"[{question.setting(found.holds)}, {question.setting(found.breaks)}]{broken}"
    )
    return text if found.settled else text + "; values between stayed undecided"


def page_html(document: JsonObject) -> str:
    mark = " (simulated)" if document["simulated"] else ""
    word = "LIMIT" if document["complete"] else "PARTIAL"
    rows = [
        [f"{value:g}{escape(document['unit'])}", str(held), str(broke)]
        for value, held, broke in document["history"]
    ]
    broken = [[escape(slo), str(count)] for slo, count in document["first_broken"]]
    sections = [
        heading(word, f"{document['knob']}{mark}", [document["verdict"]], _meta(document)),
        section(
            f"Share of runs that held{mark}",
            f'<div class="figures"><figure>{_figure(document)}</figure></div>',
        ),
        section(f"Values tried{mark}", table(["Value", "Held", "Did not"], rows)),
    ]
    if broken:
        head = ["Not held just above the limit", "Runs"]
        sections.append(section("What broke first", table(head, broken)))
    return page(f"hollowfleet limit: {document['knob']}{mark}", sections)


def _meta(document: JsonObject) -> str:
    return (
        f"{document['runs']} runs between {document['from']:g}{document['unit']} and "
        f"{document['to']:g}{document['unit']}, tolerance {document['tolerance']:.0%}"
    )


def _figure(document: JsonObject) -> str:
    def draw(axes: Any) -> bool:
        xs = [value for value, _, _ in document["history"]]
        ys = [100 * held / (held + broke) for _, held, broke in document["history"]]
        axes.plot(xs, ys, color=BLUE, marker="o", markersize=4)
        for end in (document["holds"], document["breaks"]):
            if end is not None:
                axes.axvline(end, color=RED, linestyle=":", linewidth=1.2)
        if min(xs) > 0 and max(xs) / min(xs) >= 16:
            axes.set_xscale("log")
        unit = f", {document['unit']}" if document["unit"] else ""
        axes.set_xlabel(document["knob"] + unit)
        axes.set_ylabel("% of runs in which every SLO held")
        return True

    return svg_of(draw)
