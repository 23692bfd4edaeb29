"""The reference experiments: each passes at the small scale of CI and fails with a planted wrong
knob; the page, its data, exit codes, ctrl-C."""

import csv
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest.cli import cli
from loadtest.experiments.reference.experiment import (
    Acceptance,
    Arms,
    Curve,
    Experiment,
    Figure,
    Finding,
    Scale,
    Tell,
)
from loadtest.experiments.reference.files import DIRECTORY
from loadtest.experiments.reference.page import page_html
from loadtest.experiments.reference.registry import (
    EXPERIMENTS,
    MISSING,
    STUDIES,
    UnknownExperiment,
    chosen,
)
from loadtest.experiments.reference.session import Session, begin, execute, write_tables
from loadtest.fields import CampaignError
from sim.topics import Violation

IDS = [one.id for one in EXPERIMENTS]


def _silent(_line: str) -> None:
    """Nobody reads the progress here."""


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=IDS)
def test_an_experiment_reproduces_its_limit(experiment: Experiment) -> None:
    finding = experiment.run(experiment.arms, "ci", _silent)
    assert [one for one in finding.acceptances if not one.held] == []
    assert any(curve.source for figure in finding.figures for curve in figure.curves)
    assert finding.conditions
    assert len(finding.acceptances) >= 3


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=IDS)
def test_a_planted_wrong_knob_is_noticed(experiment: Experiment) -> None:
    """The remedy's place is taken by the historic position."""
    historic = experiment.arms.historic
    finding = experiment.run(Arms(historic, historic), "ci", _silent)
    assert not finding.held


def test_every_one_of_the_twelve_has_its_place() -> None:
    places = IDS + [one.id for one in MISSING]
    assert len(set(places)) == len(places)
    assert [one.id for one in chosen(["r8"])] == ["R8"]
    with pytest.raises(UnknownExperiment, match="R2 is not there yet: it needs"):
        chosen(["R2"])
    with pytest.raises(UnknownExperiment, match="no experiment 'R99'"):
        chosen(["R99"])


