"""POST of a TokenRequest: a token for a service account.

Source: pkg/registry/core/serviceaccount/storage/token.go, validation in
pkg/apis/authentication/validation/validation.go at v0.36.3.
"""

from collections.abc import Generator
from typing import Any

from api.core import JsonObject
from api.errors import BadRequest, Cause, Conflict, Invalid, NotFound
from api.kinds import kind_by_gvk, kind_of
from api.times import rfc3339
from apiserver.answers import answer_of_object
from apiserver.bodies import decode_object
from apiserver.change import latest
from apiserver.identity import BOUND_TO, ISSUER, SECOND_NS, Grant
from apiserver.options import write_options
from apiserver.registry import Ask, Registry, Request, Verb

_TOKEN_REQUEST = kind_by_gvk("authentication.k8s.io", "v1", "TokenRequest")
SECONDS_DEFAULT = 3600
SECONDS_MIN = 600
SECONDS_MAX = 1 << 32


def request_token(registry: Registry, request: Request) -> Verb:
    """POST of a TokenRequest: a token for an account, bound to an object if asked so."""
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
    cache = registry.cache(request.kind)
    account = yield from latest(registry, request.kind, cache.key(request.namespace, name))
    if account is None:
        raise NotFound(request.kind.key, name)
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    bound = yield from _bound(registry, request, spec.get("boundObjectRef"))
    token_id = registry.uids.uuid()
    grant = Grant(request.namespace, name, account.uid, audiences, seconds, token_id, bound)
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
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {
            "token": "" if options.dry_run else registry.identities.issue(grant, now_ns),
            "expirationTimestamp": rfc3339(now_ns + seconds * SECOND_NS),
        },
    }
    return answer_of_object(201, answer)


def _bound(
    registry: Registry, request: Request, wish: JsonObject | None
) -> Generator[Ask, Any, tuple[str, str, str] | None]:
    """The object that a token is bound to, as it is now. BadRequest, NotFound, Conflict."""
    if wish is None:
        return None
    version, shown = wish.get("apiVersion", ""), wish.get("kind", "")
    word = shown.lower()
    if version != "v1" or word not in BOUND_TO or shown != word.capitalize():
        group, _, own = version.rpartition("/")
        raise BadRequest(f"cannot bind token to object of type {group}/{own}, Kind={shown}")
    name, kind = wish.get("name", ""), kind_of(BOUND_TO[word])
    key = registry.cache(kind).key(request.namespace, name)
    found = yield from latest(registry, kind, key)
    if found is None:
        raise NotFound(kind.key, name)
    if word == "pod" and found.object()["spec"].get("serviceAccountName") != request.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{request.name}" to pod running with different '
            "serviceaccount name."
        )
    if wish.get("uid") and wish["uid"] != found.uid:
        why = (
            f"the UID in the bound object reference ({wish['uid']}) does not match the UID in "
            "record. The object might have been deleted and then recreated"
        )
        raise Conflict(shown, name, why)
    return word, name, found.uid


def _check(name: str, seconds: int) -> None:
    field = "spec.expirationSeconds"
    if seconds < SECONDS_MIN:
        text = "may not specify a duration less than 10 minutes"
    elif seconds > SECONDS_MAX:
        text = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    raise Invalid(_TOKEN_REQUEST.qualified, name, [Cause.invalid(field, seconds, text)])
