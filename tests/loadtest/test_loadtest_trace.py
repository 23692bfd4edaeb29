"""Traces: the schema, adapters, and what is played of them."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from api.streams import Stream
from loadtest.campaign import Campaign, parse_campaign
from loadtest.compiled import compile_campaign
from loadtest.fields import SECOND_NS, CampaignError
from loadtest.loads import PodLoad
from loadtest.trace import Replay, TracePod, replayed
from loadtest.trace_file import parse_trace

PLAIN = ["created_s,cpu_milli,memory_mib", "0,100,64", "1.5,250.4,64.2"]


def test_the_schema_without_any_adapter() -> None:
    first, second = parse_trace(PLAIN, "t.csv", {})
    assert first == TracePod("trace-1", 100, 64, 0, 1000, 0, 0)
    assert second == TracePod("trace-2", 250, 65, 0, 1000, 1.5, 0)
    lines = ["name,created_s,duration_s,cpu_milli,memory_mib,gpus,gpu_milli", "a,2,5,1,1,1,300"]
    assert parse_trace(lines, "t.csv", {}) == [TracePod("a", 1, 1, 1, 300, 2, 7)]


def test_an_adapter_names_columns_and_units() -> None:
    lines = ["job,submit_ms,run_ms,cores,mem_bytes", "x,1500,250,0.5,1073741824"]
    adapter = {
        "created_s": "submit_ms * 0.001",
        "duration_s": "run_ms*0.001",
        "cpu_milli": "cores * 1000",
        "memory_mib": "mem_bytes * 9.5367431640625e-07",
    }
    assert parse_trace(lines, "t.csv", adapter) == [
        TracePod("trace-1", 500, 1024, 0, 1000, 1.5, 1.75)
    ]


@pytest.mark.parametrize(
    ("lines", "adapter", "message"),
    [
        (["created_s,cpu_milli", "1,2"], {}, "column 'memory_mib' is missing"),
        (PLAIN, {"created_s": "when"}, "column 'when' is missing"),
        ([*PLAIN, "x,1,1"], {}, "line 4 is not a pod"),
        ([*PLAIN, "-1,1,1"], {}, "line 4 is not a pod: created_s is '-1'"),
        ([*PLAIN, "inf,1,1"], {}, "line 4 is not a pod: created_s is 'inf'"),
        ([*PLAIN, "1"], {}, "line 4 is not a pod: cpu_milli is missing"),
        ([*PLAIN, "1,,3"], {}, "line 4 is not a pod: cpu_milli is missing"),
        ([f"name,{PLAIN[0]}", "A_b,1,1,1"], {}, "'A_b' cannot be the name of a pod"),
    ],
)
def test_what_is_no_trace_is_named(lines: list[str], adapter: dict, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        parse_trace(lines, "t.csv", adapter)


def campaign(**load: Any) -> Campaign:
    item = {"scenario": "pods", "arrivals": "trace", "trace": "t.csv"} | load
    return parse_campaign(
        {
            "apiVersion": "hollowfleet.dev/v1alpha1",
            "kind": "Campaign",
            "metadata": {"name": "x"},
            "spec": {"phases": [{"name": "a", "duration": "10s", "load": [item]}]},
        },
        "x",
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"created": "when"}, "traceColumns.created: is no field of the schema.*'created_s'"),
        ({"created_s": "when * x"}, "must be COLUMN or COLUMN"),
        ({"created_s": "when", "cpu_milli": "cpu"}, "names no column for memory_mib"),
        ([], "must map fields to columns"),
    ],
)
def test_adapters_are_checked_before_the_file(columns: object, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        campaign(traceColumns=columns)


def test_one_file_may_be_read_in_two_ways(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("created_s,other,cpu_milli,memory_mib\n1,5,1,1\n")
    columns = {"created_s": "other", "cpu_milli": "cpu_milli", "memory_mib": "memory_mib"}
    for load, at_s in ((campaign(), 1), (campaign(traceColumns=columns), 5)):
        (arrival,) = compile_campaign(load, tmp_path).arrivals
        assert arrival.at_ns == at_s * SECOND_NS
    item = campaign(amplify=3, bootstrap="1s").phases[0].load[0]
    assert isinstance(item, PodLoad) and (item.amplify, item.bootstrap_ns) == (3, SECOND_NS)


POISSON = [
    TracePod(f"p{i}", 1, 1, 0, 1000, at_s, at_s + 7)
    for i, at_s in enumerate(
        itertools.accumulate(1 + (Stream(1, f"gap/{i}").below(3) == 0) for i in range(600))
    )
]


def play(**how: Any) -> list[tuple[int, int]]:
    replay = Replay(**({"start_ns": 0, "length_ns": 400 * SECOND_NS, "compression": 1.0} | how))
    return [(c, d) for _, c, d in replayed(POISSON, replay, Stream(7, "play"))]


@pytest.mark.parametrize("factor", [0.5, 1.5, 4.0])
def test_amplification_multiplies_arrivals_and_keeps_lives(factor: float) -> None:
    plain, more = play(), play(amplify=factor)
    assert len(more) == pytest.approx(factor * len(plain), rel=0.2)
    assert {deleted - created for created, deleted in more} == {7 * SECOND_NS}
    # What the trace has in any hundred seconds, the run has so many times.
    for begin in range(0, 400, 100):
        span = range(begin * SECOND_NS, (begin + 100) * SECOND_NS)
        counts = [sum(created in span for created, _ in one) for one in (plain, more)]
        assert counts[1] == pytest.approx(factor * counts[0], rel=0.35)


def test_a_bootstrap_is_as_long_as_the_run_and_another_for_each_seed() -> None:
    whole = play(bootstrap_ns=20 * SECOND_NS, length_ns=2000 * SECOND_NS)
    rate = len(POISSON) / POISSON[-1].created_s
    assert len(whole) == pytest.approx(2000 * rate, rel=0.1)
    assert [created for created, _ in whole] == sorted(created for created, _ in whole)
    assert {deleted - created for created, deleted in whole} == {7 * SECOND_NS}
    again = play(bootstrap_ns=20 * SECOND_NS, length_ns=2000 * SECOND_NS)
    assert again == whole
    how = Replay(0, 2000 * SECOND_NS, 1.0, bootstrap_ns=20 * SECOND_NS)
    other = [(c, d) for _, c, d in replayed(POISSON, how, Stream(8, "play"))]
    assert other != whole


def test_blocks_keep_the_distances_of_the_trace() -> None:
    gaps = {b - a for (a, _), (b, _) in itertools.pairwise(play())}
    drawn = play(bootstrap_ns=100 * SECOND_NS)
    found = [b - a for (a, _), (b, _) in itertools.pairwise(drawn)]
    # All but those over the seams.
    assert sum(gap in gaps for gap in found) >= len(found) - 4


def test_compression_goes_with_both() -> None:
    slow = play(amplify=2.0, bootstrap_ns=20 * SECOND_NS)
    fast = play(
        amplify=2.0, bootstrap_ns=20 * SECOND_NS, compression=10.0, length_ns=40 * SECOND_NS
    )
    assert [created // 10 for created, _ in slow] == pytest.approx([c for c, _ in fast], abs=1)


def test_names_stay_apart_and_plain_traces_keep_theirs(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},1,1" for i in range(9))
    (tmp_path / "t.csv").write_text(f"created_s,cpu_milli,memory_mib\n{rows}\n")
    plain = compile_campaign(campaign(), tmp_path).arrivals
    assert [arrival.name for arrival in plain[:2]] == ["trace-1-0-0", "trace-2-0-0"]
    more = compile_campaign(campaign(amplify=5, bootstrap="3s"), tmp_path).arrivals
    assert len({arrival.name for arrival in more}) == len(more) > 20


def test_too_much_of_a_trace_is_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 9},1,1" for i in range(90))
    (tmp_path / "t.csv").write_text(f"created_s,cpu_milli,memory_mib\n{rows}\n")
    with pytest.raises(CampaignError, match="makes 90000000 pods of the trace, of at most 5000000"):
        compile_campaign(campaign(amplify=1_000_000), tmp_path)
    with pytest.raises(CampaignError, match="makes 10000000 blocks"):
        compile_campaign(campaign(bootstrap="1us"), tmp_path)
