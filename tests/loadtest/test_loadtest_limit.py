"""The limit finder: planted limits and envelopes in noise, ends that decide, virtual time."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from api.core import JsonObject
from api.streams import Stream
from loadtest.bundle import read_rows, read_state
from loadtest.cli import cli
from loadtest.experiments.envelope import Envelope, survey, write_envelope
from loadtest.experiments.envelope_page import cell_edges
from loadtest.experiments.limit import Answer, Axis, Search
from loadtest.experiments.limit_run import LimitError, Question
from tests.loadtest.experiment_files import RATE, small, virtual, write

ROOT = Path(__file__).parents[2]
NODES = ["--knob", "nodes", "--from", "1", "--to", "9"]
FINE, SLOW = Answer(()), Answer(("Pod start",))


class Planted:
    """A system that breaks at ``limit``; a run finds it moved by up to ``noise`` either way."""

    def __init__(self, limit: float, noise: float, seed: int) -> None:
        self.limit = limit
        self._noise = noise
        self._seed = seed

    def __call__(self, value: float, repetitions: Sequence[int]) -> list[Answer]:
        out = []
        for repetition in repetitions:
            stream = Stream(self._seed, f"planted/{value}/{repetition}")
            moved = self.limit * (1 + self._noise * (2 * stream.fraction() - 1))
            out.append(FINE if value <= moved else SLOW)
        return out


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.04])
def test_planted_limits_are_found_within_five_percent_for_fifty_seeds(noise: float) -> None:
    for seed in range(50):
        limit = float(200 + Stream(seed, "limit").below(4000))
        found = Search(Axis(100, 5000, True, 0.02, 15), Planted(limit, noise, seed)).find()
        assert found.holds and found.breaks and found.holds < found.breaks
        assert abs(found.holds / limit - 1) <= 0.05, (seed, limit, found)
        assert found.first_broken[0][0] == "Pod start"
        assert found.runs <= 90
        if not noise:
            assert found.holds <= limit < found.breaks and found.settled


def test_an_end_that_broke_by_chance_and_holds_is_the_limit() -> None:
    """The first run of every value above 200 breaks, as on a machine that was busy for a while."""

    def busy_at_first(value: float, repetitions: Sequence[int]) -> list[Answer]:
        return [SLOW if value > 200 and not repetition else FINE for repetition in repetitions]

    found = Search(Axis(10, 300, True, 0.05, 12), busy_at_first).find()
    assert (found.holds, found.breaks) == (300, None)


def test_in_more_noise_the_interval_still_holds_the_limit() -> None:
    held = 0
    for seed in range(50):
        limit = float(200 + Stream(seed, "limit").below(4000))
        found = Search(Axis(100, 5000, True, 0.02, 15), Planted(limit, 0.08, seed)).find()
        assert found.holds and found.breaks
        held += found.holds * 0.95 <= limit <= found.breaks * 1.05
    assert held >= 47


def test_the_harder_end_may_be_the_smaller_number() -> None:
    planted = Planted(-7.0, 0.0, 1)

    def probe(value: float, repetitions: Sequence[int]) -> list[Answer]:
        return planted(-value, repetitions)

    found = Search(Axis(100, 1, False, 0.02, 9), probe).find()
    assert found.holds and found.breaks
    assert found.breaks < 7.0 <= found.holds <= 7.0 * 1.05


def test_ends_that_say_it_all() -> None:
    below = Search(Axis(100, 200, True, 0.05, 9), Planted(50, 0.0, 1)).find()
    assert (below.holds, below.breaks, below.runs) == (None, 100, 3)
    above = Search(Axis(100, 200, True, 0.05, 9), Planted(500, 0.0, 1)).find()
    assert (above.holds, above.breaks, above.settled) == (200, None, False)


def test_a_value_that_stays_open_belongs_to_the_interval() -> None:
    def probe(value: float, repetitions: Sequence[int]) -> list[Answer]:
        grey = 400 <= value <= 900
        return [SLOW if value > 600 or (grey and r % 2) else FINE for r in repetitions]

    found = Search(Axis(100, 1000, True, 0.01, 8), probe).find()
    assert found.holds and found.breaks
    assert found.holds < 400 and found.breaks > 600 and not found.settled


def test_neighbouring_whole_numbers_end_the_search() -> None:
    found = Search(Axis(1, 9, True, 0.0, 9), Planted(4, 0.0, 1)).find()
    assert (found.holds, found.breaks, found.settled) == (4, 5, True)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["limit", *arguments])


def test_a_limit_in_virtual_time(tmp_path: Path) -> None:
    """Pods that wait on their nodes break the objective of pod start at just that objective, less
    the few milliseconds that all else takes."""
    file = write(tmp_path / "small.yaml", small(slos={"podStartP99": "100ms"}))
    where = ["--from", "60", "--to", "200", "--virtual", "--out", str(tmp_path / "out")]
    result = invoke(str(file), "--knob", "pod_delay", *where, "--unit", "ms")
    assert result.exit_code == 0, result.output
    (directory,) = (tmp_path / "out").glob("limit-small-*")
    found = json.loads((directory / "limit.json").read_text())
    assert found["holds"] <= 100 <= found["breaks"] <= 106
    assert found["holds"] >= 93
    assert "Pod start latency p99" in result.output
    assert "simulated" in (directory / "index.html").read_text()
    again = invoke(str(file), "--knob", "pod_delay", *where, "--unit", "ms")
    assert f"{found['runs']} of {found['runs']} runs were there already" in again.output


def envelope(tmp_path: Path, across: str, *values: object) -> Envelope:
    question = Question(virtual(small(), tmp_path), "nodes", "", Axis(100, 5000, True, 0.02, 15))
    return Envelope(question, across, values)


def test_a_planted_envelope_is_found_within_five_percent_for_ten_seeds(tmp_path: Path) -> None:
    asked = envelope(tmp_path, "shards", 1, 2, 4, 8)
    for seed in range(10):
        base = 200 + Stream(seed, "envelope").below(300)

        def planted(question: Question, seed: int = seed, base: int = base) -> Planted:
            return Planted(base * float(str(question.fixed[0][1])), 0.04, seed)

        seen: list[JsonObject] = []
        found = survey(asked, planted, seen.append)
        assert [document["complete"] for document in seen] == [False, False, False, True]
        assert seen[-1] == found
        for shards, row in zip(asked.values, found["rows"], strict=True):
            assert row["value"] == shards
            assert row["holds"] / (base * float(str(shards))) == pytest.approx(1, abs=0.05)
            assert row["first_broken"][0][0] == "Pod start"


def test_rows_that_end_otherwise_stay_on_the_page(tmp_path: Path) -> None:
    """One value never holds, one always, one has a run that says nothing: the rest goes on."""
    asked = envelope(tmp_path, "durability", "none", "buffered", "fsync", "other")
    limits = {"none": 9000.0, "buffered": 700.0, "fsync": 50.0}

    def planted(question: Question) -> Planted:
        word = str(question.fixed[0][1])
        if word == "other":
            raise LimitError("the run is <not> valid")
        return Planted(limits[word], 0.0, 1)

    documents: list[JsonObject] = []
    found = survey(asked, planted, documents.append)
    ends = [(row.get("holds"), row.get("breaks")) for row in found["rows"]]
    assert (ends[0], ends[2], ends[3]) == ((5000, None), (None, 100), (None, None))
    for document, word in ((documents[0], "PARTIAL"), (found, "ENVELOPE")):
        write_envelope(document, tmp_path)
        page = (tmp_path / "index.html").read_text()
        assert f'class="badge">{word}<' in page
    assert "the run is &lt;not&gt; valid" in page
    assert page.count("<svg") == 2
    rows = list(read_rows(tmp_path / "envelope.csv"))
    assert [row["durability"] for row in rows] == list(asked.values)
    assert [row["holds"] for row in rows] == ["5000", str(ends[1][0]), "", ""]
    assert rows[2]["first_broken"] == "Pod start" and "not" in rows[3]["error"]
    tried = [row for row in read_rows(tmp_path / "tried.csv") if row["durability"] == "fsync"]
    assert tried == [{"durability": "fsync", "nodes": "100", "held": "0", "broke": "3"}]


def test_a_search_broken_off_while_an_answer_is_told_has_kept_it() -> None:
    def probe(value: float, repetitions: Sequence[int]) -> Iterator[Answer]:
        yield Answer(())
        raise KeyboardInterrupt

    search = Search(Axis(100, 1000, True, 0.01, 8), probe)
    with pytest.raises(KeyboardInterrupt):
        search.find()
    assert search.so_far().history == ((100, 1, 0),)


def test_a_search_that_is_told_to_stop_says_one_sentence_and_keeps_what_it_has(
    tmp_path: Path,
) -> None:
    """The second value takes minutes: whether its run has begun, or is only being made, when the
    signal comes is left open."""
    file = write(tmp_path / "small.yaml", small())
    command = [sys.executable, "-m", "loadtest", "limit", str(file), "--virtual", "--unit", "h"]
    command += ["--knob", "phases.0.duration", "--from", "0.0003", "--to", "9"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout and process.stderr
        lines = iter(process.stdout.readline, "")
        assert any("1 of 1 held" in line for line in lines)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait() == 130
    assert said == "Interrupted.\n"
    (directory,) = (tmp_path / "out").glob("limit-small-*")
    found = json.loads((directory / "limit.json").read_text())
    assert not found["complete"] and len(found["history"]) == 1
    assert "broken off after 1 runs" in found["verdict"]
    assert ">PARTIAL<" in (directory / "index.html").read_text()
    trials = [
        path for path in (tmp_path / "out" / "trials").iterdir() if (path / "state.json").exists()
    ]
    outcomes = sorted(read_state(path).outcome for path in trials)
    assert outcomes in (["complete"], ["complete", "interrupted"])


def test_cells_of_the_heat_map_meet_halfway() -> None:
    values = np.array([100.0, 400.0, 900.0])
    assert cell_edges(values, 100, 1000).tolist() == [100, 250, 650, 1000]
    assert cell_edges(values, 1, 1000).tolist() == pytest.approx([1, 200, 600, 1000])


def test_an_envelope_in_virtual_time(tmp_path: Path) -> None:
    """The delay of pods that an objective carries is the objective, whatever it is."""
    file = write(tmp_path / "small.yaml", small())
    arguments = [str(file), "--knob", "pod_delay", "--from", "90", "--to", "160", "--unit", "ms"]
    arguments += ["--across", "slos.podStartP99=100ms,150ms", "--virtual", "--tolerance", "0.5"]
    arguments += ["--out", str(tmp_path / "out")]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    (directory,) = (tmp_path / "out").glob("envelope-small-*")
    found = json.loads((directory / "envelope.json").read_text())
    for objective, row in zip((100, 150), found["rows"], strict=True):
        assert row["holds"] <= objective <= row["breaks"]
        assert f"podStartP99={objective}ms: limit pod_delay={row['holds']:g}ms" in result.output
    assert "simulated" in (directory / "index.html").read_text()
    runs = sum(row["runs"] for row in found["rows"])
    assert f"{runs} of {runs} runs were there already" in invoke(*arguments).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--knob", "nods", "--from", "1", "--to", "9"], "did you mean 'nodes'?"),
        (["--knob", "nodes", "--from", "9", "--to", "9"], "must differ"),
        (["--knob", "nodes", "--from", "1", "--to", "9000000"], "must be a whole number"),
        (["--knob", RATE, "--from", "x", "--to", "9"], "is not a number"),
        ([*NODES, "--across", "shards=1"], "two values at least"),
        ([*NODES, "--across", "shards=1,2,1"], "given twice"),
        ([*NODES, "--across", "shards=[1],2"], "must be plain"),
        ([*NODES, "--across", "shards=1,{"], "are not YAML values"),
        ([*NODES, "--across", "sards=1,2"], "did you mean 'shards'?"),
        ([*NODES, "--across", "shards=1,200"], "must be a whole number from 1 to 64"),
        ([*NODES, "--across", "cluster.nodes=1,2"], "whose limit is sought"),
    ],
)
def test_what_cannot_be_searched(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = write(tmp_path / "small.yaml", small())
    result = invoke(str(file), *arguments, "--virtual", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert message in result.output
