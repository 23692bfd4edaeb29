"""Run recorded cases: steps one after the other, watch scenarios with all their watchers."""

import asyncio
import json
import re
from collections.abc import Coroutine, Iterable
from math import inf
from typing import Any, NamedTuple

import httpx

from api.core import JsonObject
from tests.golden_api.compare import Versions, first_difference, without_managed_fields
from tests.golden_api.server import Server

_SAVED = re.compile(r"\$\{(\w+)\}")
Saved = dict[str, str]


_LIMIT = re.compile(r"timeoutSeconds=\d+")
PATIENCE_S = 120
"""How long a watch of a scenario stays open when what was recorded does not come."""


class Watching(NamedTuple):
    """A watch of a scenario: answered, its code with all that it said until its end, and what it
    has said so far."""

    opened: asyncio.Event
    task: "asyncio.Task[tuple[int, Any]]"
    said: list[JsonObject]
    news: asyncio.Event

    async def until(self, count: float) -> None:
        """Wait for so many events or its end."""
        while not self.task.done() and len(_told(self.said)) < count:
            self.news.clear()
            await self.news.wait()

    def end(self) -> tuple[int, Any]:
        """Its code and what it has said."""
        if self.task.done():
            return self.task.result()
        self.task.cancel()
        return 200, self.said


