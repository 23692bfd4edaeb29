"""The leader's core, step by step."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.calls import STRATEGIC_PATCH, ApiRequest
from api.core import JsonObject
from scheduler.binding_cycle import LOOK_AFTER_NS
from scheduler.leader import PartitionLost, SchedulerCore
from tests.scheduler.scheduler_fake_api import MS, START_NS, FakeApi
from tests.scheduler.scheduler_objects import node, pod

SECOND = 1000 * MS


def small_cluster(partitions: int = 0, **node_fields: object) -> FakeApi:
    api = FakeApi(SchedulerCore(1, partitions), partitions)
    api.put_node(node("n1", **node_fields))  # type: ignore[arg-type]
    api.sync()
    api.run()
    return api


def body_of(request: ApiRequest) -> JsonObject:
    assert isinstance(request.body, dict)
    return request.body


def test_a_pod_is_bound_and_the_event_says_so() -> None:
    api = small_cluster()
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.requests
    assert (request.resource, request.subresource, request.quiet) == ("pods", "binding", True)
    assert body_of(request) == {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": "default", "name": "p", "uid": "uid-p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    api.run()
    assert api.node_of("p") == "n1"
    assert api.events == [("Scheduled", "Successfully assigned default/p to n1")]


def test_equal_pods_have_one_shape_wherever_they_are() -> None:
    """Those found placed, those placed by us, and after the watch told of it."""
    api = small_cluster()
    api.put_node(node("n2"))
    for name, place in (("a", "n1"), ("b", "n2"), ("c", "")):
        api.put_pod(pod(name, nodeName=place))
    api.run()
    assert api.node_of("c")
    table = api.core.table
    shapes = [one.shape for name in ("n1", "n2") for one in table.pods_on(name).values()]
    assert len(shapes) == 3 and all(shape is shapes[0] for shape in shapes)


def test_nothing_is_decided_before_both_watches_are_synced() -> None:
    api = FakeApi(SchedulerCore(1))
    api.put_node(node("n1"))
    api.put_pod(pod("p"))
    api.step()
    assert api.requests == [] and api.core.next_wakeup_ns() is None
    api.sync()
    api.run()
    assert api.node_of("p") == "n1"


def test_a_failure_is_written_once_and_tried_again_when_a_node_comes() -> None:
    api = small_cluster(cpu="1")
    api.put_pod(pod("p", cpu="2"))
    api.run()
    text = (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )
    assert api.events == [("FailedScheduling", text)]
    patch = next(r for r in api.written if r.verb == "patch")
    assert (patch.subresource, patch.content_type) == ("status", STRATEGIC_PATCH)
    (condition,) = body_of(patch)["status"]["conditions"]
    assert condition["reason"] == "Unschedulable" and condition["message"] == text
    assert api.core.queue.lengths()["unschedulable"] == 1
    api.put_node(node("n2", cpu="2"))
    api.run()
    assert api.node_of("p") == "" and api.core.queue.lengths()["backing off"] == 1
    api.now_ns += 1 * SECOND
    api.run()
    assert api.node_of("p") == "n2"


def test_a_conflict_rolls_back_and_comes_again() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    api.reply(request, 409)
    api.run()
    assert api.core.table.pods.item(0) == 0
    assert api.core.queue.lengths()["backing off"] == 1
    api.now_ns += 1 * SECOND
    api.run()
    assert api.node_of("p") == "n1"


def test_another_scheduler_was_faster() -> None:
    api = small_cluster()
    api.put_node(node("n2"))
    api.run()
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    ours = body_of(request)["target"]["name"]
    theirs = "n2" if ours == "n1" else "n1"
    taken = copy.deepcopy(api.pods["p"])
    taken["spec"]["nodeName"] = theirs
    api.put_pod(taken)
    api.step()
    api.reply(request, 409)
    api.run()
    assert dict(api.core.table.pods_on(ours)) == {}
    assert list(api.core.table.pods_on(theirs)) == ["default/p"]
    assert api.events == []


def test_a_pod_deleted_while_assumed_frees_its_place() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    api.delete_pod("p")
    api.put_pod(pod("q"))
    api.step()
    api.reply(request, 404)
    api.run()
    assert api.node_of("q") == "n1" and [reason for reason, _ in api.events] == ["Scheduled"]


def test_a_namesake_does_not_inherit_an_answer() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    api.delete_pod("p")
    twin = pod("p")
    twin["metadata"]["uid"] = "another"
    api.put_pod(twin)
    api.step()
    api.reply(request, 201)
    api.step()
    (second,) = api.take("create", "binding")
    assert body_of(second)["metadata"]["uid"] == "another"
    assert api.events == [] and api.requests == []


def test_a_node_that_vanishes_keeps_its_pods_counted_until_they_go() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("p"))
    api.step()
    api.delete_node("n1")
    api.run()
    assert api.node_of("p") == "n1"
    api.put_node(node("n1", pods=1))
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("q") == ""
    api.delete_pod("p")
    api.now_ns += 1 * SECOND
    api.run()
    assert api.node_of("q") == "n1"


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_is_looked_up(carried_out: bool) -> None:
    api = small_cluster(pods=1)
    api.silent = True
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    if carried_out:
        api.carry_out(request)
    api.reply(request, 0)
    api.step()
    assert api.core.table.pods.item(0) == 1, "it counts until the outcome is known"
    assert api.core.next_wakeup_ns() == api.now_ns + LOOK_AFTER_NS
    api.now_ns += LOOK_AFTER_NS
    api.run()
    assert [r.verb for r in api.written].count("get") == 1
    api.now_ns += 2 * SECOND
    api.run()
    assert api.node_of("p") == "n1"
    assert len(api.core.table.pods_on("n1")) == 1


def test_a_lost_answer_may_come_by_the_watch() -> None:
    api = small_cluster()
    api.put_pod(pod("p"))
    api.step()
    (request,) = api.take("create", "binding")
    api.reply(request, 0)
    api.step()
    api.carry_out(request)
    api.step()
    assert api.core.next_wakeup_ns() is None
    api.run()
    assert "get" not in [r.verb for r in api.written]


def test_a_relist_forgets_what_is_gone() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("p"))
    api.run()
    del api.pods["p"]
    api.sync()
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("q") == "n1"


def test_pods_that_are_not_ours_only_count() -> None:
    api = small_cluster(pods=2)
    foreign = pod("f", schedulerName="another")
    api.put_pod(foreign)
    api.put_pod(pod("gated", schedulingGates=[{"name": "wait"}]))
    finished = pod("done", nodeName="n1")
    finished["status"]["phase"] = "Succeeded"
    api.put_pod(finished)
    api.run()
    assert api.written == [] and api.core.table.pods.item(0) == 0
    foreign["spec"]["nodeName"] = "n1"
    api.put_pod(foreign)
    del api.pods["gated"]["spec"]["schedulingGates"]
    api.put_pod(api.pods["gated"])
    api.run()
    assert api.node_of("gated") == "n1" and api.core.table.pods.item(0) == 2


def claim(name: str, bound: bool) -> JsonObject:
    notes = {"pv.kubernetes.io/bind-completed": "yes"} if bound else {}
    spec = {"storageClassName": "wait", "volumeName": "v" if bound else ""}
    return {
        "metadata": {"namespace": "default", "name": name, "annotations": notes},
        "spec": spec | {"resources": {"requests": {"storage": "1Gi"}}},
    }


def with_claim(name: str, claim_name: str) -> JsonObject:
    source = {"persistentVolumeClaim": {"claimName": claim_name}}
    return pod(name, volumes=[{"name": "v", **source}])


def test_what_we_cannot_honour_stays_pending_by_name() -> None:
    api = small_cluster()
    api.put_pod(pod("q", resourceClaims=[{"name": "gpu"}]))
    api.run()
    assert api.node_of("q") == ""
    said = "0/1 nodes are available: plugin(s) not supported by this scheduler:"
    assert [message for _, message in api.events] == [f"{said} DynamicResources."]


def test_a_pod_follows_its_volume() -> None:
    api = small_cluster()
    api.put_node(node("n2", labels={"zone": "z2"}))
    in_zone = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z2"]}]}]
    affinity = {"required": {"nodeSelectorTerms": in_zone}}
    volume = {"metadata": {"name": "v"}, "spec": {"nodeAffinity": affinity}}
    api.put("persistentvolumes", volume)
    api.put_pod(with_claim("p", "c"))
    api.run()
    assert api.node_of("p") == ""
    assert api.events[-1][1].endswith('persistentvolumeclaim "c" not found. not found')
    api.put("persistentvolumeclaims", claim("c", bound=True))
    api.now_ns += 2 * SECOND
    api.run()
    assert api.node_of("p") == "n2"


def test_a_request_that_is_no_quantity_waits_with_a_reason() -> None:
    api = small_cluster()
    api.put_pod(pod("p", cpu="lots"))
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("q") == "n1" and api.node_of("p") == ""
    assert "cannot be read" in api.events[0][1]


def test_absurd_amounts_do_no_harm() -> None:
    api = small_cluster(memory="9999999E")
    api.put_pod(pod("p", memory="99E"))
    api.put_pod(pod("q", cpu="9999999999999999"))
    api.run()
    assert api.node_of("p") == "n1" and api.node_of("q") == ""


def test_higher_priority_first() -> None:
    api = small_cluster(pods=1)
    for name, priority in (("low", 1), ("high", 10), ("middle", 5)):
        api.put_pod(pod(name, priority=priority))
    api.run()
    assert [name for name in api.pods if api.node_of(name)] == ["high"]
    message = dict(api.events)["FailedScheduling"]
    assert message.endswith("1 No preemption victims found for incoming pod.")


def test_a_more_important_pod_drives_out_another() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("low", priority=1))
    api.run()
    api.put_pod(pod("high", priority=2))
    api.run()
    assert "low" not in api.pods and api.node_of("high") == ""
    assert api.pods["high"]["status"]["nominatedNodeName"] == "n1"
    api.put_pod(pod("small", priority=1))
    api.run()
    assert api.node_of("small") == "", "the room is kept"
    api.now_ns += 1 * SECOND
    api.run()
    assert api.node_of("high") == "n1"
    assert ("Preempted", "Preempted by pod uid-high on node n1") in api.events


def test_the_nominated_pod_waits_for_its_victims() -> None:
    api = small_cluster(pods=1)
    api.put_pod(pod("low", priority=1))
    api.run()
    api.put_pod(pod("high", priority=2))
    api.step()
    (order,) = api.take("delete")
    api.run()
    dying = copy.deepcopy(api.pods["low"])
    dying["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    api.put_pod(dying)
    api.reply(order, 200)
    api.now_ns += 1 * SECOND
    # A pod that leaves any node gives it another try.
    api.put_pod(pod("elsewhere", nodeName="n9"))
    api.run()
    api.delete_pod("elsewhere")
    api.run()
    assert api.events[-1][1].endswith("due to a terminating pod on the nominated node.")
    assert [r.verb for r in api.written].count("delete") == 0
    api.delete_pod("low")
    api.now_ns += 10 * SECOND
    api.run()
    assert api.node_of("high") == "n1"


def test_a_budget_sends_the_preemptor_elsewhere() -> None:
    api = small_cluster(pods=1)
    api.put_node(node("n2", pods=1))
    api.run()
    for name in ("a", "b"):
        low = pod(name, priority=1)
        low["metadata"]["labels"] = {"app": name}
        api.put_pod(low)
    api.run()
    budget = {
        "metadata": {"namespace": "default", "name": "keep"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}},
        "status": {"disruptionsAllowed": 0},
    }
    api.put("policy/poddisruptionbudgets", budget)
    api.put_pod(pod("high", priority=2))
    api.run()
    assert list(api.pods) == ["a", "high"]


def test_a_lost_partition_is_replaced_by_the_leader() -> None:
    api = small_cluster(partitions=2)
    api.put_node(node("n2", cpu="64", memory="256Gi"))
    api.put_pod(pod("p"))
    api.step()
    api.inbox = [PartitionLost(0), PartitionLost(1)]
    api.run()
    assert api.node_of("p") == "n2"
    api.now_ns += 2 * SECOND
    api.put_pod(pod("q", cpu="300m"))
    api.run()
    assert api.node_of("q") == "n2"


pod_sizes = st.lists(
    st.tuples(st.sampled_from(["200m", "300m", "1"]), st.integers(0, 2)), min_size=1, max_size=30
)


def _placements(sizes: list[tuple[str, int]], partitions: int) -> list[str]:
    api = FakeApi(SchedulerCore(7, partitions), partitions)
    for number in range(5):
        api.put_node(node(f"n{number}", cpu=str(1 + number % 3), pods=8))
    api.sync()
    api.run()
    for number, (cpu, priority) in enumerate(sizes):
        api.put_pod(pod(f"p{number}", cpu=cpu, priority=priority))
    api.run()
    return [api.node_of(f"p{number}") for number in range(len(sizes))]


@settings(max_examples=40, deadline=None)
@given(pod_sizes, st.integers(1, 3))
def test_a_pool_changes_nothing_and_nothing_is_overcommitted(
    sizes: list[tuple[str, int]], partitions: int
) -> None:
    alone = _placements(sizes, 0)
    assert _placements(sizes, 0) == alone
    assert _placements(sizes, partitions) == alone
    for number in range(5):
        placed = [cpu for (cpu, _), at in zip(sizes, alone, strict=True) if at == f"n{number}"]
        used = sum(1000 if cpu == "1" else int(cpu[:-1]) for cpu in placed)
        assert used <= 1000 * (1 + number % 3) and len(placed) <= 8


def test_the_clock_starts_where_the_shell_says() -> None:
    api = small_cluster()
    api.put_pod(pod("p"))
    api.run()
    event = next(r for r in api.written if r.resource == "events")
    name = body_of(event)["metadata"]["name"]
    assert name.startswith("p.") and int(name[2:], 16) > START_NS
