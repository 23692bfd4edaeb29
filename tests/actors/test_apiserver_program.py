"""The program of an API server with real shards, sockets, TLS and the official Python client."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvloop
from kubernetes import client as k8s
from kubernetes import watch as k8s_watch

from actors import apiserver, store
from actors.net import FrameClient, PeerError, PeerRefused, PortInUse
from actors.plan import ApiServerConfig, Security, StoreConfig
from actors.security import admin_token, create_security
from tests.actors.following import Followed, Heard
from tests.golden_api.run import replay

PATIENCE_S = 180.0
GOLDEN = Path(__file__).parents[1] / "golden" / "api"
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


@dataclass
class Started:
    """A running API server and what reaches it."""

    server: apiserver.ApiServer
    security: Security
    stores: list[store.Store]
    http: httpx.AsyncClient

    def frames(self, security: Security | None = None) -> FrameClient:
        async def resolve(name: str) -> str:
            return self.server.address

        return FrameClient("apiserver-0", security or self.security, resolve, "test/1.0")


async def nowhere(name: str) -> str:
    raise LookupError(name)


@asynccontextmanager
async def started(home: Path) -> AsyncIterator[Started]:
    security = create_security(f"{home}/security")
    stores = [
        await store.start(
            StoreConfig(number, f"{home}/store-{number}", security, durability="buffered"), nowhere
        )
        for number in range(2)
    ]

    async def resolve(name: str) -> str:
        return stores[int(name[-1])].address

    config = ApiServerConfig("apiserver-0", ("store-0", "store-1"), security, seed=1)
    server = await apiserver.start(config, resolve)
    context = ssl.create_default_context(cafile=f"{security.directory}/ca.crt")
    token = {"authorization": f"Bearer {admin_token(security)}"}
    url = f"https://127.0.0.1:{server.https_port}"
    try:
        async with httpx.AsyncClient(base_url=url, verify=context, headers=token) as http:
            yield Started(server, security, stores, http)
    finally:
        await server.stop()
        for one in stores:
            await one.stop()


def run(home: Path, test: Callable[[Started], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S), started(home) as it:
            await test(it)

    uvloop.run(bounded())


def test_frames_carry_calls_and_watches(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        frames = it.frames()
        heard = Heard()
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        frames.open(("watch", "configmaps", "default", "", "", 0), heard, ended.set_result)
        body = orjson.dumps({"metadata": {"name": "a"}, "data": {"k": "v"}})
        words = ["create", "configmaps", "default", "", "", "", body, "", False]
        missing = ["get", "nodes", "", "x", "", "", None, "", False]
        replies = await frames.call(("api", [words, words, missing]))
        assert [code for code, _, _ in replies] == [201, 409, 404]
        items = (await heard.until("items"))[0]
        assert items[2] == [replies[0][1]]
        seen = orjson.loads(items[3][0])
        assert seen["data"] == {"k": "v"}
        assert [entry["manager"] for entry in seen["metadata"]["managedFields"]] == ["test"]
        with pytest.raises(PeerError):
            await frames.call(("api", [["get"]]))
        assert await frames.call(("api", [])) == []
        await it.server.stop()
        assert await ended == "stopping"
        await frames.close()

    run(tmp_path, test)


def test_a_watch_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        frames = it.frames()
        for words, reason in (
            (("watch", "nothing", "", "", "", 0), "invalid: "),
            (("watch", "pods", "", "a==b==c", "", 0), "invalid: "),
            (("watch", "pods", "", "", "spec.foo=1", 0), "invalid: "),
            (("watch", "pods", "", "", "", 1), "expired"),
            (("what",), "invalid: "),
        ):
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            frames.open(words, print, ended.set_result)
            assert (await ended).startswith(reason)
        await frames.close()

    run(tmp_path, test)


def test_the_frame_port_wants_its_token(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        wrong = Security(it.security.cluster_id, "wrong", it.security.directory)
        frames = it.frames(wrong)
        with pytest.raises(PeerRefused):
            await frames.call(("api", []), timeout_s=PATIENCE_S)
        await frames.close()

    run(tmp_path, test)


def test_https_wants_a_token_and_bounds_bodies(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        for token in ("", "Bearer wrong", "Basic YWRtaW46YWRtaW4="):
            reply = await it.http.get("/api/v1/pods", headers={"authorization": token})
            assert (reply.status_code, reply.json()["reason"]) == (401, "Unauthorized")
        body = b'{"data":"' + b"x" * 4_000_000 + b'"}'
        reply = await it.http.post("/api/v1/namespaces/default/configmaps", content=body)
        assert (reply.status_code, reply.json()["reason"]) == (413, "RequestEntityTooLarge")
        assert (await it.http.get("/healthz")).text == "ok"
        assert reply.headers["cache-control"] == "no-cache, private"

    run(tmp_path, test)


def test_a_watch_over_https_starts_at_once_and_is_forgotten(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        path = "/api/v1/namespaces/default/configmaps"
        async with it.http.stream("GET", f"{path}?watch=1") as reply:
            assert reply.status_code == 200
            await it.http.post(path, json={"metadata": {"name": "a"}})
            lines = reply.aiter_lines()
            assert orjson.loads(await anext(lines))["object"]["metadata"]["name"] == "a"
            assert it.server.gauges()["watchers"] == 1
        # Leaving it closes its connection. The server answers one turn after the other, so some
        # answer is the first that comes after it noticed.
        while it.server.gauges()["watchers"]:
            assert (await it.http.get(path)).status_code == 200

    run(tmp_path, test)


def test_the_official_client_works_unmodified(tmp_path: Path) -> None:
    def use(host: str, token: str, ca: str) -> list[str]:
        configuration = k8s.Configuration(host=host)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        configuration.ssl_ca_cert = ca
        with k8s.ApiClient(configuration) as client:
            core, apps = k8s.CoreV1Api(client), k8s.AppsV1Api(client)
            core.create_namespaced_service_account("default", {"metadata": {"name": "default"}})
            core.create_namespaced_pod("default", POD)
            core.patch_namespaced_pod("p", "default", {"metadata": {"labels": {"a": "b"}}})
            binding = k8s.V1Binding(
                metadata=k8s.V1ObjectMeta(name="p"),
                target=k8s.V1ObjectReference(kind="Node", name="n1"),
            )
            core.create_namespaced_pod_binding("p", "default", binding, _preload_content=False)
            bound = core.list_pod_for_all_namespaces(field_selector="spec.nodeName=n1")
            assert [pod.metadata.labels for pod in bound.items] == [{"a": "b"}]
            template = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
            spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
            apps.create_namespaced_deployment("default", {"metadata": {"name": "d"}, "spec": spec})
            apps.patch_namespaced_deployment_scale("d", "default", {"spec": {"replicas": 3}})
            assert apps.read_namespaced_deployment("d", "default").spec.replicas == 3
            with pytest.raises(k8s.ApiException) as missing:
                core.read_node("nope")
            assert missing.value.status == 404
            core.delete_namespaced_pod("p", "default", grace_period_seconds=0)
            stream = k8s_watch.Watch().stream(
                core.list_namespaced_pod,
                "default",
                resource_version=bound.metadata.resource_version,
                timeout_seconds=int(PATIENCE_S),
            )
            types = [next(stream)["type"] for _ in range(2)]
            stream.close()
            return types

    async def test(it: Started) -> None:
        loop = asyncio.get_running_loop()
        host = f"https://127.0.0.1:{it.server.https_port}"
        ca = f"{it.security.directory}/ca.crt"
        types = await loop.run_in_executor(None, use, host, admin_token(it.security), ca)
        assert types == ["MODIFIED", "DELETED"]

    run(tmp_path, test)


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        async def resolve(name: str) -> str:
            return it.stores[int(name[-1])].address

        config = ApiServerConfig(
            "apiserver-1",
            ("store-0", "store-1"),
            it.security,
            seed=2,
            https_port=it.server.https_port,
        )
        with pytest.raises(PortInUse):
            await apiserver.start(config, resolve)

    run(tmp_path, test)


def test_a_large_state_reaches_a_reader_of_each_port(tmp_path: Path) -> None:
    """100 MB of objects: more than may be unsent on one connection."""
    count, size = 200, 500_000

    async def test(it: Started) -> None:
        frames = it.frames()
        for number in range(0, count, 10):
            bodies = [
                orjson.dumps({"metadata": {"name": f"c{n}"}, "data": {"k": "x" * size}})
                for n in range(number, number + 10)
            ]
            calls = [["create", "configmaps", "default", *[""] * 3, b, "", True] for b in bodies]
            replies = await frames.call(("api", calls))
            assert {code for code, _, _ in replies} == {201}
        heard = Heard()
        frames.open(("watch", "configmaps", "default", "", "", 0), heard, heard)
        seen = 0
        path = "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=180"
        async with it.http.stream("GET", path) as reply:
            async for _ in reply.aiter_lines():
                seen += 1
                if seen == count:
                    break
        await heard.until("synced")
        assert heard.bodies[-1][0] == "synced"
        assert sum(len(body[1]) for body in heard.bodies[:-1]) == count
        with pytest.raises(PeerError, match="list in pages"):
            await frames.call(("api", [["list", "configmaps", *[""] * 4, None, "", False]]))
        await frames.close()

    run(tmp_path, test)


def test_a_shard_that_moves_is_followed(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        path = "/api/v1/namespaces/default/configmaps"
        await it.http.post(path, json={"metadata": {"name": "before"}})
        frames = it.frames()
        heard = Heard()
        frames.open(("watch", "configmaps", "default", "", "", 0), heard, heard)
        # The present state first: asked later, it would hold both objects in one body.
        await heard.until("synced")
        await it.stores[0].stop()
        config = StoreConfig(0, f"{tmp_path}/store-0", it.security, durability="buffered")
        it.stores[0] = await store.start(config, nowhere)
        reply = await it.http.post(path, json={"metadata": {"name": "after"}}, timeout=PATIENCE_S)
        assert reply.status_code == 201
        bodies = await heard.until("items", 2)
        names = [orjson.loads(raw)["metadata"]["name"] for body in bodies for raw in body[3]]
        assert names == ["before", "after"]
        await frames.close()

    run(tmp_path, test)


UNLIKE: dict[str, str] = {}
"""Case to the reason why our answer differs."""


def test_recorded_answers() -> None:
    files = asyncio.run(replay(GOLDEN))
    unlike = {
        case: difference
        for outcomes in files.values()
        for case, difference in outcomes.items()
        if difference is not None
    }
    assert {case: why for case, why in unlike.items() if case not in UNLIKE} == {}
    assert set(unlike) == set(UNLIKE), "a case that passes now does not belong here"
    assert sum(len(outcomes) for outcomes in files.values()) == 258


def test_the_token_of_an_account_opens_the_door_until_the_account_is_gone(tmp_path: Path) -> None:
    async def test(it: Started) -> None:
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await it.http.post(accounts, json={"metadata": {"name": "robot"}})
        answer = await it.http.post(f"{accounts}/robot/token", json={"spec": {}})
        bearer = {"authorization": f"Bearer {answer.json()['status']['token']}"}
        review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        who = await it.http.post(review, json={}, headers=bearer)
        assert who.json()["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
        assert (await it.http.get("/api/v1/pods", headers=bearer)).status_code == 403
        frames = it.frames()
        present = Followed(frames, "serviceaccounts", "default")
        await present.until(lambda objects: "robot" in objects, PATIENCE_S)
        await it.http.delete(f"{accounts}/robot")
        await present.until(lambda objects: "robot" not in objects, PATIENCE_S)
        assert (await it.http.get("/version", headers=bearer)).status_code == 401
        await frames.close()

    run(tmp_path, test)
