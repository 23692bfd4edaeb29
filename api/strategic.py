"""Strategic merge patch: a merge patch that knows the merge keys of lists.

The rules are those of the server: lists with patch strategy ``merge`` are merged element by
element, others replaced; ``$patch`` replaces or deletes a map or a list element;
``$deleteFromPrimitiveList/x`` takes values out of a list of scalars; ``$setElementOrder/x`` gives
the order of a list; ``$retainKeys`` clears the keys it does not name; null deletes.

Source: apimachinery/pkg/util/strategicpatch/patch.go (behaviour), api/data/fields.json (keys),
tests/golden/api/patches.jsonl.
"""

from collections.abc import Iterable
from typing import Any, Final

from api.core import JsonObject
from api.fields import Field, json_fields

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"


class MergeError(Exception):
    """A patch that contradicts the type or itself. ``code``: 400, 422 or 500."""

    def __init__(self, message: str, *, code: int = 500) -> None:
        super().__init__(message)
        self.code = code


def merge_map(type_name: str, original: JsonObject, patch: JsonObject) -> JsonObject:
    """Merge ``patch`` into ``original`` and return it; both are consumed. Raises MergeError."""
    if DIRECTIVE in patch:
        return _directed_map(patch)
    _retain_keys(original, patch)
    fields = json_fields(type_name) if type_name else {}
    for key in [key for key in patch if key.startswith(SET_ORDER)]:
        _merge_ordered(type_name, original, patch, key)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            _delete_scalars(original, key[len(DELETE_FROM) :], value)
        elif value is None:
            original.pop(key, None)
        elif key not in original or not _same_shape(original[key], value):
            _take(original, key, value)
        elif isinstance(value, dict):
            field = fields.get(key)
            inner = field.type.struct if field is not None else ""
            original[key] = merge_map(inner, original[key], value)
        elif isinstance(value, list):
            original[key] = _merge_list(fields.get(key), original[key], value)
        else:
            original[key] = value
    return original


_LEFT_OUT: Final = object()


def _take(original: JsonObject, key: str, value: Any) -> None:
    """A value that has nothing to be merged with; one with a directive of its own takes away."""
    taken = _without_directives(value)
    if taken is _LEFT_OUT:
        original.pop(key, None)
    else:
        original[key] = taken


