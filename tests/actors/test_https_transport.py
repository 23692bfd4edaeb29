"""Calls and watches over HTTPS, against a small server with kube-apiserver's manners."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from actors.net.exchange import Exchange
from actors.net.https import HttpsServer, serve_https
from actors.net.https_transport import HttpsTransport, path_of
from actors.plan import Security
from actors.security import admin_token, create_security, server_ssl_context
from api.calls import ADDED, DELETED, MERGE_PATCH, MODIFIED, ApiReply, ApiRequest, WatchSpec
from api.core import JsonObject
from api.kinds import UnknownKindError
from tests.actors.loopback import run

PODS = WatchSpec("mine", "pods", "default", "app=web", "spec.nodeName=n1")


def pod(revision: int) -> JsonObject:
    return {"kind": "Pod", "metadata": {"name": "p", "resourceVersion": str(revision)}}


def event(name: str, what: JsonObject) -> bytes:
    return orjson.dumps({"type": name, "object": what}) + b"\n"


def bookmark(revision: int, *, ends_list: bool = False) -> bytes:
    what = pod(revision)
    if ends_list:
        what["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event("BOOKMARK", what)


GONE = event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})


class Kube:
    """Answers watches with the scripted pieces, then ends them; echoes calls."""

    def __init__(self, pieces: Sequence[bytes], streams_lists: bool = True) -> None:
        self.pieces = pieces
        self.streams_lists = streams_lists
        self.seen: list[tuple[str, str, dict[str, str], dict[str, str]]] = []

    def __call__(self, exchange: Exchange) -> None:
        path, _, raw = exchange.target.decode().partition("?")
        query = {key: value[0] for key, value in parse_qs(raw).items()}
        headers = {key.decode(): value.decode() for key, value in exchange.listed}
        self.seen.append((exchange.method.decode(), path, query, headers))
        if exchange.method != b"GET":
            exchange.answer(201, b"", exchange.body)
        elif "sendInitialEvents" in query and not self.streams_lists:
            exchange.answer(422, b"", b'{"kind":"Status","message":"forbidden"}')
        elif "watch" in query:
            exchange.start(200, b"")
            for piece in self.pieces:
                exchange.write(piece)
            exchange.end()
        elif "continue" not in query:
            page = {"metadata": {"continue": "next", "resourceVersion": "9"}, "items": [pod(3)]}
            exchange.answer(200, b"", orjson.dumps(page))
        else:
            page = {"metadata": {"resourceVersion": "9"}, "items": [pod(8), pod(2)]}
            exchange.answer(200, b"", orjson.dumps(page))


class Sink:
    """Writes down what a watch says."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def items(
        self, types: Sequence[int], revisions: Sequence[int], objects: Sequence[JsonObject]
    ) -> None:
        assert [int(o["metadata"]["resourceVersion"]) for o in objects] == list(revisions)
        assert all(o["kind"] == "Pod" for o in objects)
        self.heard += [
            ("item", kind, number) for kind, number in zip(types, revisions, strict=True)
        ]

    def synced(self, revision: int) -> None:
        self.heard.append(("synced", revision))

    def bookmark(self, revision: int) -> None:
        self.heard.append(("bookmark", revision))

    def ended(self, reason: str) -> None:
        self.end.set_result(reason)


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return create_security(str(tmp_path_factory.mktemp("security")))


async def start(security: Security, kube: Kube) -> tuple[HttpsServer, HttpsTransport]:
    server = await serve_https(kube, "127.0.0.1", 0, server_ssl_context(security))
    return server, transport_to(server, security)


def transport_to(server: HttpsServer, security: Security) -> HttpsTransport:
    url = f"https://127.0.0.1:{server.port}/"
    authority = Path(security.directory, "ca.crt").read_text()
    return HttpsTransport(url, authority, admin_token(security))


async def call(transport: HttpsTransport, *requests: ApiRequest) -> dict[int, ApiReply]:
    """All answers by id."""
    replies: dict[int, ApiReply] = {}
    complete = asyncio.Event()

    def done(batch: Sequence[ApiReply]) -> None:
        replies.update({reply.id: reply for reply in batch})
        if len(replies) == len(requests):
            complete.set()

    transport.send(requests, done)
    await complete.wait()
    return replies


