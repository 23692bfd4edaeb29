"""A list of operations on a document, as the server's own library carries them out.

It is no RFC 6902 to the letter, and clients see the difference: an absent key reads as null (so it
can be tested for null, copied and replaced), an absent value is null, indices count from the end
when negative, and what stands before the first slash of a path is ignored.

Source: gopkg.in/evanphx/json-patch.v4 patch.go; RFC 6901; applyJSPatch,
apiserver/pkg/endpoints/handlers/patch.go; err-patch-json in tests/golden/api/errors.jsonl.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from api.core import JsonObject
from api.errors import BadRequest, RequestEntityTooLarge

OPERATIONS_MAX = 10_000
"""Most operations in one patch. Source: maxJSONPatchOperations, handlers/patch.go."""
COPIED_BYTES_MAX = 3 * 1024 * 1024
"""Bytes that the copies of one patch may add. Source: AccumulatedCopySizeLimit is set to the
largest body in apiserver/pkg/server/config.go."""
_INDEX = re.compile(r"[-+]?\d+", re.ASCII)
_TEXTS = ("op", "path", "from")
_NOTHING = object()
"""In place of the value of an operation that names none."""


class PatchError(Exception):
    """An operation that does not apply. What it says is not told to clients."""


def json_kind(value: Any) -> str:
    """What Go's decoder calls the JSON of a value."""
    names = {list: "array", dict: "object", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")


def operations_of(patch: Any) -> list[JsonObject]:
    """A parsed patch as operations. BadRequest, RequestEntityTooLarge."""
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable(json_kind(patch), "value of type []handlers.jsonPatchOp")
    for op in patch:
        if not isinstance(op, dict | None):
            raise _undecodable(json_kind(op), "value of type handlers.jsonPatchOp")
        for name, value in (op or {}).items():
            if name in _TEXTS and not isinstance(value, str | None):
                into = f"struct field jsonPatchOp.{name} of type string"
                raise _undecodable(json_kind(value), into)
    if len(patch) > OPERATIONS_MAX:
        error = RequestEntityTooLarge(OPERATIONS_MAX)
        error.message = (
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{OPERATIONS_MAX}, got {len(patch)}"
        )
        raise error
    return [op or {} for op in patch]


def _undecodable(actual: str, into: str) -> BadRequest:
    return BadRequest(f"error decoding patch: json: cannot unmarshal {actual} into Go {into}")


class Patching:
    """A document under way from operation to operation. ``doc`` is changed."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc
        self._copied = 0
        """Bytes."""

    def apply(self, op: JsonObject) -> None:
        """PatchError when it cannot be; the document is then of no use any more."""
        act = _ACTS.get(op.get("op") or "")
        if act is None:
            raise PatchError(f"no operation: {op.get('op')}")
        act(self, op)

    def _add(self, op: JsonObject) -> None:
        _insert(*self._place(op, "path"), _copy(op.get("value")))

    def _remove(self, op: JsonObject) -> None:
        _delete(*self._place(op, "path"))

    def _replace(self, op: JsonObject) -> None:
        value = _copy(op.get("value"))
        if op.get("path") == "":
            if not isinstance(value, dict | list):
                raise PatchError("a document is a map or a list")
            self.doc = value
            return
        parent, key = self._place(op, "path")
        _read(parent, key)
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent[_index(key, len(parent))] = value

    def _move(self, op: JsonObject) -> None:
        parent, key = self._place(op, "from")
        value = _read(parent, key)
        _delete(parent, key)
        _insert(*self._place(op, "path"), value)

    def _test(self, op: JsonObject) -> None:
        wanted = op.get("value", _NOTHING)
        if op.get("path") == "":
            actual = self.doc
        else:
            actual = _read(*self._place(op, "path"))
        if wanted is _NOTHING and actual is None:
            return
        if wanted is _NOTHING or _text(actual) != _text(wanted):
            raise PatchError("test failed")

    def _copy_from(self, op: JsonObject) -> None:
        value = _read(*self._place(op, "from"))
        target = self._place(op, "path")
        if value is not None:
            self._copied += len(_text(value))
        if self._copied > COPIED_BYTES_MAX:
            error = RequestEntityTooLarge(COPIED_BYTES_MAX)
            error.message = (
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{self._copied}, exceeding the limit {COPIED_BYTES_MAX}"
            )
            raise error
        _insert(*target, _copy(value))

    def _place(self, op: JsonObject, name: str) -> tuple[Any, str]:
        """The map or list that a pointer leads to, and the key in it."""
        pointer = op.get(name)
        parts = (pointer or "").split("/")
        if pointer is None or len(parts) < 2:
            raise PatchError(f"no {name}")
        found = self.doc
        for part in parts[1:-1]:
            found = _read(found, _decoded(part))
            if not isinstance(found, dict | list):
                raise PatchError(f"missing: {pointer}")
        return found, _decoded(parts[-1])


_ACTS: Mapping[str, Callable[[Patching, JsonObject], None]] = {
    "add": Patching._add,
    "remove": Patching._remove,
    "replace": Patching._replace,
    "move": Patching._move,
    "test": Patching._test,
    "copy": Patching._copy_from,
}


def _decoded(part: str) -> str:
    """One pass, as Go's replacer makes it: ``~01`` is ``~1``."""
    return re.sub("~[01]", lambda found: "/" if found[0] == "~1" else "~", part)


def _index(key: str, size: int) -> int:
    """``size``: how many places there are."""
    if _INDEX.fullmatch(key) is None or not -size <= int(key) < size:
        raise PatchError(f"no index: {key}")
    return int(key) % size


def _read(parent: Any, key: str) -> Any:
    """None for a key that a map does not have."""
    if isinstance(parent, dict):
        return parent.get(key)
    return parent[_index(key, len(parent))]


def _insert(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    else:
        parent.insert(_index(key, len(parent) + 1), value)


def _delete(parent: Any, key: str) -> None:
    if isinstance(parent, dict):
        if key not in parent:
            raise PatchError(f"missing: {key}")
        del parent[key]
    else:
        del parent[_index(key, len(parent))]


def _text(value: Any) -> bytes:
    """Equal values have equal texts: of numbers, 1 is not 1.0."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value
