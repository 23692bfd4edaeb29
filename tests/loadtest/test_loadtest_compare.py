"""Comparisons: what the bootstrap calls worse, how often it is wrong, and the exit codes."""

import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.core import JsonObject
from api.streams import Stream
from loadtest.cli import cli
from loadtest.experiments.compare import judge
from loadtest.experiments.estimate import median_interval, noise_floor, ratio_interval

REPETITIONS = 6


def noisy(stream: Stream, level: float, spread: float) -> list[float]:
    """Repetitions around ``level``, evenly within a share of it."""
    return [level * (1 + spread * (2 * stream.fraction() - 1)) for _ in range(REPETITIONS)]


def verdicts(change: float, metric: str = "pod_start_p99_s", pairs: int = 100) -> list[str]:
    out: list[str] = []
    for seed in range(pairs):
        stream = Stream(seed, "test")
        values = noisy(stream, 1.0, 0.025), noisy(stream, change, 0.025)
        out.append(judge("", metric, values, 0.05, stream).verdict)
    return out


def test_nothing_is_called_worse_or_better_that_did_not_change() -> None:
    found = verdicts(1.0)
    assert found.count("WORSE") + found.count("BETTER") <= 1
    assert found.count("SAME") >= 80


def test_a_change_of_a_fifth_is_seen_through_noise() -> None:
    assert verdicts(1.2).count("WORSE") >= 97
    assert verdicts(1 / 1.2).count("BETTER") >= 97
    assert verdicts(1.2, "bound_per_s").count("BETTER") >= 97


def test_what_lies_between_is_undecided_or_decided_but_never_the_same() -> None:
    found = verdicts(1.09)
    assert "SAME" not in found and "BETTER" not in found


def test_intervals_hold_the_truth_and_need_two_repetitions() -> None:
    held = 0
    for seed in range(100):
        stream = Stream(seed, "truth")
        values = noisy(stream, 2.0, 0.1), noisy(stream, 3.0, 0.1)
        ratio = ratio_interval(*values, stream)
        held += ratio.low <= 1.5 <= ratio.high
        assert noise_floor(values[0], stream) < 0.25
    assert held >= 88
    alone = median_interval([4.0], Stream(1, "x"))
    assert (alone.value, alone.low, alone.high) == (4.0, -float("inf"), float("inf"))
    assert judge("", "boot_s", ([1.0], [9.0]), 0.05, Stream(1, "x")).verdict == "UNDECIDED"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([0.0, 0.0], [0.0, 0.0], "SAME"),
        ([0.0, 0.0], [0.01, 0.02], "WORSE"),
        ([0.02, 0.03], [0.0, 0.0], "BETTER"),
        ([0.0, 0.02], [0.0, 0.01], "UNDECIDED"),
        ([0.0], [0.01], "UNDECIDED"),
    ],
)
def test_zeros_have_no_ratio(before: list[float], after: list[float], verdict: str) -> None:
    assert judge("", "failed_share", (before, after), 0.05, Stream(1, "x")).verdict == verdict


SWEEP: JsonObject = {
    "name": "x",
    "seed": 1,
    "simulated": True,
    "knobs": [["nodes", [1, 2]]],
    "arms": [{"nodes": 1}, {"nodes": 2}],
    "repetitions": 3,
    "runs": [
        {
            "arm": arm,
            "repetition": repetition,
            "outcome": "complete",
            "stamp": "VALID",
            "metrics": {"pod_start_p99_s": 0.1 * (arm + 1) + repetition / 1000},
        }
        for arm in range(2)
        for repetition in range(3)
    ],
}


def written(directory: Path, doc: JsonObject) -> str:
    directory.mkdir()
    (directory / "sweep.json").write_text(json.dumps(doc))
    return str(directory)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments])


def changed(factor: float, stamp: str = "VALID") -> JsonObject:
    """SWEEP whose second arm is ``factor`` slower."""
    doc = copy.deepcopy(SWEEP)
    for row in doc["runs"]:
        row["stamp"] = stamp
        if row["arm"] == 1:
            row["metrics"]["pod_start_p99_s"] *= factor
    return doc


def test_exit_codes(tmp_path: Path) -> None:
    base = written(tmp_path / "a", SWEEP)
    same = invoke(base, base)
    assert same.exit_code == 0, same.output
    assert same.output.count("SAME") == 2
    slower = invoke(base, written(tmp_path / "b", changed(1.5)))
    assert slower.exit_code == 5
    assert "nodes=2" in next(line for line in slower.output.splitlines() if "WORSE" in line)
    assert invoke(written(tmp_path / "c", changed(1.5)), base).exit_code == 0
    assert invoke(base, written(tmp_path / "d", changed(1.045))).exit_code == 6
    broken = invoke(base, written(tmp_path / "e", changed(1.0, "INVALID")))
    assert broken.exit_code == 4
    assert "no valid run" in broken.output


def test_the_same_seed_gives_the_same_text(tmp_path: Path) -> None:
    sides = written(tmp_path / "a", SWEEP), written(tmp_path / "b", changed(1.1))
    assert invoke(*sides).output == invoke(*sides, "--seed", "1").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "nowhere"], "nowhere: no such run or sweep"),
        ([".", "."], "neither a run with a summary.json nor a sweep"),
        ([".", ".", "--metric", "pod_start_p99"], "did you mean 'pod_start_p99_s'?"),
    ],
)
def test_what_cannot_be_compared(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
