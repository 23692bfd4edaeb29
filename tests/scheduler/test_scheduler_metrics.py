"""What a Prometheus server reads of the scheduler: kube-scheduler's names, labels and buckets."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from api.calls import DELETED, ApiReply, CallsDone, ObjectsSeen
from scheduler.election import ElectedScheduler
from scheduler.gangs import LEAST_LABEL, NAME_LABEL, WAIT_NS
from scheduler.leader import SchedulerCore
from scheduler.metrics import metrics_text
from tests.scheduler.scheduler_fake_api import MS, FakeApi
from tests.scheduler.scheduler_objects import node, pod

SECOND = 1000 * MS
PROFILE = "default-scheduler"
BUCKETS = {
    "scheduler_scheduling_attempt_duration_seconds": (15, "0.001", "16.384"),
    "scheduler_scheduling_algorithm_duration_seconds": (15, "0.001", "16.384"),
    "scheduler_pod_scheduling_sli_duration_seconds": (20, "0.01", "5242.88"),
    "scheduler_pod_scheduling_attempts": (5, "1", "16"),
    "scheduler_preemption_victims": (7, "1", "64"),
    "scheduler_permit_wait_duration_seconds": (15, "0.001", "16.384"),
    "scheduler_framework_extension_point_duration_seconds": (12, "0.0001", "0.2048"),
    "scheduler_plugin_execution_duration_seconds": (20, "1e-05", "0.02216837820053101"),
}
"""Number without +Inf, first, last: the bounds that kube-scheduler's own page shows."""


def families(core: SchedulerCore) -> dict[str, list[Sample]]:
    text = metrics_text(ElectedScheduler(core, "s", first=True))
    return {one.name: list(one.samples) for one in text_string_to_metric_families(text)}


def value(samples: list[Sample], suffix: str = "", **labels: str) -> float:
    found = [s.value for s in samples if s.name.endswith(suffix) and s.labels == labels]
    assert len(found) == 1, (suffix, labels, samples)
    return found[0]


def cluster(nodes: int) -> FakeApi:
    core = SchedulerCore(1)
    api = FakeApi(core)
    for number in range(nodes):
        api.put_node(node(f"n{number}", cpu="2"))
    api.sync()
    api.run()
    return api


def test_attempts_durations_and_queues() -> None:
    api = cluster(1)
    core = api.core
    api.put_pod(pod("p", cpu="1"))
    api.put_pod(pod("large", cpu="3"))
    api.put_pod(pod("gated", schedulingGates=[{"name": "a/b"}]))
    api.now_ns += MS
    api.step()
    # The shell: the step took 6 ms, a third of it in filters.
    core.measures.end_step(6 * MS, {"Filter": 2 * MS})
    api.now_ns += 20 * MS
    api.answer_all()
    api.step()
    core.measures.end_step(MS, {})
    found = families(core)
    attempts = found["scheduler_schedule_attempts"]
    assert value(attempts, result="scheduled", profile=PROFILE) == 1
    assert value(attempts, result="unschedulable", profile=PROFILE) == 1
    duration = found["scheduler_scheduling_attempt_duration_seconds"]
    assert value(duration, "_sum", result="scheduled", profile=PROFILE) == 0.02
    assert value(duration, "_sum", result="unschedulable", profile=PROFILE) == 0.006
    below = {"result": "scheduled", "profile": PROFILE}
    assert value(duration, "_bucket", **below, le="0.016") == 0
    assert value(duration, "_bucket", **below, le="0.032") == 1
    algorithm = found["scheduler_scheduling_algorithm_duration_seconds"]
    assert (value(algorithm, "_count"), value(algorithm, "_sum")) == (2, 0.006)
    points = found["scheduler_framework_extension_point_duration_seconds"]
    ours = {"status": "Success", "profile": PROFILE}
    assert value(points, "_sum", extension_point="Filter", **ours) == 0.002
    assert value(points, "_sum", extension_point="Bind", **ours) == 0.02
    assert value(found["scheduler_pod_scheduling_sli_duration_seconds"], "_sum", attempts="1") > 0
    assert value(found["scheduler_pod_scheduling_attempts"], "_sum") == 1
    pending = found["scheduler_pending_pods"]
    assert [value(pending, queue=q) for q in ("active", "backoff", "unschedulable", "gated")] == [
        0, 0, 1, 1,
    ]  # fmt: skip
    incoming = found["scheduler_queue_incoming_pods"]
    assert value(incoming, queue="active", event="UnschedulablePodAdd") == 2
    assert value(incoming, queue="unschedulable", event="UnschedulablePodAdd") == 1
    assert value(incoming, queue="unschedulable", event="ScheduleAttemptFailure") == 1
    refused = found["scheduler_unschedulable_pods"]
    assert value(refused, plugin="NodeResourcesFit", profile=PROFILE) == 1
    assert value(found["scheduler_cache_size"], type="nodes") == 1


