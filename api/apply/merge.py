"""Merging an applied object into the live one, and taking owned fields out of an object.

Results share parts with their arguments and are not to be changed in place. Source: typed/merge.go
and typed/remove.go of structured-merge-diff v6 (behaviour).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.apply.schema import LIST, Atom
from api.apply.sets import FieldSet, is_member
from api.apply.walk import Several, indexed
from api.core import JsonObject


def merge(atom: Atom, live: JsonObject, applied: JsonObject) -> JsonObject:
    """``live`` with all that ``applied`` sets."""
    merged: JsonObject = _merge_values(atom, live, applied)
    return merged


def _merge_values(atom: Atom, live: Any, applied: Any) -> Any:
    """Of leaves, and of maps and lists that are both empty, the applied one counts."""
    if atom.is_leaf(live) or atom.is_leaf(applied) or (not live and not applied):
        return applied
    if atom.shape == LIST:
        return _merge_lists(atom, live or [], applied or [])
    out: JsonObject = dict(live or {})
    for name, value in (applied or {}).items():
        child = atom.child(name)
        if child is None or name not in out:
            out[name] = value
        else:
            out[name] = _merge_values(child, out[name], value)
    return out


def _merge_lists(atom: Atom, live: Sequence[Any], applied: Sequence[Any]) -> list[Any]:
    """Applied items in their order; live ones that are not applied stay where they were between
    those that both have."""
    ours, theirs = indexed(atom, applied), indexed(atom, live)
    both = [element for element in ours if element in theirs]
    order = [atom.element(item) for item in live]
    out: list[Any] = []
    position = 0
    awaited = 0
    for element, item in ours.items():
        while position < len(order) and (element not in theirs or order[position] != element):
            here = order[position]
            if here not in ours:
                out.append(live[position])
            elif awaited < len(both) and here == both[awaited]:
                break
            position += 1
        mine = theirs.get(element)
        if mine is None or type(mine) is Several:
            out.append(item)
        else:
            out.append(_merge_values(atom.item, mine, item))
        if element in theirs:
            awaited += 1
            if position < len(order) and order[position] == element:
                position += 1
    out.extend(live[at] for at in range(position, len(order)) if order[at] not in ours)
    return out


def remove_items(atom: Atom, value: Any, gone: FieldSet) -> Any:
    """``value`` without the paths of ``gone``. What loses all it held becomes null, atomic values
    that lose a part as well."""
    if not value or atom.is_leaf(value):
        return None
    if atom.shape == LIST:
        return _remove_from_list(atom, value, gone) or None
    out: JsonObject = {}
    for name, inner in value.items():
        node = gone.get(f"f:{name}")
        child = atom.child(name)
        if node is None or child is None:
            out[name] = inner
        elif not is_member(node):
            out[name] = remove_items(child, inner, node)
    return out or None


def _remove_from_list(atom: Atom, items: Sequence[Any], gone: Mapping[str, FieldSet]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        node = gone.get(atom.element(item))
        if node is None:
            out.append(item)
        elif not is_member(node):
            out.append(remove_items(atom.item, item, node))
    return out
