"""``hollowfleet sim`` on the terminal."""

import re

import pytest
from click.testing import CliRunner

from loadtest.cli import cli
from sim.run import run_seed


def test_a_seed_prints_its_summary_and_digest() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seed", "2"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"digest {run_seed(2).digest}"
    for word in ("nodes", "faults", "checked", "virtual seconds"):
        assert word in result.output


def test_seeds_print_a_line_each() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seeds", "2..3"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [re.match(r"seed (\d+):", line)[1] for line in lines[:2]] == ["2", "3"]  # type: ignore[index]
    assert lines[-1] == "2 of 2 seeds kept every promise"


def test_a_trace_tells_the_story_of_an_object() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seed", "2", "--trace", "pods/default/bare-0"])
    assert result.exit_code == 0, result.output
    assert re.search(r"^ +\d+\.\d{6} users +create +pods/default/bare-0", result.output, re.M)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --seed N or --seeds N..M"),
        (["--seed", "1", "--seeds", "1..2"], "give either --seed N or --seeds N..M"),
        (["--seed", "one"], "'one' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--seeds", "9..1"], "'9..1' is not a range of seeds; write it as 1..200"),
        (["--seeds", "1-2"], "'1-2' is not a range of seeds"),
        (["--seeds", "1..2", "--trace", "x"], "--trace goes with --seed"),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["sim", *words])
    assert result.exit_code == 2
    assert message in result.output
