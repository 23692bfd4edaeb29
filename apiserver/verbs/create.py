"""POST of an object: decode, default, admit, validate, store if the name is free."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from api.admission import is_mirror, service_account_name, stamp_requester
from api.apply import Writer, creator_entry
from api.canonical import canonicalize
from api.conversion import View
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import normalize_cluster_ips
from api.errors import AlreadyExists, ApiError, BadRequest, Cause, Forbidden, Invalid, NotFound
from api.fields import OBJECT_META
from api.kind_warnings import warnings_of_finalizers
from api.kinds import Kind, kind_of
from api.lifecycle import prepare_create
from api.storage import CONFLICT, GET, OK, PUT
from api.times import rfc3339
from api.validation import in_words_of_new_events, validate_create
from api.validation.metadata import check_metadata
from api.warnings import warnings_of_create
from apiserver.admit import (
    ACCOUNT_WITHOUT_OPINIONS,
    PRIORITY_CLASSES,
    account_of,
    admit,
    limit_ranges,
)
from apiserver.alike import (
    GENERATED_BASE_MAX,
    UNLIKE,
    Likeness,
    begun_alike,
    likeness,
    made_alike,
    speaks_of_spec,
)
from apiserver.bodies import fit_object, parse_object
from apiserver.options import write_options
from apiserver.ownership import own_new, writer_of
from apiserver.podspecs import shape_of
from apiserver.quotas import charge
from apiserver.records import DELETING, Record, encode
from apiserver.registry import Ask, Registry, Request, Verb
from apiserver.storefail import raise_if_failed
from apiserver.written import answer_of_write

NAME_TRIES = 8
"""Generated names tried. Source: maxNameGenerationCreateAttempts, registry/generic/store.go."""
VALUE_BYTES_MAX = 1_572_864
"""Largest stored object. Source: etcd's default request limit, 1.5 MiB."""


class Draft(NamedTuple):
    """What a client wants to have created."""

    obj: JsonObject
    dry_run: bool = False
    warnings: Sequence[str] = ()
    like: Likeness = UNLIKE
    """Of a pod whose specification is known, and which then lacks it."""
    owned: bool = False
    """Its managedFields are those of an apply."""
    view: View | None = None
    """The form in which the client wrote it, when it is not the stored one."""


Encoding = Callable[[], tuple[bytes, bytes, int]]
"""Makes (header, value, offset) of an object as it is now."""


def create(registry: Registry, request: Request) -> Verb:
    """POST of an object. A pod like others of its template is made from what is its own."""
    options = write_options("CreateOptions", request.options, request.over_frames)
    validation, kind = options.field_validation, request.kind
    like, duplicates = UNLIKE, list[str]()
    begun = begun_alike(registry, request) if kind.key == "pods" else None
    if begun is not None:
        obj, like = begun
    else:
        obj, duplicates = parse_object(kind, request, validation)
        if kind.key == "pods" and not duplicates:
            like = likeness(registry, request, obj)
    if like.spec is not None:
        made = None if options.dry_run else made_alike(registry, request, obj, like)
        for _ in range(NAME_TRIES):
            if made is None:
                break
            key, header, value, offset = made
            reply = yield registry.ask(kind, key, (PUT, key, header, value, 0, 0))
            if reply[0] == OK:
                now_ns = registry.now_ns
                return answer_of_write(request, 201, value, offset, reply[1], now_ns, ())
            raise_if_failed(reply, CONFLICT)
            name = obj["metadata"].get("name")
            if name:
                raise (yield from _already_there(registry, kind, key, name))
            made = made_alike(registry, request, obj, like)
        else:
            raise AlreadyExists.generated(kind.key, obj["metadata"]["generateName"])
        if begun is None and speaks_of_spec(obj):
            like = UNLIKE
        else:
            obj.pop("spec", None)
    warnings = fit_object(kind, obj, duplicates, validation)
    if like.shape is not None and (shape_of(obj) or ("",))[1:] != like.shape[1:]:
        like = like._replace(shape=None)  # It had fields that are no pod's.
    draft = Draft(obj, options.dry_run, warnings, like, view=request.view)
    return (yield from create_object(registry, request, draft))


