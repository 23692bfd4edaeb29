"""The questions that clients ask about themselves: who am I, may I.

Source: tests/golden/api/errors.jsonl, err-reviews. TokenReview and SelfSubjectRulesReview need what
the shell alone knows, or roles; they are not here and answer 501.
"""

from api.core import JsonObject
from api.errors import BadRequest, Cause, Invalid, MethodNotAllowed, NotImplemented501
from api.protobuf import decode_body
from api.times import rfc3339
from apiserver.answers import answer_of_object
from apiserver.messages import Answer, HttpRequest
from apiserver.registry import Registry
from apiserver.untrusted import parse_json

REVIEWS = frozenset(
    (
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
    )
)
_ADMINS = "system:masters"


def review(registry: Registry, http: HttpRequest, resource: str) -> Answer:
    """Answer a review at once: nothing is stored."""
    if http.method != "POST":
        raise MethodNotAllowed
    if resource in ("selfsubjectrulesreviews", "tokenreviews"):
        raise NotImplemented501(resource)
    user = http.impersonate or http.user
    if resource == "selfsubjectreviews":
        info: JsonObject = {"username": user.name}
        if user.uid:
            info["uid"] = user.uid
        info["groups"] = list(user.groups)
        meta = {"creationTimestamp": rfc3339(registry.now_ns)}
        return _answer(
            "SelfSubjectReview", "authentication.k8s.io/v1", meta, None, {"userInfo": info}
        )
    spec = _spec(http)
    both = spec.get("resourceAttributes") is None, spec.get("nonResourceAttributes") is None
    if both[0] == both[1]:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = Cause.invalid("spec.resourceAttributes", None, text)
        raise Invalid(".authorization.k8s.io", "", [cause])
    groups = user.groups if resource.startswith("self") else tuple(spec.get("groups") or ())
    kind = "SelfSubjectAccessReview" if resource.startswith("self") else "SubjectAccessReview"
    status = {"allowed": _ADMINS in groups}
    return _answer(kind, "authorization.k8s.io/v1", {}, spec, status)


def _spec(http: HttpRequest) -> JsonObject:
    try:
        if http.content_type.startswith("application/vnd.kubernetes.protobuf"):
            body: object = decode_body(http.body)
        else:
            body = parse_json(http.body)
    except ValueError as error:
        raise BadRequest(f"the object provided is unrecognized: {error}") from None
    spec = body.get("spec") if isinstance(body, dict) else None
    return spec if isinstance(spec, dict) else {}


def _answer(
    kind: str, api_version: str, meta: JsonObject, spec: JsonObject | None, status: JsonObject
) -> Answer:
    document: JsonObject = {"kind": kind, "apiVersion": api_version, "metadata": meta}
    if spec is not None:
        document["spec"] = spec
    document["status"] = status
    return answer_of_object(201, document)
