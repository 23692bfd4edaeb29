"""The questions of clients about tokens and rights: who am I, may I, whose token is this.

Source: tests/golden/api/errors.jsonl, err-reviews.
"""

from collections.abc import Callable

from api.apply import Writer, manager_of, track_create
from api.core import JsonObject
from api.errors import BadRequest, Cause, Invalid, MethodNotAllowed, NotFound
from api.kinds import Kind, kind_by_gvk
from api.protobuf import decode_body
from api.structure import cannot_handle, check_structure
from api.times import rfc3339
from apiserver.answers import answer_of_object
from apiserver.authorize import may, may_path, path_rules_of, rules_of
from apiserver.identity import ISSUER
from apiserver.messages import Answer, HttpRequest, User
from apiserver.negotiate import parse_query
from apiserver.registry import Registry
from apiserver.untrusted import parse_json

_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_LOCAL = "localsubjectaccessreviews"
"""The one that is asked in a namespace."""


def review(registry: Registry, http: HttpRequest, resource: str, namespace: str) -> Answer:
    """Answer a review at once: nothing is stored. ``namespace``: of the path."""
    if bool(namespace) is not (resource == _LOCAL):
        raise NotFound
    if http.method != "POST":
        raise MethodNotAllowed
    user = http.impersonate or http.user
    kind, group, answer = _REVIEWS[resource]
    body = _parsed(http, kind_by_gvk(group, "v1", kind))
    spec: JsonObject = body.get("spec") or {}
    if kind.endswith("AccessReview"):
        _check_access_review(kind, body.get("metadata") or {}, spec, namespace)
    meta = {"creationTimestamp": rfc3339(registry.now_ns)} if kind == "SelfSubjectReview" else {}
    if namespace:
        meta["namespace"] = namespace
    document: JsonObject = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": meta}
    shown = {} if kind == "SelfSubjectRulesReview" else spec
    if kind != "SelfSubjectReview":
        document["spec"] = shown
        manager = manager_of(parse_query(http.query).get("fieldManager", ""), http.user_agent)
        writer = Writer(manager, rfc3339(registry.now_ns), "")
        track_create(kind_by_gvk(group, "v1", kind), document, writer)
    document["status"] = answer(registry, user, spec)
    return answer_of_object(201, document)


def _who_am_i(registry: Registry, user: User, spec: JsonObject) -> JsonObject:
    return {"userInfo": _info(user)}


def _whose_token(registry: Registry, user: User, spec: JsonObject) -> JsonObject:
    token: str = spec.get("token") or ""
    if not token:
        cause = Cause.required("spec.token", "token is required")
        raise Invalid(f"TokenReview.{_AUTHENTICATION}", "", [cause])
    audiences = spec.get("audiences") or [ISSUER]
    holder = registry.user_of_token(token.encode(), registry.now_ns)
    if holder is None:
        return {"user": {}, "error": "invalid bearer token"}
    if ISSUER not in audiences:
        text = f'token audiences ["{ISSUER}"] is invalid for the target audiences {audiences}'
        return {"user": {}, "error": text}
    return {"authenticated": True, "user": _info(holder), "audiences": [ISSUER]}


def _may_i(registry: Registry, user: User, spec: JsonObject) -> JsonObject:
    return {"allowed": _allowed(user, spec)}


def _may_he(registry: Registry, user: User, spec: JsonObject) -> JsonObject:
    named = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
    return {"allowed": _allowed(named, spec)}


def _allowed(user: User, spec: JsonObject) -> bool:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        assert path is not None
        return may_path(user, path.get("verb", ""), path.get("path", ""))
    word = resource.get("resource", "")
    if resource.get("subresource"):
        word += f"/{resource['subresource']}"
    return may(user, resource.get("verb", ""), resource.get("group", ""), word)


def _check_access_review(kind: str, meta: JsonObject, spec: JsonObject, namespace: str) -> None:
    """Invalid. Source: pkg/apis/authorization/validation/validation.go at v1.36."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes: list[Cause] = []
    if resource is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        causes.append(Cause.invalid("spec.nonResourceAttributes", path, text))
    if resource is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(Cause.invalid("spec.resourceAttributes", None, text))
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        text = "at least one of user or group must be specified"
        causes.append(Cause.invalid("spec.user", "", text))
    known = ("managedFields", "namespace") if namespace else ("managedFields",)
    if any(value for name, value in meta.items() if name not in known):
        text = "must be empty except for namespace" if namespace else "must be empty"
        causes.append(Cause.invalid("metadata", meta, text))
    if namespace and resource is not None and resource.get("namespace", "") != namespace:
        place, text = "spec.resourceAttributes.namespace", "must match metadata.namespace"
        causes.append(Cause.invalid(place, resource.get("namespace", ""), text))
    if namespace and path is not None:
        text = "disallowed on this kind of request"
        causes.append(Cause.invalid("spec.nonResourceAttributes", path, text))
    if causes:
        raise Invalid(f".{_AUTHORIZATION}", "", causes)


def _what_may_i(registry: Registry, user: User, spec: JsonObject) -> JsonObject:
    if not spec.get("namespace"):
        raise BadRequest("no namespace on request")
    return {
        "resourceRules": [
            {
                "verbs": list(rule.verbs),
                "apiGroups": list(rule.groups),
                "resources": list(rule.resources),
            }
            for rule in rules_of(user)
        ],
        "nonResourceRules": [
            {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.paths)}
            for rule in path_rules_of(user)
        ],
        "incomplete": False,
    }


def _info(user: User) -> JsonObject:
    info: JsonObject = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    info["groups"] = list(user.groups)
    return info


_Reply = Callable[[Registry, User, JsonObject], JsonObject]
_REVIEWS: dict[str, tuple[str, str, _Reply]] = {
    "selfsubjectreviews": ("SelfSubjectReview", _AUTHENTICATION, _who_am_i),
    "tokenreviews": ("TokenReview", _AUTHENTICATION, _whose_token),
    "selfsubjectaccessreviews": ("SelfSubjectAccessReview", _AUTHORIZATION, _may_i),
    "subjectaccessreviews": ("SubjectAccessReview", _AUTHORIZATION, _may_he),
    "localsubjectaccessreviews": ("LocalSubjectAccessReview", _AUTHORIZATION, _may_he),
    "selfsubjectrulesreviews": ("SelfSubjectRulesReview", _AUTHORIZATION, _what_may_i),
}
REVIEWS = frozenset((group, resource) for resource, (_, group, _) in _REVIEWS.items())


def _parsed(http: HttpRequest, kind: Kind) -> JsonObject:
    try:
        if http.content_type.startswith("application/vnd.kubernetes.protobuf"):
            body: object = decode_body(http.body)
        else:
            body = parse_json(http.body)
    except ValueError as error:
        raise BadRequest(f"the object provided is unrecognized: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest(f"the object provided is unrecognized (must be of type {kind.kind})")
    found = check_structure(kind.type_name, body)
    if found.error is not None:
        raise cannot_handle(kind, found.error)
    return body
