"""Objects as field sets: what an object sets, and in what two objects differ.

Objects are parsed JSON as a server writes it (canonical, zero values where Go writes them), patches
are as a client sent them. Source: typed/tofieldset.go and typed/compare.go of
structured-merge-diff v6 (behaviour).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from api.apply.schema import LIST, STRUCT, UNTYPED, Atom
from api.apply.sets import (
    LEAF,
    SELF,
    FieldSet,
    element_order,
    node_of,
    ordered,
    put,
    union,
)
from api.apply.stripped import ownable
from api.core import JsonObject
from api.kinds import Kind


class Comparison(NamedTuple):
    """Paths in which two objects differ, in the order of a server."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def taken(self) -> FieldSet:
        """What the writer of the new object laid hands on."""
        if not self.modified or not self.added:
            return self.modified or self.added
        return ordered(union(self.modified, self.added))

    def of(self, kind: Kind, subresource: str) -> "Comparison":
        """Only what a write to the object or its subresource can change."""
        return Comparison(*(ownable(kind, subresource, paths) for paths in self))


class Several(NamedTuple):
    """List items that share one path element, which only stored objects may have."""

    items: list[Any]


_Node = FieldSet | None
_NOTHING: tuple[_Node, _Node, _Node] = (None, None, None)


def field_set(atom: Atom, value: JsonObject) -> FieldSet:
    """The paths that an applied object sets. Empty maps and nulls count, empty lists do not."""
    return _set_children(atom, value)


def _set_node(atom: Atom, value: Any, entry: bool) -> _Node:
    """``entry``: the path is a member even when something below it is: a map's entry or an item."""
    if value is None or atom.is_leaf(value):
        return LEAF
    if atom.shape == LIST:
        children: FieldSet = {}
        for element, item in indexed(atom, value).items():
            several = isinstance(item, Several)
            put(children, element, LEAF if several else _set_node(atom.item, item, True))
        return node_of(entry, children)
    return node_of(entry or not value, _set_children(atom, value))


def _set_children(atom: Atom, value: JsonObject) -> FieldSet:
    children: FieldSet = {}
    for name, inner in value.items():
        child = atom.child(name)
        if child is not None:
            entry = atom.shape != STRUCT or name not in atom.fields
            put(children, f"f:{name}", _set_node(child, inner, entry))
    return children


def whole(atom: Atom, value: Any) -> FieldSet:
    """The node of a value that is new or gone: itself and all below, in the order of a server.

    Hot: made for every object that is created.
    """
    if atom.leaf or not value:
        return LEAF
    node: FieldSet = {SELF: LEAF}
    shape = atom.shape
    if shape == LIST:
        items = indexed(atom, value)
        for element in _in_order(items):
            item = items[element]
            node[element] = LEAF if type(item) is Several else whole(atom.item, item)
        return node
    if shape == UNTYPED and not isinstance(value, dict):
        return LEAF
    fields, item_atom, rest = atom.fields, atom.item, atom.rest
    is_struct = shape == STRUCT
    for name in sorted(value):
        child = fields.get(name, rest) if is_struct else item_atom
        if child is not None:
            node["f:" + name] = LEAF if child.leaf else whole(child, value[name])
    return node


def compare(atom: Atom, old: JsonObject, new: JsonObject) -> Comparison:
    """In what two objects differ. A map or list that comes or goes is a path of its own, besides
    all that it holds; a struct that is always there is not."""
    found: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
    _compare_maps(atom, old, new, found)
    return Comparison(*found)


def _compare_maps(
    atom: Atom, old: JsonObject, new: JsonObject, found: tuple[FieldSet, FieldSet, FieldSet]
) -> None:
    is_struct = atom.shape == STRUCT
    # Most of two versions of an object is equal, and equal parts have no order to be put in.
    differing = [name for name in new if name not in old or old[name] != new[name]]
    differing += [name for name in old if name not in new]
    for name in sorted(differing):
        before, after = old.get(name), new.get(name)
        child = atom.fields.get(name, atom.rest) if is_struct else atom.item
        if child is None:
            continue
        element = "f:" + name
        if name not in old:
            found[0][element] = whole(child, after)
        elif name not in new:
            found[2][element] = whole(child, before)
        else:
            _collect(element, _compare_values(child, before, after), found)


def _compare_values(atom: Atom, old: Any, new: Any) -> tuple[_Node, _Node, _Node]:
    """Two values that are not equal."""
    if atom.is_leaf(old) or atom.is_leaf(new) or (not old and not new):
        return None, LEAF, None
    children: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
    if atom.shape == LIST:
        _compare_lists(atom, old or (), new or (), children)
    else:
        _compare_maps(atom, old or {}, new or {}, children)
    added, modified, removed = children
    return added or None, modified or None, removed or None


def _compare_lists(
    atom: Atom, old: Any, new: Any, found: tuple[FieldSet, FieldSet, FieldSet]
) -> None:
    before, after = indexed(atom, old), indexed(atom, new)
    for element in _in_order(after):
        item = after[element]
        if element not in before:
            found[0][element] = LEAF if type(item) is Several else whole(atom.item, item)
            continue
        mine = before[element]
        if mine != item:
            several = type(mine) is Several or type(item) is Several
            nodes = (None, LEAF, None) if several else _compare_values(atom.item, mine, item)
            _collect(element, nodes, found)
    for element in _in_order(before):
        item = before[element]
        if element not in after:
            found[2][element] = LEAF if type(item) is Several else whole(atom.item, item)


def _in_order(items: dict[str, Any]) -> Iterable[str]:
    return sorted(items, key=element_order) if len(items) > 1 else items


def _collect(
    element: str,
    nodes: tuple[_Node, _Node, _Node],
    found: tuple[FieldSet, FieldSet, FieldSet],
) -> None:
    for children, node in zip(found, nodes, strict=True):
        put(children, element, node)


def indexed(atom: Atom, items: Any) -> dict[str, Any]:
    """The items of a list that is a set or a map, by path element, in the order of the list."""
    found: dict[str, Any] = {}
    for item in items:
        element = atom.element(item)
        if element not in found:
            found[element] = item
        elif type(found[element]) is Several:
            found[element].items.append(item)
        else:
            found[element] = Several([found[element], item])
    return found


def with_named_fields(atom: Atom, fields: FieldSet) -> FieldSet:
    """``fields`` with the fields of structs that it only passes through."""
    out: FieldSet = {}
    for element, node in fields.items():
        if element == SELF:
            continue
        child = atom.child(element[2:]) if element.startswith("f:") else atom.item
        if child is None or not node:
            out[element] = node
            continue
        named = element.startswith("f:") and atom.shape == STRUCT
        member = named or SELF in node
        put(out, element, node_of(member, with_named_fields(child, node)))
    return out
