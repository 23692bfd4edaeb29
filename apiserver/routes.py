"""Which verb on which resource an URL and a method mean, and whether the caller may.

Source: apiserver/pkg/endpoints/request/requestinfo.go; texts of refusals as recorded in
tests/golden/api/errors.jsonl.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from api.conversion import View, view_of
from api.deprecations import DEPRECATED
from api.discovery import SPINE
from api.errors import (
    Forbidden,
    MethodNotAllowed,
    NotFound,
    NotImplemented501,
    RequestEntityTooLarge,
)
from api.kinds import SERVED, Kind, UnknownKindError, kind_by_path, kind_of
from apiserver.authorize import ADMINS, may, may_path
from apiserver.customs import DEFINITIONS, custom_form, seen_as
from apiserver.definitions import settled
from apiserver.documents import Documents
from apiserver.health import health
from apiserver.messages import Answer, FrameCall, FrameWatch, HttpRequest, User
from apiserver.metrics import CONTENT_TYPE, NOTHING_ASKED, Asked
from apiserver.negotiate import FRAME, OBJECT, Form, boolean, form_of, parse_query
from apiserver.registry import AnyVerb, Registry, Request
from apiserver.reviews import REVIEWS, review
from apiserver.verbs.apply import patch_or_apply
from apiserver.verbs.create import create
from apiserver.verbs.customscale import get_custom_scale, set_custom_scale
from apiserver.verbs.delete import delete, delete_collection
from apiserver.verbs.exec import run_command
from apiserver.verbs.logs import read_log
from apiserver.verbs.read import get, list_objects
from apiserver.verbs.subresources import bind, evict, get_scale, set_scale
from apiserver.verbs.tokens import request_token
from apiserver.verbs.update import update
from apiserver.verbs.watch import frame_watch, watch
from apiserver.views import through_view, warned

BODY_BYTES_MAX = 3 * 1024 * 1024
"""Source: DefaultMaxRequestBodyBytes, apiserver/pkg/server/config.go."""

_PARTS = User("system:hollowfleet", (ADMINS, "system:authenticated"))
"""Who calls over frames: a part of this cluster, admitted by the handshake's token."""
_METHODS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


Start = Callable[[Registry, Request], AnyVerb]


class Target(NamedTuple):
    """The resource that a path names."""

    group: str
    version: str
    resource: str
    namespace: str
    name: str
    subresource: str
    rest: bool
    """Whether the path goes on behind the subresource."""
    watching: bool
    """The deprecated prefix ``watch/`` was there."""


def parse_path(path: str) -> Target | None:
    """The resource of a path; None outside ``/api/v1/*`` and ``/apis/GROUP/VERSION/*``."""
    parts = path.strip("/").split("/")
    if "%" in path:
        parts = [unquote(part) for part in parts]
    count = len(parts)
    if parts[0] == "api" and count > 2:
        group, version, at = "", parts[1], 2
    elif parts[0] == "apis" and count > 3:
        group, version, at = parts[1], parts[2], 3
    else:
        return None
    watching = parts[at] == "watch" and count > at + 1
    if watching:
        at += 1
    namespace, left = "", count - at
    if parts[at] == "namespaces" and left > 2:
        own = left == 3 and not group and parts[at + 2] in ("status", "finalize")
        if not own:
            namespace = parts[at + 1]
            at, left = at + 2, left - 2
    name = parts[at + 1] if left > 1 else ""
    subresource = parts[at + 2] if left > 2 else ""
    rest = left > 3 and any(parts[at + 3 :])
    return Target(group, version, parts[at], namespace, name, subresource, rest, watching)


class Way(NamedTuple):
    """What a path and a method mean, whoever asks, of whatever object and with whatever query."""

    verb: str
    """A list that the query turns into a watch is a list here."""
    kind: Kind | None
    """None: more than this must be known to say who answers."""
    start: "Start"
    asked: Asked


def way_of(method: str, path: str) -> tuple[Target | None, Way]:
    """None outside the resources. Never raises: whatever is wrong is found when a request is to be
    answered. Cost: the same however many objects there are, so paths of objects are not kept."""
    target = parse_path(path)
    if target is None:
        verb = _METHODS.get(method, "")
        return None, Way(verb, None, create, Asked(verb))
    group, version, resource, space, name, subresource, rest, watching = target
    space, name = space and "-", name and "-"
    return target, _way(
        method, Target(group, version, resource, space, name, subresource, rest, watching)
    )


