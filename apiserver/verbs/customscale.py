"""The scale of a custom resource: replicas at the paths that its definition names.

Source: ScaleREST in apiextensions-apiserver/pkg/registry/customresource/etcd.go;
tests/golden/api/defaults.jsonl, def-crd.
"""

import orjson

from api.apply import track_update
from api.core import JsonObject
from api.crd.paths import PathError, put_at, simple_path, value_at
from api.errors import BadRequest, Cause, Conflict, InternalError, Invalid, NotFound, PlainError
from api.kinds import Kind
from api.lifecycle import prepare_update
from api.validation import validate_update
from apiserver.answers import answer_of_object
from apiserver.change import change
from apiserver.ownership import writer_of
from apiserver.records import Record
from apiserver.registry import Registry, Request, Verb
from apiserver.verbs.read import not_older, revision_of
from apiserver.verbs.scalepatch import SCALE, set_owners, wish_of

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_NEVER_SET = -(2**31)
"""Stands for ``replicas`` where the object has no such field: no client can ask for it."""


def get_custom_scale(registry: Registry, request: Request) -> Verb:
    """GET of the Scale of a custom object, at the paths its definition names."""
    kind = request.kind
    yield from not_older(registry, kind, revision_of(request.options.get("resourceVersion", "")))
    cache = registry.cache(kind)
    record = cache.records.get(cache.key(request.namespace, request.name))
    if record is None:
        raise NotFound(kind.key, request.name)
    try:
        scale = _scale_of(kind, record.parsed(kind), record.revision)
    except PathError as error:
        raise PlainError(str(error)) from None
    if scale["spec"].get("replicas") == _NEVER_SET:
        path = _paths(kind)["specReplicasPath"]
        raise InternalError(f'the spec replicas field "{path}" does not exist')
    return answer_of_object(200, scale, record.revision)


def set_custom_scale(registry: Registry, request: Request) -> Verb:
    """PUT or PATCH of a Scale: a change of the object at the path of its replicas."""
    kind = request.kind
    patch, options, given = wish_of(registry, request)
    path = simple_path(_paths(kind)["specReplicasPath"])

    def make(record: Record, old: JsonObject) -> JsonObject:
        wanted = given
        if patch is not None:
            wanted = patch.wanted(_scale_of(kind, old, record.revision), old, path)
        new = _scaled(kind, record, wanted)
        if patch is not None and patch.applies:
            set_owners(kind, new, old, wanted, path)
        else:
            track_update(kind, old, new, writer_of(registry, request))
        prepare_update(kind, new, old)
        causes = validate_update(kind, new, old)
        if causes:
            raise Invalid(kind.qualified, request.name, causes)
        return new

    try:
        changed = yield from change(
            registry, kind, request.namespace, request.name, make, options.dry_run
        )
        obj: JsonObject = orjson.loads(changed.value)
        scale = _scale_of(kind, obj, changed.revision)
    except PathError as error:
        raise PlainError(str(error)) from None
    return answer_of_object(200, scale, changed.revision)


def _paths(kind: Kind) -> JsonObject:
    assert kind.custom is not None and kind.custom.scale is not None
    return kind.custom.scale


def _scale_of(kind: Kind, obj: JsonObject, revision: int) -> JsonObject:
    """The Scale of an object. PathError."""
    paths = _paths(kind)
    meta = {**obj["metadata"], "resourceVersion": str(revision)}
    replicas = value_at(obj, simple_path(paths["specReplicasPath"]), int)
    replicas = _NEVER_SET if replicas is None else replicas
    status = {"replicas": value_at(obj, simple_path(paths["statusReplicasPath"]), int) or 0}
    selector_path = paths.get("labelSelectorPath")
    selector = value_at(obj, simple_path(selector_path), str) if selector_path else None
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _META if name in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _scaled(kind: Kind, record: Record, scale: JsonObject) -> JsonObject:
    """The object with the replicas of a Scale."""
    revision = scale["metadata"].get("resourceVersion")
    if revision and revision != str(record.revision):
        raise Conflict(kind.key, record.name)
    replicas, path = (scale.get("spec") or {}).get("replicas", 0), _paths(kind)["specReplicasPath"]
    if replicas == _NEVER_SET:
        raise BadRequest(f'the spec replicas field "{path}" cannot be empty')
    if replicas < 0:
        text = "must be greater than or equal to 0"
        causes = [Cause.invalid("spec.replicas", replicas, text)]
        raise Invalid(SCALE.qualified, record.name, causes)
    new = record.parsed(kind)
    put_at(new, simple_path(path), replicas)
    return new