def _copy(tmp_path: Path, old: str, new: str) -> Path:
    """The file of R6 with something else in it."""
    text = (DIRECTORY / "R06-single-writer.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_every_study_is_shipped_as_a_file_and_a_changed_copy_is_run(tmp_path: Path) -> None:
    assert list(STUDIES) == IDS
    assert {path.name[:3] for path in DIRECTORY.glob("R*.yaml")} == {f"R0{one[1:]}" for one in IDS}
    mine = _copy(tmp_path, 'remedy: "32"', 'remedy: "4"')
    (experiment,) = chosen([str(mine)])
    assert (experiment.id, experiment.arms) == ("R6", Arms("1", "4"))
    labels = [
        curve.label
        for figure in experiment.run(experiment.arms, "ci", _silent).figures
        for curve in figure.curves
    ]
    assert any("4" in label for label in labels) and not any("32" in label for label in labels)
    with pytest.raises(UnknownExperiment, match="R6 is asked for twice"):
        chosen(["R6", str(mine)])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('remedy: "32"', 'remedy: "900"', "a number from 1 to 64"),
        ("rounds: 6", "round: 6", r"spec.sizes.ci.rounds: is required"),
        ("rounds: 6", "rounds: six", "must be a whole number"),
        ("rounds: 6", "rounds: 6, more: 1", "unknown key"),
        ("{name: R6}", "{name: R66}", "unknown value 'R66'"),
        ("kind: ReferenceExperiment", "kind: Campaign", "unknown value 'Campaign'"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(CampaignError, match=message):
        chosen([str(_copy(tmp_path, old, new))])


def _planted(name: str, run: Callable[[Arms, Scale, Tell], Finding]) -> Experiment:
    return Experiment(
        name, f"limit of {name}", "why", "knob", Arms("off", "on"), ("[x] 2020",), run
    )


def _finding(held: bool) -> Finding:
    curves = (Curve("off", ((1, 2), (2, 4))), Curve("on", ((1, 1), (2, 1)), "k#1, 2020"))
    figure = Figure("Work", "By size.", "size", "work", curves)
    return Finding((figure,), (Acceptance("count", "equal", "1", "1", held),), ("small",))


def _interrupted(_arms: Arms, _scale: Scale, _tell: Tell) -> Finding:
    raise KeyboardInterrupt


def _broken(_arms: Arms, _scale: Scale, _tell: Tell) -> Finding:
    raise Violation("watches", "a watch ended")


GOOD = _planted("R1", lambda *_: _finding(True))
BAD = _planted("R3", lambda *_: _finding(False))


class _Page(HTMLParser):
    """What a page would fetch, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            inside = value is None or value.startswith("#")
            if name in ("src", "href", "xlink:href") and not inside:
                self.fetched.append(f"{tag} {value}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _run(experiments: list[Experiment], out: Path) -> Session:
    session = begin(experiments, "ci", out)
    execute(session, _silent, lambda current: write_tables(current, out))
    return session


def test_the_page_has_everything_and_fetches_nothing(tmp_path: Path) -> None:
    session = _run([GOOD, BAD], tmp_path)
    assert session.word == "FAIL"
    page = _Page(page_html(session))
    assert page.fetched == []
    words = " ".join(page.words)
    assert "1 of 2 experiments reproduce" in words
    assert "not yet: needs" in words
    assert "k#1, 2020" in words
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["curve"], row["source"]) for row in rows[::2]][:2] == [
        ("off", "this run"),
        ("on", "k#1, 2020"),
    ]
    with (tmp_path / "acceptances.csv").open() as file:
        assert [row["result"] for row in csv.DictReader(file)] == ["PASS", "FAIL"]


def test_ctrl_c_keeps_what_there_is_and_stamps_it(tmp_path: Path) -> None:
    session = _run([GOOD, _planted("R4", _interrupted), BAD], tmp_path)
    assert session.interrupted
    assert session.word == "PARTIAL"
    assert [one.word for one in session.outcomes] == ["PASS", "NOT RUN", "NOT RUN"]
    state = json.loads((tmp_path / "reproduce.json").read_text())
    assert (state["stamp"], state["interrupted"]) == ("PARTIAL", True)
    assert "Partial: interrupted" in " ".join(_Page(page_html(session)).words)


def test_an_experiment_that_breaks_an_invariant_is_an_error_and_the_others_run(
    tmp_path: Path,
) -> None:
    session = _run([_planted("R4", _broken), GOOD], tmp_path)
    assert [one.word for one in session.outcomes] == ["ERROR", "PASS"]
    assert "a watch ended" in " ".join(_Page(page_html(session)).words)


def test_the_exit_code_says_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadtest.experiments.reference import registry

    def code(*experiments: Experiment) -> int:
        monkeypatch.setattr(registry, "EXPERIMENTS", experiments)
        result = CliRunner().invoke(cli, ["reproduce", "--out", str(tmp_path / "out")])
        assert (tmp_path / "out" / "index.html").exists()
        return result.exit_code

    assert code(GOOD) == 0
    assert code(GOOD, BAD) == 7
    assert code(_planted("R4", _broken), BAD) == 1
    assert code(GOOD, _planted("R4", _interrupted)) == 130


def test_the_command_names_what_it_can_do(tmp_path: Path) -> None:
    listed = CliRunner().invoke(cli, ["reproduce", "--list"])
    assert listed.exit_code == 0
    names = [*(one.id for one in EXPERIMENTS), *(one.id for one in MISSING)]
    assert all(name in listed.output for name in names)
    unknown = CliRunner().invoke(cli, ["reproduce", "R77", "--out", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "no experiment 'R77'" in unknown.output


def test_the_same_arms_find_the_same() -> None:
    experiment = chosen(["R6"])[0]
    first, second = [experiment.run(experiment.arms, "ci", _silent) for _ in range(2)]
    assert first == second
