"""The kubelets of a few nodes, step by step, against answers written by hand."""

import numpy as np
import orjson
import pytest

from api.calls import (
    ADDED,
    DELETED,
    MODIFIED,
    ApiReply,
    ApiRequest,
    CallsDone,
    ObjectsSeen,
    WatchReset,
    WatchSynced,
)
from api.core import JsonObject
from hollow_node.core import HollowNodes
from hollow_node.fleet import BY_STATUS, QUANTUM_NS, SILENT, Heartbeats
from hollow_node.node_list import NodeListError, numbered, read_node_list
from hollow_node.node_rows import READY
from hollow_node.stages import Next, Stage, general_stages

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


BY_LEASE = Heartbeats()


class Server:
    """Answers requests of the core as an API server without other clients would."""

    def __init__(self, core: HollowNodes) -> None:
        self.core = core
        self.revision = 0
        self.log: list[ApiRequest] = []
        self.codes: dict[tuple[str, str], int] = {}
        """(verb, resource) -> code to answer with instead of success."""

    def answer(self, request: ApiRequest) -> ApiReply:
        self.log.append(request)
        self.revision += 1
        good = 201 if request.verb == "create" else 200
        code = self.codes.get((request.verb, request.resource), good)
        name = request.name or (
            request.body["metadata"]["name"] if isinstance(request.body, dict) else ""
        )
        body = {"metadata": {"name": name, "uid": f"uid-{name}"}} if code < 300 else {}
        return ApiReply(request.id, code, self.revision, orjson.dumps(body))

    def run(self, now_ns: int, *events: object) -> list[ApiRequest]:
        """Step until nothing more is asked for; the requests made, in order."""
        made: list[ApiRequest] = []
        effects = self.core.step(list(events), now_ns)  # type: ignore[arg-type]
        for _ in range(20):
            self.core.check()
            requests = [r for effect in effects for r in effect.requests]
            if not requests:
                return made
            made += requests
            effects = self.core.step([CallsDone([self.answer(r) for r in requests])], now_ns)
        raise AssertionError("the core never settles")


def fleet(
    count: int, stages: tuple[Stage, ...] | None = None, beats: Heartbeats = BY_LEASE
) -> Server:
    shapes = list(numbered(count, "n-", (("cpu", "4"), ("memory", "8Gi"), ("pods", "110")), ()))
    return Server(HollowNodes(shapes, stages or general_stages(), 1, beats))


def pod(uid: str, node: str, phase: str = "Pending", **meta: object) -> JsonObject:
    return {
        "metadata": {"name": uid, "namespace": "default", "uid": uid, **meta},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "nginx"}]},
        "status": {"phase": phase},
    }


def seen(kind: int, *pods: JsonObject) -> ObjectsSeen:
    return ObjectsSeen("pods", [kind] * len(pods), pods, [1] * len(pods))


def test_registration_is_node_then_lease_then_ready() -> None:
    server = fleet(2)
    made = server.run(T0)
    assert [(r.verb, r.resource, r.subresource) for r in made] == [
        ("create", "nodes", ""),
        ("create", "nodes", ""),
        ("create", "coordination.k8s.io/leases", ""),
        ("create", "coordination.k8s.io/leases", ""),
        ("patch", "nodes", "status"),
        ("patch", "nodes", "status"),
    ]
    lease = made[2].body
    assert isinstance(lease, dict)
    assert lease["metadata"]["ownerReferences"][0]["uid"] == "uid-n-0"
    ready = made[4].body
    assert isinstance(ready, dict)
    assert ready["status"]["conditions"][-1]["status"] == "True"
    assert server.core.gauges()["nodes_ready"] == 2


def test_each_lease_is_renewed_once_a_period_with_its_last_revision() -> None:
    server = fleet(500)
    server.run(T0)
    server.log.clear()
    now = T0
    last_ns: dict[str, int] = {}
    periods: list[int] = []
    while now < T0 + 30 * SECOND:
        wake = server.core.next_wakeup_ns()
        assert wake is not None
        now = max(wake, now)
        for request in server.run(now):
            if request.verb == "update":
                if request.name in last_ns:
                    periods.append(now - last_ns[request.name])
                last_ns[request.name] = now
    renewals: dict[str, list[int]] = {}
    for request in server.log:
        if request.resource == "coordination.k8s.io/leases":
            assert request.verb == "update"
            assert isinstance(request.body, bytes)
            revision = int(orjson.loads(request.body)["metadata"]["resourceVersion"])
            renewals.setdefault(request.name, []).append(revision)
    assert len(renewals) == 500
    assert all(2 <= len(r) <= 4 and r == sorted(set(r)) for r in renewals.values())
    # Source: component-helpers/apimachinery/lease/controller.go: a jitter of 0.04.
    assert 10 * SECOND - QUANTUM_NS <= min(periods) < 10.1 * SECOND
    assert 10.3 * SECOND < max(periods) <= 10.4 * SECOND + QUANTUM_NS


