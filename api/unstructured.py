"""Why a parsed object does not fit its struct, in the words of Go's converter of maps.

A strategic merge patch ends in it, where other bodies end in a JSON decoder. Source:
apimachinery/pkg/runtime/converter.go at v0.36.3 (fromUnstructured and what it calls).
"""

from typing import Any, Final

from api.core import JsonObject
from api.fields import Field, FieldType, json_fields
from api.misfits import checker_of

_KINDS: Final = {"s": "string", "TypeMeta": "string", "b": "bool", "i": "int32", "l": "int64"}


def misfit_of_map(type_name: str, obj: JsonObject) -> str | None:
    """The first that is found, the fields of a struct in Go's order; None when all fits."""
    for field in json_fields(type_name).values():
        value = obj.get(field.name)
        if value is not None:
            found = _field(field, value)
            if found is not None:
                return found
    return None


def _field(field: Field, value: Any) -> str | None:
    kind = field.type
    if not kind.container:
        return _item(kind, value)
    wanted, restored = (list, "slice") if kind.container == "list" else (dict, "map")
    if type(value) is not wanted:
        return f"cannot restore {restored} from {_kind(value)}"
    items = value if isinstance(value, list) else value.values()
    found = (_item(kind, item) for item in items if item is not None)
    return next((text for text in found if text is not None), None)


def _item(kind: FieldType, value: Any) -> str | None:
    if kind.item == "struct":
        if not isinstance(value, dict):
            return f"cannot restore struct from: {_kind(value)}"
        return misfit_of_map(kind.struct, value)
    wanted = _KINDS.get(kind.item)
    if wanted is None:
        return checker_of(kind.item)(value) or None
    return _scalar(wanted, value)


def _scalar(wanted: str, value: Any) -> str | None:
    found = _kind(value)
    if found == wanted or (wanted == "int32" and found == "int64"):
        return None
    if found == "float64" and wanted in ("int32", "int64"):
        return None if value == int(value) else f"cannot convert {found} to {wanted}"
    if found == "int64" and wanted == "string":
        return f"cannot convert {found} to {wanted}"
    return f"unrecognized type: {wanted}"


def _kind(value: Any) -> str:
    kinds = {str: "string", bool: "bool", int: "int64", float: "float64", dict: "map"}
    return kinds.get(type(value), "slice")
