"""The three ways to change a stored object by a patch; each gives a new object.

``doc`` is never changed, the patch may be. What the patched object must look like is judged by
the caller. Server-side apply is not here.

Source: RFC 7386, RFC 6902, apiserver/pkg/endpoints/handlers/patch.go;
tests/golden/api/patches.jsonl and err-patch-json in errors.jsonl.
"""

from typing import Any

import jsonpatch
import orjson

from api.core import JsonObject
from api.errors import BadRequest, Invalid, PlainError, RequestEntityTooLarge
from api.strategic import MergeError, merge_map

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

OPERATIONS_MAX = 10_000
"""Most operations in one JSON patch. Source: maxJSONPatchOperations, handlers/patch.go."""

COPIED_BYTES_MAX = 3 * 1024 * 1024
"""Bytes that the copies of one JSON patch may add. Source: AccumulatedCopySizeLimit is set to the
largest body in apiserver/pkg/server/config.go."""


def merge_patch(doc: JsonObject, patch: Any) -> JsonObject:
    """JSON merge patch: null deletes, maps merge, all else replaces. BadRequest if no map."""
    if not isinstance(patch, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {_json_type(patch)} into Go value of "
            "type map[string]interface {}"
        )
    merged: JsonObject = _merged(doc, patch)
    return merged


def json_patch(doc: JsonObject, ops: Any) -> JsonObject:
    """A list of operations, all or none. BadRequest, RequestEntityTooLarge, Invalid."""
    if not isinstance(ops, list):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {_json_type(ops)} into Go value of "
            "type []handlers.jsonPatchOp"
        )
    if len(ops) > OPERATIONS_MAX:
        raise _too_many_operations(len(ops))
    result = _copied(doc)
    copied = 0
    for op in ops:
        if isinstance(op, dict) and op.get("op") == "copy":
            copied += _copy_bytes(result, op)
            if copied > COPIED_BYTES_MAX:
                raise _too_much_copied(copied)
        result = _operated(result, op)
    return result


def _copy_bytes(doc: JsonObject, op: JsonObject) -> int:
    """Size of what an operation copies; 0 when it cannot, which is then said of the operation."""
    try:
        return len(orjson.dumps(jsonpatch.JsonPointer(op["from"]).resolve(doc)))
    except (jsonpatch.JsonPointerException, KeyError, TypeError):
        return 0


def _too_much_copied(size: int) -> RequestEntityTooLarge:
    error = RequestEntityTooLarge(COPIED_BYTES_MAX)
    error.message = (
        f"Unable to complete the copy, the accumulated size increase of copy is {size}, exceeding "
        f"the limit {COPIED_BYTES_MAX}"
    )
    return error


def strategic_merge_patch(type_name: str, doc: JsonObject, patch: Any) -> JsonObject:
    """Strategic merge patch of a ``type_name`` of fields.json. BadRequest, or 500 as recorded."""
    if patch is None:
        # Go reads null into a map as an empty one.
        patch = {}
    if not isinstance(patch, dict):
        raise BadRequest(
            f"json: cannot unmarshal {_json_type(patch)} into Go value of type "
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
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key), value)
        else:
            result[key] = value
    return result


def _operated(doc: JsonObject, op: Any) -> JsonObject:
    """One operation. ``replace`` of a missing map key adds it, as the server's library does."""
    try:
        if isinstance(op, dict) and op.get("op") == "replace":
            parent, part = jsonpatch.JsonPointer(op["path"]).to_last(doc)
            if isinstance(parent, dict) and part is not None and part not in parent:
                op = {**op, "op": "add"}
        result: Any = jsonpatch.apply_patch(doc, [op], in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, KeyError, TypeError):
        raise Invalid.generic() from None
    if not isinstance(result, dict):
        raise Invalid.generic()
    return result


def _too_many_operations(count: int) -> RequestEntityTooLarge:
    error = RequestEntityTooLarge(OPERATIONS_MAX)
    error.message = (
        "Request entity too large: The allowed maximum operations in a JSON patch is "
        f"{OPERATIONS_MAX}, got {count}"
    )
    return error


def _copied(doc: JsonObject) -> JsonObject:
    copy: JsonObject = orjson.loads(orjson.dumps(doc))
    return copy


def _json_type(value: Any) -> str:
    names = {list: "array", dict: "object", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")
