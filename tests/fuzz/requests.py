"""Requests that our own OpenAPI documents invite to, at a server that must not break.

The whole server runs in this process on real store cores (tests/apiserver/apiserver_rig.py), so a
request costs about a millisecond, a bug of the server is raised here with its trace, and the same
seed gives the same requests.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from api.core import JsonObject
from apiserver.messages import Answer
from tests.apiserver.apiserver_rig import Rig
from tests.fuzz.chance import TEXTS, Chance, Schema

RECORDED_500 = (
    b'"message":"resourceVersion: Invalid value',
    b'"message":"target.',
    b'"message":"[target.',
)
"""Bad requests to which the real server answers 500 (recorded: err-bad-rv-get, err-binding)."""
PER_SERVER = 250
"""Requests to one server; then a new one, as a full one is slow to check."""
SECONDS_MAX = 5.0
"""Of CPU for one request: nothing comes near."""
NAMES = ("a", "b", "x", "default", "n1", "nope")
QUERIES = ("watch", "limit", "continue", "resourceVersion", "labelSelector", "pretty", "dryRun")
ACCEPTS = (
    *("", "", "", "", "", "", "application/json", "*/*", "*/*", "application/json", "text/html"),
    *("application/json;as=Table;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf"),
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
)
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


class Operation(NamedTuple):
    """One method of one path."""

    path: str
    method: str
    parameters: tuple[JsonObject, ...]
    body: Schema | None
    schemas: dict[str, Schema]
    kind: JsonObject


class Wrong(AssertionError):
    """The server answered what it never may."""


def operations(rig: Rig) -> list[Operation]:
    """Everything that the documents of a server offer."""
    found: list[Operation] = []
    _, index = rig.call("GET", "/openapi/v3")
    for row in index["paths"].values():
        _, document = rig.call("GET", row["serverRelativeURL"])
        schemas = document["components"]["schemas"]
        for path, item in document["paths"].items():
            shared = item.get("parameters") or []
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    found.append(_operation(path, method, item[method], shared, schemas))
    return found


def _operation(
    path: str, method: str, item: JsonObject, shared: list[JsonObject], schemas: dict[str, Schema]
) -> Operation:
    body = None
    for media in (item.get("requestBody") or {}).get("content", {}).values():
        body = media.get("schema")
    parameters = (*shared, *(item.get("parameters") or ()))
    kind = item.get("x-kubernetes-group-version-kind") or {}
    return Operation(path, method, parameters, body, schemas, kind)


class Fuzzer:
    """Sends requests; counts what came back."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed, "fuzz/requests")
        self.codes: dict[int, int] = {}
        self.last: list[tuple[str, str, bytes]] = []

    def run(self, count: int) -> None:
        """Wrong, or whatever error the server raises."""
        for begin in range(0, count, PER_SERVER):
            rig = Rig()
            for name in ("x", "a"):
                rig.namespace(name)
            offered = operations(rig)
            for _ in range(min(PER_SERVER, count - begin)):
                self._send(rig, self.chance.of(offered))

    def _send(self, rig: Rig, operation: Operation) -> None:
        chance = self.chance
        path = self._path(operation)
        content_type = ""
        body = b""
        if operation.method == "patch":
            content_type = chance.of(PATCHES)
            body = orjson.dumps(self._patch(operation, content_type))
        elif operation.body is not None:
            body = orjson.dumps(self._object(operation))
            content_type = chance.of(("", "application/json", "application/yaml"))
        self.last = [*self.last[-2:], (operation.method, path, body)]
        begun = time.process_time()
        method = operation.method.upper()
        request = rig.start(method, path, body, content_type, chance.of(ACCEPTS))
        if request in rig.http:
            rig.close(request)
            self._count(200)
            return
        if request not in rig.answers:
            rig.run(4)
        if time.process_time() - begun > SECONDS_MAX:
            raise Wrong(f"slow: {self.last}")
        if request in rig.http:
            rig.close(request)
            self._count(200)
        else:
            self.judge(rig.answers.pop(request))

    def judge(self, answer: Answer) -> None:
        """Raises Wrong."""
        self._count(answer.code)
        if answer.code == 500 and not any(text in answer.body for text in RECORDED_500):
            raise Wrong(f"{answer.code} {answer.body!r} to {self.last[-1]}")
        if answer.code >= 400 and answer.content_type == "application/json":
            status = orjson.loads(answer.body)
            if (status["kind"], status["code"]) != ("Status", answer.code):
                raise Wrong(f"{answer} to {self.last[-1]}")

    def _count(self, code: int) -> None:
        self.codes[code] = self.codes.get(code, 0) + 1

    def _path(self, operation: Operation) -> str:
        chance = self.chance
        path = operation.path
        while "{" in path:
            before, _, rest = path.partition("{")
            hole, _, after = rest.partition("}")
            name = chance.of(("x", "x", "a", "nope") if hole == "namespace" else NAMES)
            if chance.one_in(30):
                name = quote(chance.of(TEXTS), safe="")
            path = f"{before}{name}{after}"
        query = "&".join(self._query(operation))
        return f"{path}?{query}" if query else path

    def _query(self, operation: Operation) -> Iterator[str]:
        chance = self.chance
        if operation.method == "patch" and not chance.one_in(8):
            yield "fieldManager=fuzz"
        for parameter in operation.parameters:
            if parameter["in"] == "query" and chance.one_in(8):
                value = chance.value(parameter.get("schema") or {}, operation.schemas)
                yield f"{parameter['name']}={quote(str(value), safe='')}"
        if chance.one_in(20):
            yield f"{chance.of(QUERIES)}={quote(chance.of(TEXTS), safe='')}"

    def _object(self, operation: Operation) -> Any:
        chance = self.chance
        assert operation.body is not None
        made = chance.value(operation.body, operation.schemas)
        if not isinstance(made, dict) or chance.one_in(20):
            return made
        kind = operation.kind
        version = f"{kind.get('group')}/{kind.get('version')}".removeprefix("/")
        made["apiVersion"], made["kind"] = version, kind.get("kind", "")
        meta = made.get("metadata")
        if not isinstance(meta, dict):
            meta = {}
        # Most objects get past the first checks, into the depth.
        name = operation.path.rpartition("/")[2]
        kept = {key: value for key, value in meta.items() if key in ("labels", "finalizers")}
        made["metadata"] = meta if chance.one_in(6) else {**kept, "name": chance.of(NAMES[:4])}
        if name == "{name}" and chance.one_in(2):
            made["metadata"].pop("name", None)
        return made

    def _patch(self, operation: Operation, content_type: str) -> Any:
        chance = self.chance
        schemas = operation.schemas
        of_kind = [
            schema
            for schema in schemas.values()
            if operation.kind in (schema.get("x-kubernetes-group-version-kind") or ())
        ]
        if content_type != PATCHES[0]:
            return chance.value(of_kind[0], schemas) if of_kind else chance.value({}, schemas)
        paths = ("", "/", "/metadata", "/metadata/labels/a", "/spec", "/spec/replicas", "/data/-")
        return [
            {
                "op": chance.of(("add", "remove", "replace", "move", "copy", "test", "nope")),
                "path": chance.of(paths),
                "from": chance.of(paths),
                "value": chance.value({}, schemas),
            }
            for _ in range(chance.below(3))
        ]
