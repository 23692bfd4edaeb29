"""A whole API server over a real etcd, and over ours: the verbs, conflicts, watches and their
resumption, also by another API server."""

import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors import apiserver, store
from actors.etcd import engine
from actors.plan import ApiServerConfig, EtcdStoreConfig, Security, StoreConfig
from actors.security import admin_token, create_security
from tests.store.door_in_process import run

ENGINES = [
    "own",
    pytest.param(
        "etcd",
        marks=pytest.mark.skipif(
            not shutil.which("etcd"), reason="no etcd: apt-get install etcd-server"
        ),
    ),
]
MAPS = "/api/v1/namespaces/default/configmaps"


async def nobody(name: str) -> str:
    raise AssertionError(f"a store asked for {name}")


@asynccontextmanager
async def stores(kind: str, home: Path, security: Security) -> AsyncIterator[list[Any]]:
    """Two shards by kind."""
    found: list[Any] = []
    try:
        for number in range(2):
            name = f"{home}/store-{number}"
            if kind == "own":
                found.append(await store.start(StoreConfig(number, name, security), nobody))
            else:
                found.append(await engine.start(EtcdStoreConfig(number, name, security), nobody))
        yield found
    finally:
        for one in found:
            await one.stop()


@asynccontextmanager
async def serving(shards: list[Any], security: Security) -> AsyncIterator[httpx.AsyncClient]:
    async def resolve(name: str) -> str:
        address: str = shards[int(name[-1])].address
        return address

    config = ApiServerConfig("apiserver-0", ("store-0", "store-1"), security, seed=1)
    server = await apiserver.start(config, resolve)
    context = ssl.create_default_context(cafile=f"{security.directory}/ca.crt")
    token = {"authorization": f"Bearer {admin_token(security)}"}
    url = f"https://127.0.0.1:{server.https_port}"
    try:
        async with httpx.AsyncClient(base_url=url, verify=context, headers=token) as http:
            yield http
    finally:
        await server.stop()


def config_map(name: str, value: str = "v", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "data": {"k": value}}


def version(item: Any) -> int:
    return int(item["metadata"]["resourceVersion"])


async def watched(http: httpx.AsyncClient, revision: int, count: int) -> list[tuple[str, str, int]]:
    """The first events of a watch: (type, name, resourceVersion)."""
    found: list[tuple[str, str, int]] = []
    path = f"{MAPS}?watch=1&resourceVersion={revision}"
    async with http.stream("GET", path) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            event = json.loads(line)
            item = event["object"]
            found.append((event["type"], item["metadata"]["name"], version(item)))
            if len(found) == count:
                return found
    raise AssertionError(f"the watch ended after {found}")


async def verbs(http: httpx.AsyncClient) -> tuple[int, list[tuple[str, str, int]]]:
    """Write in all ways; returns the revision before, and what a watch from there has to tell."""
    before = version((await http.get(MAPS)).json())
    due: list[tuple[str, str, int]] = []

    async def say(kind: str, code: int, method: str, path: str, **options: Any) -> Any:
        answer = await http.request(method, path, **options)
        assert answer.status_code == code, answer.text
        item = answer.json()
        if kind:
            due.append((kind, item["metadata"]["name"], version(item)))
        return item

    a = await say("ADDED", 201, "POST", MAPS, json=config_map("a"))
    await say("", 409, "POST", MAPS, json=config_map("a"))
    await say("ADDED", 201, "POST", MAPS, json=config_map("b", labels={"l": "x"}))
    stale = json.loads(json.dumps(a))
    a["data"]["k"] = "w"
    a = await say("MODIFIED", 200, "PUT", f"{MAPS}/a", json=a)
    assert (await say("", 409, "PUT", f"{MAPS}/a", json=stale))["reason"] == "Conflict"
    merge = {"content-type": "application/merge-patch+json"}
    patch = {"data": {"k": None, "l": "1"}}
    patched = await say("MODIFIED", 200, "PATCH", f"{MAPS}/b", json=patch, headers=merge)
    assert patched["data"] == {"l": "1"}
    got = await say("", 200, "GET", f"{MAPS}/a")
    assert version(got) == version(a) and got["data"] == {"k": "w"}
    for number in range(5):
        await say("ADDED", 201, "POST", MAPS, json=config_map(f"c{number}"))
    listed = await say("", 200, "GET", f"{MAPS}?limit=3")
    rest = await say("", 200, "GET", f"{MAPS}?limit=100&continue={listed['metadata']['continue']}")
    names = [item["metadata"]["name"] for item in [*listed["items"], *rest["items"]]]
    assert [name for name in names if name != "kube-root-ca.crt"] == ["a", "b"] + [
        f"c{number}" for number in range(5)
    ]
    old = await say(
        "", 200, "GET", f"{MAPS}?resourceVersion={due[1][2]}&resourceVersionMatch=Exact"
    )
    assert {item["metadata"]["name"] for item in old["items"]} >= {"a", "b"}
    assert "c0" not in {item["metadata"]["name"] for item in old["items"]}
    preconditions = {"preconditions": {"resourceVersion": str(version(stale))}}
    await say("", 409, "DELETE", f"{MAPS}/a", json=preconditions)
    await say("", 200, "DELETE", f"{MAPS}/a")
    await say("", 404, "GET", f"{MAPS}/a")
    due.append(("DELETED", "a", 0))
    await say("ADDED", 201, "POST", MAPS, json=config_map("last"))
    return before, due


def same(found: list[tuple[str, str, int]], due: list[tuple[str, str, int]]) -> None:
    assert [one[:2] for one in found] == [one[:2] for one in due]
    revisions = [one[2] for one in found]
    assert revisions == sorted(set(revisions))
    assert all(mine == due_ for (*_, mine), (*_, due_) in zip(found, due, strict=True) if due_)


@pytest.mark.parametrize("kind", ENGINES)
def test_verbs_conflicts_and_watches(kind: str, tmp_path: Path) -> None:
    security = create_security(f"{tmp_path}/security")

    async def scenario() -> None:
        async with stores(kind, tmp_path, security) as shards:
            async with serving(shards, security) as http:
                before, due = await verbs(http)
                found = await watched(http, before, len(due))
                same(found, due)
                # From where a client was, the rest is the same again.
                middle = found[4][2]
                assert await watched(http, middle, len(due) - 5) == found[5:]
                newest = version((await http.get(MAPS)).json())
                assert newest >= found[-1][2]
            # Another API server takes over what the first has shown.
            async with serving(shards, security) as http:
                item = (await http.get(f"{MAPS}/b")).json()
                assert item["data"] == {"l": "1"}
                again = await http.post(MAPS, json=config_map("again"))
                assert version(again.json()) > newest
                item["data"]["l"] = "2"
                assert (await http.put(f"{MAPS}/b", json=item)).status_code == 200
                assert (await http.put(f"{MAPS}/b", json=item)).status_code == 409
                assert await watched(http, version(again.json()), 1) == [
                    ("MODIFIED", "b", version((await http.get(f"{MAPS}/b")).json()))
                ]

    run(scenario())
