"""Verdicts and stamps: arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from loadtest.campaign import Slos
from loadtest.measure import (
    Pods,
    busiest_window,
    deleted_before_running,
    never_started,
    per_second,
    quantiles,
)
from loadtest.slo import GeneratorFacts, Measurements, Quantiles, judge, stamp
from loadtest.summary import best_window

SLOS = Slos(1_000_000_000, 1_000_000_000, 30_000_000_000, 5_000_000_000, 0, 0.01)
GOOD = GeneratorFacts(0.002, 0.01, 0, 0.4, 100, 100)


def spread(p99: float, count: int = 100) -> Quantiles:
    return Quantiles(count, p99 / 4, p99 / 2, p99, p99 * 2)


def measurements() -> Measurements:
    return Measurements(
        latency={
            ("create", "pods", "resource"): spread(0.5),
            ("delete", "pods", "resource"): spread(1.0),
            ("get", "pods", "resource"): spread(1.001),
            ("list", "pods", "cluster"): spread(29.0),
        },
        pod_start=spread(4.9),
        pods_never_started=0,
        pods_deleted_first=0,
        watch_delivery=spread(0.02),
        requests=1000,
        failed=10,
    )


def results(data: Measurements, slos: Slos = SLOS) -> dict[str, str]:
    return {verdict.sli.split(" ")[0]: verdict.result for verdict in judge(slos, data)}


def test_the_slowest_pair_decides_and_the_threshold_itself_passes() -> None:
    assert results(measurements()) == {
        "Mutating": "PASS",
        "GET": "FAIL",
        "LIST": "PASS",
        "Pod": "PASS",
        "Watch": "INFO",
        "Failed": "PASS",
    }
    mutating = judge(SLOS, measurements())[0]
    assert (mutating.measured, mutating.worst, mutating.count) == (1.0, "delete pods", 200)


def test_no_data_is_no_pass() -> None:
    empty = Measurements({}, None, 0, 0, None, 0, 0)
    assert set(results(empty).values()) == {"NO DATA"}


def test_pods_that_never_started_fail_the_pod_start_slo() -> None:
    assert results(replace(measurements(), pods_never_started=1))["Pod"] == "PASS"
    assert results(replace(measurements(), pods_never_started=2))["Pod"] == "FAIL"


def test_failed_requests() -> None:
    assert results(replace(measurements(), failed=11))["Failed"] == "FAIL"


def test_a_threshold_makes_watch_delivery_an_slo() -> None:
    assert results(measurements(), replace(SLOS, watch_delivery_ns=10_000_000))["Watch"] == "FAIL"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(GOOD, overflow=1, sent=99), "1 of 100 requests were not sent"),
        (replace(GOOD, lateness_p99_s=0.2), "p99 lateness 200 ms"),
        (replace(GOOD, cpu_cores_max=0.96), "used 0.96 cores"),
        (replace(GOOD, sent=90), "10 scheduled requests were never attempted"),
    ],
)
def test_a_limited_generator_makes_the_run_invalid(facts: GeneratorFacts, reason: str) -> None:
    assert stamp("complete", [GOOD], 0.1, []) == ("VALID", [])
    word, reasons = stamp("complete", [GOOD, facts], 0.1, [])
    assert word == "INVALID"
    assert reasons[0].startswith("generator 1") and reason in reasons[0]


def test_interrupted_is_partial_and_failures_are_reasons() -> None:
    assert stamp("interrupted", [GOOD], 0.1, []) == ("PARTIAL", ["the run was interrupted"])
    assert stamp("failed", [GOOD], 0.1, []) == ("PARTIAL", ["the run failed"])
    assert stamp("complete", [GOOD], 0.1, ["store-0 died"]) == ("INVALID", ["store-0 died"])
    assert stamp("complete", [], 0.1, [])[0] == "INVALID"


def test_busiest_window() -> None:
    series = [{"t_s": float(t), "cpu_s": 0.1 * t} for t in range(1, 11)]
    assert busiest_window(series) == pytest.approx(0.1)
    series += [{"t_s": 10.0 + t, "cpu_s": 1.0 + 0.9 * t} for t in range(1, 8)]
    assert busiest_window(series) == pytest.approx(0.9)
    assert busiest_window([{"t_s": 2.0, "cpu_s": 1.0}]) == pytest.approx(0.5)
    assert busiest_window([]) == 0.0


def test_quantiles_are_values_that_occurred() -> None:
    found = quantiles(np.array([np.nan, *range(1, 101)], np.float64))
    assert found == Quantiles(100, 50.0, 90.0, 99.0, 100.0)
    assert quantiles(np.array([np.nan])) is None


def test_pods_never_started() -> None:
    nan = np.nan
    pods = Pods(
        created_s=np.array([0.0, 0.0, 8.0, 0.0, 0.0]),
        bound_s=np.array([nan, 1.0, nan, nan, nan]),
        running_s=np.array([nan, 1.0, nan, nan, nan]),
        deleted_s=np.array([nan, nan, nan, 2.0, 9.0]),
        watch_delivery_s=np.full(5, nan),
    )
    # The first waited to the end, the last 9 s; the third is too young, the fourth was deleted.
    assert never_started(pods, 10.0) == 2
    assert deleted_before_running(pods) == 2


def test_pods_deleted_before_they_ran_are_told() -> None:
    verdict = judge(SLOS, replace(measurements(), pods_deleted_first=7))[3]
    assert (verdict.result, verdict.worst) == ("PASS", "7 deleted before Running")


def test_rates() -> None:
    assert list(per_second(np.array([0.1, 0.2, 2.5, np.nan]), 3.0)) == [2, 0, 1]
    assert best_window(np.array([0.0, 10, 10, 10, 10, 10, 0])) == 10.0
    assert best_window(np.array([])) == 0.0
