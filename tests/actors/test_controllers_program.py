"""The controllers as a program: a Deployment comes to life on a whole small cluster."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson

from actors.local import LocalCluster
from actors.net.client import FrameClient
from actors.plan import ClusterPlan, NodeSpec

PODS = 20


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
    answer: Any = await client.call(call, timeout_s=5)
    code, _, data = answer[0]
    return code, orjson.loads(data) if data else {}


async def until(client: FrameClient, place: tuple[str, str, str], done: Any, limit_s: float) -> Any:
    ends = time.monotonic() + limit_s
    while True:
        code, item = await api(client, "get", place, None)
        if done(code, item):
            return item
        assert time.monotonic() < ends, (code, item)
        await asyncio.sleep(0.05)


async def live(directory: Path) -> None:
    plan = ClusterPlan(str(directory), nodes=(NodeSpec(5),))
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")
        body = b'{"metadata":{"name":"shop"}}'
        code, _ = await api(client, "create", ("namespaces", "", ""), body)
        assert code == 201
        await until(client, ("serviceaccounts", "shop", "default"), lambda c, _: c == 200, 10)
        where = ("apps/deployments", "shop", "")
        code, _ = await api(client, "create", where, deployment())
        assert code == 201

        def available(_: int, item: Any) -> bool:
            return (item.get("status") or {}).get("availableReplicas") == PODS

        await until(client, ("apps/deployments", "shop", "web"), available, 20)
        held = [cluster.running[f"controllers-{i}"].gauges()["shards_led"] for i in range(2)]
        assert sum(held) == 2
        code, _ = await api(client, "delete", ("namespaces", "", "shop"), None)
        assert code == 200
        await until(client, ("namespaces", "", "shop"), lambda c, _: c == 404, 20)
        await client.close()


def test_a_deployment_lives_and_its_namespace_ends(tmp_path: Path) -> None:
    asyncio.run(live(tmp_path))
