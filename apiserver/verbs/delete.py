"""DELETE of an object and of a collection: grace, finalizers, propagation.

Source: apiserver/pkg/registry/rest/delete.go (BeforeDelete), registry/generic/registry/store.go
(deletionFinalizersForGarbageCollection), pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from api.core import JsonObject
from api.errors import ApiError, Conflict, Forbidden, NotFound
from api.kinds import Kind
from api.storage import CONFLICT, DELETE
from api.times import parse_time, rfc3339
from apiserver.answers import answer_of_object, success_status
from apiserver.bodies import decode_options
from apiserver.change import latest
from apiserver.customs import DEFINITIONS
from apiserver.messages import Answer
from apiserver.options import DeleteOptions, delete_options
from apiserver.records import Record, encode
from apiserver.registry import Ask, Registry, Request, Verb
from apiserver.storefail import raise_if_failed
from apiserver.verbs.read import check_list_options, list_answer, page_of_list
from apiserver.written import answer_of_write

ORPHAN = "orphan"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer of a definition whose objects have to go first."""
FOREGROUND = "foregroundDeletion"
_KEPT: Mapping[str, tuple[Sequence[str], str]] = {
    "namespaces": (
        ("default", "kube-system", "kube-public"),
        "this namespace may not be deleted",
    ),
    "scheduling.k8s.io/priorityclasses": (
        ("system-node-critical", "system-cluster-critical"),
        "this is a system priority class and cannot be deleted",
    ),
}
"""Names that a DELETE of one object does not take away, and what it says. Source:
plugin/pkg/admission/namespace/lifecycle/admission.go,
pkg/registry/scheduling/priorityclass/storage/storage.go."""
_ANSWERS_WITH_OBJECT = (
    "pods",
    "services",
    "serviceaccounts",
    "namespaces",
    "podtemplates",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
    "storage.k8s.io/storageclasses",
    "storage.k8s.io/csidrivers",
    "storage.k8s.io/csinodes",
    "storage.k8s.io/csistoragecapacities",
    "storage.k8s.io/volumeattachments",
    "storage.k8s.io/volumeattributesclasses",
)
"""Kinds whose DELETE answers the object even when it is gone. Source: ReturnDeletedObject in
pkg/registry/{core,storage}/*/storage; tests/golden/api/errors.jsonl, err-del-shapes."""
_ORPHANING: Mapping[str, Sequence[str]] = {
    "batch/jobs": (
        "child pods are preserved by default when jobs are deleted; set "
        "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
        "this warning",
    ),
    "replicationcontrollers": (),
}
"""Kinds that leave their dependents behind unless told otherwise, and what the client is warned
of. Source: DefaultGarbageCollectionPolicy in pkg/registry/*/*/strategy.go."""
TRIES = 10
SECOND_NS = 10**9


class Deleted(NamedTuple):
    """An object after a DELETE."""

    value: bytes
    offset: int
    revision: int
    uid: str
    gone: bool


def delete(registry: Registry, request: Request) -> Verb:
    """DELETE of one object, which goes at once or when its finalizers are gone."""
    kind = request.kind
    options, warnings = _by_kind(kind, delete_options(request.options, decode_options(request)))
    kept = _KEPT.get(kind.key)
    if kept is not None and request.name in kept[0]:
        raise Forbidden(kind.key, request.name, kept[1])
    deleted = yield from delete_one(registry, kind, request.namespace, request.name, options)
    if deleted.gone and kind.key not in _ANSWERS_WITH_OBJECT:
        details = {"name": request.name, "group": kind.group, "kind": kind.resource}
        details = {key: value for key, value in details.items() if value}
        details["uid"] = deleted.uid
        if request.quiet:
            return Answer(200, b"", deleted.revision)
        return answer_of_object(200, success_status(None, details), deleted.revision)
    return answer_of_write(
        request, 200, deleted.value, deleted.offset, deleted.revision, registry.now_ns, warnings
    )


def _by_kind(kind: Kind, options: DeleteOptions) -> tuple[DeleteOptions, Sequence[str]]:
    """What happens to dependents when the client does not say, and the warning about it."""
    if options.propagation or kind.key not in _ORPHANING:
        return options, ()
    return options._replace(propagation="Orphan"), _ORPHANING[kind.key]


def delete_one(
    registry: Registry, kind: Kind, namespace: str, name: str, options: DeleteOptions
) -> Generator[Ask, Any, Deleted]:
    """Delete one object as far as grace and finalizers let it. NotFound, Conflict."""
    cache = registry.cache(kind)
    key = cache.key(namespace, name)
    record = cache.records.get(key)
    certain = False
    for _ in range(TRIES):
        if record is None:
            record = yield from latest(registry, kind, key)
            certain = True
        if record is None:
            raise NotFound(kind.key, name)
        try:
            deleted = yield from _attempt(registry, kind, record, options, certain)
        except ApiError:
            if certain:
                raise
            deleted = None
        if deleted is not None:
            return deleted
        record = None
    raise Conflict(kind.key, name)