def test_a_node_without_leases_reports_its_status_exactly_once_a_period() -> None:
    server = fleet(50, beats=BY_STATUS)
    server.run(T0)
    now, reports = T0, []
    while now < T0 + 60 * SECOND:
        wake = server.core.next_wakeup_ns()
        assert wake is not None
        now = max(wake, now)
        made = server.run(now)
        assert {(r.verb, r.resource, r.subresource) for r in made} <= {("patch", "nodes", "status")}
        reports += [now] * len(made)
    for start in range(10, 50, 10):
        due = [t for t in reports if start * SECOND <= t - T0 < (start + 10) * SECOND]
        assert len(due) == 50


def test_wakeups_are_shared_by_the_nodes() -> None:
    server = fleet(500)
    server.run(T0)
    wakes, now = 0, T0
    while now < T0 + 20 * SECOND:
        wake = server.core.next_wakeup_ns()
        assert wake is not None and wake > now
        now = wake
        server.run(now)
        wakes += 1
    assert wakes <= 220, "more than eleven wake-ups a second for a quantum of a tenth"


def test_a_step_between_two_wakeups_sends_no_frame_of_its_own() -> None:
    server = fleet(500)
    server.run(T0)
    server.run(server.core.next_wakeup_ns() or 0)
    wake = server.core.next_wakeup_ns()
    assert wake is not None
    for now in range(wake - QUANTUM_NS // 2, wake, QUANTUM_NS // 10):
        assert not server.run(now), "what is not due yet waits for what is"
    assert len(server.run(wake)) > 1


def test_a_node_that_exists_is_taken_over_and_a_lost_lease_is_made_again() -> None:
    server = fleet(1)
    server.codes[("create", "nodes")] = 409
    made = server.run(T0)
    assert [r.verb for r in made] == ["create", "get", "create", "patch"]
    server.codes = {
        ("update", "coordination.k8s.io/leases"): 404,
        ("get", "coordination.k8s.io/leases"): 404,
    }
    made = server.run(T0 + 11 * SECOND)
    assert ("create", "coordination.k8s.io/leases") in [(r.verb, r.resource) for r in made]


def test_a_silent_node_that_finds_its_lease_renews_it_once() -> None:
    server = fleet(1, beats=SILENT)
    server.codes[("create", "coordination.k8s.io/leases")] = 409
    assert [r.verb for r in server.run(T0)] == ["create", "create", "get", "patch", "update"]
    assert server.core.next_wakeup_ns() is None


def test_a_lost_answer_is_tried_again_after_a_second() -> None:
    server = fleet(1)
    server.codes[("create", "nodes")] = 0
    assert len(server.run(T0)) == 1
    assert server.core.next_wakeup_ns() == T0 + SECOND
    server.codes.clear()
    assert [r.verb for r in server.run(T0 + SECOND)] == ["create", "create", "patch"]


def test_a_bound_pod_runs_and_a_deleted_one_goes() -> None:
    server = fleet(2)
    server.run(T0)
    made = server.run(T0, seen(ADDED, pod("a", "n-1"), pod("b", "elsewhere")))
    assert [(r.verb, r.name, r.subresource) for r in made] == [("patch", "a", "status")]
    status = made[0].body
    assert isinstance(status, dict)
    assert status["status"]["phase"] == "Running"
    assert status["status"]["podIP"] == "10.0.1.2"
    assert not server.run(T0, seen(MODIFIED, pod("a", "n-1", "Running")))
    assert server.core.life.pods["a"].pod is None, "a settled pod keeps no object"
    leaving = pod("a", "n-1", "Running", deletionTimestamp="2026-01-01T00:00:00Z")
    made = server.run(T0, seen(MODIFIED, leaving))
    assert [(r.verb, r.name) for r in made] == [("delete", "a")]
    assert made[0].body == {"gracePeriodSeconds": 0, "preconditions": {"uid": "a"}}
    server.run(T0, seen(DELETED, leaving))
    assert not server.core.life.pods


def test_a_stage_waits_for_its_delay() -> None:
    server = fleet(1, general_stages(delay_ms=500))
    server.run(T0)
    assert not server.run(T0, seen(ADDED, pod("a", "n-0")))
    assert server.core.next_wakeup_ns() == T0 + SECOND // 2
    assert len(server.run(T0 + SECOND // 2)) == 1


def test_a_failing_status_write_is_tried_again_with_growing_waits() -> None:
    server = fleet(1)
    server.run(T0)
    server.codes[("patch", "pods")] = 500
    assert len(server.run(T0, seen(ADDED, pod("a", "n-0")))) == 1
    waits, now = [], T0
    for _ in range(12):
        due = server.core.life.pods["a"].due_ns
        waits.append(due - now)
        now = due
        server.run(now)
    assert waits == [s * SECOND for s in (1, 2, 4, 8, *[16] * 8)], "it never gives up"


def test_a_relist_forgets_pods_that_are_gone() -> None:
    server = fleet(1)
    server.run(T0)
    server.run(T0, seen(ADDED, pod("a", "n-0"), pod("b", "n-0")))
    server.run(T0, WatchReset("pods"), seen(ADDED, pod("b", "n-0", "Running")), WatchSynced("pods"))
    assert list(server.core.life.pods) == ["b"]


def test_stages_are_taken_in_order_of_the_table() -> None:
    stages = (
        Stage("batch-ends", ("Running",), False, Next.SUCCEEDED, 100, labels=(("job", "yes"),)),
        *general_stages(),
    )
    server = fleet(1, stages)
    server.run(T0)
    server.run(T0, seen(ADDED, pod("a", "n-0", "Running", labels={"job": "yes"})))
    made = server.run(T0 + SECOND)
    assert isinstance(made[0].body, dict)
    assert made[0].body["status"]["phase"] == "Succeeded"


def test_the_same_seed_gives_the_same_requests() -> None:
    logs = []
    for _ in range(2):
        server = fleet(20)
        server.run(T0)
        for second in range(1, 30):
            server.run(T0 + second * SECOND)
        logs.append(server.log)
    assert logs[0] == logs[1]


def test_openb_rows_become_capacity_and_labels() -> None:
    text = "sn,cpu_milli,memory_mib,gpu,model\nn0,96000,786432,8,V100M32\nn1,31500,1023,0,\n"
    first, second = read_node_list(text)
    assert dict(first.capacity) == {
        "cpu": "96",
        "memory": "768Gi",
        "pods": "110",
        "alibaba.com/gpu-count": "8",
        "alibaba.com/gpu-milli": "8000",
    }
    assert first.labels == (("alibaba.com/gpu-model", "V100M32"),)
    assert dict(second.capacity) == {"cpu": "31500m", "memory": "1023Mi", "pods": "110"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sn,cpu_milli\nn0,1\n", "column 'memory_mib' is missing"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,many,1,0,\n", "row 2: cpu_milli is 'many'"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "no rows"),
    ],
)
def test_a_bad_node_list_is_one_clear_error(text: str, words: str) -> None:
    with pytest.raises(NodeListError, match=words):
        read_node_list(text)


def test_pod_addresses_of_one_node_differ() -> None:
    server = fleet(1)
    server.run(T0)
    server.run(T0, seen(ADDED, *(pod(f"p{i}", "n-0") for i in range(100))))
    addresses = [row.address for row in server.core.life.pods.values()]
    assert len(set(addresses)) == 100
    assert np.all(server.core.life._ordinals == 100)


def test_a_kubelet_sets_right_what_others_said_of_its_node() -> None:
    server = fleet(2)
    now = T0
    while int((server.core.fleet.rows.state == READY).sum()) < 2:
        server.run(now)
        now = server.core.next_wakeup_ns() or now
    condition = {"type": "Ready", "status": "Unknown"}
    node = {"metadata": {"name": "n-1"}, "status": {"conditions": [condition]}}
    seen_ns = now
    server.log.clear()
    server.run(now, ObjectsSeen("nodes", [MODIFIED], [node], [99]))
    while now < seen_ns + 10 * SECOND:
        now = min(server.core.next_wakeup_ns() or now, seen_ns + 10 * SECOND)
        server.run(now)
    reports = [r for r in server.log if r.subresource == "status"]
    assert [r.name for r in reports] == ["n-1"]
    body = reports[0].body
    assert isinstance(body, dict)
    assert {"type": "Ready", "status": "True"}.items() <= body["status"]["conditions"][-1].items()


def test_a_node_that_was_deleted_stays_away() -> None:
    server = fleet(2)
    server.run(T0)
    node = {"metadata": {"name": "n-0", "uid": "uid-n-0"}}
    server.log.clear()
    server.run(T0, ObjectsSeen("nodes", [DELETED], [node], [99]))
    now = T0
    while now < T0 + 400 * SECOND:
        now = server.core.next_wakeup_ns() or now
        server.run(now)
    assert {request.name for request in server.log} == {"n-1"}
    assert server.core.gauges()["nodes_ready"] == 1


def asked(server: Server, now_ns: int, resource: str) -> list[ApiRequest]:
    """The next requests for a resource, not answered yet; all others are."""
    while True:
        effects = server.core.step([], now_ns)
        requests = [r for effect in effects for r in effect.requests]
        if requests and requests[0].resource == resource:
            return requests
        server.run(now_ns, CallsDone([server.answer(r) for r in requests]))
        now_ns = max(now_ns, server.core.next_wakeup_ns() or 0)


@pytest.mark.parametrize(
    ("beats", "resource"), [(BY_LEASE, "coordination.k8s.io/leases"), (BY_STATUS, "nodes")]
)
def test_an_answer_from_before_does_not_bring_a_deleted_node_back(
    beats: Heartbeats, resource: str
) -> None:
    server = fleet(1, beats=beats)
    server.run(T0)
    heartbeats = asked(server, T0 + SECOND, resource)
    node = {"metadata": {"name": "n-0", "uid": "uid-n-0"}}
    server.run(T0, ObjectsSeen("nodes", [DELETED], [node], [99]))
    assert not server.run(T0, CallsDone([server.answer(r) for r in heartbeats]))
    assert server.core.next_wakeup_ns() is None
    assert server.core.gauges()["nodes_ready"] == 0


def test_a_node_of_another_life_does_not_take_ours_away() -> None:
    server = fleet(1)
    server.run(T0)
    node = {"metadata": {"name": "n-0", "uid": "an older one"}}
    server.run(T0, ObjectsSeen("nodes", [DELETED], [node], [99]))
    assert server.core.gauges()["nodes_ready"] == 1


def running(generation: int, cpu: str, has: str = "1") -> JsonObject:
    """A pod that runs with one amount of CPU and is to have another one."""
    made = pod("p", "n-0", "Running", generation=generation)
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    status = {"name": "c", "state": {"running": {}}, "resources": {"requests": {"cpu": has}}}
    made["status"]["containerStatuses"] = [status]
    return made


def status_patches(requests: list[ApiRequest]) -> list[JsonObject]:
    return [r.body["status"] for r in requests if r.subresource == "status" and r.name == "p"]  # type: ignore[index]


def test_a_resize_is_carried_out_at_once_and_told() -> None:
    server = fleet(1)
    server.run(T0)
    assert not status_patches(server.run(T0, seen(ADDED, running(1, "1"))))
    (status,) = status_patches(server.run(T0, seen(MODIFIED, running(2, "2"))))
    assert status["observedGeneration"] == 2
    (container,) = status["containerStatuses"]
    assert container["resources"] == {"requests": {"cpu": "2"}}
    assert container["allocatedResources"] == {"cpu": "2"}
    assert not status_patches(server.run(T0, seen(MODIFIED, running(2, "2", "2"))))


def test_a_second_resize_while_the_first_is_told_is_not_forgotten() -> None:
    server = fleet(1)
    server.run(T0)
    server.run(T0, seen(ADDED, running(1, "1")))
    (first,) = (
        r for e in server.core.step([seen(MODIFIED, running(2, "2"))], T0) for r in e.requests
    )
    assert not server.core.step([seen(MODIFIED, running(3, "3"))], T0)
    (status,) = status_patches(server.run(T0, CallsDone([server.answer(first)])))
    assert status["containerStatuses"][0]["allocatedResources"] == {"cpu": "3"}


def test_a_resize_that_no_room_could_hold_is_infeasible() -> None:
    server = fleet(1)
    server.run(T0)
    (status,) = status_patches(server.run(T0, seen(ADDED, running(2, "5"))))
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"]) == ("PodResizePending", "Infeasible")
    assert condition["message"] == (
        "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"
    )
    assert "containerStatuses" not in status
    told = running(2, "5")
    told["status"]["conditions"] = [condition]
    assert not status_patches(server.run(T0, seen(MODIFIED, told)))
    back = running(3, "2")
    back["status"]["conditions"] = [condition]
    (status,) = status_patches(server.run(T0, seen(MODIFIED, back)))
    assert status["conditions"] == [{"type": "PodResizePending", "$patch": "delete"}]
    assert status["containerStatuses"][0]["allocatedResources"] == {"cpu": "2"}


def test_ephemeral_containers_are_started() -> None:
    server = fleet(1)
    server.run(T0)
    made = running(2, "1")
    made["spec"]["ephemeralContainers"] = [{"name": "dbg", "image": "busybox"}]
    (status,) = status_patches(server.run(T0, seen(ADDED, made)))
    (container,) = status["ephemeralContainerStatuses"]
    assert container["name"] == "dbg" and "running" in container["state"]
    made["status"]["ephemeralContainerStatuses"] = [container]
    assert not status_patches(server.run(T0, seen(MODIFIED, made)))
