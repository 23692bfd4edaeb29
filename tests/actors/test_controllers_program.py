"""The controllers as a program: a Deployment comes to life on a whole small cluster."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from actors.local import LocalCluster
from actors.net.client import FrameClient
from actors.plan import ClusterPlan, NodeSpec
from api.core import JsonObject
from tests.actors.following import Followed

PODS = 20
PATIENCE_S = 120


def deployment() -> bytes:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry.k8s.io/pause:3.10"}]},
    }
    spec = {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template}
    return orjson.dumps({"metadata": {"name": "web"}, "spec": spec})


async def api(
    client: FrameClient, verb: str, place: tuple[str, str, str], body: bytes | None
) -> Any:
    resource, namespace, name = place
    call = ("api", [[verb, resource, namespace, name, "", "", body, "", False]])
    answer: Any = await client.call(call, timeout_s=PATIENCE_S)
    code, _, data = answer[0]
    return code, orjson.loads(data) if data else {}


async def listed(client: FrameClient, resource: str, namespace: str) -> list[JsonObject]:
    code, answer = await api(client, "list", (resource, namespace, ""), None)
    assert code == 200
    items: list[JsonObject] = answer["items"]
    return items


async def live(directory: Path) -> None:
    plan = ClusterPlan(str(directory), nodes=(NodeSpec(5),))
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")
        body = b'{"metadata":{"name":"shop"}}'
        code, _ = await api(client, "create", ("namespaces", "", ""), body)
        assert code == 201
        accounts = Followed(client, "serviceaccounts", "shop")
        await accounts.until(lambda objects: "default" in objects, PATIENCE_S)
        where = ("apps/deployments", "shop", "")
        code, _ = await api(client, "create", where, deployment())
        assert code == 201

        def available(objects: dict[str, JsonObject]) -> bool:
            return (objects["web"].get("status") or {}).get("availableReplicas") == PODS

        deployments = Followed(client, "apps/deployments", "shop")
        await deployments.until(available, PATIENCE_S)
        managers = {
            (entry["manager"], entry.get("subresource", ""))
            for pod in await listed(client, "pods", "shop")
            for entry in pod["metadata"]["managedFields"]
        }
        assert managers == {("kube-controller-manager", ""), ("kubelet", "status")}
        held = [cluster.running[f"controllers-{i}"].gauges()["shards_led"] for i in range(2)]
        assert sum(held) == 2
        code, _ = await api(client, "delete", ("namespaces", "", "shop"), None)
        assert code == 200
        await Followed(client, "namespaces").until(
            lambda objects: "shop" not in objects, PATIENCE_S
        )
        code, _ = await api(client, "get", ("namespaces", "", "shop"), None)
        assert code == 404
        await client.close()


def test_a_deployment_lives_and_its_namespace_ends(tmp_path: Path) -> None:
    asyncio.run(live(tmp_path))