def create_object(registry: Registry, request: Request, draft: Draft) -> Verb:
    """Store a decoded object that must not exist yet."""
    kind, obj = request.kind, draft.obj
    meta = _checked_metadata(request, obj)
    if kind.key == "limitranges" and not (meta.get("name") or meta.get("generateName")):
        # Source: PrepareForCreate, pkg/registry/core/limitrange/strategy.go.
        meta["name"] = registry.uids.uuid()
    base = meta.get("generateName", "") if not meta.get("name") else ""
    encoding: Encoding | None = None
    warnings: Sequence[str] = ()
    charged = False
    for _ in range(NAME_TRIES):
        if base:
            obj["metadata"]["name"] = base[:GENERATED_BASE_MAX] + registry.names.suffix()
        if encoding is None:
            if kind.namespaced:
                yield from _namespace_accepts(registry, request, base or meta.get("name", ""))
            if kind.key == "certificates.k8s.io/certificatesigningrequests":
                stamp_requester(obj, request.user.name, request.user.uid, request.user.groups)
            _stamp(registry, meta)
            writer = None if draft.owned else writer_of(registry, request)
            encoding = yield from _completed(registry, kind, draft, writer, base)
            warnings = draft.warnings
            if kind.custom is not None:
                warnings = (*warnings, *warnings_of_finalizers(obj))
            elif not request.over_frames:
                warnings = (*warnings, *warnings_of_create(kind.key, obj))
                if kind.key in registry.unattended:
                    warnings = (*warnings, registry.unattended[kind.key])
        header, value, offset = encoding()
        name = obj["metadata"]["name"]
        if len(value) > VALUE_BYTES_MAX:
            raise BadRequest("etcdserver: request is too large")
        key = registry.cache(kind).key(request.namespace, name)
        taken = key in registry.cache(kind).records
        if kind.namespaced and not (charged or taken or draft.like.spec is not None):
            charged = True
            yield from charge(registry, kind, obj, None, draft.dry_run)
        now_ns = registry.now_ns
        if draft.dry_run:
            if taken:
                raise AlreadyExists(kind.key, name)
            return answer_of_write(request, 201, value, offset, 0, now_ns, warnings)
        reply = yield from registry.put(kind, key, (header, value), 0)
        if reply[0] == OK:
            return answer_of_write(request, 201, value, offset, reply[1], now_ns, warnings)
        raise_if_failed(reply, CONFLICT)
        if not base:
            raise (yield from _already_there(registry, kind, key, name))
    raise AlreadyExists.generated(kind.key, base)


def _completed(
    registry: Registry, kind: Kind, draft: Draft, writer: Writer | None, base: str
) -> Generator[Ask, Any, Encoding]:
    """Default, admit and validate an object in place. ``writer``: its creator, unless an apply
    made it; ``base``: what its name was generated from, if it was."""
    obj = draft.obj
    if draft.like.spec is not None:
        assert writer is not None, "an apply names no specification"
        encoding = yield from _known_pod(registry, kind, draft, writer, base)
        if encoding is not None:
            return encoding
        obj["spec"] = orjson.loads(draft.like.spec_key)
    plain = kind.key == "pods" and writer is not None and "managedFields" not in obj["metadata"]
    spec_key = orjson.dumps(obj.get("spec")) if plain else b""
    set_defaults(kind, obj)
    if writer is not None:
        own_new(kind, draft.view, obj, writer)
    yield from admit(registry, kind, obj, base)
    prepare_create(kind, obj, registry.now_ns)
    if kind.key == "services":
        normalize_cluster_ips(obj)
    causes = validate_create(kind, obj)
    if draft.view is not None and kind.key == "events":
        causes = in_words_of_new_events(causes, obj, None)
    if causes:
        raise Invalid(kind.qualified, obj["metadata"].get("name", ""), causes)
    if kind.key == "services":
        registry.addresses.allocate(obj, None, registry.now_ns)
    if spec_key and not is_mirror(obj) and not limit_ranges(registry, obj["metadata"]["namespace"]):
        account = yield from account_of(registry, obj["metadata"], service_account_name(obj), base)
        named = {**obj, "metadata": {"name": "a"}}
        own_class = "runtimeClassName" in obj["spec"]
        if (
            not own_class
            and account is ACCOUNT_WITHOUT_OPINIONS
            and not warnings_of_create(kind.key, named)
        ):
            registry.pod_specs.learn(spec_key, obj)
    return partial(encode, kind, obj)


def _known_pod(
    registry: Registry, kind: Kind, draft: Draft, writer: Writer, base: str
) -> Generator[Ask, Any, Encoding | None]:
    """Complete a pod whose specification is known; None when it must be done in full after all."""
    obj, like = draft.obj, draft.like
    found = registry.pod_specs.find(like.spec_key, registry.caches[PRIORITY_CLASSES].last_revision)
    if found is None:
        return None
    account = yield from account_of(registry, obj["metadata"], found.account, base)
    if account is not ACCOUNT_WITHOUT_OPINIONS:
        return None
    meta = obj["metadata"]
    canonicalize(OBJECT_META, meta)
    meta["managedFields"] = [creator_entry(kind, meta, found.owned, writer)]
    meta["generation"] = 1
    causes: list[Cause] = []
    check_metadata(causes, kind.key, obj, True)
    if causes:
        raise Invalid(kind.qualified, meta.get("name", ""), causes)
    if like.shape is not None and not draft.warnings:
        named = {**obj, "metadata": {**meta, "name": "a"}}
        if not warnings_of_create(kind.key, named):
            found.learn_head(like.shape, meta)
    return partial(found.encode, meta, registry.names.suffix())


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
    ):
        meta.pop(name, None)
    meta["uid"] = registry.uids.uuid()
    meta["creationTimestamp"] = rfc3339(registry.now_ns)


_NAMESPACES = kind_of("namespaces")


def _namespace_accepts(
    registry: Registry, request: Request, told: str
) -> Generator[Ask, Any, None]:
    """Admission NamespaceLifecycle: 404 when there is none, 403 while it is being deleted.
    ``told``: what the object is called in the refusal."""
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
        raise Forbidden(request.kind.key, told, why, causes)


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
