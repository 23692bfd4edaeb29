"""A Kubernetes API in a dict: as much of its semantics as the recorded scenarios use.

Calls are applied at once; what they change is queued as watch events for whoever asks. Names and
uids that a recording knows are given out again, so that ties by uid come out as recorded.
"""

import copy
from collections.abc import Callable

import orjson

from api.admission import (
    add_default_tolerations,
    add_service_account,
    protect,
    resolve_priority,
    service_account_name,
    taint_new_node,
)
from api.calls import (
    ADDED,
    DELETED,
    JSON_PATCH,
    MERGE_PATCH,
    MODIFIED,
    STRATEGIC_PATCH,
    ApiReply,
    ApiRequest,
)
from api.core import JsonObject
from api.defaulting import set_defaults
from api.errors import ApiError
from api.kinds import has_resource, kind_of
from api.lifecycle import prepare_create, prepare_status_update, prepare_update
from api.patches import json_patch, merge_patch, strategic_merge_patch
from api.streams import Stream
from api.times import rfc3339

Key = tuple[str, str, str]
Watcher = Callable[[str, int, JsonObject, int], None]


class Refused(Exception):
    """A request that fails: code, reason, message and causes of its Status."""

    def __init__(self, code: int, reason: str, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": code,
        }
        if cause:
            self.status["details"] = {"causes": [{"reason": cause}]}