def _without_directives(value: Any) -> Any:
    """Without nulls in maps, and without the maps that have a ``$patch``. What else begins with a
    dollar stays, and is an unknown field."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _LEFT_OUT
        taken = {
            key: _without_directives(inner) for key, inner in value.items() if inner is not None
        }
        return {key: inner for key, inner in taken.items() if inner is not _LEFT_OUT}
    if isinstance(value, list):
        return [one for one in map(_without_directives, value) if one is not _LEFT_OUT]
    return value


def _directed_map(patch: JsonObject) -> JsonObject:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise MergeError(f"unknown patch type: {directive} in map: {go_text(patch)}")


def _retain_keys(original: JsonObject, patch: JsonObject) -> None:
    if RETAIN_KEYS not in patch:
        return
    kept = patch.pop(RETAIN_KEYS)
    message = "invalid patch format of retainKeys"
    if not isinstance(kept, list):
        raise MergeError(message, code=400)
    for key, value in patch.items():
        if value is None or key.startswith((DELETE_FROM, SET_ORDER)):
            continue
        if key not in kept:
            raise MergeError(message, code=400)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _delete_scalars(original: JsonObject, key: str, values: Any) -> None:
    """Null takes the whole list; what is no list says nothing."""
    if values is None:
        original.pop(key, None)
    elif isinstance(values, list) and isinstance(original.get(key), list):
        original[key] = [item for item in original[key] if item not in values]


def _merge_ordered(type_name: str, original: JsonObject, patch: JsonObject, directive: str) -> None:
    """Merge one list together with its ``$setElementOrder``; both leave the patch."""
    order = patch.pop(directive)
    key = directive[len(SET_ORDER) :]
    for value in (order, original.get(key, []), patch.get(key, [])):
        if not isinstance(value, list):
            raise MergeError(f"expected a []interface {{}}, but received a {_go_type(value)}")
    field = _field_of(type_name, key)
    items, before, merge_key = patch.get(key) or [], list(original.get(key) or []), field.merge_key
    _check_order(items, order, merge_key)
    if key in patch:
        value = patch.pop(key)
        merged = _merge_list(field, original[key], value) if key in original else None
        if merged is None:
            merged = _without_directives(value)
    elif key in original:
        merged = before
    else:
        return
    if not before and not items:
        raise MergeError("no elements in any of the given slices")
    if merge_key:
        for item in order:
            _key_of(item, merge_key)
    original[key] = _ordered(merged, order, before, merge_key)


def _field_of(type_name: str, key: str) -> Field:
    if not type_name:
        text = "merging an object in json but data type is not struct, instead is: map"
        raise MergeError(text)
    field = json_fields(type_name).get(key)
    if field is None:
        struct = type_name.rpartition(".")[2]
        text = f'unable to find api field in struct {struct} for the json field "{key}"'
        raise MergeError(text)
    return field


def _go_type(value: Any) -> str:
    if value is None:
        return "%!s(<nil>)"
    names = {dict: "map[string]interface {}", str: "string", bool: "bool", int: "int64"}
    return names.get(type(value), "float64")


def _check_order(items: list[Any], order: list[Any], merge_key: str) -> None:
    """The elements that are not deleted must come in the order that the directive gives."""
    if not items or not order:
        return
    wanted = [
        _identity(item, merge_key)
        for item in items
        if not (isinstance(item, dict) and item.get(DIRECTIVE) == "delete")
    ]
    position = 0
    for item in order:
        if position < len(wanted) and wanted[position] == _identity(item, merge_key):
            position += 1
    if position < len(wanted):
        raise MergeError(
            f"The order in patch list:\n{go_text(items)}\n doesn't match $setElementOrder list:\n"
            f"{go_text(order)}\n"
        )


def _merge_list(field: Field | None, original: list[Any], patch: list[Any]) -> list[Any]:
    if field is None or not field.patch_merges:
        return patch
    if not original and not patch:
        return original
    merge_key = field.merge_key
    _check_elements([*original, *patch])
    if not isinstance((original or patch)[0], dict):
        merged = list(dict.fromkeys([*original, *patch]))
        return _ordered(merged, patch, original, "")
    if not merge_key:
        raise MergeError(f"cannot merge lists without merge key for {field.type.struct}")
    original, patch = _special_elements(original, patch, merge_key)
    merged = list(original)
    places = {_key_of(item, merge_key): index for index, item in reversed(list(enumerate(merged)))}
    for item in patch:
        value = _key_of(item, merge_key)
        place = places.get(value)
        if place is None:
            places[value] = len(merged)
            merged.append(item)
        else:
            merged[place] = merge_map(field.type.struct, merged[place], item)
    return _ordered(merged, patch, original, merge_key)


def _check_elements(items: list[Any]) -> None:
    """Lists that are merged hold maps only, or scalars of one type only."""
    kinds = {type(item).__name__ for item in items}
    if "list" in kinds:
        raise MergeError("lists of lists are not supported", code=422)
    if len(kinds) > 1:
        raise MergeError(f"list element types are not identical: {go_text(items)}")


def _special_elements(
    original: list[Any], patch: list[Any], merge_key: str
) -> tuple[list[Any], list[Any]]:
    """Carry out ``$patch`` elements: what remains to be merged, as (original, patch)."""
    rest = []
    replace = False
    for item in patch:
        if not isinstance(item, dict) or DIRECTIVE not in item:
            rest.append(item)
        elif item[DIRECTIVE] == "delete":
            if merge_key not in item:
                raise MergeError(
                    f"map: {go_text(item)} does not contain declared merge key: {merge_key}"
                )
            gone = item[merge_key]
            original = [kept for kept in original if kept.get(merge_key) != gone]
        elif item[DIRECTIVE] == "replace":
            replace = True
        elif item[DIRECTIVE] == "merge":
            raise MergeError("merging lists cannot yet be specified in the patch")
        else:
            raise MergeError(f"unknown patch type: {item[DIRECTIVE]} in map: {go_text(item)}")
    return (rest, []) if replace else (original, rest)


def _ordered(
    merged: list[Any], patch_order: list[Any], live_order: list[Any], merge_key: str
) -> list[Any]:
    """Elements named by the patch in its order, the others put where the live list had them."""
    wanted: dict[Any, int] = {}
    for index, item in enumerate(patch_order):
        wanted.setdefault(_identity(item, merge_key), index)
    live: dict[Any, int] = {}
    for index, item in enumerate(live_order):
        live.setdefault(_identity(item, merge_key), index)
    named = [item for item in merged if _identity(item, merge_key) in wanted]
    named.sort(key=lambda item: wanted[_identity(item, merge_key)])
    others = [item for item in merged if _identity(item, merge_key) not in wanted]
    others.sort(key=lambda item: live.get(_identity(item, merge_key), len(live)))
    return list(_interleaved(others, named, live, merge_key))


def _interleaved(
    others: list[Any], named: list[Any], live: dict[Any, int], merge_key: str
) -> Iterable[Any]:
    i = j = 0
    while i < len(others) and j < len(named):
        left = live.get(_identity(others[i], merge_key))
        right = live.get(_identity(named[j], merge_key))
        if left is not None and right is not None and left < right:
            yield others[i]
            i += 1
        else:
            yield named[j]
            j += 1
    yield from others[i:]
    yield from named[j:]


def _key_of(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict) or merge_key not in item:
        raise MergeError(f"map: {go_text(item)} does not contain declared merge key: {merge_key}")
    return _hashable(item[merge_key])


def _identity(item: Any, merge_key: str) -> Any:
    return _hashable(item.get(merge_key) if merge_key and isinstance(item, dict) else item)


def _hashable(value: Any) -> Any:
    """The value itself if a dict can hold it, else its text: a malformed key is no crash."""
    return repr(value) if isinstance(value, (dict, list)) else value


def _same_shape(left: Any, right: Any) -> bool:
    return isinstance(left, dict) == isinstance(right, dict) and isinstance(
        left, list
    ) == isinstance(right, list)


def go_text(value: Any) -> str:
    """A JSON value as Go's ``%v`` prints it: sorted ``map[k:v]`` and ``[a b]``."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_text(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
