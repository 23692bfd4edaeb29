"""POST of a TokenRequest: a token for a service account.

Source: pkg/registry/core/serviceaccount/storage/token.go, validation in
pkg/apis/authentication/validation/validation.go at v0.36.3. Tokens bound to a pod, secret or node
are refused: whether those still exist is not looked at yet.
"""

from api.core import JsonObject
from api.errors import BadRequest, Cause, Invalid, NotFound, NotImplemented501
from api.kinds import kind_by_gvk
from api.times import rfc3339
from apiserver.answers import answer_of_object
from apiserver.bodies import decode_object
from apiserver.change import latest
from apiserver.identity import ISSUER, SECOND_NS, Grant
from apiserver.options import write_options
from apiserver.registry import Registry, Request, Verb

_TOKEN_REQUEST = kind_by_gvk("authentication.k8s.io", "v1", "TokenRequest")
SECONDS_DEFAULT = 3600
SECONDS_MIN = 600
SECONDS_MAX = 1 << 32


def request_token(registry: Registry, request: Request) -> Verb:
    options = write_options("CreateOptions", request.options, request.over_frames)
    wish, _ = decode_object(_TOKEN_REQUEST, request, options.field_validation)
    name = wish["metadata"].get("name") or request.name
    if name != request.name:
        raise BadRequest(
            f"the name of the object ({name}) does not match the name on the URL ({request.name})"
        )
    spec = wish.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    seconds = SECONDS_DEFAULT if seconds is None else seconds
    _check(name, seconds)
    if spec.get("boundObjectRef") is not None:
        raise NotImplemented501("a token bound to an object")
    cache = registry.cache(request.kind)
    account = yield from latest(registry, request.kind, cache.key(request.namespace, name))
    if account is None:
        raise NotFound(request.kind.key, name)
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    grant = Grant(request.namespace, name, account.uid, audiences, seconds, registry.uids.uuid())
    now_ns = registry.now_ns
    answer: JsonObject = {
        "kind": _TOKEN_REQUEST.kind,
        "apiVersion": _TOKEN_REQUEST.api_version,
        "metadata": {
            "name": name,
            "namespace": request.namespace,
            "creationTimestamp": rfc3339(now_ns),
        },
        "spec": {
            "audiences": list(audiences),
            "expirationSeconds": seconds,
            "boundObjectRef": None,
        },
        "status": {
            "token": "" if options.dry_run else registry.identities.issue(grant, now_ns),
            "expirationTimestamp": rfc3339(now_ns + seconds * SECOND_NS),
        },
    }
    return answer_of_object(201, answer)


def _check(name: str, seconds: int) -> None:
    field = "spec.expirationSeconds"
    if seconds < SECONDS_MIN:
        text = "may not specify a duration less than 10 minutes"
    elif seconds > SECONDS_MAX:
        text = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    raise Invalid(_TOKEN_REQUEST.qualified, name, [Cause.invalid(field, seconds, text)])