_way_posted = lru_cache(maxsize=4096)(way_of)
"""What is mostly posted to are collections, and those are few."""


@lru_cache(maxsize=4096)
def _way(method: str, target: Target) -> Way:
    """``target``: with any namespace and name in place of those that it has."""
    verb = _METHODS.get(method, "")
    if verb == "get" and (target.watching or not target.name):
        verb = "watch" if target.watching else "list"
    elif verb == "delete" and not target.name:
        verb = "deletecollection"
    known = Way(verb, None, create, NOTHING_ASKED)
    if target.watching or target.rest or (target.group, target.resource) in REVIEWS:
        return known
    try:
        kind = kind_by_path(target.group, target.version, target.resource)
        if kind.key not in SERVED or kind is not kind_of(kind.key) or kind.key in DEPRECATED:
            return known
        start = _start_of(kind, verb, target)
    except (UnknownKindError, NotFound, MethodNotAllowed, NotImplemented501):
        return known
    if kind.key == DEFINITIONS or (target.namespace and not kind.namespaced):
        return known
    return Way(verb, kind, start, Asked(*_about(kind, verb, target)))


def verb_of_http(registry: Registry, http: HttpRequest) -> AnyVerb | Answer:
    """The generator that answers a request, or the answer. Raises ApiError."""
    find = _way_posted if http.method == "POST" else way_of
    target, (verb, kind, start, asked) = find(http.method, http.path)
    if target is None:
        _authorize_path(http)
        registry.asked = asked
        if http.path == "/metrics" and http.method == "GET":
            return Answer(200, registry.report().encode(), content_type=CONTENT_TYPE)
        well = health(http.path, http.query, registry.loading()) if http.method == "GET" else None
        return well or _documents(registry).answer(http)
    query = parse_query(http.query) if http.query else {}
    if query and verb == "list" and boolean(query, "watch"):
        verb, kind = "watch", None
    if http.impersonate is not None or ADMINS not in http.user.groups:
        _authorize(http, target, verb)
    if len(http.body) > BODY_BYTES_MAX:
        raise RequestEntityTooLarge(BODY_BYTES_MAX)
    if kind is None:
        return _verb_at_length(registry, http, target, verb, query)
    registry.asked = asked
    request = _request(http, kind, verb, target, query)
    request.form = form_of(http.accept)
    return start(registry, request)


def _request(
    http: HttpRequest, kind: Kind, verb: str, target: Target, query: dict[str, str]
) -> Request:
    request = Request(http.id, http.impersonate or http.user, verb, kind)
    request.namespace, request.name = target.namespace, target.name
    request.subresource = target.subresource
    request.options, request.query = query, http.query
    request.upgrade = http.upgrade
    request.content_type = http.content_type
    request.body = http.body
    request.user_agent = http.user_agent
    return request


def _verb_at_length(
    registry: Registry, http: HttpRequest, target: Target, verb: str, query: dict[str, str]
) -> AnyVerb | Answer:
    """Of a request that is allowed, when its path and method do not say who answers it."""
    if (target.group, target.resource) in REVIEWS and target.version == "v1":
        if target.name:
            raise NotFound
        return review(registry, http, target.resource, target.namespace)
    kind, view = _kind(registry, target)
    registry.asked = Asked(*_about(kind, verb, target))
    request = _request(http, kind, verb, target, query)
    if verb == "watch" and target.watching and target.name:
        request.options = {**query, "fieldSelector": f"metadata.name={target.name}"}
        request.name = ""
    start = _start_of(kind, verb, target)
    if kind.custom is not None:
        if verb == "create" and registry.custom.is_ending(kind):
            raise MethodNotAllowed.while_terminating(kind.key, verb)
        request.form = custom_form(kind, http.accept, verb == "watch")
        verb_of_kind = start(registry, request)
        return warned(verb_of_kind, (kind.custom.warning,)) if kind.custom.warning else verb_of_kind
    request.form = form_of(http.accept, verb == "watch")
    if view is not None:
        if request.form is OBJECT:
            request.form = Form("view", view.kind.api_version, view)
        return through_view(view, start, registry, request)
    deprecation = DEPRECATED.get(kind.key)
    if deprecation is not None:
        return warned(start(registry, request), (deprecation,))
    if kind.key == DEFINITIONS and verb in ("create", "update", "patch"):
        return settled(registry, start(registry, request))
    return start(registry, request)


