"""Schedules: the same seed gives the same arrivals, at the rates asked for."""

import itertools
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from api.streams import Stream
from loadtest.campaign import parse_campaign
from loadtest.compiled import compile_campaign, describe, parse_schedule, schedule_bytes
from loadtest.fields import SECOND_NS, CampaignError
from loadtest.schedule import (
    READ_AFTER_CREATE_NS,
    Arrival,
    arrival_times,
    compile_schedule,
    open_and_closed,
    trace_requests,
)
from loadtest.trace import TracePod, window
from loadtest.trace_file import parse_trace

HEADER = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
HEADER += "deletion_time,scheduled_time"


def schedule(loads: list[dict[str, Any]], seed: int = 1, trace: list[TracePod] | None = None):
    doc: dict[str, object] = {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "x"},
        "spec": {
            "seed": seed,
            "phases": [
                {"name": "a", "duration": "20s", "load": loads},
                {"name": "b", "duration": "10s"},
            ],
        },
    }
    return compile_schedule(parse_campaign(doc, "x"), {("t.csv", ()): trace or []})


MIX = [
    {"scenario": "pods", "rate": 10, "lifetime": "4s"},
    {"scenario": "deployments", "rate": 1, "scaleTo": 2, "deleteAfter": "6s"},
    {"scenario": "readers", "rate": 20},
    {"scenario": "watchers", "count": 3},
]


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    once, again = schedule(MIX), schedule(MIX)
    assert schedule_bytes(tuple(once)) == schedule_bytes(tuple(again))
    assert schedule_bytes(tuple(once)) != schedule_bytes(tuple(schedule(MIX, seed=2)))


def test_one_load_does_not_disturb_another() -> None:
    alone = [a for a in schedule(MIX[:1]) if a.scenario == "pods"]
    among = [a for a in schedule(MIX) if a.scenario == "pods"]
    assert alone == among


def test_a_schedule_survives_its_file() -> None:
    arrivals = schedule(MIX)
    assert parse_schedule(schedule_bytes(tuple(arrivals))) == arrivals


def test_constant_arrivals_are_evenly_spaced() -> None:
    times = list(arrival_times("constant", 4.0, 2 * SECOND_NS, Stream(1, "x")))
    assert times == [125_000_000 + i * 250_000_000 for i in range(8)]


def test_poisson_gaps_are_exponential() -> None:
    times = list(arrival_times("poisson", 100.0, 200 * SECOND_NS, Stream(1, "x")))
    gaps = [(b - a) / 1e7 for a, b in itertools.pairwise(times)]
    # Mean and standard deviation of an exponential are both 1; 20,000 draws: error 0.7 %.
    assert statistics.mean(gaps) == pytest.approx(1.0, abs=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1.0, abs=0.05)
    assert sum(gap > 2.302585 for gap in gaps) / len(gaps) == pytest.approx(0.1, abs=0.01)