def test_the_second_attempt_of_a_pod_is_named_and_timed_from_the_first() -> None:
    api = cluster(0)
    api.put_pod(pod("p"))
    api.run()
    api.now_ns += 5 * SECOND
    api.put_node(node("late"))
    api.run()
    assert api.node_of("p") == "late"
    found = families(api.core)
    sli = found["scheduler_pod_scheduling_sli_duration_seconds"]
    assert 5 < value(sli, "_sum", attempts="2") < 5.1
    assert value(found["scheduler_pod_scheduling_attempts"], "_sum") == 2
    incoming = found["scheduler_queue_incoming_pods"]
    assert value(incoming, queue="active", event="NodeAdd") == 1
    assert found["scheduler_unschedulable_pods"] == []


def test_victims_are_counted() -> None:
    api = cluster(1)
    for number in range(2):
        api.put_pod(pod(f"low{number}", cpu="1"))
    api.run()
    high = pod("high", cpu="2")
    high["spec"]["priority"] = 10
    api.put_pod(high)
    api.run()
    found = families(api.core)
    assert value(found["scheduler_preemption_attempts"]) == 1
    assert value(found["scheduler_preemption_victims"], "_sum") == 2


def test_a_refused_binding_is_an_error_and_a_pod_that_went_meanwhile_is_none() -> None:
    api = cluster(1)
    api.put_pod(pod("p"))
    api.put_pod(pod("q"))
    api.step()
    (first, second) = api.requests
    api.requests = []
    gone = api.pods.pop("q")
    api.inbox += [
        ObjectsSeen("pods", [DELETED], [gone], [1]),
        CallsDone([ApiReply(first.id, 409, 0, b""), ApiReply(second.id, 201, 0, b"")]),
    ]
    api.step()
    found = families(api.core)
    attempts = found["scheduler_schedule_attempts"]
    assert value(attempts, result="error", profile=PROFILE) == 1
    assert api.core.gauges()["bindings_open"] == 0
    assert value(found["scheduler_cache_size"], type="pods") == 1


def test_every_histogram_has_kube_schedulers_buckets() -> None:
    core = SchedulerCore(1)
    for histogram in core.measures.histograms:
        histogram.observe(0.5, tuple("x" for _ in histogram.labels))
    found = families(core)
    for name, (count, first, last) in BUCKETS.items():
        bounds = [s.labels["le"] for s in found[name] if s.name == f"{name}_bucket"]
        assert (len(bounds), bounds[0], bounds[-2], bounds[-1]) == (count + 1, first, last, "+Inf")
    assert len(core.measures.histograms) == len(BUCKETS)
    # So many does docs/fidelity.md promise.
    assert len(found) == 16


@pytest.mark.parametrize(
    ("nodes", "result", "waited"), [(2, "Success", 4), (1, "Unschedulable", 60)]
)
def test_how_long_a_pod_of_a_gang_waits_for_the_others(
    nodes: int, result: str, waited: int
) -> None:
    api = cluster(1)
    for name in ("a", "b"):
        one = pod(name, cpu="1500m", schedulingGates=[{"name": "x/y"}] if name == "b" else [])
        one["metadata"]["labels"] = {NAME_LABEL: "g", LEAST_LABEL: "2"}
        api.put_pod(one)
    api.run()
    began_ns = api.now_ns
    api.now_ns += 4 * SECOND
    if nodes == 2:
        api.put_node(node("late", cpu="2"))
        api.put_pod({**api.pods["b"], "spec": {**api.pods["b"]["spec"], "schedulingGates": []}})
    else:
        api.now_ns = began_ns + WAIT_NS
    api.run()
    waits = families(api.core)["scheduler_permit_wait_duration_seconds"]
    assert value(waits, "_count", result=result) == 1
    assert waited - 0.1 < value(waits, "_sum", result=result) < waited + 0.1


def test_words_of_a_profile_are_escaped() -> None:
    core = SchedulerCore(1)
    core.measures.attempts['a"b\\c', "error"] = 1
    assert (
        value(families(core)["scheduler_schedule_attempts"], profile='a"b\\c', result="error") == 1
    )
