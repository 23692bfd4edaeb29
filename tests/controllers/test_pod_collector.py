"""The pod collector: what nobody else deletes goes in its rounds."""

from api.calls import ApiRequest
from api.core import JsonObject
from controllers.limits import ControllerLimits, limits_of
from controllers.pod_collector import QUARANTINE_NS
from tests.controllers.world import SECOND, Program, World

PERIOD_NS = ControllerLimits().collector_period_ns
ENDING = "2026-01-01T00:00:00Z"


def pod(name: str, node: str = "", **meta: object) -> JsonObject:
    spec: JsonObject = {"containers": [{"name": "c", "image": "i"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, **meta}, "spec": spec}


def write(world: World, verb: str, resource: str, name: str, body: JsonObject | None) -> None:
    namespace = "default" if resource == "pods" else ""
    reply = world.call(ApiRequest(0, verb, resource, namespace, name, "", "", body))
    assert 200 <= reply.code < 300, reply


def pods(world: World) -> list[str]:
    return sorted(item["metadata"]["name"] for item in world.api.list("pods"))


def started(*names: str) -> World:
    """A world with a namespace, nodes of these names and the collector alone."""
    world = World()
    for name in ("default", "kube-system"):
        write(world, "create", "namespaces", "", {"metadata": {"name": name}})
    for name in names:
        write(world, "create", "nodes", "", {"metadata": {"name": name}})
    Program(world, "controllers-0", 1, limits_of("unlimited"), ("pod-collector",))
    world.run(world.now_ns + SECOND)
    return world


def test_pods_of_a_node_that_is_gone_go_after_its_quarantine() -> None:
    world = started("here", "gone")
    write(world, "create", "pods", "", pod("stays", "here"))
    write(world, "create", "pods", "", pod("orphan", "gone"))
    write(world, "delete", "nodes", "gone", None)
    world.run(world.now_ns + QUARANTINE_NS - SECOND)
    assert pods(world) == ["orphan", "stays"]
    world.run(world.now_ns + 2 * PERIOD_NS)
    assert pods(world) == ["stays"]


def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    world = started("node")
    write(world, "create", "pods", "", pod("p", "node"))
    write(world, "delete", "nodes", "node", None)
    world.run(world.now_ns + PERIOD_NS + SECOND)
    write(world, "create", "nodes", "", {"metadata": {"name": "node"}})
    world.run(world.now_ns + 4 * PERIOD_NS)
    assert pods(world) == ["p"]


def test_a_pod_that_ends_and_never_had_a_node_goes_in_the_next_round() -> None:
    world = started()
    write(world, "create", "pods", "", pod("waits"))
    ending = pod("ends", deletionTimestamp=ENDING, deletionGracePeriodSeconds=0)
    write(world, "create", "pods", "", ending)
    world.run(world.now_ns + PERIOD_NS + SECOND)
    assert pods(world) == ["waits"]
