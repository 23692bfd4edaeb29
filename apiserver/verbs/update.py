"""PUT and PATCH of objects, of their status, and of a namespace's finalizers."""

from collections.abc import Callable
from functools import partial

from api.core import JsonObject
from api.defaulting import set_defaults
from api.errors import BadRequest, Cause, Conflict, Invalid, PlainError
from api.kind_warnings import warnings_of_finalizers
from api.kinds import Kind
from api.lifecycle import (
    prepare_approval,
    prepare_pod_part,
    prepare_status_update,
    prepare_update,
)
from api.storage import GET
from api.validation import (
    in_words_of_new_events,
    validate_approval,
    validate_pod_part,
    validate_status_update,
    validate_update,
)
from api.warnings import warnings_of_update
from apiserver.admit import admit_update
from apiserver.bodies import NO_FINDINGS, check_patched, decode_object
from apiserver.change import change
from apiserver.options import write_options
from apiserver.ownership import keep_times, own_changed, writer_of
from apiserver.patching import findings_of, patch_of
from apiserver.records import Record
from apiserver.registry import Registry, Request, Verb
from apiserver.storefail import raise_if_failed
from apiserver.verbs.create import Draft, create_object
from apiserver.verbs.heartbeat import NODES, heartbeat, may_be_heartbeat
from apiserver.verbs.renew import LEASES, may_be_renewal, renewal
from apiserver.written import answer_of_write

POD_PARTS = ("ephemeralcontainers", "resize")
"""Subresources whose body is the whole pod, of which a part counts."""
_CREATED_BY_UPDATE = frozenset(
    (
        *("coordination.k8s.io/leases", "events", "services", "endpoints", "limitranges"),
        *(
            f"rbac.authorization.k8s.io/{name}"
            for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        ),
        "node.k8s.io/runtimeclasses",
    )
)
"""PUT of a missing object creates it. Source: AllowCreateOnUpdate in pkg/registry/*/strategy.go."""
_NEEDS_REVISION = frozenset(
    (
        *("coordination.k8s.io/leases", "policy/poddisruptionbudgets"),
        *("node.k8s.io/runtimeclasses", "apiregistration.k8s.io/apiservices"),
        *(f"storage.k8s.io/{name}s" for name in ("csidriver", "csinode", "volumeattachment")),
        *("storage.k8s.io/csistoragecapacities", "apiextensions.k8s.io/customresourcedefinitions"),
        *(
            f"admissionregistration.k8s.io/{kind}{what}"
            for kind in ("mutating", "validating")
            for what in ("webhookconfigurations", "admissionpolicies", "admissionpolicybindings")
        ),
    )
)
"""PUT without resourceVersion is refused. Source: AllowUnconditionalUpdate, the same files."""


def update(registry: Registry, request: Request) -> Verb:
    """PUT of an object, of its status, or of a namespace's finalizers."""
    kind = request.kind
    options = write_options("UpdateOptions", request.options, request.over_frames)
    if kind.key == LEASES and may_be_renewal(request):
        renewed = yield from renewal(registry, request)
        if renewed is not None:
            return answer_of_write(
                request, 200, renewed.value, renewed.offset, renewed.revision, registry.now_ns, ()
            )
    obj, warnings = decode_object(kind, request, options.field_validation)
    check_identity(request, obj)
    if kind.key in _CREATED_BY_UPDATE and not request.subresource:
        cache = registry.cache(kind)
        key = cache.key(request.namespace, request.name)
        if key not in cache.records:
            reply = yield registry.ask(kind, key, (GET, key, 0))
            raise_if_failed(reply)
            if not reply[1]:
                obj["metadata"].pop("resourceVersion", None)
                return (
                    yield from create_object(
                        registry, request, Draft(obj, options.dry_run, warnings, view=request.view)
                    )
                )
    given: list[JsonObject] = [obj]
    found: list[str] = []

    def make(record: Record, old: JsonObject) -> JsonObject:
        new = given.pop() if given else decode_object(kind, request, options.field_validation)[0]
        check_identity(request, new)
        check_preconditions(kind, request.name, new["metadata"], record)
        revision = new["metadata"].get("resourceVersion")
        if not revision and (kind.custom is not None or kind.key in _NEEDS_REVISION):
            cause = Cause.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise Invalid(kind.qualified_resource, request.name, [cause])
        state = next_state(registry, request, new, old)
        found[:] = _found(request, state, old)
        return state

    changed = yield from change(
        registry, kind, request.namespace, request.name, make, options.dry_run
    )
    warnings = [*warnings, *found]
    return answer_of_write(
        request, 200, changed.value, changed.offset, changed.revision, registry.now_ns, warnings
    )


