"""How full nodes are and how fragmented their GPUs, by hand and against the trace itself."""

import csv
from pathlib import Path

import numpy as np
import pytest

from loadtest.allocation import demand_of, waits
from loadtest.devices import Demand, Devices, Node
from loadtest.schedule import trace_requests
from loadtest.trace import TracePod
from tests.simcampaign.campaigns import document, simulated

ROOT = Path(__file__).resolve().parent.parent.parent
OPENB = ROOT / "examples" / "openb"


def gpus(count: int, share: int = 1000) -> Demand:
    return Demand(cpu_milli=1000, memory_mib=1024, gpus=count, share_milli=share)


def test_the_demand_of_a_trace_pod_is_what_the_trace_says() -> None:
    shared = TracePod("a", 6000, 12288, 1, 460, 0, 0)
    assert demand_of(dict(trace_requests(shared))) == Demand(6000, 12288, 1, 460)
    whole = TracePod("b", 500, 1, 8, 1000, 0, 0)
    assert demand_of(dict(trace_requests(whole))) == Demand(500, 1, 8, 1000)
    none = TracePod("c", 500, 1, 0, 0, 0, 0)
    assert demand_of(dict(trace_requests(none))) == Demand(500, 1, 0, 0)


def test_a_share_goes_to_the_fullest_gpu_with_room_and_whole_ones_to_free_gpus() -> None:
    devices = Devices([Node("n", 10_000, 10_240, 3)])
    first = devices.take(0, gpus(1, 300))
    assert devices.take(0, gpus(1, 600)).tolist() == [600, 0, 0]
    assert devices.take(0, gpus(1, 200)).tolist() == [0, 200, 0]
    assert devices.take(0, gpus(1)).tolist() == [0, 0, 1000]
    assert devices.gpu_milli.tolist() == [[100, 800, 0]]
    devices.give(0, gpus(1, 300), first)
    assert devices.gpu_milli.tolist() == [[400, 800, 0]]
    assert devices.cpu_milli.tolist() == [7_000]
    assert devices.split == 0


def test_a_pod_that_no_gpu_has_room_for_is_split() -> None:
    devices = Devices([Node("n", 10_000, 10_240, 2)])
    devices.take(0, gpus(1, 600))
    devices.take(0, gpus(1, 600))
    assert devices.take(0, gpus(1, 700)).tolist() == [400, 300]
    assert (devices.split, devices.gpu_milli.sum()) == (1, 100)


def test_fragmentation_by_hand() -> None:
    """Weng et al., section 3.1: nothing, a part, or all of a node's free GPUs is fragmented."""
    nodes = [
        Node("free", 8_000, 8_192, 2),
        Node("worn", 8_000, 8_192, 2),
        Node("none", 8_000, 1, 0),
    ]
    devices = Devices(nodes)
    devices.take(1, gpus(1, 700))
    devices.take(1, gpus(1, 400))
    assert devices.gpu_milli[1].tolist() == [300, 600]
    rows = [0, 1, 2]

    def of(task: Demand) -> list[float]:
        return devices.fragmented(rows, {task: 1.0}).tolist()

    assert of(gpus(1, 300)) == [0, 0, 0]
    # It fits on the GPU with 600; the 300 of the other one cannot be had.
    assert of(gpus(1, 500)) == [0, 300, 0]
    # Nothing fits: all 900 are fragments.
    assert of(gpus(1)) == [0, 900, 0]
    assert of(gpus(2)) == [0, 900, 0]
    assert of(Demand(9_000, 1, 1, 100)) == [2000, 900, 0]
    assert of(Demand(100, 9_000, 1, 100)) == [2000, 900, 0]
    # Who wants no GPU leaves all of them.
    assert of(Demand(100, 1, 0, 0)) == [2000, 900, 0]
    mix = {gpus(1, 500): 0.75, gpus(2): 0.25}
    assert devices.fragmented(rows, mix).tolist() == [0, 0.75 * 300 + 0.25 * 900, 0]


def test_waits_are_percentiles_of_what_was_bound() -> None:
    created = np.array([0.0, 1.0, 2.0, 3.0])
    found = waits(created, created + np.array([0.1, 0.2, 5.0, np.nan]))
    assert found["p50"] == pytest.approx(0.2)
    assert found["p99"] == found["p100"] == pytest.approx(5.0)
    assert waits(created, np.full(4, np.nan)) == {}


def test_a_slice_of_openb_fills_the_nodes_as_the_trace_says(tmp_path: Path) -> None:
    """Twelve hours of the busiest day on the last 60 nodes of the list."""
    start, hours = 3551 * 3600, 12
    lines = (OPENB / "openb_node_list_all_node.csv").read_text().splitlines()
    (tmp_path / "nodes.csv").write_text("\n".join([lines[0], *lines[-60:]]) + "\n")
    load = [
        {
            "scenario": "pods",
            "arrivals": "trace",
            "trace": str(OPENB / "openb_pod_list_default.csv"),
            "traceStart": "3551h",
        }
    ]
    cluster = {
        "nodeList": "nodes.csv",
        "heartbeats": False,
        "schedulerPartitions": 0,
        "storeShards": 1,
    }
    _, state, summary = simulated(document(cluster, load, hours * 3600), tmp_path)
    assert (state.outcome, state.error, state.nodes_ready) == ("complete", "", 60)
    pods = []
    with (OPENB / "openb_pod_list_default.csv").open() as file:
        for row in csv.DictReader(file):
            born, gone = int(row["creation_time"]) - start, int(row["deletion_time"]) - start
            if 0 <= born < hours * 3600:
                pods.append((born, gone, int(row["cpu_milli"]), int(row["num_gpu"]), row))
    assert len(summary.pods.created_s) == len(pods) > 100
    assert not np.isnan(summary.pods.bound_s).any()
    allocation = summary.allocation
    assert allocation is not None
    whole_gpus = sum(int(line.split(",")[3]) for line in lines[-60:])
    assert allocation.gpus == whole_gpus > 100
    whole_cpu = sum(int(line.split(",")[1]) for line in lines[-60:])
    seen = 0
    for at_s, share, free in zip(
        allocation.t_s, allocation.cpu_share, allocation.gpus_free, strict=True
    ):
        # Not where a pod came or went within the seconds around: what is bound lags a little.
        if any(abs(at_s - moment) < 20 for pod in pods for moment in pod[:2]):
            continue
        seen += 1
        there = [pod for pod in pods if pod[0] < at_s < pod[1]]
        assert share == pytest.approx(sum(pod[2] for pod in there) / whole_cpu, abs=1e-9)
        used = sum(pod[3] * int(pod[4]["gpu_milli"]) for pod in there) / 1000
        assert free == pytest.approx(whole_gpus - used)
    assert seen > 50
    assert (allocation.gpus_fragmented <= allocation.gpus_free + 1e-9).all()
