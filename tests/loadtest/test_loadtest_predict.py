"""Prediction beside measurement: a virtual run stands for the real one, so the truth is known."""

import json
from pathlib import Path

import pytest

from loadtest.bundle import RunState, write_json
from loadtest.campaign import read_campaign
from loadtest.cli.predict import predictor
from loadtest.cli.verdict import BadInput
from loadtest.compiled import compile_campaign
from loadtest.experiments.predict import Figure, figures_of, prediction_document
from loadtest.experiments.profile import profile_document
from loadtest.experiments.runner import Silent
from loadtest.report import render
from loadtest.virtual import VirtualCampaign
from sim.campaign.costs import DEFAULT, CostProfile
from sim.cost import Cost
from tests.loadtest.experiment_files import small, write


def bundle(file: Path, directory: Path) -> Path:
    compiled = compile_campaign(read_campaign(file), file.parent)
    directory.mkdir()
    VirtualCampaign(compiled, directory, RunState("x", "x"), Silent()).execute()
    return directory


def predicted(tmp_path: Path, costs: CostProfile, measured: dict) -> dict:
    load = [{"scenario": "pods", "rate": "60/s", "arrivals": "constant"}]
    phases = [{"name": "all", "duration": "1s", "load": load}]
    file = write(tmp_path / "small.yaml", small(phases=phases))
    directory = bundle(file, tmp_path / "bundle")
    profile = tmp_path / "profile.json"
    write_json(tmp_path, profile.name, profile_document(costs, measured))
    (tmp_path / "out" / "trials").mkdir(parents=True)
    predict = predictor(file, (), profile, tmp_path / "out")
    predict(directory, render(directory))
    render(directory)
    found: dict = json.loads((directory / "prediction.json").read_text())
    assert "Prediction beside measurement" in (directory / "report.html").read_text()
    return found


def test_the_same_costs_predict_without_error(tmp_path: Path) -> None:
    loads = [{"nodes": 1}]
    found = predicted(tmp_path, DEFAULT, {"campaign": "calibrate", "loads": loads})
    assert {figure["error_share"] for figure in found["figures"]} == {0.0}
    assert found["median_error_share"] == {"all": 0.0, "cpu": 0.0, "other": 0.0}
    assert (found["calibrated_by"], found["calibrated_loads"]) == ("calibrate", loads)
    names = {figure["name"] for figure in found["figures"]}
    assert {"CPU of apiserver, s", "Mutating calls, p99, s", "Pod start, p99, s"} <= names


def test_other_costs_show_in_the_error(tmp_path: Path) -> None:
    roles = tuple((role, Cost(2 * c.step_ns, 2 * c.item_ns)) for role, c in DEFAULT.roles)
    found = predicted(tmp_path, CostProfile(roles), {})
    errors = {figure["name"]: figure["error_share"] for figure in found["figures"]}
    # Slower programs find more waiting at each step, so their CPU is not quite twice as much.
    assert errors["CPU of apiserver, s"] == pytest.approx(1.0, abs=0.3)
    assert found["median_error_share"]["cpu"] > 0.5
    assert found["calibrated_by"] == "nobody: a profile written by hand"


def summary(cpu_s: dict[str, float], start_s: float) -> dict:
    nothing = {"latency_s": {}, "watch_delivery_s": None, "scheduling_s": None, "requests": 0}
    start = {"p50": start_s, "p99": start_s}
    return {
        **nothing,
        "cpu_s": cpu_s,
        "pod_start_s": start,
        "pods": {"created": 1, "bound_per_s_best_5s": 0.0},
        "boot_s": 3.0,
    }


def test_idle_cores_are_added_and_what_is_too_small_is_left_out() -> None:
    real = summary({"store-0": 1.0, "store-1": 1.0, "scheduler": 0.01, "ray": 5.0}, 0.1)
    other = summary({"store-0": 0.5, "store-1": 0.5, "scheduler": 0.3}, 0.08)
    profile = {"idle_cores": {"store": 0.06}, "added_s": {"pod_start_p50_s": 0.01, "boot_s": 9.0}}
    found = figures_of(real, other, profile, 10.0)
    assert found[0] == Figure("CPU of store, s", 2.0, 1.6)
    assert [figure.name for figure in found[1:]] == ["Pod start, p50, s", "Pod start, p99, s"]
    assert [figure.predicted for figure in found[1:]] == pytest.approx([0.09, 0.08])
    document = prediction_document(found, {}, True, "digest")
    assert document["median_error_share"]["all"] == pytest.approx(0.2)
    assert document["median_error_share"]["cpu"] == pytest.approx(0.2)
    assert prediction_document([], {}, True, "")["median_error_share"]["all"] is None


def test_what_cannot_be_predicted_is_said_before_the_run(tmp_path: Path) -> None:
    profile = write(tmp_path / "profile.yaml", {"kind": "CostProfile"})
    file = write(tmp_path / "small.yaml", small(faults={"kills": ["store-0"]}))
    with pytest.raises(BadInput, match=r"faults\.kills needs real time"):
        predictor(file, (), profile, tmp_path)
    with pytest.raises(BadInput, match="gone: no such file"):
        predictor(file, (), tmp_path / "gone", tmp_path)
