"""Cost profiles: what is fitted from points with a known truth, files, and runs that use them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.streams import Stream
from loadtest.bundle import write_json
from loadtest.cli import cli
from loadtest.experiments.calibrate import (
    CalibrationError,
    added_by_real_time,
    calibrate,
    calibrated,
    fit_role,
    fit_roles,
    measured_sync_ns,
)
from loadtest.experiments.profile import profile_document, read_profile
from loadtest.experiments.sweep import parse_sweep
from loadtest.experiments.trials import Finished, Trial
from loadtest.fields import CampaignError
from sim.campaign.costs import DEFAULT
from tests.loadtest.experiment_files import small, virtual, write

PRICED = (0.2, 0.5, 0.8, 1.1, 1.6)


def test_factor_and_idle_cores_are_recovered_from_noisy_points() -> None:
    for seed in range(20):
        stream = Stream(seed, "points")
        noise = [1 + 0.04 * (2 * stream.fraction() - 1) for _ in PRICED]
        points = [(x, (0.3 + 2.5 * x) * n) for x, n in zip(PRICED, noise, strict=True)]
        fit = fit_role("store", points, 10.0)
        assert fit.factor == pytest.approx(2.5, rel=0.12)
        assert fit.idle_cores == pytest.approx(0.03, abs=0.012)
        assert fit.error_share is not None and fit.error_share < 0.1


def test_a_line_never_goes_below_nothing_and_errors_need_three_points() -> None:
    falling = fit_role("store", [(1.0, 2.0), (2.0, 1.0)], 10.0)
    assert falling.idle_cores == 0.0 and falling.factor > 0
    assert falling.error_share is None
    bent = fit_role("store", [(x, x * x) for x in PRICED], 10.0)
    assert bent.error_share is not None and bent.error_share > 0.2


def finished(cpu_s: dict[str, float], directory: Path) -> Finished:
    trial = Trial(virtual(small(), directory), (), 0)
    return Finished(trial, "key", directory, "complete", {"cpu_s": cpu_s})


def test_programs_of_a_kind_are_added_and_the_rest_keeps_its_costs(tmp_path: Path) -> None:
    pairs = [
        (
            finished({"store-0": 2 * x, "store-1": x, "ray": 9.0}, tmp_path),
            finished({"store-0": x, "store-1": x / 2}, tmp_path),
        )
        for x in PRICED
    ]
    (fit,) = fit_roles(pairs, 10.0)
    assert (fit.role, fit.factor) == ("store", pytest.approx(2.0))
    costs = calibrated([fit], 1_000_000)
    assert costs.of("store-3").item_ns == 2 * DEFAULT.of("store-3").item_ns
    assert costs.of("scheduler") == DEFAULT.of("scheduler")
    assert costs.sync_of("store-0", "fsync") == 1_000_000


def test_what_real_time_adds_to_a_latency_is_the_median_over_runs(tmp_path: Path) -> None:
    def one(start_s: float) -> Finished:
        quantiles = {"p50": start_s, "p99": 2 * start_s}
        summary = {"cpu_s": {}, "latency_s": {}, "boot_s": 9.0, "requests": 0, "failed": 0}
        nothing = {"scheduling_s": None, "watch_delivery_s": None, "pods": {"created": 0}}
        found = {**summary, **nothing, "pod_start_s": quantiles}
        return Finished(
            Trial(virtual(small(), tmp_path), (), 0), "key", tmp_path, "complete", found
        )

    pairs = [(one(0.01 + more), one(0.002)) for more in (0.0, 0.004, 0.9)]
    added = added_by_real_time(pairs)
    assert added == pytest.approx({"pod_start_p50_s": 0.012, "pod_start_p99_s": 0.024})


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    costs = DEFAULT.scaled({"store-0": 300, "store-1/disk": 50})
    write_json(tmp_path, "profile.json", profile_document(costs, {"runs": 3}))
    assert read_profile(tmp_path / "profile.json") == costs
    assert read_profile(None) == DEFAULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: CostProfil", "did you mean 'CostProfile'?"),
        ("{kind: CostProfile, roles: {stor: {}}}", "did you mean 'store'?"),
        ("{kind: CostProfile, roles: {store: {stepNs: -1}}}", "must be a whole number from 0"),
        ("{kind: CostProfile, scales: {stoer-0: 200}}", "did you mean 'store'?"),
        ("{kind: CostProfile, scales: {store-0: 0}}", "must be a whole number from 1"),
        ("{kind: CostProfile, syncNs: {fsnc: 3}}", "did you mean 'fsync'?"),
    ],
)
def test_bad_profiles_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError) as caught:
        read_profile(path)
    assert message in str(caught.value)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_virtual_run_takes_the_times_of_its_profile(tmp_path: Path) -> None:
    file = write(tmp_path / "small.yaml", small())
    slow = tmp_path / "slow.yaml"
    slow.write_text("{kind: CostProfile, scales: {store-0/disk: 10000}}")
    starts = []
    for more in ((), ("--profile", str(slow))):
        out = tmp_path / f"out{len(more)}"
        result = invoke("sim", str(file), "--out", str(out), *more)
        assert result.exit_code == 0, result.output
        (bundle,) = out.iterdir()
        summary = json.loads((bundle / "summary.json").read_text())
        starts.append(summary["pod_start_s"]["p50"])
    # A create waits for one sync of 20 ms instead of 0.2, a binding for another.
    assert starts[1] - starts[0] == pytest.approx(2 * 0.0198, rel=0.6)


def test_a_profile_is_of_no_use_in_real_time(tmp_path: Path) -> None:
    file = write(tmp_path / "small.yaml", small(sweep={"knobs": {"nodes": [1, 2]}}))
    result = invoke("sweep", str(file), "--profile", str(file), "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "--profile needs --virtual" in result.output


def test_syncs_are_measured_where_the_store_will_write(tmp_path: Path) -> None:
    assert measured_sync_ns(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_when_too_little_was_measured(tmp_path: Path) -> None:
    """Two virtual runs of one load stand for real ones: one load is no line."""
    (tmp_path / "trials").mkdir()
    doc = small(sweep={"knobs": {"nodes": [3]}})
    sweep = parse_sweep(virtual(doc, tmp_path))
    with pytest.raises(CalibrationError, match="fewer than two loads"):
        calibrate(sweep, tmp_path, 1, print)
