"""Does an applied object fit its schema? What is wrong with it, in the words of the real server.

Unlike a POST, an apply of an unknown or mistyped field is refused whatever the fieldValidation.
Source: typed/validate.go and typed/helpers.go of structured-merge-diff v6 (texts and order);
tests/golden/api/patches.jsonl, ssa-dup-list.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from api.apply.schema import LIST, SCALAR, UNTYPED, Atom
from api.apply.sets import element_text
from api.core import JsonObject

_WANTED: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "numeric": (int, float),
    "boolean": (bool,),
    "": (str, int, float, bool, dict, list),
}


def misfit(atom: Atom, value: JsonObject) -> str | None:
    """What does not fit, all in one text; None when all fits."""
    wrong = list(_misfits(atom, value, ""))
    if len(wrong) < 2:
        return wrong[0] if wrong else None
    return "\n".join(["errors:", *(f"  {text}" for text in wrong)])


def _misfits(atom: Atom, value: Any, path: str) -> Iterator[str]:
    if value is None or atom.shape == UNTYPED:
        return
    prefix = f"{path}: " if path else ""
    if atom.shape == SCALAR:
        if type(value) not in _WANTED[atom.scalar]:
            yield f"{prefix}expected {_expected(atom.scalar, value)}"
    elif atom.shape == LIST:
        if not isinstance(value, list):
            yield f"{prefix}expected list, got {_boxed(value)}"
        else:
            yield from _list_misfits(atom, value, path)
    elif not isinstance(value, dict):
        yield f"{prefix}expected map, got {_boxed(value)}"
    else:
        for name in sorted(value):
            child = atom.child(name)
            if child is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from _misfits(child, value[name], f"{path}.{name}")


def _list_misfits(atom: Atom, items: list[Any], path: str) -> Iterator[str]:
    seen: dict[str, bool] = {}
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if not atom.atomic:
            wrong = _keyless(atom, item)
            if wrong:
                yield f"{path}: element {index}: {wrong}"
                continue
            element = atom.element(item)
            if seen.get(element) is False:
                yield f"{path}: duplicate entries for key {element_text(element)}"
            seen[element] = element in seen
            where = path + element_text(element)
        yield from _misfits(atom.item, item, where)


def _keyless(atom: Atom, item: Any) -> str:
    """Why an item has no path element, or nothing."""
    if not atom.keys:
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
        if item is None:
            return "associative list without keys has an element that's an explicit null"
        return ""
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    if any(name in item or default is not None for name, default in atom.keys):
        return ""
    names = " ".join(json.dumps(key.name) for key in atom.keys)
    return (
        f"associative list with keys has an element that omits all key fields [{names}] "
        "(and doesn't have default values for any key)"
    )


def _expected(scalar: str, value: Any) -> str:
    """A Go program prints each of these in another way."""
    if scalar == "numeric":
        return f"numeric (int or float), got {_go_type(value)}"
    if scalar == "string":
        return f"string, got &value.valueUnstructured{{Value:{_go_text(value)}}}"
    return f"{scalar or 'value'}, got {_boxed(value)}"


def _go_type(value: Any) -> str:
    names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
    return names.get(type(value), "int64" if isinstance(value, int) else "float64")


def _boxed(value: Any) -> str:
    return f"&{{{value if isinstance(value, str) else _go_text(value)}}}"


def _go_text(value: Any) -> str:
    return orjson.dumps(value).decode()
