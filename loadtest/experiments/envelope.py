"""The envelope over two knobs: for each value of one, the limit along the other.

OUT/envelope-NAME-HASH/    envelope.json   a row for each value: its limit, interval, what broke
                           envelope.csv    the same as a table
                           tried.csv       every value tried, and how many of its runs held
                           index.html      curve and heat map

All of it is written anew after each row, so that an envelope that was broken off says what it has.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from api.core import JsonObject
from loadtest.bundle import write_json, write_rows
from loadtest.experiments.envelope_page import page_html
from loadtest.experiments.limit import Limit, Probe, Search
from loadtest.experiments.limit_run import LimitError, Prober, Question, limit_text
from loadtest.experiments.runner import Runner
from loadtest.fields import CampaignError
from loadtest.overrides import path_of

ENVELOPE_FILE = "envelope.json"
CSV_COLUMNS = ("holds", "breaks", "settled", "first_broken", "runs", "error")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A question that is asked once for each value of another knob."""

    question: Question
    across: str
    values: tuple[object, ...]
    """As the campaign file would have them, in the order of the plot."""

    def at(self, value: object) -> Question:
        return replace(self.question, fixed=((self.across, value),))

    def check(self) -> None:
        """Parse both ends of every row before the first run. Errors: CampaignError."""
        source = self.question.base.source
        if path_of(self.across, source) == path_of(self.question.knob, source):
            raise CampaignError(f"{source}: {self.across} is the knob whose limit is sought")
        for value in self.values:
            for end in (self.question.axis.begin, self.question.axis.end):
                self.at(value).trial(end, 0).campaign()

    def key(self) -> str:
        text = json.dumps([self.question.key(), self.across, self.values])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def survey(
    envelope: Envelope,
    probe_of: Callable[[Question], Probe],
    keep: Callable[[JsonObject], None],
) -> JsonObject:
    """One search after the other; ``keep`` gets the document after each. A row whose runs say
    nothing about the cluster has an error instead of a limit, and the others go on."""
    rows: list[JsonObject] = []
    for value in envelope.values:
        question = envelope.at(value)
        try:
            rows.append(_row(question, value, Search(question.axis, probe_of(question)).find()))
        except LimitError as error:
            rows.append({"value": value, "error": str(error), "verdict": str(error)})
        keep(_document(envelope, rows))
    return _document(envelope, rows)


def find_envelope(envelope: Envelope, out: Path, jobs: int, tell: Callable[[str], None]) -> Path:
    """Search, write, and return the directory. Errors: CampaignError."""
    runner = Runner(out, jobs)
    name = envelope.at(envelope.values[0]).trial(envelope.question.axis.begin, 0).campaign().name
    directory = out / f"envelope-{name}-{envelope.key()}"
    directory.mkdir(parents=True, exist_ok=True)

    def keep(document: JsonObject) -> None:
        write_envelope(document, directory)
        tell(_line(document["across"], document["rows"][-1]))

    write_envelope(_document(envelope, []), directory)
    found = survey(envelope, lambda question: Prober(question, runner, tell), keep)
    if runner.kept:
        runs = sum(row.get("runs", 0) for row in found["rows"])
        tell(f"{runner.kept} of {runs} runs were there already")
    return directory


def write_envelope(document: JsonObject, directory: Path) -> None:
    write_json(directory, ENVELOPE_FILE, document)
    across, knob, rows = document["across"], document["knob"], document["rows"]
    write_rows(
        directory / "envelope.csv",
        (across, *CSV_COLUMNS),
        [(row["value"], *(_cell(row, column) for column in CSV_COLUMNS)) for row in rows],
    )
    write_rows(
        directory / "tried.csv",
        (across, knob, "held", "broke"),
        [(row["value"], *tried) for row in rows for tried in row.get("history", ())],
    )
    (directory / "index.html").write_text(page_html(document))


def _cell(row: JsonObject, column: str) -> object:
    value = row.get(column)
    if column == "first_broken":
        return value[0][0] if value else ""
    return "" if value is None else value


def _row(question: Question, value: object, found: Limit) -> JsonObject:

    def number(end: float | None) -> float | None:
        return end if end is None or not question.axis.whole else int(end)

    return {
        "value": value,
        "holds": number(found.holds),
        "breaks": number(found.breaks),
        "settled": found.settled,
        "first_broken": [list(pair) for pair in found.first_broken],
        "runs": found.runs,
        "history": [[number(one), held, broke] for one, held, broke in found.history],
        "verdict": limit_text(question, found),
        "error": "",
    }


def _document(envelope: Envelope, rows: Sequence[JsonObject]) -> JsonObject:
    question = envelope.question
    return {
        "version": 1,
        "knob": question.knob,
        "unit": question.unit,
        "across": envelope.across,
        "values": list(envelope.values),
        "simulated": question.base.shell == "virtual",
        "from": question.axis.begin,
        "to": question.axis.end,
        "tolerance": question.axis.tolerance,
        "complete": len(rows) == len(envelope.values),
        "rows": list(rows),
    }


def _line(across: str, row: JsonObject) -> str:
    return f"{across}={row['value']}: {row['verdict']}"
