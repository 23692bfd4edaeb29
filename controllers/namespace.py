"""Ends deleted namespaces: empties them, says what is left, and lets them go.

Every kind, those of definitions included, is emptied by one deletecollection; what the API still
lists afterwards keeps the namespace, and the removal of its last watched object brings the next
look.

Source: pkg/controller/namespace/deletion/namespaced_resources_deleter.go, status_condition_utils.go
(v1.36); texts as recorded in tests/golden/controllers.
"""

from collections.abc import Sequence

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.kinds import SERVED, kind_of
from api.times import parse_time, rfc3339
from api.validation.definitions import is_true
from controllers.customs import DEFINITIONS
from controllers.reconciler import Reconciler
from controllers.records import NAMESPACES, PODS
from controllers.sync import DONE, FAILED, Sync, again, body_of, ok, update
from controllers.view import Change, View

SECOND = 1_000_000_000
FINALIZER = "kubernetes"
LOOK_AGAIN_NS = 5 * SECOND
"""Objects with finalizers may end without our seeing it."""
# Pods go first: theirs is the only grace period.
NAMESPACED = tuple(
    sorted((key for key in SERVED if kind_of(key).namespaced), key=lambda key: key != PODS)
)


class NamespaceController(Reconciler):
    """Reconciles names of namespaces. ``grace_ns``: wait between deletion and emptying."""

    name = "namespace"

    def __init__(self, view: View, grace_ns: int) -> None:
        self._view = view
        self._grace_ns = grace_ns

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        if change.resource == NAMESPACES:
            after = change.after
            return (after.name,) if after is not None and after.deleted_at else ()
        if change.after is not None or not change.any.namespace:
            return ()
        namespace = self._view.get(NAMESPACES, change.any.namespace)
        if namespace is None or not namespace.deleted_at:
            return ()
        return () if self._view.namespace_count(namespace.name) else (namespace.name,)

    def all_keys(self) -> list[str]:
        return [row.name for row in self._view.rows(NAMESPACES) if row.deleted_at]

    def sync(self, key: str, now_ns: int) -> Sync:
        item = self._view.whole(NAMESPACES, key)
        if item is None or "deletionTimestamp" not in item["metadata"]:
            return DONE
        if FINALIZER not in (item["spec"].get("finalizers") or ()):
            return DONE
        due = parse_time(item["metadata"]["deletionTimestamp"]) + self._grace_ns
        if due > now_ns:
            return again(due)
        defined = (yield [_list(DEFINITIONS, "")])[0]
        if not ok(defined) and defined.code != 404:
            return FAILED
        resources = (*NAMESPACED, *_custom_resources(defined))
        replies = yield [_empty(resource, key) for resource in resources]
        problems = [
            f"{resource}: {body_of(reply).get('message', 'no answer')}"
            for resource, reply in zip(resources, replies, strict=True)
            if not ok(reply) and reply.code != 404
        ]
        listed = yield [_list(resource, key) for resource in resources]
        if not all(ok(reply) or reply.code == 404 for reply in listed):
            return FAILED
        left = _left_of(resources, listed)
        status = _status_of(item, problems, left, now_ns)
        if status != item.get("status"):
            reply = (yield [update(NAMESPACES, {**item, "status": status}, "status")])[0]
            if not ok(reply):
                return DONE if reply.code == 404 else FAILED
            item = body_of(reply)
        if problems:
            return FAILED
        if left:
            return again(now_ns + LOOK_AGAIN_NS)
        others = [name for name in item["spec"]["finalizers"] if name != FINALIZER]
        body = {**item, "spec": {**item["spec"], "finalizers": others}}
        reply = (yield [update(NAMESPACES, body, "finalize")])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED


def _empty(resource: str, namespace: str) -> ApiRequest:
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    return ApiRequest(0, "deletecollection", resource, namespace, "", "", "", body, "", True)


def _list(resource: str, namespace: str) -> ApiRequest:
    return ApiRequest(0, "list", resource, namespace)


def _custom_resources(defined: ApiReply) -> list[str]:
    """The namespaced resources of definitions that are served."""
    found = []
    for definition in body_of(defined).get("items") or () if ok(defined) else ():
        spec = definition["spec"]
        if spec["scope"] == "Namespaced" and is_true(definition, "Established"):
            found.append(f"{spec['group']}/{spec['names']['plural']}")
    return found


def _left_of(resources: Sequence[str], listed: Sequence[ApiReply]) -> dict[str, list[JsonObject]]:
    """Objects that the API still has, by resource name as in discovery."""
    left = {}
    for resource, reply in zip(resources, listed, strict=True):
        items = body_of(reply).get("items") if ok(reply) else None
        if items:
            group, slash, plural = resource.rpartition("/")
            left[f"{plural}.{group}" if slash else resource] = items
    return left


def _status_of(
    item: JsonObject, problems: Sequence[str], left: dict[str, list[JsonObject]], now_ns: int
) -> JsonObject:
    known = {c["type"]: c for c in (item.get("status") or {}).get("conditions") or ()}
    finalizers: dict[str, int] = {}
    for items in left.values():
        for entry in items:
            for name in entry["metadata"].get("finalizers") or ():
                finalizers[name] = finalizers.get(name, 0) + 1
    kinds = ", ".join(f"{name} has {len(left[name])} resource instances" for name in sorted(left))
    holds = ", ".join(f"{name} in {finalizers[name]} resource instances" for name in finalizers)
    wanted = [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
         "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed",
         "Failed to delete all resource types, "
         f"{len(problems)} remaining: {', '.join(problems)}")
        if problems
        else ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
              "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
         f"Some resources are remaining: {kinds}")
        if left
        else ("NamespaceContentRemaining", "False", "ContentRemoved",
              "All content successfully removed"),
        ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
         f"Some content in the namespace has finalizers remaining: {holds}")
        if finalizers
        else ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers",
              "All content-preserving finalizers finished"),
    ]  # fmt: skip
    conditions = [_condition(known.get(words[0]), words, now_ns) for words in wanted]
    return {**(item.get("status") or {}), "phase": "Terminating", "conditions": conditions}


def _condition(
    known: JsonObject | None, words: tuple[str, str, str, str], now_ns: int
) -> JsonObject:
    kind, status, reason, message = words
    since = rfc3339(now_ns)
    if known is not None and known["status"] == status:
        since = known["lastTransitionTime"]
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
