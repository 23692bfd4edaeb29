"""OpenAPI v3 documents, made from the tables: an index, and one document a group and version.

They hold what clients read: for each served path its operations with kind and query parameters
(kubectl create, apply, edit), and the schemas with their merge rules (kubectl explain, KWOK). They
have no descriptions. Source: research on kubectl 1.36; kube-openapi pkg/spec3; the operation
recorded in tests/golden/api/openapi_v3_example.json.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha512
from typing import NamedTuple

import orjson

from api.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from api.core import JsonObject
from api.discovery import VERSION, Served, kinds_served
from api.fields import DELETE_OPTIONS, LIST_META, OBJECT_META, STATUS
from api.kinds import Kind, Subresource, kind_by_gvk
from api.schemas import custom_schemas, reference, schemas_of

_JSON = "application/json"
_PATCH = "apimachinery.pkg.apis.meta.v1.Patch"
_SELECT_PARAMETERS = (
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("timeoutSeconds", "integer"),
)
_LIST_PARAMETERS = (
    *_SELECT_PARAMETERS,
    ("allowWatchBookmarks", "boolean"),
    ("sendInitialEvents", "boolean"),
    ("watch", "boolean"),
)
_WRITE_PARAMETERS = (
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
)
_DELETE_PARAMETERS = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)


class _Verb(NamedTuple):
    method: str
    action: str
    """``x-kubernetes-action``."""
    word: str
    """First word of the operation's id."""
    parameters: Sequence[tuple[str, str]]
    codes: tuple[int, ...]


_VERBS = {
    "list": _Verb("get", "list", "list", _LIST_PARAMETERS, (200,)),
    "get": _Verb("get", "get", "read", (), (200,)),
    "create": _Verb("post", "post", "create", _WRITE_PARAMETERS, (200, 201, 202)),
    "update": _Verb("put", "put", "replace", _WRITE_PARAMETERS, (200, 201)),
    "patch": _Verb(
        "patch", "patch", "patch", (*_WRITE_PARAMETERS, ("force", "boolean")), (200, 201)
    ),
    "delete": _Verb("delete", "delete", "delete", _DELETE_PARAMETERS, (200, 202)),
    "deletecollection": _Verb(
        "delete",
        "deletecollection",
        "deleteCollection",
        (*_DELETE_PARAMETERS, *_SELECT_PARAMETERS),
        (200,),
    ),
}
_COLLECTION = ("list", "create", "deletecollection")
_OBJECT = ("get", "update", "patch", "delete")


class OpenApi:
    """The documents for what is served, each made when first asked for and then kept.

    Cost: 9 ms for the core group; the index makes them all.
    """

    def __init__(self, served: Served, custom: Sequence[Kind] = ()) -> None:
        self._served = served
        self._kinds = kinds_served(served, custom)
        self._documents: dict[str, bytes] = {}

    @cached_property
    def index(self) -> bytes:
        """The answer to /openapi/v3: where each document is, with its hash."""
        return orjson.dumps({"paths": self.places})

    @cached_property
    def places(self) -> dict[str, JsonObject]:
        """Where each document is."""
        return {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash_of(path)}"}
            for path in self.paths
        }

    @property
    def paths(self) -> list[str]:
        """``api/v1``, ``apis/apps/v1``, ... sorted."""
        return sorted(_root(group, version) for group, version in self._kinds)

    def document(self, path: str) -> bytes | None:
        """The answer to /openapi/v3/PATH, or None when nothing is served there."""
        if path not in self._documents:
            for (group, version), kinds in self._kinds.items():
                if _root(group, version) == path:
                    self._documents[path] = orjson.dumps(_document(path, kinds, self._served))
        return self._documents.get(path)

    def hash_of(self, path: str) -> str:
        """Hash of a document in hexadecimal, upper case: also its ETag."""
        return sha512(self.document(path) or b"").hexdigest().upper()


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _document(path: str, kinds: Sequence[Kind], served: Served) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    types: list[str] = []
    own: dict[str, JsonObject] = {}
    for kind in kinds:
        if kind.custom is not None:
            own |= custom_schemas(kind)
            types += (OBJECT_META, LIST_META)
        for url, item, names in _resource_paths(path, kind, served.get(kind.key, ())):
            paths[url] = item
            types += names
    builtin = [name for name in dict.fromkeys(types) if name not in own]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {**own, **schemas_of(builtin)}},
    }


