"""The limit finder: planted limits in noise, ends that decide, and one in virtual time."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from experiment_files import RATE, small, write

from api.streams import Stream
from loadtest.cli import cli
from loadtest.experiments.limit import Answer, Axis, Search

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--knob", "nods", "--from", "1", "--to", "9"], "did you mean 'nodes'?"),
        (["--knob", "nodes", "--from", "9", "--to", "9"], "must differ"),
        (["--knob", "nodes", "--from", "1", "--to", "9000000"], "must be a whole number"),
        (["--knob", RATE, "--from", "x", "--to", "9"], "is not a number"),
    ],
)
def test_what_cannot_be_searched(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = write(tmp_path / "small.yaml", small())
    result = invoke(str(file), *arguments, "--virtual", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert message in result.output
