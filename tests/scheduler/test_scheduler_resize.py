"""Pods that are resized in place: on their node the larger counts of what they ask for, what they
were allocated and what they have."""

from typing import Any

from api.core import JsonObject
from scheduler.leader import SchedulerCore
from scheduler.resources import pod_requests
from tests.scheduler.scheduler_fake_api import MS, FakeApi
from tests.scheduler.scheduler_objects import node, pod


def has(allocated: str, actual: str, name: str = "c") -> JsonObject:
    """A container's status."""
    return {
        "name": name,
        "allocatedResources": {"cpu": allocated},
        "resources": {"requests": {"cpu": actual}},
    }


def infeasible() -> JsonObject:
    return {"type": "PodResizePending", "status": "True", "reason": "Infeasible"}


def cpu(spec: JsonObject, *statuses: JsonObject, **status: Any) -> tuple[int, int, int]:
    """As filters count it, as scores count a new pod and one that is placed."""
    found = pod_requests(spec, {"containerStatuses": list(statuses), **status})
    return found.amounts["cpu"], found.scored[0], found.counted[0]


def test_the_larger_counts_of_what_is_asked_allocated_and_there() -> None:
    spec = pod("p", cpu="2")["spec"]
    assert cpu(spec) == (2000, 2000, 2000)
    assert cpu(spec, {"name": "c"}) == (2000, 2000, 2000)
    assert cpu(spec, has("1", "1")) == (2000, 2000, 2000)
    assert cpu(spec, has("3", "1")) == (3000, 3000, 3000)
    assert cpu(spec, has("1", "4")) == (4000, 4000, 4000)
    assert cpu(spec, has("1", "4", name="other")) == (2000, 2000, 2000)
    # What the node could never give is not kept for the pod.
    assert cpu(spec, has("1", "1"), conditions=[infeasible()]) == (1000, 1000, 1000)
    waiting = {**infeasible(), "reason": "Deferred"}
    assert cpu(spec, has("1", "1"), conditions=[waiting]) == (2000, 2000, 2000)


def test_of_init_containers_only_those_that_go_on_are_resized() -> None:
    asks = {"resources": {"requests": {"cpu": "1"}}}
    spec = {
        "containers": [{"name": "c", **asks}],
        "initContainers": [
            {"name": "goes on", "restartPolicy": "Always", **asks},
            {"name": "ends", **asks},
        ],
    }
    more = [has("2", "2", name="goes on"), has("9", "9", name="ends")]
    assert pod_requests(spec, {"initContainerStatuses": more}).amounts["cpu"] == 3000


def test_amounts_of_the_whole_pod_are_resized_as_well() -> None:
    spec = {**pod("p", cpu="2")["spec"], "resources": {"requests": {"cpu": "3"}}}
    held = {"resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "5"}}
    assert pod_requests(spec, held).amounts["cpu"] == 5000
    assert pod_requests(spec, {"allocatedResources": {"cpu": "5"}}).amounts["cpu"] == 3000
    refused = {**held, "allocatedResources": {"cpu": "2"}, "conditions": [infeasible()]}
    assert pod_requests(spec, refused).amounts["cpu"] == 2000


def test_room_that_a_resize_leaves_is_given_when_the_container_has_left_it() -> None:
    api = FakeApi(SchedulerCore(1, 0))
    api.put_node(node("a", cpu="4"))
    api.sync()
    large = pod("large", cpu="4", nodeName="a")
    large["metadata"]["generation"] = 1
    api.put_pod(large)
    api.put_pod(pod("waits", cpu="2"))
    api.run()
    assert api.node_of("waits") == ""
    smaller = pod("large", cpu="1", nodeName="a")
    smaller["metadata"]["generation"] = 2
    for held, room in (("4", False), ("1", True)):
        smaller["status"] = {"phase": "Running", "containerStatuses": [has(held, held)]}
        api.put_pod(smaller)
        api.now_ns += 60_000 * MS
        api.run()
        api.core.check()
        assert (api.node_of("waits") == "a") is room
