"""What may come in and makes no sense: the pod waits with a reason, the scheduler goes on."""

from typing import Literal

import numpy as np
import pytest

from api.core import JsonObject
from scheduler.configuration import Configuration
from scheduler.framework import Filter, Profile, Reason, Score, always
from scheduler.leader import SchedulerCore
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.partition import PartitionCore
from scheduler.pod_shape import Shape
from scheduler.profile import FILTERS, SCHEDULER_NAME, SCORES
from scheduler.queue import BACKOFF_FIRST_NS
from tests.scheduler.scheduler_fake_api import MS, FakeApi
from tests.scheduler.scheduler_objects import node, pod

SECOND = 1000 * MS
Where = Literal["applies", "filter", "row", "reasons", "score"]


class Broken(Exception):
    pass


class Trap:
    """A plugin that raises at one place when it is asked about pods that tolerate "trap"."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.armed = True

    def spring(self, shape: Shape, where: Where) -> None:
        caught = any(one.key == "trap" for one in shape.key.tolerations)
        if caught and self.armed and where == self.where:
            raise Broken("of no use\nat all")

    def profile(self) -> Profile:
        def applies(shape: Shape, _table: NodeTable) -> bool:
            self.spring(shape, "applies")
            return True

        def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
            self.spring(shape, "filter")
            refused = self.where == "reasons" and self.armed
            return np.full(len(table.alive[rows]), not refused)

        def passes_row(shape: Shape, _table: NodeTable, _row: int) -> bool:
            self.spring(shape, "row")
            return True

        def reasons(shape: Shape, _table: NodeTable, rows: IntArray) -> tuple[Reason, ...]:
            self.spring(shape, "reasons")
            everywhere = np.ones(len(rows), np.bool_)
            return (Reason("trapped", everywhere, everywhere),)

        def raw(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
            self.spring(shape, "score")
            return np.zeros(len(table.alive[rows]), np.int64)

        dynamic = self.where == "row"
        trap = Filter(
            "Trap", not dynamic, applies, passes, reasons, passes_row if dynamic else None
        )
        score = Score("Trap", 1, True, "as is", always, raw)
        return Profile(SCHEDULER_NAME, (*FILTERS, trap), (*SCORES, score))


def cluster_with(trap: Trap, partitions: int) -> FakeApi:
    profiles = {SCHEDULER_NAME: trap.profile()}
    core = SchedulerCore(1, partitions, Configuration(profiles))
    api = FakeApi(core, partitions)
    api.partitions = [PartitionCore(profiles) for _ in range(partitions)]
    for number in range(3):
        api.put_node(node(f"n{number}"))
    api.sync()
    api.run()
    return api


def trapped(name: str, cpu: str = "100m") -> JsonObject:
    return pod(name, cpu, tolerations=[{"key": "trap", "operator": "Exists"}])


@pytest.mark.parametrize("partitions", [0, 2])
@pytest.mark.parametrize("where", ["applies", "filter", "reasons", "score"])
def test_a_plugin_that_raises_costs_only_the_pod_it_was_asked_about(
    where: Where, partitions: int
) -> None:
    trap = Trap(where)
    api = cluster_with(trap, partitions)
    api.put_pod(trapped("p"))
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("p") == ""
    assert (where == "reasons") is (api.node_of("q") == "")
    (message,) = [text for reason, text in api.events if "running" in text]
    assert message == 'running "Trap" plugin: Broken: of no use at all'
    (condition,) = api.pods["p"]["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == ("SchedulerError", message)
    assert api.core.gauges()["plugin_errors"] == 1
    # It is tried again without any event, and placed as soon as the plugin is whole again.
    trap.armed = False
    api.put_node(node("n0", labels={"new": "yes"}))
    api.now_ns += BACKOFF_FIRST_NS
    api.run()
    assert api.node_of("p") and api.node_of("q")


def test_what_was_half_worked_out_is_forgotten() -> None:
    trap = Trap("row")
    trap.armed = False
    api = cluster_with(trap, 0)
    for number in range(2):
        # The second one is scored by looking at the row that the first one changed.
        api.put_pod(trapped(f"p{number}", "1"))
        api.run()
        trap.armed = True
    assert [api.node_of("p0") != "", api.node_of("p1")] == [True, ""]
    trap.armed = False
    api.now_ns += BACKOFF_FIRST_NS
    api.run()
    assert api.node_of("p1") not in ("", api.node_of("p0"))
    api.core.check()


def test_pods_that_were_taken_away_for_a_trial_are_back_when_a_plugin_raises_in_it() -> None:
    trap = Trap("row")
    trap.armed = False
    api = cluster_with(trap, 0)
    for number in range(3):
        api.put_pod(pod(f"low{number}", "3"))
    api.run()
    free = api.core.table.free.copy()
    high = trapped("high", "3")
    high["spec"]["priority"] = 10
    trap.armed = True
    api.put_pod(high)
    api.run()
    assert api.node_of("high") == "" and "Broken" in api.events[-1][1]
    assert (api.core.table.free == free).all()
    api.core.check()


def small_cluster(**fields: object) -> FakeApi:
    api = FakeApi(SchedulerCore(1))
    api.put_node(node("n1", **fields))  # type: ignore[arg-type]
    api.sync()
    api.run()
    return api


SPREAD = {
    "maxSkew": 1,
    "topologyKey": "no/such-label",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "a"}},
}
NEIGHBOUR = {"topologyKey": "no/such-label", "labelSelector": {"matchLabels": {"app": "a"}}}
BESIDE = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [NEIGHBOUR]}}
BAD_PODS: dict[str, tuple[JsonObject, str]] = {
    "impossible": (pod("p", cpu="5"), "0/1 nodes are available: 1 Insufficient cpu."),
    "absurd": (pod("p", cpu="9e299"), "0/1 nodes are available: 1 Insufficient cpu."),
    "negative": (pod("p", cpu="-1"), "the pod asks for less than no cpu"),
    "negative device": (
        pod("p", extended={"example.com/gpu": "-2"}),
        "the pod asks for less than no example.com/gpu",
    ),
    "no number": (pod("p", cpu="NaN"), "the pod's requests cannot be read: quantities must match"),
    "no device": (
        pod("p", extended={"example.com/gpu": "1"}),
        "0/1 nodes are available: 1 Insufficient example.com/gpu.",
    ),
    "unknown topology key of spread": (
        pod("p", topologySpreadConstraints=[SPREAD]),
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints "
        "(missing required label).",
    ),
    "unknown topology key of affinity": (
        pod("p", affinity=BESIDE),
        "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    ),
    "unknown node": (
        pod("p", nodeSelector={"kubernetes.io/hostname": "nowhere"}),
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ),
}


@pytest.mark.parametrize("case", BAD_PODS)
def test_a_pod_that_makes_no_sense_waits_with_a_reason_and_others_go_on(case: str) -> None:
    bad, reason = BAD_PODS[case]
    api = small_cluster()
    api.put_pod(bad)
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("p") == "" and api.node_of("q") == "n1"
    failed = [message for event, message in api.events if event == "FailedScheduling"]
    assert len(failed) == 1 and failed[0].startswith(reason), failed
    (condition,) = api.pods["p"]["status"]["conditions"]
    assert condition["message"] == failed[0] and condition["reason"] == "Unschedulable"


def test_a_placed_pod_with_negative_requests_makes_no_room() -> None:
    api = small_cluster(cpu="1")
    api.put_pod(pod("p", cpu="-8", nodeName="n1"))
    api.put_pod(pod("q", cpu="2"))
    api.run()
    assert api.node_of("q") == ""


@pytest.mark.parametrize("amount", ["-4", "lots", "9e299", ""])
def test_a_node_whose_amounts_make_no_sense_takes_nothing_it_cannot_hold(amount: str) -> None:
    api = small_cluster(cpu=amount)
    api.put_pod(pod("p"))
    api.run()
    assert (api.node_of("p") == "n1") is (amount == "9e299")
    api.put_node(node("n2"))
    api.now_ns += BACKOFF_FIRST_NS
    api.run()
    assert api.node_of("p") != ""


def test_pods_that_wait_for_each_other_wait() -> None:
    """Gates that nobody lifts, and two pods that each want to be where the other one is."""
    api = small_cluster()

    def wants(name: str, other: str) -> JsonObject:
        term = {"topologyKey": "kubernetes.io/hostname"}
        term |= {"labelSelector": {"matchLabels": {"app": other}}}  # type: ignore[dict-item]
        rule = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        item = pod(name, affinity=rule)
        item["metadata"]["labels"] = {"app": name}
        return item

    for name, other in (("p", "q"), ("q", "p")):
        api.put_pod(wants(name, other))
        api.put_pod(pod(f"gated-{name}", schedulingGates=[{"name": f"example.com/{other}"}]))
    api.run()
    assert [name for name in api.pods if api.node_of(name)] == []
    assert [event for event, _ in api.events] == ["FailedScheduling"] * 2
    assert api.core.queue.lengths()["gated"] == 2
    api.put_pod(pod("r"))
    api.run()
    assert api.node_of("r") == "n1"


def test_a_node_that_flaps_a_thousand_times_a_second() -> None:
    api = small_cluster(pods=0)
    for number in range(20):
        api.put_pod(pod(f"p{number}"))
    api.run()
    tried = api.core.failed
    for _ in range(1000):
        api.put_node(node("flapping"))
        api.delete_node("flapping")
        api.run()
    # Each pod was tried again when its back-off was over, not each time the node came.
    assert api.core.failed - tried <= 20 * 2
    assert api.core.table.rows == 2 and api.core.table.count == 1
    api.put_node(node("flapping"))
    api.now_ns += 10 * SECOND
    api.run()
    assert all(api.node_of(name) == "flapping" for name in api.pods)
