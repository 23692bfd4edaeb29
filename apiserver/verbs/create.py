"""POST of an object: decode, default, admit, validate, store if the name is free."""

from collections.abc import Generator
from typing import Any

from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import normalize_cluster_ips
from api.errors import AlreadyExists, ApiError, BadRequest, Cause, Forbidden, Invalid, NotFound
from api.kinds import Kind, kind_of
from api.lifecycle import prepare_create
from api.storage import CONFLICT, GET, OK, PUT
from api.times import rfc3339
from api.validation import validate_create
from apiserver.admit import admit
from apiserver.bodies import decode_object
from apiserver.options import write_options
from apiserver.records import DELETING, Record, encode
from apiserver.registry import Ask, Registry, Request, Verb
from apiserver.storefail import raise_if_failed
from apiserver.written import answer_of_write

NAME_TRIES = 8
"""Generated names tried. Source: maxNameGenerationCreateAttempts, registry/generic/store.go."""
GENERATED_BASE_MAX = 58
VALUE_BYTES_MAX = 1_572_864
"""Largest stored object. Source: etcd's default request limit, 1.5 MiB."""


def create(registry: Registry, request: Request) -> Verb:
    options = write_options("CreateOptions", request.options, request.over_frames)
    obj, warnings = decode_object(request.kind, request, options.field_validation)
    return (yield from create_object(registry, request, obj, options.dry_run, warnings))


def create_object(
    registry: Registry, request: Request, obj: JsonObject, dry_run: bool, warnings: list[str]
) -> Verb:
    """Store a decoded object that must not exist yet."""
    kind = request.kind
    meta = _checked_metadata(request, obj)
    base = meta.get("generateName", "") if not meta.get("name") else ""
    for attempt in range(NAME_TRIES):
        if base:
            meta["name"] = base[:GENERATED_BASE_MAX] + registry.names.suffix()
        if attempt == 0:
            if kind.namespaced:
                yield from _namespace_accepts(registry, request)
            _stamp(registry, meta)
            set_defaults(kind, obj)
            yield from admit(registry, kind, obj)
            prepare_create(kind, obj, registry.now_ns)
            if kind.key == "services":
                normalize_cluster_ips(obj)
            causes = validate_create(kind, obj)
            if causes:
                raise Invalid(kind.qualified, obj["metadata"].get("name", ""), causes)
            if kind.key == "services":
                registry.addresses.allocate(obj, None, registry.now_ns)
            meta = obj["metadata"]
        header, value, offset = encode(kind, obj)
        if len(value) > VALUE_BYTES_MAX:
            raise BadRequest("etcdserver: request is too large")
        key = registry.cache(kind).key(request.namespace, meta["name"])
        if dry_run:
            if key in registry.cache(kind).records:
                raise AlreadyExists(kind.key, meta["name"])
            return answer_of_write(request, 201, value, offset, 0, registry.now_ns, warnings)
        reply = yield registry.ask(kind, key, (PUT, key, header, value, 0, 0))
        if reply[0] == OK:
            return answer_of_write(request, 201, value, offset, reply[1], registry.now_ns, warnings)
        raise_if_failed(reply, CONFLICT)
        if not base:
            raise (yield from _already_there(registry, kind, key, meta["name"]))
        meta = obj["metadata"]
    raise AlreadyExists.generated(kind.key, base)


def _checked_metadata(request: Request, obj: JsonObject) -> JsonObject:
    """The metadata with the namespace of the URL. BadRequest when the body says otherwise."""
    kind = request.kind
    meta: JsonObject = obj["metadata"]
    if kind.namespaced:
        if meta.get("namespace", request.namespace) not in ("", request.namespace):
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        meta["namespace"] = request.namespace
    else:
        meta.pop("namespace", None)
    if request.name and meta.get("name") not in (None, "", request.name):
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL "
            f"({request.name})"
        )
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    return meta


def _stamp(registry: Registry, meta: JsonObject) -> None:
    """System fields of a new object; what the client said of them does not count."""
    for name in (
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
        "managedFields",
    ):
        meta.pop(name, None)
    meta["uid"] = registry.uids.uuid()
    meta["creationTimestamp"] = rfc3339(registry.now_ns)


_NAMESPACES = kind_of("namespaces")


def _namespace_accepts(registry: Registry, request: Request) -> Generator[Ask, Any, None]:
    """Admission NamespaceLifecycle: 404 when there is none, 403 while it is being deleted."""
    name = request.namespace
    cache = registry.caches["namespaces"]
    key = cache.key("", name)
    record = cache.records.get(key)
    if record is None:
        reply = yield registry.ask(_NAMESPACES, key, (GET, key, 0))
        raise_if_failed(reply)
        if not reply[1]:
            raise NotFound("namespaces", name)
        record = Record(key, reply[2], reply[3], reply[1], reply[1])
    if record.flags & DELETING:
        why = f"unable to create new content in namespace {name} because it is being terminated"
        causes = [
            Cause(
                "metadata.namespace",
                "NamespaceTerminating",
                f"namespace {name} is being terminated",
            )
        ]
        raise Forbidden(request.kind.key, request.name, why, causes)


def _already_there(
    registry: Registry, kind: Kind, key: bytes, name: str
) -> Generator[Ask, Any, ApiError]:
    """The error for a name that is taken, saying whether its holder is on its way out."""
    record = registry.cache(kind).records.get(key)
    if record is None:
        reply = yield registry.ask(kind, key, (GET, key, 0))
        raise_if_failed(reply)
        if reply[1]:
            record = Record(key, reply[2], reply[3], reply[1], reply[1])
    deleting = record is not None and bool(record.flags & DELETING)
    return AlreadyExists(kind.key, name, deleting)
