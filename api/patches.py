"""The three ways to change a stored object by a patch; each gives a new object.

``doc`` is never changed, the patch may be. What the patched object must look like is judged by
the caller. Server-side apply is not here.

Source: RFC 7386, gopkg.in/evanphx/json-patch.v4 merge.go,
apiserver/pkg/endpoints/handlers/patch.go; tests/golden/api/patches.jsonl and err-patch-json in
errors.jsonl.
"""

from typing import Any

import orjson

from api.core import JsonObject
from api.errors import BadRequest, Invalid, PlainError
from api.json_patches import PatchError, Patching, json_kind, operations_of
from api.strategic import MergeError, merge_map

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


def merge_patch(doc: JsonObject, patch: Any) -> JsonObject:
    """JSON merge patch: null deletes, maps merge, all else replaces. BadRequest if no map."""
    if patch is None:
        raise BadRequest("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {json_kind(patch)} into Go value of "
            "type map[string]interface {}"
        )
    merged: JsonObject = _merged(doc, patch)
    return merged


def json_patch(doc: JsonObject, patch: Any) -> JsonObject:
    """A list of operations, all or none. BadRequest, RequestEntityTooLarge, Invalid."""
    operations = operations_of(patch)
    under_way = Patching(_copied(doc))
    try:
        for op in operations:
            under_way.apply(op)
    except PatchError:
        raise Invalid.generic() from None
    result: Any = under_way.doc
    if not isinstance(result, dict):
        raise Invalid.generic()
    return result


def strategic_merge_patch(type_name: str, doc: JsonObject, patch: Any) -> JsonObject:
    """Strategic merge patch of a ``type_name`` of fields.json. BadRequest, or 500 as recorded."""
    if patch is None:
        # Go reads null into a map as an empty one.
        patch = {}
    if not isinstance(patch, dict):
        raise BadRequest(
            f"json: cannot unmarshal {json_kind(patch)} into Go value of type "
            "map[string]interface {}"
        )
    try:
        return merge_map(type_name, _copied(doc), patch)
    except MergeError as error:
        if error.code == 400:
            raise BadRequest(str(error)) from error
        if error.code == 422:
            raise Invalid.generic() from error
        raise PlainError(str(error)) from error


def _merged(doc: Any, patch: JsonObject) -> JsonObject:
    result: JsonObject = dict(doc) if isinstance(doc, dict) else {}
    for key, value in patch.items():
        before = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(before, dict):
            result[key] = _merged(before, value) if isinstance(value, dict) else value
        else:
            result[key] = _without_nulls(value)
    return result


def _without_nulls(value: Any) -> Any:
    """A new value of a merge patch: maps in lists lose their nulls too, lists keep theirs."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return list(map(_without_nulls, value)) if isinstance(value, list) else value


def _copied(doc: JsonObject) -> JsonObject:
    copy: JsonObject = orjson.loads(orjson.dumps(doc))
    return copy