def test_randomised_arrivals_come_one_in_each_slot() -> None:
    times = list(arrival_times("randomised", 10.0, 100 * SECOND_NS, Stream(1, "x")))
    assert [at_ns * 10 // SECOND_NS for at_ns in times] == list(range(1000))
    offsets = [at_ns % (SECOND_NS // 10) / (SECOND_NS / 10) for at_ns in times]
    assert statistics.mean(offsets) == pytest.approx(0.5, abs=0.03)
    assert statistics.stdev(offsets) == pytest.approx(12**-0.5, abs=0.02)


def test_stepped_arrivals_come_many_at_once_at_the_same_rate() -> None:
    times = list(arrival_times("stepped", 10.0, 10 * SECOND_NS, Stream(1, "x"), burst=30))
    assert Counter(times) == {0: 30, 3 * SECOND_NS: 30, 6 * SECOND_NS: 30, 9 * SECOND_NS: 10}
    load = {"scenario": "readers", "rate": "20/s", "arrivals": "stepped", "burst": 40}
    assert {arrival.at_ns for arrival in schedule([load])} == {
        place * SECOND_NS for place in range(0, 20, 2)
    }
    with pytest.raises(CampaignError, match="burst"):
        schedule([load | {"arrivals": "constant"}])


def phased(phase: dict[str, Any]) -> list[Arrival]:
    doc: dict[str, object] = {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "x"},
        "spec": {"phases": [{"name": "a", "duration": "20s"} | phase]},
    }
    return compile_schedule(parse_campaign(doc, "x"), {})


SHARED = [
    {"scenario": "pods", "arrivals": "shared", "weight": 3},
    {"scenario": "readers", "arrivals": "shared"},
    {"scenario": "deployments", "rate": 1, "arrivals": "constant"},
]


def test_loads_share_one_rate_by_weight() -> None:
    arrivals = phased({"load": SHARED, "shared": {"rate": "100/s", "arrivals": "constant"}})
    sharing = [a for a in arrivals if a.scenario != "deployments"]
    assert [a.at_ns for a in sharing] == [5_000_000 + i * 10_000_000 for i in range(2000)]
    counts = Counter(a.scenario for a in arrivals)
    # 2,000 draws of which 3/4 are expected: standard deviation 19.
    assert counts["pods"] == pytest.approx(1500, abs=80) and counts["deployments"] == 20
    poisson = phased({"load": SHARED, "shared": {"rate": "100/s"}})
    assert len(poisson) == pytest.approx(2020, abs=200)
    assert len({a.at_ns for a in poisson}) > 1900


CLOSED = {"scenario": "readers", "arrivals": "closed", "users": 3, "count": 10}


def test_a_closed_loop_is_what_each_user_sends_in_turn() -> None:
    pods = {"scenario": "pods", "arrivals": "closed", "users": 2, "count": 5}
    open_pods = {"scenario": "pods", "rate": 1, "arrivals": "constant"}
    arrivals = phased({"load": [pods, CLOSED, CLOSED, open_pods]})
    timed, lanes = open_and_closed(arrivals)
    assert sorted(len(lane) for lane in lanes.values()) == [2, 3, 3, 3, 3, 3, 4, 4]
    assert len(timed) == 20 + len(lanes)
    assert {arrivals[lane[0]].group for lane in lanes.values()} == {
        0, 1, 10_000, 10_001, 10_002, 20_000, 20_001, 20_002,
    }  # fmt: skip
    closed = [a for a in arrivals if a.until_ns]
    assert {(a.at_ns, a.until_ns) for a in closed} == {(0, 20 * SECOND_NS)}
    assert len({a.name for a in closed if a.verb == "create"}) == 5
    # Nobody knows when they are made, so nobody is sent to read them.
    made = {a.name for a in closed if a.verb == "create"}
    reading = phased({"load": [pods, {"scenario": "readers", "rate": 50}]})
    assert not made & {a.name for a in reading if a.verb == "get"}
    assert parse_schedule(schedule_bytes(tuple(arrivals))) == arrivals


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"load": SHARED}, "shared: is required by arrivals: shared"),
        ({"load": SHARED[2:], "shared": {"rate": 5}}, "no load has arrivals: shared"),
        ({"load": SHARED, "shared": {"rate": 5, "burst": 2}}, "unknown key"),
        ({"load": SHARED, "shared": {"rate": 1e6}}, "arrivals in the campaign so far"),
        ({"load": [SHARED[0] | {"rate": 5}], "shared": {"rate": 5}}, "rate: unknown key"),
        ({"load": [SHARED[0] | {"weight": 0}], "shared": {"rate": 5}}, "from 1 to 1000"),
        ({"load": [CLOSED | {"rate": 5}]}, "rate: unknown key"),
        ({"load": [CLOSED | {"users": 0}]}, "from 1 to 10000"),
        ({"load": [{"scenario": "pods", "arrivals": "closed"}]}, "count: is required"),
        ({"load": [CLOSED | {"scenario": "pods", "lifetime": "1s"}]}, "lifetime: unknown key"),
        ({"load": [CLOSED | {"scenario": "deployments"}]}, "unknown value 'closed'"),
    ],
)
def test_what_cannot_be_shared_or_closed(phase: dict[str, Any], message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        phased(phase)


def test_an_object_is_created_before_it_is_deleted_within_the_run() -> None:
    arrivals = schedule(MIX)
    assert [a.at_ns for a in arrivals] == sorted(a.at_ns for a in arrivals)
    assert all(a.at_ns < 30 * SECOND_NS for a in arrivals)
    created: dict[str, Arrival] = {}
    for arrival in arrivals:
        if arrival.verb == "create":
            created[arrival.name] = arrival
        elif arrival.verb in ("scale", "delete"):
            assert created[arrival.name].group == arrival.group
            assert created[arrival.name].namespace == arrival.namespace


def test_reads_aim_at_pods_that_should_exist() -> None:
    arrivals = schedule(MIX)
    born = {a.name: a.at_ns for a in arrivals if a.verb == "create"}
    died = {a.name: a.at_ns for a in arrivals if a.verb == "delete"}
    reads = [a for a in arrivals if a.verb == "get" and a.resource == "pods"]
    assert len(reads) > 200
    for read in reads:
        assert born[read.name] + READ_AFTER_CREATE_NS <= read.at_ns
        assert read.at_ns < died.get(read.name, 10**18)


def test_watches_end_with_their_phase() -> None:
    watches = [a for a in schedule(MIX) if a.verb == "watch"]
    ends = {a.at_ns // 1_000_000 + int(dict(a.value)["milliseconds"]) for a in watches}
    assert len(watches) == 3
    assert all(19_998 <= end <= 20_000 for end in ends)


def test_trace_times_are_compressed_and_deletions_kept_within_the_run() -> None:
    pods = parse_trace(
        [
            HEADER,
            "p0,1000,512,1,460,,LS,Running,90,200,90",
            "p1,1000,512,2,1000,,LS,Running,100,2600,100",
            "p2,1000,512,0,0,,LS,Running,2000,99999,2000",
            "p3,1000,512,0,0,,LS,Running,2200,,2200",
        ],
        "t.csv",
        {},
    )
    load = {
        "scenario": "pods",
        "arrivals": "trace",
        "trace": "t.csv",
        "traceStart": "100s",
        "compression": 100,
    }
    found = [(a.verb, a.name, a.at_ns) for a in schedule([load], trace=pods)]
    # p0 is before the window of 20 s x 100, p3 after it; p1 ends in the next phase, p2 never.
    assert found == [
        ("create", "p1-0-0", 0),
        ("create", "p2-0-0", 19 * SECOND_NS),
        ("delete", "p1-0-0", 25 * SECOND_NS),
    ]


def test_requests_of_gpu_pods() -> None:
    share = TracePod("p", 6000, 12288, 1, 460, 0, 0)
    assert dict(trace_requests(share)) == {
        "cpu": "6000m",
        "memory": "12288Mi",
        "alibaba.com/gpu-milli": "460",
    }
    whole = dict(trace_requests(share._replace(gpus=8, gpu_share_milli=1000)))
    assert whole["alibaba.com/gpu-milli"] == "8000"
    assert whole["alibaba.com/gpu-count"] == "8"
    assert len(trace_requests(share._replace(gpus=0))) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b"], "column 'created_s' is missing"),
        (["name,creation_time"], "column 'cpu_milli' is missing"),
        ([HEADER, "p0,x,512,1,460,,LS,Running,90,200,90"], "line 2 is not a pod"),
    ],
)
def test_bad_traces(lines: list[str], message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        parse_trace(lines, "t.csv", {})


def test_a_window_is_ordered_by_time_then_name() -> None:
    pods = [TracePod(name, 1, 1, 0, 0, 5, 9) for name in ("b", "a")]
    assert [timed.pod.name for timed in window(pods, 0, 10 * SECOND_NS, 1.0)] == ["a", "b"]


def test_the_number_of_nodes_comes_from_the_list_and_the_knob(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\na,1,1,0,\nb,1,1,0,\n")

    def plan(nodes: int):
        doc: dict[str, object] = {
            "apiVersion": "hollowfleet.dev/v1alpha1",
            "kind": "Campaign",
            "metadata": {"name": "x"},
            "spec": {
                "cluster": {"nodeList": "n.csv", "nodes": nodes},
                "phases": [{"name": "a", "duration": "1s"}],
            },
        }
        return compile_campaign(parse_campaign(doc, "x"), tmp_path)

    assert (plan(0).nodes, plan(0).cluster.nodes) == (2, ())
    assert plan(1).cluster.node_list_rows_max == 1
    assert plan(5).cluster.nodes[0].count == 3
    assert "5 nodes" in describe(plan(5))
