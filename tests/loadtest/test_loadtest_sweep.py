"""Sweeps: which arms, in which order; resuming, the tables and the page; ctrl-C."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtest.bundle import read_rows, read_state
from loadtest.cli import cli
from loadtest.experiments.sweep import describe_sweep, parse_sweep
from loadtest.experiments.sweep_page import page_html
from loadtest.experiments.sweep_run import read_sweep
from loadtest.experiments.trials import Trial, alone_in
from loadtest.fields import CampaignError
from loadtest.loads import PodLoad
from tests.loadtest.experiment_files import RATE, small, virtual, write

ROOT = Path(__file__).resolve().parent.parent.parent
GRID = {"knobs": {"nodes": [2, 4], "durability": ["fsync", "none"]}, "repetitions": 2}


def test_every_combination_is_an_arm_and_repetitions_interleave(tmp_path: Path) -> None:
    sweep = parse_sweep(virtual(small(sweep=GRID), tmp_path))
    assert [dict(arm) for arm in sweep.arms] == [
        {"nodes": nodes, "durability": durability}
        for nodes in (2, 4)
        for durability in ("fsync", "none")
    ]
    trials = sweep.trials()
    assert trials == parse_sweep(virtual(small(sweep=GRID), tmp_path)).trials()
    assert [trial.repetition for trial in trials] == [0] * 4 + [1] * 4
    assert Counter(trial.knobs for trial in trials) == dict.fromkeys(sweep.arms, 2)
    assert [trial.knobs for trial in trials[:4]] != [trial.knobs for trial in trials[4:]]


def test_arms_of_a_repetition_have_the_same_seed_and_set_their_knobs(tmp_path: Path) -> None:
    sweep = parse_sweep(virtual(small(sweep=GRID), tmp_path))
    for trial in sweep.trials():
        campaign, knobs = trial.campaign(), dict(trial.knobs)
        assert campaign.seed == 3 + trial.repetition
        assert (campaign.cluster.nodes, campaign.cluster.durability) == tuple(knobs.values())
    assert "4 arms x 2 repetitions = 8, in virtual time" in describe_sweep(sweep)


def test_a_key_is_of_what_decides_the_figures(tmp_path: Path) -> None:
    base = virtual(small(), tmp_path)
    key = Trial(base, (("nodes", 4),), 0).key()
    assert key == Trial(base, (), 0).key()
    others = [Trial(base, (("nodes", 5),), 0), Trial(base, (), 1)]
    others.append(Trial(base, (), 0, others[0].costs.scaled({"store-0": 200})))
    assert len({key, *(trial.key() for trial in others)}) == 4


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"knobs": {"nods": [1]}}, "unknown name 'nods'; did you mean 'nodes'?"),
        ({"knobs": {"cluster.nodez": [1]}}, "did you mean 'nodes'?"),
        ({"knobs": {"nodes": [1, 0]}}, "must be a whole number from 1"),
        ({"knobs": {"nodes": [5_000_000]}}, "must be a whole number from 1 to 2000000"),
        ({"knobs": {"nodes": 5}}, "spec.sweep.knobs.nodes: must be a list"),
        ({"knobs": {"nodes": [5, 5]}}, "has a value twice"),
        ({"knobs": {"seed": [1, 2]}}, "use repetitions"),
        ({"knobs": {}}, "must map knobs to lists"),
        ({"knobs": {"nodes": [1]}, "repetition": 2}, "did you mean 'repetitions'?"),
        ({"knobs": {"engine": ["etcd"]}}, "needs real time"),
        ({"knobs": {"nodes": list(range(1, 200))}, "repetitions": 100}, "makes 19900 runs"),
        ({"knobs": {"phases.7.duration": ["1s"]}}, "'7' is not an index below 1"),
    ],
)
def test_what_cannot_be_swept_is_refused(tmp_path: Path, sweep: object, message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        parse_sweep(virtual(small(sweep=sweep), tmp_path))
    assert message in str(caught.value)


def test_one_experiment_at_a_time_in_a_directory(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path),
        pytest.raises(CampaignError, match="another experiment is running there"),
        alone_in(tmp_path),
    ):
        raise AssertionError("two at a time")


def run(file: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["sweep", str(file), "--virtual", "--out", str(out), *more])


class Tags(HTMLParser):
    """Checks that nothing comes from outside, and that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link")
        if tag not in ("meta", "path", "use", "rect", "br"):
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "xlink:href"):
                assert value and value.startswith("#")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "path", "use", "rect", "br"):
            assert self.open.pop() == tag


