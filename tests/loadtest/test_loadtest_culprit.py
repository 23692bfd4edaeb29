"""Bottlenecks planted in virtual time are named, and relieving them confirms it; figures of
utilisation, queues and Little's law from files."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from api.core import JsonObject
from api.streams import Stream
from loadtest.bundle import SERIES_COLUMNS, write_rows
from loadtest.cli import cli
from loadtest.components import Component, balance_of, busiest_text, components_of
from loadtest.experiments.culprit import find_culprit, relief_of, waiting_of
from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Trial
from loadtest.host import cores_awaited_us
from loadtest.loads import WatchLoad
from loadtest.measure import Requests, RoleUsage
from sim.campaign.costs import DEFAULT, CostProfile
from tests.loadtest.experiment_files import small, virtual, write

SEEDS = 20
LOAD = [
    {"scenario": "pods", "rate": "15/s"},
    {"scenario": "deployments", "arrivals": "constant", "rate": "3/s", "replicas": 3},
    {"scenario": "readers", "rate": "15/s"},
]
PROGRAMS = ("store-0", "store-1", "apiserver-0", "scheduler", "controllers-0", "hollow-0")


def base(directory: Path) -> Base:
    cluster = small()["spec"]["cluster"] | {"storeShards": 2}
    phases = [{"name": "all", "duration": "2s", "load": LOAD}]
    return virtual(small(cluster=cluster, phases=phases), directory)


def planted(seed: int, shares: dict[str, float]) -> tuple[str, CostProfile]:
    """A program, and costs with which it would need 1.5 to 2.5 times the time there is."""
    stream = Stream(seed, "planted")
    name = PROGRAMS[stream.below(len(PROGRAMS))]
    demand = 1.5 + stream.fraction()
    return name, DEFAULT.scaled({name: round(100 * demand / shares[name])})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Runner, dict[str, float]]:
    """A campaign, where its runs are kept, and how full each program is in it."""
    directory = tmp_path_factory.mktemp("culprit")
    (directory / "trials").mkdir()
    ours, runner = base(directory), Runner(directory, 2)
    (first,) = runner.run([Trial(ours, (), 0)])
    shares = {one["name"]: one["mean"] for one in first.summary["components"]}
    return ours, runner, shares


def test_planted_bottlenecks_are_named(runs: tuple[Base, Runner, dict[str, float]]) -> None:
    ours, runner, shares = runs
    plants = [planted(seed, shares) for seed in range(SEEDS)]
    trials = [Trial(ours, (), seed, costs) for seed, (_, costs) in enumerate(plants)]
    named = {one.trial.repetition: one.summary["components"][0] for one in runner.run(trials)}
    assert len({name for name, _ in plants}) == len(PROGRAMS)
    right = [named[seed]["name"] == name for seed, (name, _) in enumerate(plants)]
    assert sum(right) >= SEEDS - 1, [(plants[seed][0], named[seed]) for seed in range(SEEDS)]
    assert all(named[seed]["busiest"] > 0.7 for seed, ok in enumerate(right) if ok)


def test_relieving_the_culprit_confirms_it(
    runs: tuple[Base, Runner, dict[str, float]],
) -> None:
    ours, runner, shares = runs
    name, costs = planted(0, shares)
    told: list[str] = []
    found = find_culprit(ours, costs, 1, runner, told.append)
    assert (found.name, found.near, found.confirmed) == (name, True, True), told
    assert found.text().startswith(f"Limited by {name} at ")
    assert "next would be" in found.text() and "Confirmed by" in found.text()
    first, second = found.reliefs
    assert first.gain is not None and second.gain is not None
    assert first.gain > 0.1 and first.gain > second.gain


def test_the_command_writes_a_page_and_says_when_nothing_is_near_its_limit(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "small.yaml", small())
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["culprit", str(file), "--virtual", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Nothing is near its limit; fullest is" in result.output
    (directory,) = out.glob("culprit-small-*")
    assert json.loads((directory / "culprit.json").read_text())["simulated"] is True
    assert "Utilisation, busiest 5 s (simulated)" in (directory / "index.html").read_text()


def test_real_components_are_relieved_by_their_knobs(tmp_path: Path) -> None:
    doc = small(cluster={"nodes": 4, "storeShards": 3})
    real = Base(doc, "test", tmp_path, "real")
    how, knobs, costs = relief_of(real, DEFAULT, "store-1")
    assert (how, knobs) == ("storeShards 3 -> 6", (("cluster.storeShards", 6),))
    assert costs == DEFAULT
    assert Trial(real, knobs, 0).campaign().cluster.store_shards == 6
    assert relief_of(real, DEFAULT, "apiserver-0")[0] == "apiServers 1 -> 2"
    for name in ("scheduler", "store-0/disk"):
        assert relief_of(real, DEFAULT, name)[0] == ""


def test_what_a_campaign_does_by_intent_is_halved(tmp_path: Path) -> None:
    faults = {
        "slow": [{"component": "store", "perOperation": "3ms"}],
        "network": {"bandwidth": 1000, "between": ["apiserver-0", "store-1"]},
    }
    watching = {"scenario": "watchers", "readRate": 500}
    phases = [{"name": "all", "duration": "2s", "load": [*LOAD, watching]}]
    document = small(faults=faults, phases=phases, cluster={"nodes": 4})
    real = Base(document, "test", tmp_path, "real")

    def relieved(name: str) -> tuple[str, list[int]]:
        how, knobs, _ = relief_of(real, DEFAULT, name)
        campaign = Trial(real, knobs, 0).campaign()
        reader = campaign.phases[0].load[-1]
        assert isinstance(reader, WatchLoad)
        held_ns = campaign.faults.slow[0].per_operation_ns
        return how, [held_ns, campaign.faults.network.bandwidth_bytes_s, reader.read_bytes_s]

    ms = 1_000_000
    assert relieved("store-1") == (
        "store-1 held for 3 -> 1.5 ms an operation", [3 * ms // 2, 1000, 500],
    )  # fmt: skip
    assert relieved("apiserver-0>store-1/link") == (
        "bandwidth 1000 -> 2000 bytes/s", [3 * ms, 2000, 500],
    )  # fmt: skip
    assert relieved("apiserver-0/watchers") == (
        "readRate 500 -> 1000 bytes/s", [3 * ms, 1000, 1000],
    )  # fmt: skip
    assert relief_of(real, DEFAULT, "store-1/disk")[0] == ""


ALIKE = {"scenario": "pods", "rate": 20}
UNLIKE = {"scenario": "pods", "arrivals": "trace", "trace": "unlike.csv"}
"""20 a second, each of a shape that nobody has scored yet: for others no partition is asked."""


@pytest.mark.parametrize(
    ("name", "load"), [("store-0", ALIKE), ("scheduler", ALIKE), ("partition-0", UNLIKE)]
)
def test_who_is_held_in_virtual_time_is_named_and_relieved_of_that(
    name: str, load: JsonObject, tmp_path: Path
) -> None:
    rows = [f"{number / 20},{10 + number},64\n" for number in range(80)]
    (tmp_path / "unlike.csv").write_text("created_s,cpu_milli,memory_mib\n" + "".join(rows))
    (tmp_path / "trials").mkdir()
    held = {"component": name, "perOperation": "40ms", "at": "1s", "for": "3s"}
    phases = [{"name": "all", "duration": "4s", "load": [load]}]
    cluster = {"nodes": 4, "storeShards": 1, "hollowActors": 1, "schedulerPartitions": 2}
    document = small(faults={"slow": [held]}, phases=phases, cluster=cluster)
    virtual = Base(document, "test", tmp_path, "virtual")
    how, knobs, costs = relief_of(virtual, DEFAULT, name)
    assert (how, costs) == (f"{name} held for 40 -> 20 ms an operation", DEFAULT)
    runner = Runner(tmp_path, 1)
    first, relieved = runner.run([Trial(virtual, (), 0), Trial(virtual, knobs, 0)])
    for run in (first, relieved):
        assert run.outcome == "complete", run.error
        assert run.summary["components"][0]["name"] == name
    # Three of four seconds, and nothing that was not told.
    assert 0.5 < first.summary["components"][0]["mean"] <= 0.8
    assert waiting_of([relieved]) < waiting_of([first])


def gauges(directory: Path, rows: list[JsonObject]) -> None:
    with gzip.open(directory / "gauges.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def usage(cores: list[float]) -> RoleUsage:
    times = np.arange(1.0, len(cores) + 1)
    data = np.array(cores, np.float64)
    return RoleUsage(times, data, data, float(data.sum()), float(len(cores)))


def test_the_busiest_five_seconds_decide_and_queues_come_from_gauges(tmp_path: Path) -> None:
    rows = []
    for second in range(11):
        scheduler = {"queue_active": second}
        controllers = {"a_queue": 2, "b_queue": second}
        store = {"disk_busy_s": 0.8 * second}
        named = {"scheduler": scheduler, "controllers-0": controllers, "store-0": store}
        rows.append({"t_s": float(second), "gauges": named})
    gauges(tmp_path, rows)
    burst = [0.1] * 5 + [0.9] * 5
    steady = [0.5] * 10
    all_usage = {"scheduler": usage(burst), "controllers-0": usage(steady), "ray": usage(burst)}
    found = components_of(tmp_path, all_usage, 10.0)
    assert [(one.name, one.busiest) for one in found] == [
        ("scheduler", 0.9), ("store-0/disk", 0.8), ("controllers-0", 0.5),
    ]  # fmt: skip
    assert found[0].mean == 0.5
    assert (found[0].queue_mean, found[0].queue_max) == (5.0, 10.0)
    assert (found[2].queue_mean, found[2].queue_max) == (7.0, 12.0)
    assert found[1].queue_mean is None
    text = busiest_text(found)
    assert text == (
        "Limited by scheduler at 90% utilisation (mean queue 5), next would be store-0/disk at 80%."
    )
    idle, full = (Component("x", share, share, None, None) for share in (0.1, 0.9))
    assert busiest_text([idle]).startswith("Nothing is near")
    assert busiest_text([idle], 0.5).startswith("Nothing is near")
    text = "Limited by the machine's cores, awaited in 97% of the load; fullest is x at 10%"
    assert busiest_text([idle], 0.97).startswith(text)
    assert busiest_text([full], 0.97).startswith("Limited by x at 90%")


def test_what_is_held_back_a_narrow_way_and_a_slow_reader_are_components(tmp_path: Path) -> None:
    rows = []
    for second in range(11):
        scheduler = {"queue_active": 1, "held_s_total": 0.6 * second, "held_operations": 4.0}
        server = {
            "requests_in_flight": 0,
            "link there store-0 busy_s": 0.2 * second,
            "link there store-0 kib": 3.0,
            "link back store-0 busy_s": 0.9 * second,
            "link back store-0 kib": 7.0,
            "watches_behind": second % 2,
            "watches_behind_kib": 10.0 * (second % 2),
        }
        named = {"scheduler": scheduler, "apiserver-0": server}
        rows.append({"t_s": float(second), "gauges": named})
    gauges(tmp_path, rows)
    found = components_of(
        tmp_path, {"scheduler": usage([0.25] * 10), "apiserver-0": usage([0.1] * 10)}, 10.0
    )
    assert [(one.name, one.busiest, one.mean, one.queue_mean) for one in found] == [
        ("store-0>apiserver-0/link", 0.9, 0.9, 7.0),
        ("scheduler", 0.85, 0.85, 5.0),
        ("apiserver-0/watchers", 0.6, 0.4545, 4.545),
        ("apiserver-0>store-0/link", 0.2, 0.2, 3.0),
        ("apiserver-0", 0.1, 0.1, 0.0),
    ]


def test_the_kernel_says_how_long_cores_were_awaited(tmp_path: Path) -> None:
    """The format is that of the kernel's documentation; older kernels have no such file."""
    place = tmp_path / "cpu"
    assert cores_awaited_us(place) is None
    place.write_text(
        "some avg10=1.53 avg60=0.87 avg300=0.73 total=62926\nfull avg10=0.00 total=9\n"
    )
    assert cores_awaited_us(place) == 62926


def test_littles_law_sets_samples_beside_latencies(tmp_path: Path) -> None:
    """Ten requests a second for ten seconds, each of half a second: five under way."""
    rows = [[float(second), *([0] * 7), 5 if second else 0, 0, 0] for second in range(11)]
    write_rows(tmp_path / "series.csv", SERIES_COLUMNS, rows)
    intended = np.arange(100) / 10
    latency = np.full(100, 0.5)
    words = np.full(100, "get")
    requests = Requests(intended, latency, intended + latency, np.full(100, 200), words, words)
    balance = balance_of(tmp_path, requests, 10.0)
    assert balance is not None
    assert balance.from_latency == pytest.approx(5.0, rel=0.05)
    assert balance.sampled == pytest.approx(50 / 11)
    assert balance.apart < 0.1
    slower = Requests(intended, 4 * latency, intended, np.full(100, 200), words, words)
    lost = balance_of(tmp_path, slower, 10.0)
    assert lost is not None and lost.apart > 0.6