def _about(kind: Kind, verb: str, target: Target) -> tuple[str, str, str, str]:
    """What is counted of a request."""
    return verb, kind.key, target.subresource, _scope(target, verb)


def _documents(registry: Registry) -> Documents:
    """Those for the custom kinds of now."""
    registry.custom.catch_up()
    custom = registry.custom.served()
    if registry.documents is None or registry.documents.custom is not custom:
        registry.documents = Documents(custom)
    return registry.documents


def _kind(registry: Registry, target: Target) -> tuple[Kind, View | None]:
    """The stored kind that a path names, and the view of it that it means. NotFound."""
    try:
        if not target.group and target.resource == "bindings":
            return kind_of("pods"), None
        kind = kind_by_path(target.group, target.version, target.resource)
    except UnknownKindError:
        registry.custom.catch_up()
        found = registry.custom.find(target.group, target.version, target.resource)
        if found is None or target.rest or (target.namespace and not found.namespaced):
            raise NotFound from None
        return found, None
    if (target.rest and target.subresource != "proxy") or (
        target.namespace and not kind.namespaced
    ):
        raise NotFound
    if kind.key in SERVED and kind is kind_of(kind.key):
        return kind, None
    view = view_of(kind)
    if view is None:
        raise NotFound
    return view.stored, view


def _start_of(kind: Kind, verb: str, target: Target) -> Start:
    """The verb's generator function. NotFound, MethodNotAllowed."""
    if target.resource == "bindings":
        if target.name:
            raise NotFound
        if verb != "create":
            raise MethodNotAllowed
        return bind
    if target.subresource:
        sub = kind.subresource(target.subresource)
        if sub is None:
            raise NotFound
        if kind.custom is not None:
            start = _OF_CUSTOM[sub.name].get(verb)
        elif (kind.key, sub.name) in _SUBRESOURCES:
            start = _SUBRESOURCES[kind.key, sub.name].get(verb)
        else:
            raise NotImplemented501(f"{kind.key}/{sub.name}")
        if start is None:
            raise MethodNotAllowed
        return start
    if kind.namespaced and target.name and not target.namespace:
        raise NotFound
    start = _VERBS.get(verb)
    if start is None or verb not in kind.verbs:
        raise MethodNotAllowed
    if verb in ("create", "deletecollection") and target.name:
        raise MethodNotAllowed
    if verb in ("update", "patch") and not target.name:
        raise MethodNotAllowed
    if kind.namespaced and not target.namespace and verb not in ("list", "watch"):
        raise MethodNotAllowed if kind.custom is None else NotFound
    return start


_VERBS: dict[str, Start] = {
    "get": get,
    "list": list_objects,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch_or_apply,
    "delete": delete,
    "deletecollection": delete_collection,
}
_STATUS: dict[str, Start] = {"get": get, "update": update, "patch": patch_or_apply}
_SCALE: dict[str, Start] = {"get": get_scale, "update": set_scale, "patch": set_scale}
_OWN: dict[tuple[str, str], dict[str, Start]] = {
    ("namespaces", "finalize"): {"update": update},
    ("pods", "binding"): {"create": bind},
    ("pods", "ephemeralcontainers"): _STATUS,
    ("pods", "eviction"): {"create": evict},
    ("pods", "exec"): {"get": run_command, "create": run_command},
    ("pods", "log"): {"get": read_log},
    ("pods", "resize"): _STATUS,
    ("serviceaccounts", "token"): {"create": request_token},
}
_SHARED: dict[str, dict[str, Start]] = {"status": _STATUS, "approval": _STATUS, "scale": _SCALE}
_SUBRESOURCES: dict[tuple[str, str], dict[str, Start]] = {
    (key, name): _OWN.get((key, name)) or _SHARED[name]
    for key, names in SPINE.items()
    for name in names
}
"""What discovery advertises: a subresource without a verb here fails at the import."""
_OF_CUSTOM: dict[str, dict[str, Start]] = {
    "status": _STATUS,
    "scale": {"get": get_custom_scale, "update": set_custom_scale, "patch": set_custom_scale},
}