def patch(registry: Registry, request: Request) -> Verb:
    """PATCH of an object or of its status, in the three ways but server-side apply."""
    kind = request.kind
    if kind.key == NODES and may_be_heartbeat(request):
        beaten = yield from heartbeat(registry, request)
        if beaten is not None:
            return answer_of_write(
                request, 200, beaten.value, beaten.offset, beaten.revision, registry.now_ns, ()
            )
    apply = patch_of(kind, request)
    findings = NO_FINDINGS if request.patch is not None else findings_of(request)
    options = write_options("PatchOptions", request.options, request.over_frames)
    warnings: list[str] = []
    check = partial(
        check_patched, kind, field_validation=options.field_validation, findings=findings
    )
    make = _patcher(registry, request, apply, check, warnings)
    changed = yield from change(
        registry, kind, request.namespace, request.name, make, options.dry_run
    )
    return answer_of_write(
        request, 200, changed.value, changed.offset, changed.revision, registry.now_ns, warnings
    )


def _patcher(
    registry: Registry,
    request: Request,
    apply: Callable[[JsonObject], JsonObject],
    check: Callable[[JsonObject], list[str]],
    warnings: list[str],
) -> Callable[[Record, JsonObject], JsonObject]:
    kind = request.kind

    def make(record: Record, old: JsonObject) -> JsonObject:
        doc = record.parsed(kind)
        doc["metadata"]["resourceVersion"] = str(record.revision)
        new = apply(doc)
        warnings[:] = check(new)
        check_identity(request, new)
        if new["metadata"].get("resourceVersion") not in (None, "", str(record.revision)):
            raise Conflict(kind.key, request.name)
        state = next_state(registry, request, new, old)
        warnings.extend(_found(request, state, old))
        return state

    return make


def _found(request: Request, new: JsonObject, old: JsonObject) -> list[str]:
    """What there is to warn of in the new state of an object."""
    if request.subresource or request.over_frames:
        return []
    if request.kind.custom is not None:
        return warnings_of_finalizers(new, old)
    return warnings_of_update(request.kind.key, new, old)


def next_state(
    registry: Registry, request: Request, new: JsonObject, old: JsonObject, owned: bool = False
) -> JsonObject:
    """What ``new`` becomes when it replaces ``old``: defaulted, prepared, valid. In place.

    ``owned``: its managedFields are those of an apply."""
    kind = request.kind
    if kind.namespaced:
        new["metadata"]["namespace"] = request.namespace
    if request.subresource == "finalize":
        finalizers = (new.get("spec") or {}).get("finalizers")
        status, metadata = old.get("status"), new["metadata"]
        metadata.pop("managedFields", None)
        new.clear()
        new.update({"kind": kind.kind, "apiVersion": kind.api_version})
        new.update({"metadata": {**old["metadata"], **metadata}, "spec": {}, "status": status})
        if finalizers:
            new["spec"]["finalizers"] = finalizers
        return new
    set_defaults(kind, new)
    if not owned:
        own_changed(kind, request.view, old, new, writer_of(registry, request))
    if request.subresource == "status":
        prepare_status_update(kind, new, old)
    elif request.subresource == "approval":
        prepare_approval(new, old)
    elif request.subresource in POD_PARTS:
        prepare_pod_part(request.subresource, new, old)
    else:
        prepare_update(kind, new, old)
        if kind.key == "services":
            registry.addresses.allocate(new, old, registry.now_ns)
    if kind.key == "pods" and request.subresource:
        causes = validate_pod_part(request.subresource, new, old)
    elif request.subresource == "status":
        causes = validate_status_update(kind, new, old)
    elif request.subresource == "approval":
        causes = validate_approval(kind, new, old)
    else:
        causes = validate_update(kind, new, old)
    if request.view is not None and kind.key == "events":
        causes = in_words_of_new_events(causes, new, old)
    if causes:
        raise Invalid(kind.qualified, request.name, causes)
    if not request.subresource:
        admit_update(registry, kind, new, old)
    keep_times(new, old)
    return new


def check_identity(request: Request, obj: JsonObject) -> None:
    """BadRequest unless the body is of the object of the URL; its namespace it may leave out."""
    meta = obj["metadata"]
    if request.kind.namespaced and meta.get("namespace") not in (None, "", request.namespace):
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    name = meta.get("name")
    if not name:
        raise BadRequest(
            f"the name of the object ({request.name} based on URL) was undeterminable: name must "
            "be provided"
        )
    if name != request.name:
        raise BadRequest(
            f"the name of the object ({name}) does not match the name on the URL ({request.name})"
        )


def check_preconditions(kind: Kind, name: str, meta: JsonObject, record: Record) -> None:
    """Conflict unless uid and resourceVersion, where given, are those of the stored object."""
    uid = meta.get("uid")
    if uid and uid != record.uid:
        raise Conflict(kind.key, name, uid_precondition(record, uid))
    revision = meta.get("resourceVersion")
    if not revision or revision == str(record.revision):
        return
    if not revision.isdecimal():
        raise PlainError(
            f'resourceVersion: Invalid value: "{revision}": strconv.ParseUint: parsing '
            f'"{revision}": invalid syntax'
        )
    if int(revision):
        raise Conflict(kind.key, name)


def uid_precondition(record: Record, uid: str) -> str:
    """As the storage layer of the real server words it."""
    return (
        f"StorageError: invalid object, Code: 4, Key: {record.key.decode()}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object "
        f"meta: {record.uid}"
    )