class Case:
    """One recorded case in a namespace of its own."""

    def __init__(self, server: Server, case: JsonObject, namespace: str) -> None:
        self.server = server
        self.case = case
        self.id: str = case["id"]
        self.namespace = namespace
        self.saved: Saved = {}
        self._open: list[Watching] = []

    async def run(self) -> str | None:
        """The first difference, or None when everything was as recorded."""
        return await self._answered(self._steps())

    async def open(self) -> str | None:
        """The first half of a watch scenario: its setup, and all watches opened. Nobody else may
        write meanwhile, because the end of an initial state names the last write of anybody."""
        return await self._answered(self._open_watches())

    async def finish(self) -> str | None:
        """The other half: its writes, and what the watches saw."""
        return await self._answered(self._write_and_watch())

    @staticmethod
    async def _answered(part: Coroutine[Any, Any, str | None]) -> str | None:
        try:
            return await part
        except httpx.HTTPError as error:
            return f"no answer: {type(error).__name__} {error}"

    async def _steps(self) -> str | None:
        await self._prepare()
        for number, step in enumerate(self.case["steps"]):
            if "req" not in step:
                await self.server.compact()
                continue
            difference = await self._step(step)
            if difference is not None:
                request = step["req"]
                return f"step {number} {request['method']} {request['path']}: {difference}"
        return None

    async def _prepare(self) -> None:
        await self._send("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        if not self.case.get("noServiceAccount"):
            path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
            await self._send("POST", path, {"metadata": {"name": "default"}})

    async def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        token = {"authorization": f"Bearer {self.server.tokens['']}"}
        raw = None if body is None else body if isinstance(body, bytes) else _dumped(body)
        return await self.server.http.request(
            method, path, content=raw, headers={**token, **(headers or {})}
        )

    def _filled(self, value: Any) -> Any:
        """A request with the names of this run."""
        text = json.dumps(value).replace("{ns}", self.namespace)
        return json.loads(_SAVED.sub(lambda found: self.saved.get(found[1], found[0]), text))

    async def _step(self, step: JsonObject) -> str | None:
        request, result = step["req"], step["res"]
        headers = dict(self._filled(request.get("headers") or {}))
        user = str(request.get("user", "")).split(" ")[0]
        headers["authorization"] = f"Bearer {self.server.tokens[user]}"
        body: Any = self._filled(request["body"]) if "body" in request else None
        if "raw" in request:
            body = self._filled(request["raw"]).encode()
        elif "bodyBytes" in request:
            body = _big(request["bodyBytes"])
        path = self._filled(request["path"])
        if "stream" in result:
            return await self._stream(path, headers, result)
        response = await self._send(request["method"], path, body, headers)
        for name, place in (request.get("save") or {}).items():
            found: Any = response.json()
            for part in place.split("."):
                found = found[int(part)] if isinstance(found, list) else found[part]
            self.saved[name] = str(found)
        if response.status_code == 410:
            # Continued from in watch-compaction, where the recording does not name it.
            self.saved["tok2"] = response.json()["metadata"].get("continue", "")
        return self._judge(step, response)

    def _judge(self, step: JsonObject, response: httpx.Response) -> str | None:
        result = step["res"]
        if response.status_code != result["code"]:
            return f"code {response.status_code}, expected {result['code']}: {response.text[:200]}"
        if step.get("setup"):
            return None
        if step.get("loose"):
            expected, actual = result.get("body") or {}, response.json()
            return first_difference(expected.get("reason"), actual.get("reason"), path="reason")
        difference = self._headers(result.get("headers") or {}, response)
        if difference is not None:
            return difference
        if "text" in result:
            return first_difference(self._named(result["text"]), response.text, path="text")
        if "body" not in result:
            return None
        return first_difference(self._named(result["body"]), self._cleaned(response.json()))

    def _headers(self, expected: JsonObject, response: httpx.Response) -> str | None:
        for name, value in expected.items():
            actual: Any = response.headers.get_list(name)
            if isinstance(value, str):
                actual = actual[0] if actual else None
            difference = first_difference(self._named(value), actual, path=f"header {name}")
            if difference is not None:
                return difference
        return None

    def _named(self, expected: Any) -> Any:
        return json.loads(json.dumps(expected).replace("{ns}", self.namespace))

    def _cleaned(self, actual: Any) -> Any:
        """What recordings leave out, left out."""
        if isinstance(actual, dict) and actual.get("kind") == "Table":
            for column in actual.get("columnDefinitions") or ():
                column.pop("description", None)
            actual["rows"] = without_managed_fields(actual.get("rows"))
        return actual

    async def _stream(self, path: str, headers: JsonObject, result: JsonObject) -> str | None:
        response = await self._send("GET", path, None, headers)
        if response.status_code != result["code"]:
            return f"code {response.status_code}, expected {result['code']}"
        events = [json.loads(line) for line in response.text.splitlines()]
        events = [event for event in events if not _plain_bookmark(event)]
        expected = [e for e in self._named(result["stream"]) if not _plain_bookmark(e)]
        return first_difference(expected, [self._cleaned(event) for event in events])

    # Watch scenarios

    async def _open_watches(self) -> str | None:
        await self._prepare()
        for step in self.case["setup"]:
            difference = await self._step(step)
            if difference is not None:
                return f"setup: {difference}"
        self.saved["rv0"] = await self._version()
        await self._follow([w for w in self.case["watches"] if not _resumes(w)])
        return None

    async def _write_and_watch(self) -> str | None:
        versions = Versions()
        late = [w for w in self.case["watches"] if _resumes(w)]
        for write in self.case["writes"]:
            difference = await self._write(write, versions)
            if difference is not None:
                return difference
            if write["method"] == "DELETE" and late:
                self.saved["rv1"] = await self._version()
                await self._follow(late)
                late = []
        pairs = list(zip(self.case["watches"], self._open, strict=True))
        for watch, watching in pairs:
            await watching.until(len(_told(watch["events"])) if "events" in watch else inf)
        # A consistent read: whatever the server had to tell beyond that, it has told.
        await self._version()
        for watch, (code, events) in [(watch, watching.end()) for watch, watching in pairs]:
            difference = self._judge_watch(watch, code, events, versions)
            if difference is not None:
                return f"watch {watch['name']}: {difference}"
        return versions.disorder()

    async def _follow(self, watches: list[JsonObject]) -> None:
        """Open watches; return when each was answered: what comes later is told as an event."""
        for watch in watches:
            opened, news, said = asyncio.Event(), asyncio.Event(), []
            task = asyncio.create_task(self._watch(watch, opened, said, news))
            self._open.append(Watching(opened, task, said, news))
        for watching in self._open:
            await watching.opened.wait()

    async def _version(self) -> str:
        """Of a list of what is watched."""
        path = self.case["watches"][0]["path"].partition("?")[0].replace("/watch/", "/")
        response = await self._send("GET", f"{self._filled(path)}?limit=1")
        version: str = response.json()["metadata"]["resourceVersion"]
        return version

    async def _write(self, write: JsonObject, versions: Versions) -> str | None:
        headers = {"content-type": write.get("contentType", "application/json")}
        body = self._filled(write["body"]) if "body" in write else None
        response = await self._send(write["method"], self._filled(write["path"]), body, headers)
        where = f"write {write['method']} {write['path']}"
        if response.status_code != write["code"]:
            return f"{where}: code {response.status_code}, expected {write['code']}"
        if "rv" in write:
            version = response.json()["metadata"].get("resourceVersion")
            return first_difference(write["rv"], version, versions, where)
        return None

    async def _watch(
        self,
        watch: JsonObject,
        opened: asyncio.Event,
        said: list[JsonObject],
        news: asyncio.Event,
    ) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.server.tokens['']}"}
        if "accept" in watch:
            headers["accept"] = watch["accept"]
        # What it hears must not depend on how far the writes have come when its time is up.
        path = _LIMIT.sub(f"timeoutSeconds={PATIENCE_S}", self._filled(watch["path"]))
        try:
            async with self.server.http.stream(
                "GET", path, headers=headers, timeout=PATIENCE_S
            ) as response:
                opened.set()
                if response.status_code != 200:
                    await response.aread()
                    return response.status_code, response.json()
                async for line in response.aiter_lines():
                    said.append(json.loads(line))
                    news.set()
            return 200, said
        finally:
            opened.set()
            news.set()

    def _judge_watch(
        self, watch: JsonObject, code: int, events: Any, versions: Versions
    ) -> str | None:
        if code != watch["code"]:
            return f"code {code}, expected {watch['code']}"
        if "body" in watch:
            return first_difference(self._named(watch["body"]), events)
        expected = without_managed_fields(_told(watch["events"]))
        actual = without_managed_fields(_told(events))
        for event in actual:
            for column in event["object"].get("columnDefinitions") or ():
                column.pop("description", None)
        return first_difference(self._named(expected), actual, versions)


def _resumes(watch: JsonObject) -> bool:
    """It is opened in the middle of the writes, from what was read then."""
    name: str = watch["name"]
    return name.startswith("resume-")


def _told(events: Iterable[JsonObject]) -> list[JsonObject]:
    """Events but for the bookmarks that come by the clock."""
    return [event for event in events if not _plain_bookmark(event)]


def _plain_bookmark(event: JsonObject) -> bool:
    return event["type"] == "BOOKMARK" and "initial-events-end" not in json.dumps(event)


def _dumped(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _big(size: int) -> bytes:
    """A ConfigMap whose JSON has ``size`` bytes."""
    whole = _dumped(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": ""}}
    )
    return whole.replace(b'"a":""', b'"a":"%b"' % (b"x" * (size - len(whole))))
