"""Requests about a second form of stored objects: converted on the way in, shown on the way out.

The verbs know the stored form only. A body is read as the view's kind and handed on converted; a
patch is applied to what the client sees; answers are converted by the request's ``Form``.
"""

import re
from collections.abc import Callable, Sequence

import orjson

from api.calls import APPLY_PATCH
from api.conversion import View
from api.core import JsonObject
from apiserver.answers import warning_headers
from apiserver.bodies import JSON_TYPE, PatchFindings, check_patched, decode_object
from apiserver.messages import Answer
from apiserver.options import write_options
from apiserver.patching import Patch, findings_of, patch_of
from apiserver.registry import AnyVerb, Registry, Request

Start = Callable[[Registry, Request], AnyVerb]
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def through_view(view: View, start: Start, registry: Registry, request: Request) -> AnyVerb:
    """The verb for a request about the view. Raises ApiError when its body is no such object."""
    selector = request.options.get("fieldSelector", "")
    if selector and view.fields:
        named = {**request.options, "fieldSelector": _stored_names(view, selector)}
        request.options = named
    if request.verb not in _OPTIONS:
        return start(registry, request)
    request.view = view
    media = request.content_type.partition(";")[0].strip()
    if request.verb == "patch" and media == APPLY_PATCH:
        return start(registry, request)
    validation = write_options(_OPTIONS[request.verb], request.options, False).field_validation
    if request.verb == "patch":
        request.patch = _seen(view, patch_of(view.kind, request), validation, findings_of(request))
        return start(registry, request)
    obj, warnings = decode_object(view.kind, request, validation)
    request.body, request.content_type = orjson.dumps(view.to_stored(obj)), JSON_TYPE
    verb = start(registry, request)
    return warned(verb, warnings) if warnings else verb


def _seen(view: View, patch: Patch, validation: str, findings: PatchFindings) -> Patch:
    """A patch of the stored form, from one of the form that the client sees."""

    def apply(doc: JsonObject) -> JsonObject:
        new = patch(view.from_stored(doc))
        check_patched(view.kind, new, validation, findings)
        return view.to_stored(new)

    return apply


def _stored_names(view: View, selector: str) -> str:
    for name, stored in view.fields.items():
        selector = re.sub(rf"(^|,){re.escape(name)}(?=!?=)", rf"\g<1>{stored}", selector)
    return selector


def warned(verb: AnyVerb, warnings: Sequence[str]) -> AnyVerb:
    """The verb, whose answer carries warnings. A watch that opens carries none."""
    result = yield from verb
    if not isinstance(result, Answer):
        return result
    return result._replace(headers=(*result.headers, *warning_headers(warnings)))