def _resource_paths(
    root: str, kind: Kind, subresources: Sequence[str]
) -> Iterator[tuple[str, JsonObject, list[str]]]:
    """URL, path item and types named in it, of a resource and its subresources."""
    place = "namespaces/{namespace}/" if kind.namespaced else ""
    collection = f"/{root}/{place}{kind.resource}"
    whole = _Target(kind, kind.type_name, kind.list_type_name, (kind.group, kind.version), "")
    for url, verbs in ((collection, _COLLECTION), (f"{collection}/{{name}}", _OBJECT)):
        served = [verb for verb in verbs if verb in kind.verbs]
        if served:
            yield url, _path_item(url, whole, served), whole.types
    if kind.namespaced and "list" in kind.verbs:
        url = f"/{root}/{kind.resource}"
        yield url, _path_item(url, whole, ["list"]), whole.types
    for sub in kind.subresources:
        if sub.name in subresources or kind.custom is not None:
            target = _subresource_target(kind, sub)
            url = f"{collection}/{{name}}/{sub.name}"
            yield url, _path_item(url, target, sub.verbs), target.types


class _Target(NamedTuple):
    """What operations of a path act on."""

    kind: Kind
    type_name: str
    list_type_name: str
    gv: tuple[str, str]
    subresource: str

    @property
    def types(self) -> list[str]:
        names = (self.type_name, self.list_type_name, DELETE_OPTIONS, STATUS, _PATCH)
        return [name for name in names if name]

    def operation_id(self, verb: str, word: str, everywhere: bool) -> str:
        words = (self.kind.group or "core").split(".")
        words = words[::-1] if self.kind.custom is not None else words[:1]
        group = "".join(word.capitalize() for word in words)
        scope = "Namespaced" if self.kind.namespaced and not everywhere else ""
        sub = self.subresource.capitalize()
        if verb == "deletecollection":
            scope, word = f"Collection{scope}", "delete"
        tail = "ForAllNamespaces" if everywhere else ""
        version = self.kind.version.capitalize()
        return f"{word}{group}{version}{scope}{self.kind.kind}{sub}{tail}"


def _subresource_target(kind: Kind, sub: Subresource) -> _Target:
    if kind.custom is not None and sub.kind == kind.kind:
        return _Target(kind, kind.type_name, "", (kind.group, kind.version), sub.name)
    body = kind_by_gvk(sub.group, sub.version, sub.kind)
    return _Target(kind, body.type_name, "", (sub.group, sub.version), sub.name)


def _path_item(url: str, target: _Target, verbs: Sequence[str]) -> JsonObject:
    everywhere = target.kind.namespaced and "{namespace}" not in url
    item: JsonObject = {_VERBS[verb].method: _operation(target, verb, everywhere) for verb in verbs}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _parameter_schema("string")}
        for name in ("name", "namespace")
        if f"{{{name}}}" in url
    ]
    if parameters:
        item["parameters"] = parameters
    return item


def _operation(target: _Target, verb: str, everywhere: bool) -> JsonObject:
    spec = _VERBS[verb]
    answer = {"list": target.list_type_name, "deletecollection": STATUS}.get(verb, target.type_name)
    group = target.kind.group.split(".")[0] or "core"
    operation: JsonObject = {
        "tags": [f"{group}_{target.kind.version}"],
        "operationId": target.operation_id(verb, spec.word, everywhere),
    }
    if spec.parameters:
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": _parameter_schema(of)}
            for name, of in sorted(spec.parameters)
        ]
    body = _request_body(target, verb)
    if body:
        operation["requestBody"] = body
    content = {"content": {_JSON: {"schema": reference(answer)}}}
    operation["responses"] = {**{str(code): content for code in spec.codes}, "401": {}}
    operation["x-kubernetes-action"] = spec.action
    group, version = target.gv
    operation["x-kubernetes-group-version-kind"] = {
        "group": group,
        "version": version,
        "kind": target.type_name.rpartition(".")[2],
    }
    return operation


def _request_body(target: _Target, verb: str) -> JsonObject | None:
    if verb in ("create", "update"):
        return {"content": {"*/*": {"schema": reference(target.type_name)}}, "required": True}
    if verb == "patch":
        last = STRATEGIC_PATCH if target.kind.custom is None else APPLY_PATCH
        types = (JSON_PATCH, MERGE_PATCH, last)
        content = {media: {"schema": reference(_PATCH)} for media in types}
        return {"content": content, "required": True}
    if verb in ("delete", "deletecollection"):
        return {"content": {"*/*": {"schema": reference(DELETE_OPTIONS)}}}
    return None


def _parameter_schema(of: str) -> JsonObject:
    return {"type": of, "uniqueItems": True}
