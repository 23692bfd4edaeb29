"""The resource quota controller counts what a namespace has into the status of its quotas."""

from typing import Any

from api.calls import MERGE_PATCH, ApiRequest
from controllers.limits import limits_of
from controllers.resource_quota import RESYNC_NS
from tests.controllers.world import SECOND, Program, World

HARD = {"pods": "5", "requests.cpu": "2", "count/configmaps": "3", "services.nodeports": "2"}


def call(world: World, verb: str, resource: str, name: str = "", body: Any = None) -> None:
    namespace = "" if resource == "namespaces" else "default"
    patch = MERGE_PATCH if verb == "patch" else ""
    request = ApiRequest(0, verb, resource, namespace, name, "", "", body, patch)
    reply = world.call(request)
    assert 200 <= reply.code < 300, reply
    world.run(world.now_ns + SECOND)


def started(hard: dict[str, str], **spec: Any) -> World:
    world = World()
    for name in ("default", "kube-system"):
        call(world, "create", "namespaces", body={"metadata": {"name": name}})
    Program(world, "controllers-0", 1, limits_of("unlimited"), ("resource-quota",))
    world.run(world.now_ns + SECOND)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}}
    call(world, "create", "resourcequotas", body=quota)
    return world


def pod(name: str, cpu: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    container = {"name": "c", "image": "i", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def status(world: World) -> dict[str, Any]:
    found = world.api.get("resourcequotas", "default", "q")
    assert found is not None
    state: dict[str, Any] = found["status"]
    return state


def test_a_new_quota_is_counted_and_what_goes_is_given_back() -> None:
    world = started(HARD)
    zero = {"count/configmaps": "0", "pods": "0", "requests.cpu": "0", "services.nodeports": "0"}
    assert status(world) == {"hard": HARD, "used": zero}
    for name in ("a", "b"):
        call(world, "create", "pods", body=pod(name, "500m"))
    call(world, "create", "configmaps", body={"metadata": {"name": "m"}})
    wider = {"spec": {"hard": {"pods": "6"}}}
    call(world, "patch", "resourcequotas", "q", wider)
    used = {"count/configmaps": "1", "pods": "2", "requests.cpu": "1", "services.nodeports": "0"}
    assert status(world) == {"hard": {**HARD, "pods": "6"}, "used": used}
    call(world, "delete", "pods", "a", {"gracePeriodSeconds": 0})
    call(world, "delete", "configmaps", "m", {})
    used |= {"count/configmaps": "0", "pods": "1", "requests.cpu": "500m"}
    assert status(world)["used"] == used


def test_scopes_choose_what_is_counted_and_rounds_find_what_nobody_told() -> None:
    world = started({"pods": "5"}, scopes=["NotBestEffort"])
    call(world, "create", "pods", body=pod("a"))
    call(world, "create", "pods", body=pod("b", "1"))
    assert status(world)["used"] == {"pods": "0"}, "what comes is charged by admission"
    world.run(world.now_ns + RESYNC_NS)
    assert status(world)["used"] == {"pods": "1"}


def test_a_kind_that_is_not_served_is_not_counted() -> None:
    world = started({"count/widgets.example.com": "1", "secrets": "1"})
    assert status(world)["hard"] == {"count/widgets.example.com": "1", "secrets": "1"}
    assert status(world)["used"]["secrets"] == "0"