def test_calls_become_requests_with_token_type_and_path(security: Security) -> None:
    async def scenario() -> None:
        kube = Kube([])
        server, transport = await start(security, kube)
        body = orjson.dumps(pod(77))
        patch = ApiRequest(
            2, "patch", "apps/deployments", "d", "web", "scale", "a=b", body, MERGE_PATCH, True
        )
        create = ApiRequest(1, "create", "pods", "default", body=body)
        replies = await call(transport, create, patch)
        assert replies[1] == (1, 201, 77, body)
        assert replies[2] == (2, 201, 77, b""), "quiet"
        seen = {method: (path, query, headers) for method, path, query, headers in kube.seen}
        path, query, headers = seen["PATCH"]
        assert path == "/apis/apps/v1/namespaces/d/deployments/web/scale"
        assert (query, headers["content-type"]) == ({"a": "b"}, MERGE_PATCH)
        assert seen["POST"][0] == "/api/v1/namespaces/default/pods"
        assert seen["POST"][2]["authorization"] == f"Bearer {admin_token(security)}"
        with pytest.raises(UnknownKindError):
            transport.send([ApiRequest(3, "get", "no/such")], lambda _: None)
        await transport.close()
        await server.stop()

    run(scenario())


def test_paths_of_cluster_scoped_resources_and_collections() -> None:
    node = ApiRequest(1, "get", "nodes", name="n1", subresource="status")
    assert path_of(node) == "/api/v1/nodes/n1/status"
    leases = ApiRequest(1, "list", "coordination.k8s.io/leases", query="limit=5")
    assert path_of(leases) == "/apis/coordination.k8s.io/v1/leases?limit=5"


def test_a_watch_streams_its_list_where_the_server_can(security: Security) -> None:
    async def scenario() -> None:
        first, second = event("ADDED", pod(3)), event("MODIFIED", pod(12))
        pieces = [
            first[:20],
            first[20:] + bookmark(10, ends_list=True) + second,
            event("DELETED", pod(13)) + bookmark(20) + GONE,
        ]
        kube = Kube(pieces)
        server, transport = await start(security, kube)
        sink = Sink()
        transport.watch(PODS, 0, sink)
        assert await sink.end == "expired"
        assert sink.heard == [
            ("item", ADDED, 3),
            ("synced", 10),
            ("item", MODIFIED, 12),
            ("item", DELETED, 13),
            ("bookmark", 20),
        ]
        _, path, query, _ = kube.seen[0]
        assert path == "/api/v1/namespaces/default/pods"
        assert query == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "labelSelector": "app=web",
            "fieldSelector": "spec.nodeName=n1",
        }
        await transport.close()
        await server.stop()

    run(scenario())


def test_a_server_without_streamed_lists_is_listed_in_pages_and_remembered(
    security: Security,
) -> None:
    async def scenario() -> None:
        kube = Kube([event("MODIFIED", pod(12))], streams_lists=False)
        server, transport = await start(security, kube)
        for _ in range(2):
            sink = Sink()
            transport.watch(PODS, 0, sink)
            assert await sink.end == "lost"
            assert sink.heard == [
                *[("item", ADDED, revision) for revision in (3, 8, 2)],
                ("synced", 9),
                ("item", MODIFIED, 12),
            ]
        assert kube.seen[3][2]["resourceVersion"] == "9"
        assert sum("sendInitialEvents" in query for _, _, query, _ in kube.seen) == 1
        await transport.close()
        await server.stop()

    run(scenario())


def test_a_watch_goes_on_from_a_revision_and_ends_when_closed(security: Security) -> None:
    async def scenario() -> None:
        kube = Kube([bookmark(30)])
        server, transport = await start(security, kube)
        sink = Sink()
        transport.watch(PODS, 25, sink)
        assert await sink.end == "lost"
        assert kube.seen[0][2]["resourceVersion"] == "25"
        assert sink.heard == [("bookmark", 30)]
        closed = Sink()
        transport.watch(PODS, 25, closed).close()
        await transport.close()
        assert not closed.end.done()
        await server.stop()

    run(scenario())


@pytest.mark.parametrize(
    "piece", [b"no json\n", b'{"type":"ADDED"}\n', b'{"type":"NEW","object":{}}\n']
)
def test_what_no_kube_apiserver_says_ends_the_watch_for_good(
    security: Security, piece: bytes
) -> None:
    async def scenario() -> None:
        server, transport = await start(security, Kube([piece]))
        sink = Sink()
        transport.watch(PODS, 25, sink)
        assert (await sink.end).startswith("invalid: unreadable answer")
        await transport.close()
        await server.stop()

    run(scenario())


def test_an_unreachable_or_unproven_server_gives_code_0_and_the_reason(
    security: Security, tmp_path: Path
) -> None:
    async def scenario() -> None:
        server, transport = await start(security, Kube([]))
        other = create_security(str(tmp_path))
        stranger = transport_to(server, other)
        replies = await call(stranger, ApiRequest(1, "get", "nodes", name="n"))
        assert replies[1] == (1, 0, 0, b"") and "certificate" in stranger.trouble
        await stranger.close()
        await server.stop()
        replies = await call(transport, ApiRequest(1, "get", "nodes", name="n"))
        assert replies[1].code == 0 and str(server.port) in transport.trouble
        sink = Sink()
        transport.watch(PODS, 0, sink)
        assert await sink.end == "lost"
        await transport.close()

    run(scenario())