class MemoryApi:
    """The store and its rules. ``log``: every call as (request, code), in order."""

    def __init__(self, seed: int = 1) -> None:
        self.objects: dict[Key, JsonObject] = {}
        self.revision = 100
        self.log: list[tuple[ApiRequest, int]] = []
        self.watchers: list[Watcher] = []
        self.known_uids: dict[tuple[str, str], list[str]] = {}
        self.refuse: Callable[[ApiRequest], ApiReply | None] = lambda request: None
        self._stream = Stream(seed, "memory-api")

    # Reading.

    def get(self, resource: str, namespace: str, name: str) -> JsonObject | None:
        return self.objects.get((resource, namespace, name))

    def list(self, resource: str, namespace: str = "") -> list[JsonObject]:
        return [
            item
            for (kind, space, _), item in self.objects.items()
            if kind == resource and (not namespace or space == namespace)
        ]

    # Calling.

    def call(self, request: ApiRequest, now_ns: int) -> ApiReply:
        refused = self.refuse(request)
        if refused is not None:
            self.log.append((request, refused.code))
            return refused
        try:
            code, item = self._apply(request, now_ns)
        except Refused as error:
            self.log.append((request, error.code))
            return ApiReply(request.id, error.code, 0, orjson.dumps(error.status))
        except ApiError as error:
            self.log.append((request, error.code))
            return ApiReply(request.id, error.code, 0, orjson.dumps(error.status()))
        self.log.append((request, code))
        revision = int(item.get("metadata", {}).get("resourceVersion") or 0)
        return ApiReply(request.id, code, revision, orjson.dumps(item))

    def _apply(self, request: ApiRequest, now_ns: int) -> tuple[int, JsonObject]:
        body = request.body
        if isinstance(body, bytes):
            body = orjson.loads(body)
        body = copy.deepcopy(body)
        match request.verb:
            case "create":
                assert isinstance(body, dict)
                return 201, self._create(request, body, now_ns)
            case "get":
                return 200, self._existing(request)
            case "list":
                items = self.list(request.resource, request.namespace)
                if not items and not has_resource(request.resource):
                    raise Refused(
                        404, "NotFound", "the server could not find the requested resource"
                    )
                return 200, {"items": items}
            case "update":
                assert isinstance(body, dict)
                return 200, self._update(request, body, now_ns)
            case "patch":
                return 200, self._patch(request, body, now_ns)
            case "delete":
                return 200, self._delete(request, body or {}, now_ns)
            case "deletecollection":
                for item in list(self.list(request.resource, request.namespace)):
                    one = request._replace(verb="delete", name=item["metadata"]["name"])
                    self._delete(one, body or {}, now_ns)
                return 200, {"kind": "Status", "status": "Success"}
        raise AssertionError(f"verb {request.verb}")

    def _existing(self, request: ApiRequest) -> JsonObject:
        key = (request.resource, request.namespace, request.name)
        found = self.objects.get(key)
        if found is None:
            plural = request.resource.rpartition("/")[2]
            raise Refused(404, "NotFound", f'{plural} "{request.name}" not found')
        return found

    def _create(self, request: ApiRequest, body: JsonObject, now_ns: int) -> JsonObject:
        kind = kind_of(request.resource)
        meta = body.setdefault("metadata", {})
        if kind.namespaced:
            meta["namespace"] = request.namespace
            self._check_namespace(request)
        generated = "name" not in meta
        plural = request.resource.rpartition("/")[2]
        if generated and request.resource == "pods":
            self._check_account(request.namespace, body, meta["generateName"], plural)
        if generated:
            meta["name"] = meta["generateName"] + self._stream.suffix()
        key = (request.resource, request.namespace, meta["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{meta["name"]}" already exists')
        body.setdefault("apiVersion", kind.api_version)
        body.setdefault("kind", kind.kind)
        meta["uid"] = self._uid(plural, "" if generated else meta["name"])
        meta["creationTimestamp"] = rfc3339(now_ns)
        if kind.key in _CANONICAL:
            body.setdefault("spec", {})
            body.setdefault("status", {})
            set_defaults(kind, body)
            self._admit(request, body)
            given = body.get("status")
            prepare_create(kind, body, now_ns)
            if request.resource == "nodes":
                body["status"] = given or {}
        self._store(key, body, ADDED)
        return body

    def _check_namespace(self, request: ApiRequest) -> None:
        space = self.objects.get(("namespaces", "", request.namespace))
        if space is not None and "deletionTimestamp" in space["metadata"]:
            text = (
                f"unable to create new content in namespace {request.namespace} because it is "
                "being terminated"
            )
            raise Refused(403, "Forbidden", text, "NamespaceTerminating")

    def _check_account(self, namespace: str, pod: JsonObject, name: str, plural: str) -> None:
        account = service_account_name(pod)
        if account != "default" and self.get("serviceaccounts", namespace, account) is None:
            raise Refused(
                403,
                "Forbidden",
                f'{plural} "{name}" is forbidden: error looking up service account '
                f'{namespace}/{account}: serviceaccount "{account}" not found',
            )

    def _admit(self, request: ApiRequest, body: JsonObject) -> None:
        if request.resource == "nodes":
            taint_new_node(body)
        protect(request.resource, body)
        if request.resource != "pods":
            return
        add_service_account(body, {}, "aaaaa")
        add_default_tolerations(body)
        resolve_priority(body, {})
        for quota in self.list("resourcequotas", request.namespace):
            hard = int(quota["spec"]["hard"].get("pods", 10**9))
            used = sum(
                1
                for pod in self.list("pods", request.namespace)
                if pod["status"].get("phase") not in ("Failed", "Succeeded")
            )
            if used + 1 > hard:
                name, quota_name = body["metadata"]["name"], quota["metadata"]["name"]
                raise Refused(
                    403,
                    "Forbidden",
                    f'pods "{name}" is forbidden: exceeded quota: {quota_name}, '
                    f"requested: pods=1, used: pods={used}, limited: pods={hard}",
                )

    def _uid(self, plural: str, name: str) -> str:
        known = self.known_uids.get((plural, name))
        return known.pop(0) if known else self._stream.uuid()

    def _update(self, request: ApiRequest, body: JsonObject, now_ns: int) -> JsonObject:
        old = self._existing(request)
        version = body["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", "the object has been modified")
        uid = body["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise Refused(409, "Conflict", "uid precondition")
        if request.subresource == "finalize":
            return self._finalize(request, body, old)
        return self._change(request, old, body, now_ns)

    def _finalize(self, request: ApiRequest, body: JsonObject, old: JsonObject) -> JsonObject:
        key = (request.resource, request.namespace, request.name)
        new = {**old, "spec": body.get("spec") or {}}
        if not (new["spec"].get("finalizers") or old["metadata"].get("finalizers")):
            self._remove(key)
            return new
        self._store(key, new, MODIFIED)
        return new

    def _patch(self, request: ApiRequest, patch: object, now_ns: int) -> JsonObject:
        old = self._existing(request)
        target = copy.deepcopy(old)
        if request.subresource == "scale":
            assert isinstance(patch, dict)
            target["spec"]["replicas"] = patch["spec"]["replicas"]
            request = request._replace(subresource="")
            return self._change(request, old, target, now_ns)
        if isinstance(patch, dict):
            given = patch.get("metadata") or {}
            for name in ("uid", "resourceVersion"):
                if given.get(name) and given[name] != old["metadata"][name]:
                    raise Refused(409, "Conflict", f"{name} precondition")
        kind = kind_of(request.resource)
        if request.content_type == MERGE_PATCH:
            new = merge_patch(target, patch)
        elif request.content_type == STRATEGIC_PATCH:
            new = strategic_merge_patch(kind.type_name, target, patch)
        else:
            assert request.content_type == JSON_PATCH
            new = json_patch(target, patch)
        return self._change(request, old, new, now_ns)

    def _change(
        self, request: ApiRequest, old: JsonObject, new: JsonObject, now_ns: int
    ) -> JsonObject:
        kind = kind_of(request.resource)
        key = (request.resource, request.namespace, request.name)
        new.setdefault("kind", old.get("kind"))
        new.setdefault("apiVersion", old.get("apiVersion"))
        if request.subresource == "status":
            prepare_status_update(kind, new, old)
        else:
            if kind.key in _CANONICAL:
                new.setdefault("status", {})
                set_defaults(kind, new)
            prepare_update(kind, new, old)
        meta = new["metadata"]
        if not meta.get("finalizers"):
            meta.pop("finalizers", None)
        if not meta.get("ownerReferences"):
            meta.pop("ownerReferences", None)
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        if new == old:
            return old
        done = "deletionTimestamp" in meta and not meta.get("finalizers")
        if done and not meta.get("deletionGracePeriodSeconds") and request.resource != "namespaces":
            self._store(key, new, MODIFIED, quiet=True)
            self._remove(key)
            return new
        self._store(key, new, MODIFIED)
        return new

    def _delete(self, request: ApiRequest, options: JsonObject, now_ns: int) -> JsonObject:
        old = self._existing(request)
        wanted = options.get("preconditions") or {}
        for name in ("uid", "resourceVersion"):
            if wanted.get(name) and wanted[name] != old["metadata"][name]:
                raise Refused(409, "Conflict", f"{name} precondition")
        key = (request.resource, request.namespace, request.name)
        new = copy.deepcopy(old)
        meta = new["metadata"]
        policy = options.get("propagationPolicy")
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy or "")
        if finalizer and finalizer not in meta.get("finalizers", []):
            meta["finalizers"] = [*meta.get("finalizers", []), finalizer]
        grace = 0
        if request.resource == "pods" and new["spec"].get("nodeName"):
            grace = options.get("gracePeriodSeconds", new["spec"]["terminationGracePeriodSeconds"])
            if new["status"].get("phase") in ("Failed", "Succeeded"):
                grace = 0
        if not meta.get("finalizers") and not grace and request.resource != "namespaces":
            self._remove(key)
            return new
        if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) <= grace:
            return old
        meta["deletionTimestamp"] = rfc3339(now_ns + grace * 1_000_000_000)
        meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] += 1
        if request.resource == "namespaces":
            del meta["deletionGracePeriodSeconds"]
            new["status"] = {**new["status"], "phase": "Terminating"}
        self._store(key, new, MODIFIED)
        return new

    def _store(self, key: Key, item: JsonObject, kind: int, quiet: bool = False) -> None:
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)
        self.objects[key] = item
        if not quiet:
            self._tell(key[0], kind, item)

    def _remove(self, key: Key) -> None:
        item = copy.deepcopy(self.objects.pop(key))
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)
        self._tell(key[0], DELETED, item)

    def _tell(self, resource: str, kind: int, item: JsonObject) -> None:
        for watcher in self.watchers:
            watcher(resource, kind, copy.deepcopy(item), self.revision)


_CANONICAL = (
    "namespaces",
    "nodes",
    "pods",
    "apps/replicasets",
    "apps/deployments",
    "persistentvolumes",
    "persistentvolumeclaims",
)