@lru_cache(maxsize=4096)
def _way_of_part(verb: str, target: Target) -> Way:
    """Of a call for a kind of ours. ``target``: as for ``_way``. MethodNotAllowed, NotFound,
    NotImplemented501."""
    kind = kind_of(target.resource)
    start = _start_of(kind, verb, target)
    return Way(verb, kind, start, Asked(*_about(kind, verb, target)))


def _kind_of_part(registry: Registry, resource: str) -> Kind:
    """What components call by its key: a custom kind in the version in which it is stored.
    NotFound."""
    if resource in SERVED:
        return kind_of(resource)
    registry.custom.catch_up()
    found = registry.custom.stored(resource)
    if found is None:
        raise NotFound
    return found


def verb_of_call(registry: Registry, call: FrameCall) -> AnyVerb | Answer:
    """The generator that answers a call of a component. Raises ApiError."""
    verb, resource = call.verb, call.resource
    space, name = call.namespace and "-", call.name and "-"
    target = Target("", "", resource, space, name, call.subresource, False, False)
    if resource in SERVED:
        _, kind, start, asked = _way_of_part(verb, target)
        form = OBJECT
    else:
        kind = _kind_of_part(registry, resource)
        start, asked = _start_of(kind, verb, target), Asked(*_about(kind, verb, target))
        form = seen_as(kind, OBJECT)
    assert kind is not None, "a part names a kind"
    request = Request(call.id, _PARTS, verb, kind)
    request.form = form
    request.namespace, request.name = call.namespace, call.name
    request.subresource = call.subresource
    request.options = parse_query(call.query) if call.query else {}
    request.content_type = call.content_type
    request.body = call.body or b""
    request.user_agent = call.user_agent
    request.quiet = call.quiet
    request.over_frames = True
    registry.asked = asked
    if kind.key == DEFINITIONS and verb in ("create", "update", "patch"):
        return settled(registry, start(registry, request))
    return start(registry, request)


def verb_of_watch(registry: Registry, opened: FrameWatch) -> AnyVerb | Answer:
    """The generator that opens a watch of a component. Raises ApiError."""
    kind = _kind_of_part(registry, opened.resource)
    request = Request(opened.id, _PARTS, "watch", kind)
    registry.asked = Asked(
        "watch", opened.resource, "", "namespace" if opened.namespace else "cluster"
    )
    request.namespace = opened.namespace
    request.options = {
        "labelSelector": opened.label_selector,
        "fieldSelector": opened.field_selector,
    }
    request.form = FRAME
    request.over_frames = True
    return frame_watch(registry, request, opened.revision)


def _scope(target: Target, verb: str) -> str:
    """Source: CleanScope, apiserver/pkg/endpoints/metrics/metrics.go."""
    if target.name or verb == "create":
        return "resource"
    return "namespace" if target.namespace else "cluster"


def _authorize(http: HttpRequest, target: Target, verb: str) -> None:
    """Forbidden, as recorded."""
    user, word = http.user, verb or http.method.lower()
    if http.impersonate is not None:
        if ADMINS not in user.groups:
            word = f"impersonate-on:user-info:{word}"
        else:
            user = http.impersonate
    resource = target.resource
    if target.subresource:
        resource += f"/{target.subresource}"
    if may(user, word, target.group, resource):
        return
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    key = f"{target.group}/{target.resource}" if target.group else target.resource
    raise Forbidden(
        key,
        target.name,
        f'User "{user.name}" cannot {word} resource "{resource}" in API '
        f'group "{target.group}" {where}',
    )


def _authorize_path(http: HttpRequest) -> None:
    """Anybody may see what is there and whether it is well. Forbidden."""
    user, verb = http.impersonate or http.user, http.method.lower()
    if http.impersonate is not None and ADMINS not in http.user.groups:
        user = User("")
    if not may_path(user, "get" if verb == "head" else verb, http.path):
        raise Forbidden("", "", f'User "{http.user.name}" cannot {verb} path "{http.path}"')