def _attempt(
    registry: Registry, kind: Kind, record: Record, options: DeleteOptions, certain: bool
) -> Generator[Ask, Any, Deleted | None]:
    """One try on one state; None when it has to be done again on the latest state."""
    _check_preconditions(kind, record, options)
    obj: JsonObject = orjson.loads(record.value)
    changed = _mark(kind, obj, options, registry.now_ns)
    value, offset, revision = record.value, record.offset, record.revision
    if changed:
        header, value, offset = encode(kind, obj)
        if not options.dry_run:
            reply = yield from registry.put(kind, record.key, (header, value), record.revision)
            raise_if_failed(reply, CONFLICT)
            if reply[0] == CONFLICT:
                return None
            revision = reply[1]
    elif _held(kind, obj):
        return Deleted(value, offset, revision, record.uid, False) if certain else None
    if _held(kind, obj):
        return Deleted(value, offset, revision, record.uid, False)
    if not options.dry_run:
        reply = yield registry.ask(kind, record.key, (DELETE, record.key, revision))
        raise_if_failed(reply, CONFLICT)
        if reply[0] == CONFLICT:
            return None
        revision = reply[1]
    return Deleted(value, offset, revision, record.uid, True)


def _held(kind: Kind, obj: JsonObject) -> bool:
    """Something still keeps the object: grace, finalizers, a namespace's content."""
    meta = obj["metadata"]
    if meta.get("finalizers"):
        return True
    if kind.key == "namespaces":
        return bool((obj.get("spec") or {}).get("finalizers"))
    return bool(meta.get("deletionGracePeriodSeconds"))


def _mark(kind: Kind, obj: JsonObject, options: DeleteOptions, now_ns: int) -> bool:
    """Write into ``obj`` that it is being deleted. True when this changes it."""
    meta = obj["metadata"]
    finalizers = _finalizers(meta.get("finalizers") or [], options.propagation)
    changed = finalizers != (meta.get("finalizers") or [])
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    if kind.key == "namespaces":
        return _mark_namespace(obj, now_ns) or changed
    if kind.key == DEFINITIONS:
        return _mark_definition(obj, now_ns) or changed
    grace = _grace(kind, obj, options)
    if "deletionTimestamp" not in meta:
        if kind.key != "pods" and not finalizers:
            return False
        if meta.get("generation"):
            meta["generation"] += 1
        meta["deletionTimestamp"] = rfc3339(now_ns + grace * SECOND_NS)
        meta["deletionGracePeriodSeconds"] = grace
        return True
    before = meta.get("deletionGracePeriodSeconds", 0)
    if options.grace_period_s is not None and grace < before:
        asked_ns = parse_time(meta["deletionTimestamp"]) - before * SECOND_NS
        meta["deletionTimestamp"] = rfc3339(asked_ns + grace * SECOND_NS)
        meta["deletionGracePeriodSeconds"] = grace
        return True
    return changed


def _mark_namespace(obj: JsonObject, now_ns: int) -> bool:
    if "deletionTimestamp" in obj["metadata"]:
        return False
    obj["metadata"]["deletionTimestamp"] = rfc3339(now_ns)
    obj.setdefault("status", {})["phase"] = "Terminating"
    return True


def _mark_definition(obj: JsonObject, now_ns: int) -> bool:
    """A definition waits until its objects are gone.

    Source: apiextensions-apiserver/pkg/registry/customresourcedefinition/etcd.go, REST.Delete."""
    meta, status = obj["metadata"], obj["status"]
    if "deletionTimestamp" in meta:
        return False
    meta["deletionTimestamp"] = rfc3339(now_ns)
    meta["finalizers"] = [*(meta.get("finalizers") or []), CLEANUP]
    kept = [one for one in status.get("conditions") or () if one["type"] != "Terminating"]
    terminating = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": rfc3339(now_ns),
        "reason": "InstanceDeletionPending",
        "message": (
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        ),
    }
    status["conditions"] = [*kept, terminating]
    return True


def _grace(kind: Kind, obj: JsonObject, options: DeleteOptions) -> int:
    """Seconds that the object has left. Only pods have any."""
    if kind.key != "pods":
        return 0
    spec, status = obj["spec"], obj.get("status") or {}
    grace = options.grace_period_s
    if grace is None:
        grace = spec.get("terminationGracePeriodSeconds", 30)
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    return 1 if grace < 0 else grace


def _finalizers(present: list[str], propagation: str) -> list[str]:
    """The finalizers after the garbage collector's two have been set for a policy."""
    if not propagation:
        return present
    kept = [name for name in present if name not in (ORPHAN, FOREGROUND)]
    wanted = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(propagation, [])
    return present if sorted([*kept, *wanted]) == sorted(present) else [*kept, *wanted]


def _check_preconditions(kind: Kind, record: Record, options: DeleteOptions) -> None:
    resource = f"{kind.group}/{kind.kind}" if kind.group else kind.kind
    if options.uid and options.uid != record.uid:
        raise Conflict(
            resource,
            record.name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({record.uid}). The object might have been deleted and then recreated",
        )
    wanted = options.resource_version
    if wanted and wanted != str(record.revision):
        raise Conflict(
            resource,
            record.name,
            f"the ResourceVersion in the precondition ({wanted}) does not match the "
            f"ResourceVersion in record ({record.revision}). The object might have been modified",
        )


def delete_collection(registry: Registry, request: Request) -> Verb:
    """Delete what a list with these options holds, one after the other, and answer that list: with
    a limit its first page alone."""
    kind = request.kind
    check_list_options(request.options)
    options = delete_options(request.options, decode_options(request))
    options, _ = _by_kind(kind, options)
    chosen, meta = yield from page_of_list(registry, request)
    for record in chosen:
        try:
            yield from delete_one(registry, kind, record.namespace, record.name, options)
        except NotFound:
            continue
    return list_answer(registry, request, chosen, meta)
