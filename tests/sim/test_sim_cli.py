"""``hollowfleet sim`` on the terminal."""

import re

import pytest
from click.testing import CliRunner

from loadtest.cli import cli
from sim.run import run_seed


def test_a_seed_prints_its_summary_and_digest_and_a_component_has_a_story() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seed", "4"])
    assert result.exit_code == 0, result.output
    told = run_seed(4, "controllers-0")
    assert result.output.splitlines()[-1] == f"digest {told.digest}", "to be told changes nothing"
    for word in ("nodes", "faults", "checked", "virtual seconds"):
        assert word in result.output
    lines = [line.split(maxsplit=2)[1:] for line in told.story]
    own = [rest for who, rest in lines if who == "controllers-0"]
    for what in ("starts", "sees", "create", "patch", "is told"):
        assert any(rest.startswith(what) for rest in own), f"the story of a component: {what}"
    # Its Lease, in the other rooms.
    assert {who.rstrip("-0123456789") for who, _ in lines} >= {"store", "apiserver", "controllers"}


def test_seeds_print_a_line_each() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seeds", "4..5"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [re.match(r"seed (\d+):", line)[1] for line in lines[:2]] == ["4", "5"]  # type: ignore[index]
    assert lines[-1] == "2 of 2 seeds kept every promise"


def test_a_trace_tells_the_story_of_an_object() -> None:
    result = CliRunner().invoke(cli, ["sim", "--seed", "4", "--trace", "pods/default/bare-0"])
    assert result.exit_code == 0, result.output
    assert re.search(r"^ +\d+\.\d{6} users +create +pods/default/bare-0", result.output, re.M)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --seed N or --seeds N..M"),
        (["--seed", "1", "--seeds", "1..2"], "give either --seed N or --seeds N..M"),
        (["--seed", "one"], "'one' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--seeds", f"1..{'9' * 5000}"], "is not a range of seeds; write it as 1..200"),
        (["--seeds", f"1..{1 << 64}"], "is not a range of seeds; write it as 1..200"),
        (["--seeds", "9..1"], "'9..1' is not a range of seeds; write it as 1..200"),
        (["--seeds", "1-2"], "'1-2' is not a range of seeds"),
        (["--seeds", "1..2", "--trace", "x"], "--trace goes with --seed"),
        (["--seed", "1", "--set", "faults=rest"], "unknown fault 'rest', perhaps you mean 'reset'"),
        (["--seed", "1", "--set", "node=3"], "unknown option 'node', perhaps you mean 'nodes'"),
        (["--seed", "1", "--set", "nodes"], "'nodes' is not KEY=VALUE"),
        (["--seed", "1", "--set", "nodes=many"], "nodes is a number from 1 to 1000, not 'many'"),
        (["--seed", "1", "--set", "store_shards=0"], "store_shards is a number from 1 to 64"),
        (["--seed", "1", "--set", "nodes=3"], "of 3 nodes, where alone they may go: raise nodes"),
        (["--seed", "1", "--set", "durability=no"], "durability is fsync or buffered, not 'no'"),
        (["--seed", "1", "--set", "hollow_actors=16"], "16 hollow_actors cannot share"),
        (
            ["--seed", "1", "--set", "faults=power loss", "--set", "durability=buffered"],
            "durability buffered may lose",
        ),
        (
            ["--seed", "1", "--set", "faults=crash partition", "--set", "partitions=0"],
            "there is no partition to crash",
        ),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["sim", *words])
    assert result.exit_code == 2
    # The terminal breaks lines.
    assert message in " ".join(result.output.replace("│", " ").split())


def test_options_of_a_seed_can_be_set() -> None:
    words = ["--set", "faults=reset,crash store", "--set", "store_shards=3", "--set", "nodes=16"]
    result = CliRunner().invoke(cli, ["sim", "--seed", "4", *words])
    assert result.exit_code == 0, result.output
    assert "seed 4: 16 nodes, 3 store shards" in result.output
    (faults,) = [line for line in result.output.splitlines() if line.startswith("faults")]
    assert set(re.findall(r"\d+ ([a-z ]+)", faults)) <= {"reset", "crash store"}