def test_a_sweep_its_tables_its_page_and_going_on(tmp_path: Path) -> None:
    grid = {"knobs": {"nodes": [2, 4]}, "repetitions": 2}
    file = write(tmp_path / "small.yaml", small(sweep=grid))
    result = run(file, tmp_path / "out")
    assert result.exit_code == 0, result.output
    (directory,) = (tmp_path / "out").glob("sweep-small-*")
    found = read_sweep(directory)
    assert (found["complete"], found["simulated"]) == (True, True)
    rows = list(read_rows(directory / "sweep.csv.gz"))
    assert [(row["nodes"], row["seed"]) for row in rows] == [
        ("2", "3"), ("2", "4"), ("4", "3"), ("4", "4"),
    ]  # fmt: skip
    for row, kept in zip(rows, found["runs"], strict=True):
        bundle = tmp_path / "out" / "trials" / row["trial"]
        summary = json.loads((bundle / "summary.json").read_text())
        assert row["time"] == "virtual" and summary["memory_mib_max"] == {}
        assert summary["seed"] == int(row["seed"]) and summary["nodes_ready"] == int(row["nodes"])
        assert float(row["pod_start_p99_s"]) == summary["pod_start_s"]["p99"]
        assert kept["metrics"]["bound_per_s"] == summary["pods"]["bound_per_s_best_5s"]
    page = (directory / "index.html").read_text()
    Tags(page)
    assert "schedulerPartitions: 0" in page, "what all arms have in common"
    assert "small (simulated)" in page and "Pod start, p99, s" in page
    table = gzip.decompress((directory / "sweep.csv.gz").read_bytes())

    # The same command finds everything; with one bundle lost it makes that one again, the same.
    again = run(file, tmp_path / "out")
    assert "4 of 4 runs were there already" in again.output
    shutil.rmtree(tmp_path / "out" / "trials" / rows[2]["trial"])
    again = run(file, tmp_path / "out", "--jobs", "1")
    assert "3 of 4 runs were there already" in again.output
    assert gzip.decompress((directory / "sweep.csv.gz").read_bytes()) == table


def test_a_dry_run_makes_nothing_and_run_and_sim_know_sweeps(tmp_path: Path) -> None:
    file = write(tmp_path / "small.yaml", small(cluster={"nodes": 3}, sweep=GRID))
    out = tmp_path / "out"
    assert "4 arms" in run(file, out, "--dry-run").output
    real = CliRunner().invoke(cli, ["run", str(file), "--dry-run", "--out", str(out)])
    assert "in real time" in real.output
    assert not out.exists()


def test_ctrl_c_keeps_what_there_is_and_the_same_command_goes_on(tmp_path: Path) -> None:
    long = {"name": "all", "duration": "4h", "load": [{"scenario": "pods", "rate": "1/s"}]}
    short = {"name": "all", "duration": "1s", "load": [{"scenario": "pods", "rate": "9/s"}]}
    grid = {"knobs": {"phases.0": [short, long]}}
    file = write(tmp_path / "small.yaml", small(seed=5, sweep=grid))
    command = [sys.executable, "-m", "loadtest", "sweep", str(file), "--virtual", "--jobs", "2"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("[1/2]") for line in lines)
        process.send_signal(signal.SIGINT)
        rest = list(lines)
        assert process.wait() == 130
    assert any("index.html" in line for line in rest)
    (directory,) = (tmp_path / "out").glob("sweep-small-*")
    found = read_sweep(directory)
    assert not found["complete"]
    assert [row["outcome"] for row in found["runs"]] == ["complete"]
    assert "PARTIAL" in page_html(found)
    states = [read_state(path) for path in (tmp_path / "out" / "trials").iterdir() if path.is_dir()]
    assert sorted(state.outcome for state in states) == ["complete", "interrupted"]


def test_the_rate_of_a_load_is_a_knob(tmp_path: Path) -> None:
    trial = Trial(virtual(small(), tmp_path), ((RATE, "20/s"),), 0)
    (load,) = trial.campaign().phases[0].load
    assert isinstance(load, PodLoad) and load.pace.rate == 20.0
