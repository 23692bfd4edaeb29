"""Sets of field paths, in the form in which managedFields carries them.

A set is a tree of parsed FieldsV1: ``{"f:data": {"f:a": {}}}`` holds the one path ``.data.a``.
Keys are path elements: ``f:NAME`` a field, ``k:{...}`` a list item by its keys, ``v:VALUE`` an item
of a list of scalars. A node is a member when it is empty or holds ``"."``; the root is none, so
``{}`` is the empty set. Sets share subtrees and are never changed once made.

Source: fieldpath/set.go and fieldpath/serialize.go of structured-merge-diff v6 (behaviour).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

FieldSet = dict[str, "FieldSet"]
Path = tuple[str, ...]
"""Path elements from the root."""

SELF = "."
ANY = "*"
"""In a pattern: matches any one path element."""
LEAF: FieldSet = {}
EMPTY: FieldSet = {}
DEPTH_MAX = 500
"""Deepest set that is read from a client."""
_RANKS = {"f": 0, "k": 1, "v": 2, "i": 3}


class FieldSetError(ValueError):
    """Not a FieldsV1 document."""


def of_paths(*paths: Path) -> FieldSet:
    """The set of these paths."""
    found = EMPTY
    for path in paths:
        node = LEAF
        for element in reversed(path):
            node = {element: node}
        found = union(found, node)
    return found


def is_member(node: FieldSet) -> bool:
    """Whether the path that leads to this node is in the set."""
    return not node or SELF in node


def has(fields: FieldSet, path: Path) -> bool:
    """Whether a path is in the set."""
    node: FieldSet | None = fields
    for element in path:
        node = node.get(element) if node else None
        if node is None:
            return False
    return node is not None and is_member(node)


def node_of(member: bool, children: FieldSet) -> FieldSet | None:
    """The node with these children; None when it holds nothing."""
    if not member:
        return children or None
    return {SELF: LEAF, **children} if children else LEAF


def put(children: FieldSet, element: str, node: FieldSet | None) -> None:
    """Add a node to children under construction, unless it holds nothing."""
    if node is not None:
        children[element] = node


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of either; one itself when the other is empty. The order may be lost."""
    if not left or not right:
        return left or right
    out = {element: node for element, node in left.items() if element != SELF}
    for element, node in right.items():
        if element == SELF:
            continue
        mine = out.get(element)
        if mine is None:
            out[element] = node
        elif mine is not node:
            member = is_member(mine) or is_member(node)
            children = union(mine, node)
            out[element] = {SELF: LEAF, **children} if member and children else children
    return out


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of ``left`` that are not in ``right``, in the same order; ``left`` itself when it
    loses nothing."""
    out: FieldSet = {}
    same = True
    for element, node in left.items():
        if element == SELF:
            continue
        other = right.get(element)
        if other is None:
            out[element] = node
            continue
        children = difference(node, other)
        if is_member(node) and is_member(other):
            kept = {below: child for below, child in children.items() if below != SELF} or None
        else:
            kept = node if children is node else node_of(is_member(node), children)
        same = same and kept is node
        put(out, element, kept)
    return left if same else out


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of both."""
    out: FieldSet = {}
    for element, node in left.items():
        other = right.get(element)
        if other is not None and element != SELF:
            member = is_member(node) and is_member(other)
            put(out, element, node_of(member, intersection(node, other)))
    return out


def without_trees(left: FieldSet, right: FieldSet) -> FieldSet:
    """``left`` without the paths of ``right`` and all that lies below them."""
    out: FieldSet = {}
    for element, node in left.items():
        other = right.get(element) if element != SELF else LEAF
        if other is None:
            out[element] = node
        elif not is_member(other):
            put(out, element, node_of(is_member(node), without_trees(node, other)))
    return out


def only_trees(left: FieldSet, pattern: FieldSet) -> FieldSet:
    """The paths of ``left`` that ``pattern`` holds, and those below them."""
    out: FieldSet = {}
    for element, node in left.items():
        other = pattern.get(element, pattern.get(ANY)) if element != SELF else None
        if other is None:
            continue
        if is_member(other):
            out[element] = node
        else:
            put(out, element, node_of(False, only_trees(node, other)))
    return out


def paths(fields: FieldSet) -> Iterator[Path]:
    """Each path in the order of Kubernetes: the members of a node before what is below them."""
    elements = _sorted_elements(fields)
    for element in elements:
        if is_member(fields[element]):
            yield (element,)
    for element in elements:
        for path in paths(fields[element]):
            yield (element, *path)


def path_text(path: Path) -> str:
    """``.spec.containers[name="c"].image``."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    """``.spec``, ``[name="c"]``, ``[="x"]``."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = orjson.loads(rest).items()
        return f"[{','.join(f'{name}={orjson.dumps(value).decode()}' for name, value in pairs)}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def ordered(fields: FieldSet) -> FieldSet:
    """An equal set in the order in which a server writes it."""
    out = {SELF: LEAF} if SELF in fields else {}
    for element in _sorted_elements(fields):
        node = fields[element]
        out[element] = ordered(node) if node else node
    return out


def parse(fields: Any, depth: int = DEPTH_MAX) -> FieldSet:
    """A FieldsV1 of a client as a set: elements in canonical spelling. FieldSetError."""
    if not isinstance(fields, dict) or not depth:
        raise FieldSetError("a set of fields is a JSON object of limited depth")
    out: FieldSet = {}
    for element, node in fields.items():
        if element == SELF:
            out[SELF] = LEAF
        else:
            out[_parse_element(element)] = parse(node, depth - 1)
    return LEAF if len(out) == 1 and SELF in out else out


def _parse_element(element: str) -> str:
    kind, colon, rest = element.partition(":")
    if not colon or kind not in _RANKS:
        raise FieldSetError(f"unknown path element {element!r}")
    if kind == "f":
        return element
    try:
        value = orjson.loads(rest)
    except orjson.JSONDecodeError:
        raise FieldSetError(f"path element {element!r} holds no JSON") from None
    if (kind == "k") is not isinstance(value, dict) or (kind == "i" and type(value) is not int):
        raise FieldSetError(f"path element {element!r} holds a value of the wrong type")
    return f"{kind}:{orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()}"


def _sorted_elements(fields: FieldSet) -> list[str]:
    elements = [element for element in fields if element != SELF]
    if len(elements) > 1:
        if all(element[0] == "f" for element in elements):
            elements.sort()
        else:
            elements.sort(key=element_order)
    return elements


@lru_cache(maxsize=4096)
def element_order(element: str) -> tuple[Any, ...]:
    """Sort key: fields by name, then items by the values of their keys, numbers by size."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return (0, rest)
    value = orjson.loads(rest)
    if kind == "k":
        return (1, *((name, *_value_order(part)) for name, part in value.items()))
    return (_RANKS[kind], _value_order(value))


def _value_order(value: Any) -> tuple[int, Any]:
    """Numbers before texts before truth values, as they compare in Kubernetes."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (3, orjson.dumps(value))
