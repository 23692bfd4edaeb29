"""A PATCH body as a function from the stored object to the patched one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from api.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from api.core import JsonObject
from api.errors import BadRequest, UnsupportedMediaType
from api.findings import find_duplicates, find_in_operations
from api.kinds import Kind
from api.patches import json_patch, merge_patch, strategic_merge_patch
from api.strategic import go_text
from apiserver.bodies import PatchFindings
from apiserver.registry import Request
from apiserver.untrusted import parse_json, refusal_of_json

Patch = Callable[[JsonObject], JsonObject]
_CUSTOM = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
"""How custom resources are patched: no strategy is known of them."""


def findings_of(request: Request) -> PatchFindings:
    """Of the body of a patch, whatever it may be applied to."""
    media = request.content_type.partition(";")[0].strip()
    try:
        parsed = parse_json(request.body)
    except orjson.JSONDecodeError:
        return PatchFindings()
    if media == JSON_PATCH:
        return PatchFindings(_wrong_with_operations(request.body, parsed))
    strategic = partial(go_text, parsed) if media == STRATEGIC_PATCH else None
    twice = find_duplicates(request.body, parsed) if isinstance(parsed, dict) else ()
    return PatchFindings(twice, strategic)


def _wrong_with_operations(body: bytes, operations: Any) -> list[str]:
    """Source: applyJSPatch, apiserver/pkg/endpoints/handlers/patch.go."""
    if not isinstance(operations, list):
        return []
    return [f"json patch {text}" for text in find_in_operations(body)]


def patch_of(kind: Kind, request: Request, type_name: str = "") -> Patch:
    """``type_name``: of the patched object when it is not the kind's own, such as Scale's."""
    if request.patch is not None and not type_name:
        return request.patch
    media = request.content_type.partition(";")[0].strip()
    if kind.custom is not None and media not in _CUSTOM:
        raise UnsupportedMediaType(_CUSTOM)
    struct = type_name or kind.type_name
    if media not in (MERGE_PATCH, STRATEGIC_PATCH, JSON_PATCH):
        raise UnsupportedMediaType.of_patch()
    try:
        patch = parse_json(request.body)
    except orjson.JSONDecodeError:
        prefix = "" if media == STRATEGIC_PATCH else "error decoding patch: "
        raise BadRequest(f"{prefix}{refusal_of_json(request.body)}") from None
    if media == MERGE_PATCH:
        return lambda doc: merge_patch(doc, patch)
    if media == JSON_PATCH:
        return lambda doc: json_patch(doc, patch)
    return lambda doc: strategic_merge_patch(struct, doc, orjson.loads(request.body))
