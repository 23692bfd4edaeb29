"""Paths into objects: the simple ones of scale, and the JSONPath of printer columns.

Source: k8s.io/client-go/util/jsonpath (a subset: fields, quoted fields, indices, slices, wildcards,
recursive descent and one comparison as a filter).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from api.core import JsonObject

_STEP = re.compile(
    r"""\.\.(?P<deep>[^.\[\]\s]+)
    |\.(?P<field>(?:\\.|[^.\[\]\\])+)
    |\[(?P<index>-?\d+)\]
    |\[(?P<slice>-?\d*:-?\d*)\]
    |\[(?P<all>\*)\]
    |\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
    |\[\?\(\s*@(?P<left>[^=!<>()\s]*)\s*
      (?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>[^)]*?)\s*)?\)\]
    |(?P<dot>\.)$""",
    re.VERBOSE,
)


class Step(NamedTuple):
    """One part of a path: what it is and what it names."""

    kind: str
    text: str
    operator: str = ""
    right: str = ""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> tuple[Step, ...] | None:
    """The steps of a JSONPath without braces; None when it is none of ours."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            return None
        position = found.end()
        kind = found.lastgroup or ""
        if found["field"] is not None:
            name = re.sub(r"\\(.)", r"\1", found["field"])
            steps.append(Step("all", "*") if name == "*" else Step("field", name))
        elif found["quoted"] is not None:
            steps.append(Step("field", found["quoted"]))
        elif found["left"] is not None:
            right = found["right"] or ""
            steps.append(Step("filter", found["left"], found["operator"] or "", right))
        elif kind != "dot":
            steps.append(Step(kind, found[kind]))
    return tuple(steps)


def find_all(steps: tuple[Step, ...], root: Any) -> list[Any]:
    """The values that a path means, in order."""
    values = [root]
    for step in steps:
        values = [found for value in values for found in _follow(step, value)]
    return values


def _follow(step: Step, value: Any) -> Iterator[Any]:
    if step.kind == "field":
        if isinstance(value, dict) and step.text in value:
            yield value[step.text]
    elif step.kind == "all":
        if isinstance(value, list):
            yield from value
        elif isinstance(value, dict):
            yield from (value[name] for name in sorted(value))
    elif step.kind == "deep":
        yield from _deep(step.text, value)
    elif isinstance(value, list):
        if step.kind == "index":
            index = int(step.text)
            if -len(value) <= index < len(value):
                yield value[index]
        elif step.kind == "slice":
            first, _, last = step.text.partition(":")
            yield from value[int(first) if first else None : int(last) if last else None]
        else:
            yield from (item for item in value if _passes(step, item))


def _deep(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for key in sorted(value):
            yield from _deep(name, value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _deep(name, item)


def _passes(step: Step, item: Any) -> bool:
    """One comparison of a field with a literal, or that the field is there."""
    found = find_all(parse_path(step.text) or (), item)
    if not step.operator:
        return bool(found)
    if not found:
        return False
    left: Any = found[0]
    right: Any = step.right.strip("'\"")
    if not isinstance(left, str):
        try:
            right = orjson.loads(right)
        except orjson.JSONDecodeError:
            return False
    if step.operator in ("==", "!="):
        return (left == right) is (step.operator == "==")
    if type(left) is not type(right):
        return False
    less, more = bool(left < right), bool(left > right)
    return {"<": less, ">": more, "<=": not more, ">=": not less}[step.operator]


class PathError(Exception):
    """A path leads through something that holds no fields, or to a value of another type."""


def simple_path(text: str) -> list[str]:
    """``.spec.replicas`` as its fields."""
    return text.removeprefix(".").split(".")


def value_at(obj: JsonObject, path: list[str], kind: type) -> Any:
    """The value of a simple path, None when it is not there. PathError, in Go's words.

    Source: NestedFieldNoCopy in apimachinery/pkg/apis/meta/v1/unstructured/helpers.go."""
    value: Any = obj
    for index, name in enumerate(path):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise _wrong(path[: index + 1], value, "map[string]interface{}")
        if name not in value:
            return None
        value = value[name]
    if type(value) is not kind:
        raise _wrong(path, value, _GO_TYPES[kind])
    return value


def put_at(obj: JsonObject, path: list[str], value: Any) -> None:
    """Set the value of a simple path, in place, with the maps on the way. PathError."""
    for index, name in enumerate(path[:-1]):
        inner = obj.setdefault(name, {})
        if not isinstance(inner, dict):
            where = "." + ".".join(path[: index + 1])
            raise PathError(
                f"value cannot be set because {where} is not a map[string]interface{{}}"
            )
        obj = inner
    obj[path[-1]] = value


_GO_TYPES: dict[type, str] = {
    str: "string",
    int: "int64",
    float: "float64",
    bool: "bool",
    dict: "map[string]interface {}",
    list: "[]interface {}",
    type(None): "<nil>",
}


def go_text(value: Any) -> str:
    """A parsed value as Go's %v prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{k}:{go_text(value[k])}' for k in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    return str(value)


def _wrong(path: list[str], value: Any, wanted: str) -> PathError:
    return PathError(
        f".{'.'.join(path)} accessor error: {go_text(value)} is of the type "
        f"{_GO_TYPES[type(value)]}, expected {wanted}"
    )
