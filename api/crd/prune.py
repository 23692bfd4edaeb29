"""Drops what a schema does not know, and fills in what it has a default for.

Source: apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go, defaulting/algorithm.go,
defaulting/prunenulls.go.
"""

from typing import Any

import orjson

from api.core import JsonObject
from api.crd.schema import RESOURCE_FIELDS, Node

_WHOLE_MAX = 1 << 63
_HOLDS = (float, dict, list)


def prune(root: Node, obj: JsonObject) -> list[str]:
    """Drop, in place, the fields of a custom resource that its schema does not have.

    Their paths, sorted (``spec.tags[0].x``). Metadata is left as it is. Idempotent."""
    dropped: list[str] = []
    _prune(root, obj, "", True, dropped)
    return sorted(dropped)


def prune_value(node: Node, value: Any) -> list[str]:
    """The same for a value that is no resource, such as a default."""
    dropped: list[str] = []
    _prune(node, value, "", node.embedded, dropped)
    return dropped


def _prune(node: Node | None, value: Any, path: str, resource: bool, dropped: list[str]) -> None:
    if isinstance(value, list):
        items = node.items if node is not None else None
        keep = node is not None and node.preserve and items is None
        for index, item in enumerate(value if not keep else ()):
            _prune(items, item, f"{path}[{index}]", items is not None and items.embedded, dropped)
        return
    if not isinstance(value, dict):
        return
    prefix = f"{path}." if path else ""
    for name in list(value):
        if resource and name in RESOURCE_FIELDS:
            continue
        child = node.properties.get(name) if node is not None else None
        if child is None and node is not None and node.open_map:
            child = node.additional
        elif child is None:
            if node is None or not node.preserve:
                del value[name]
                dropped.append(f"{prefix}{name}")
            continue
        embedded = child is not None and child.embedded
        _prune(child, value[name], f"{prefix}{name}", embedded, dropped)


def write_whole(value: Any) -> Any:
    """A float without a fraction as an integer, at any depth, in place: Go writes 1.0 as 1."""
    if type(value) is float and -_WHOLE_MAX < value < _WHOLE_MAX and value.is_integer():
        return int(value)
    if type(value) is dict:
        for name, inner in value.items():
            if type(inner) in _HOLDS:
                value[name] = write_whole(inner)
    elif type(value) is list:
        for index, inner in enumerate(value):
            if type(inner) in _HOLDS:
                value[index] = write_whole(inner)
    return value


def set_defaults(node: Node | None, value: Any) -> None:
    """Defaults for what is absent, or null where no null may be, in place; such nulls without a
    default go. Idempotent."""
    if node is None:
        return
    if isinstance(value, list):
        items = node.items
        for index, item in enumerate(value if items is not None else ()):
            assert items is not None
            if items.wants(item) and items.has_default:
                value[index] = item = _copy(items.default)
            set_defaults(items, item)
        return
    if not isinstance(value, dict):
        return
    for name, child in node.properties.items():
        if child.has_default and (name not in value or child.wants(value[name])):
            value[name] = _copy(child.default)
    for name in list(value):
        child_of = node.child(name)
        if child_of is None:
            continue
        if child_of.wants(value[name]):
            if child_of.has_default:
                value[name] = _copy(child_of.default)
            elif name in node.properties:
                del value[name]
                continue
        set_defaults(child_of, value[name])


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))
