"""A component's words over HTTPS to any kube-apiserver.

Watches start with streamed initial events where the server has them, and with LIST in pages where
it answers that it has not. Source: kubernetes.io/docs/reference/using-api/api-concepts, v1.36
(streaming lists, bookmarks, 410 Gone).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from actors.net.transport import CALL_TIMEOUT_S, EXPIRED, INVALID, LOST, Done, OpenWatch, WatchSink
from actors.security import client_ssl_context
from api.calls import ADDED, WATCH_EVENT_NAMES, ApiReply, ApiRequest, WatchSpec
from api.core import JsonObject
from api.kinds import kind_of

METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
PAGE_LIMIT: Final = 500
"""Objects a page of LIST, as client-go's pager asks for."""
WATCH_SILENCE_S: Final = 600.0
"""Servers send a bookmark about every minute; a watch this silent is taken for lost."""
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
NEVER_SERVED: Final = (400, 404, 405, 422)
_TYPES: Final = {name: number for number, name in enumerate(WATCH_EVENT_NAMES)}


class HttpsTransport:
    """Connections to one server, at most ``connections_max`` besides one for each watch."""

    batch_requests_max = 500

    def __init__(
        self,
        server_url: str,
        ca_pem: str,
        token: str = "",
        connections_max: int = 100,
        identity_pem: str = "",
    ) -> None:
        """``server_url``: ``https://HOST:PORT``; ``ca_pem``: PEM text; ``identity_pem``: a client
        certificate and its key. Needs a running loop."""
        self._url = server_url.rstrip("/")
        headers = {"Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        context = client_ssl_context(ca_pem=ca_pem, identity_pem=identity_pem)
        self._calls = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections_max, ssl=context),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
        )
        self._watches = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=30, sock_read=WATCH_SILENCE_S),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams_lists = True
        self.trouble = ""
        """Why the last call or watch was lost."""

    def send(self, requests: Sequence[ApiRequest], done: Done) -> None:
        """UnknownKindError for a resource that Kubernetes 1.36 does not have."""
        urls = [URL(self._url + path_of(request), encoded=True) for request in requests]
        for url, request in zip(urls, requests, strict=True):
            self._start(self._call(url, request, done))

    def watch(self, spec: WatchSpec, revision: int, sink: WatchSink) -> OpenWatch:
        return _Following(self._start(self._follow(spec, revision, sink)))

    def gauges(self) -> dict[str, float]:
        return {"https_tasks": len(self._tasks)}

    async def close(self) -> None:
        """End watches and calls. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._calls.close()
        await self._watches.close()

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _call(self, url: URL, request: ApiRequest, done: Done) -> None:
        body = request.body
        headers = {"Content-Type": request.content_type or "application/json"} if body else {}
        try:
            async with self._calls.request(
                METHODS[request.verb], url, data=body, headers=headers
            ) as answer:
                code, text = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.trouble = str(error) or "timed out"
            done([ApiReply(request.id, 0, 0, b"")])
            return
        revision = _revision(_json(text))
        quiet = request.quiet and code < 400
        done([ApiReply(request.id, code, revision, b"" if quiet else text)])

    async def _follow(self, spec: WatchSpec, revision: int, sink: WatchSink) -> None:
        try:
            if revision:
                reason = await self._stream(spec, {"resourceVersion": str(revision)}, sink)
            else:
                reason = await self._list_and_stream(spec, sink)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self.trouble = str(error) or "timed out"
            reason = LOST
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = f"{INVALID}unreadable answer: {error!r}"
        sink.ended(reason)

    async def _list_and_stream(self, spec: WatchSpec, sink: WatchSink) -> str:
        if self._streams_lists:
            initial = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            reason = await self._stream(spec, initial, sink)
            if not reason.startswith(INVALID):
                return reason
            self._streams_lists = False
        query: dict[str, str] = {"limit": str(PAGE_LIMIT)}
        while True:
            async with self._get(self._calls, spec, query) as answer:
                page = _json(await answer.read())
                if answer.status != 200:
                    return _reason(answer.status, page)
            items = page.get("items") or []
            if items:
                _complete(spec, items)
                sink.items([ADDED] * len(items), [_revision(o) for o in items], items)
            following = page["metadata"].get("continue")
            if not following:
                break
            query["continue"] = following
        sink.synced(_revision(page))
        return await self._stream(
            spec, {"resourceVersion": page["metadata"]["resourceVersion"]}, sink
        )

    async def _stream(self, spec: WatchSpec, query: dict[str, str], sink: WatchSink) -> str:
        """Follow one WATCH to its end; why it ended."""
        query = {"watch": "true", "allowWatchBookmarks": "true", **query}
        async with self._get(self._watches, spec, query) as answer:
            if answer.status != 200:
                return _reason(answer.status, _json(await answer.read()))
            async for lines in _lines(answer.content):
                reason = _tell(sink, [orjson.loads(line) for line in lines])
                if reason:
                    return reason
        return LOST

    def _get(self, session: aiohttp.ClientSession, spec: WatchSpec, query: dict[str, str]) -> Any:
        selectors = {"labelSelector": spec.label_selector, "fieldSelector": spec.field_selector}
        words = urlencode({**query, **{name: text for name, text in selectors.items() if text}})
        path = path_of(ApiRequest(0, "list", spec.resource, spec.namespace, query=words))
        return session.get(URL(self._url + path, encoded=True))


class _Following:
    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def close(self) -> None:
        self._task.cancel()


def path_of(request: ApiRequest) -> str:
    """The URL path and query of a request. UnknownKindError."""
    kind = kind_of(request.resource)
    parts = [f"/apis/{kind.group}" if kind.group else "/api", kind.version]
    if request.namespace:
        parts += ["namespaces", request.namespace]
    parts.append(kind.resource)
    parts += [part for part in (request.name, request.subresource) if part]
    path = "/".join(parts)
    return f"{path}?{request.query}" if request.query else path


def _tell(sink: WatchSink, events: Sequence[JsonObject]) -> str:
    """Report a batch of watch events; why the watch is over, or empty."""
    types: list[int] = []
    objects: list[JsonObject] = []

    def flush() -> None:
        if types:
            sink.items(list(types), [_revision(o) for o in objects], list(objects))
            types.clear()
            objects.clear()

    for event in events:
        name, what = event["type"], event["object"]
        if name == "BOOKMARK":
            flush()
            annotations = what["metadata"].get("annotations") or {}
            ends_list = annotations.get(INITIAL_EVENTS_END) == "true"
            (sink.synced if ends_list else sink.bookmark)(_revision(what))
        elif name == "ERROR":
            flush()
            return _reason(what.get("code", 500), what)
        else:
            types.append(_TYPES[name])
            objects.append(what)
    flush()
    return ""


def _reason(code: int, status: JsonObject) -> str:
    message = f"{code} {status.get('message', '')}"
    if code == 410:
        return EXPIRED
    return f"{INVALID}{message}" if code in NEVER_SERVED else message


def _complete(spec: WatchSpec, items: Sequence[JsonObject]) -> None:
    """Items of a list come without kind and apiVersion; those of a watch have them."""
    kind = kind_of(spec.resource)
    for item in items:
        item.setdefault("kind", kind.kind)
        item.setdefault("apiVersion", kind.api_version)


def _revision(found: JsonObject) -> int:
    metadata = found.get("metadata")
    text = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def _json(text: bytes) -> JsonObject:
    """The object in an answer; an empty one for what is not JSON, such as a proxy's page."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[list[bytes]]:
    """Whole lines, as many at once as have come. A watch event has no length limit of its own."""
    rest = b""
    async for piece in content.iter_any():
        if b"\n" not in piece:
            rest += piece
            continue
        *lines, rest = (rest + piece).split(b"\n")
        yield [line for line in lines if line]
