"""Lists that are sets or maps hold nothing twice.

Source: apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go;
tests/golden/api/patches.jsonl, smp-crd-415.
"""

from collections.abc import Iterator
from typing import Any

from api.crd.schema import Node
from api.errors import Cause, shown


def duplicates(node: Node | None, value: Any, path: str = "") -> Iterator[Cause]:
    """A cause for each item that a set or a map has already, at any depth."""
    if node is None:
        return
    if isinstance(value, list):
        if node.list_type in ("set", "map"):
            yield from _twice(node, value, path)
        for index, item in enumerate(value):
            yield from duplicates(node.items, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name in sorted(value):
            place = f"{path}.{name}" if path else name
            if name not in node.properties and node.additional is not None:
                place = f"{path}[{name}]"
            yield from duplicates(node.child(name), value[name], place)


def _twice(node: Node, items: list[Any], path: str) -> Iterator[Cause]:
    seen: dict[str, bool] = {}
    for index, item in enumerate(items):
        if node.list_type == "map":
            if not isinstance(item, dict):
                continue
            item = {key: item[key] for key in node.keys if key in item}
        text = shown(item)
        if seen.get(text) is False:
            yield Cause.duplicate(f"{path}[{index}]", item)
        seen[text] = text in seen
