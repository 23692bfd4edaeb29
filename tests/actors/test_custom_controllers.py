"""Controllers and custom resources: namespaces take them along, owners and dependents go too."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
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
WIDGET, CONFIG = ("example.com/v1", "Widget"), ("v1", "ConfigMap")
IN_S = 120

Call = Callable[..., Coroutine[Any, Any, tuple[int, JsonObject]]]


@asynccontextmanager
async def cluster_of(directory: Path) -> AsyncIterator[tuple[FrameClient, Call]]:
    """A small cluster with a namespace ``shop`` and a definition of widgets."""
    plan = ClusterPlan(str(directory), nodes=(NodeSpec(1),))
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")

        async def call(
            verb: str, place: tuple[str, str, str], body: JsonObject | None = None
        ) -> tuple[int, JsonObject]:
            raw = None if body is None else orjson.dumps(body)
            request = ("api", [[verb, *place, "", "", raw, "", False]])
            [[code, _, data]] = await client.call(request, timeout_s=IN_S)
            return code, orjson.loads(data) if data else {}

        code, _ = await call("create", ("namespaces", "", ""), {"metadata": {"name": "shop"}})
        assert code == 201
        code, _ = await call("create", (DEFINITIONS, "", ""), definition())
        assert code == 201
        yield client, call
        await client.close()


def owned(made: JsonObject, owner: JsonObject, kind: tuple[str, str]) -> JsonObject:
    """``made`` as a dependent of a stored object."""
    meta = owner["metadata"]
    reference = {"apiVersion": kind[0], "kind": kind[1], "name": meta["name"], "uid": meta["uid"]}
    return {**made, "metadata": {**made["metadata"], "ownerReferences": [reference]}}


async def ended(directory: Path) -> None:
    async with cluster_of(directory) as (client, call):
        for name in ("a", "b"):
            code, _ = await call("create", (WIDGETS, "shop", ""), widget(name, {"size": 1}))
            assert code == 201
        assert (await call("delete", ("namespaces", "", "shop")))[0] == 200
        await Followed(client, "namespaces").until(lambda objects: "shop" not in objects, IN_S)
        assert (await call("get", (WIDGETS, "shop", "a")))[0] == 404


def test_a_namespace_takes_its_custom_resources_along(tmp_path: Path) -> None:
    asyncio.run(ended(tmp_path))


async def collected(directory: Path) -> None:
    async with cluster_of(directory) as (client, call):
        widgets, configs = (WIDGETS, "shop", ""), ("configmaps", "shop", "")
        _, first = await call("create", widgets, widget("first", {"size": 1}))
        config = {"metadata": {"name": "config"}}
        _, second = await call("create", configs, owned(config, first, WIDGET))
        lock = owned({"metadata": {"name": "lock"}}, second, CONFIG)
        assert (await call("create", ("secrets", "shop", ""), lock))[0] == 201
        secrets = Followed(client, "secrets", "shop")
        child = owned(widget("child", {"size": 1}), second, CONFIG)
        assert (await call("create", widgets, child))[0] == 201
        _, keeper = await call("create", widgets, widget("keeper", {"size": 1}))
        kept = owned(widget("kept", {"size": 1}), keeper, WIDGET)
        assert (await call("create", widgets, kept))[0] == 201
        followed = Followed(client, WIDGETS, "shop")
        assert (await call("delete", (WIDGETS, "shop", "first")))[0] == 200
        await followed.until(lambda objects: sorted(objects) == ["keeper", "kept"], IN_S)
        assert (await call("get", ("configmaps", "shop", "config")))[0] == 404
        await secrets.until(lambda objects: not objects, IN_S)
        orphan = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
        assert (await call("delete", (WIDGETS, "shop", "keeper"), orphan))[0] == 200
        await followed.until(lambda objects: list(objects) == ["kept"], IN_S)
        assert "ownerReferences" not in followed.objects["kept"]["metadata"]


def test_owners_and_dependents_go_in_both_directions(tmp_path: Path) -> None:
    asyncio.run(collected(tmp_path))
