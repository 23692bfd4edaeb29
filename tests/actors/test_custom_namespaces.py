"""A namespace that is deleted takes its custom resources along."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from actors.local import LocalCluster
from actors.net.client import FrameClient
from actors.plan import ClusterPlan, NodeSpec
from api.core import JsonObject
from tests.actors.following import Followed
from tests.apiserver.custom_widgets import definition, widget

DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"
WIDGETS = "example.com/widgets"


async def ended(directory: Path) -> None:
    plan = ClusterPlan(str(directory), nodes=(NodeSpec(1),))
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")

        async def call(verb: str, place: tuple[str, str, str], body: JsonObject | None) -> int:
            raw = None if body is None else orjson.dumps(body)
            request = ("api", [[verb, *place, "", "", raw, "", False]])
            answer: Any = await client.call(request, timeout_s=5)
            code: int = answer[0][0]
            return code

        assert await call("create", ("namespaces", "", ""), {"metadata": {"name": "shop"}}) == 201
        assert await call("create", (DEFINITIONS, "", ""), definition()) == 201
        for name in ("a", "b"):
            assert await call("create", (WIDGETS, "shop", ""), widget(name, {"size": 1})) == 201
        assert await call("delete", ("namespaces", "", "shop"), None) == 200
        await Followed(client, "namespaces").until(lambda objects: "shop" not in objects, 20)
        assert await call("get", (WIDGETS, "shop", "a"), None) == 404
        await client.close()


def test_a_namespace_takes_its_custom_resources_along(tmp_path: Path) -> None:
    asyncio.run(ended(tmp_path))
