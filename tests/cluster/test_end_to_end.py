"""A Deployment from POST to gone, on real Ray and real sockets, by the official Python client."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes import client, config, watch

from tests.cluster.commands import NODES

pytestmark = pytest.mark.cluster

WAIT_S = 240
REPLICAS = 400
FEWER = 100


def api_of(kubeconfig: Path) -> client.ApiClient:
    return config.new_client_from_config(str(kubeconfig))


def wait_until(
    list_call: Callable[..., object], done: Callable[[list[object]], bool], **where: str
) -> None:
    """List, then watch from there, until ``done`` holds of the objects. Bounded by WAIT_S."""
    listed = list_call(**where)
    objects = {item.metadata.uid: item for item in listed.items}  # type: ignore[attr-defined]
    if done(list(objects.values())):
        return
    stream = watch.Watch()
    version = listed.metadata.resource_version  # type: ignore[attr-defined]
    for event in stream.stream(
        list_call, resource_version=version, timeout_seconds=WAIT_S, **where
    ):
        item = event["object"]
        if event["type"] == "DELETED":
            objects.pop(item.metadata.uid, None)
        else:
            objects[item.metadata.uid] = item
        if done(list(objects.values())):
            stream.stop()
            return
    states = sorted(str(item.status.phase) for item in objects.values())
    raise AssertionError(f"not reached in {WAIT_S} s: {len(objects)} objects, {states[:5]} ...")


def deployment(replicas: int) -> dict[str, object]:
    labels = {"app": "web"}
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "nginx",
                            "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
                        }
                    ]
                },
            },
        },
    }


def test_every_node_is_ready(kubeconfig: Path) -> None:
    with api_of(kubeconfig) as api:
        nodes = client.CoreV1Api(api).list_node().items
    assert len(nodes) == NODES
    ready = [c.status for n in nodes for c in n.status.conditions if c.type == "Ready"]
    assert ready == ["True"] * NODES


def test_a_deployment_runs_scales_and_goes_with_its_namespace(kubeconfig: Path) -> None:
    with api_of(kubeconfig) as api:
        core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        core.create_namespace({"metadata": {"name": "e2e"}})
        apps.create_namespaced_deployment("e2e", deployment(REPLICAS))
        pods = {"namespace": "e2e"}

        def running(count: int) -> Callable[[list[object]], bool]:
            return lambda items: (
                len(items) == count and all(i.status.phase == "Running" for i in items)  # type: ignore[attr-defined]
            )

        wait_until(core.list_namespaced_pod, running(REPLICAS), **pods)
        placed = Counter(p.spec.node_name for p in core.list_namespaced_pod("e2e").items)
        names = {node.metadata.name for node in core.list_node().items}
        assert set(placed) <= names
        # LeastAllocated falls by a point every 320 milli-cores: no node gets far ahead.
        assert max(placed.values()) <= 2 * REPLICAS // NODES + 4

        apps.patch_namespaced_deployment_scale("web", "e2e", {"spec": {"replicas": FEWER}})
        wait_until(core.list_namespaced_pod, running(FEWER), **pods)

        apps.delete_namespaced_deployment("web", "e2e")
        wait_until(core.list_namespaced_pod, lambda items: not items, **pods)
        assert not apps.list_namespaced_replica_set("e2e").items

        core.delete_namespace("e2e")
        wait_until(core.list_namespace, lambda items: "e2e" not in _names(items))


def _names(items: list[object]) -> set[str]:
    return {item.metadata.name for item in items}  # type: ignore[attr-defined]
