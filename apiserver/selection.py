"""Selectors of a list, watch or deletecollection as a ``Selection`` of one resource."""

from collections.abc import Sequence

from api.errors import BadRequest
from api.kinds import Kind
from api.selectors import (
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)
from apiserver.fields import EMPTY, FIELDS, NODE_FIELDS, OLD_NAMES, WITHOUT_NAMESPACE
from apiserver.watch import Selection


def selection_of(kind: Kind, namespace: str, label_text: str, field_text: str) -> Selection:
    """What the selectors mean. BadRequest for a malformed one and for an unknown field."""
    try:
        labels = parse_label_selector(label_text) if label_text else None
        fields = parse_field_selector(field_text) if field_text else None
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    if labels is not None and labels.empty:
        labels = None
    selection = Selection(namespace, labels)
    names = FIELDS.get(kind.key, ())
    custom = kind.custom
    if custom is not None:
        names = tuple(custom.selectable)
        selection.read = lambda record: custom.fields_of(record.parsed(kind))
    for requirement in fields.requirements if fields is not None else ():
        equal, value = requirement.operator == "=", requirement.values[0]
        key = OLD_NAMES.get(kind.key, {}).get(requirement.key, requirement.key)
        if key in EMPTY.get(kind.key, ()):
            selection.impossible |= equal is bool(value)
        elif key == "metadata.namespace" and kind.key in WITHOUT_NAMESPACE:
            raise BadRequest(f"field label not supported: {key}")
        else:
            _add(selection, names, key, equal, value)
    node = NODE_FIELDS.get(kind.key)
    if node is not None and not selection.name:
        for index, equal, value in selection.fields:
            if index == node and equal:
                selection.bucket = ("node", value)
    return selection


def _add(selection: Selection, names: Sequence[str], key: str, equal: bool, value: str) -> None:
    if key == "metadata.name":
        if not equal:
            selection.not_names = (*selection.not_names, value)
        elif selection.name not in ("", value) or not value:
            selection.impossible = True
        else:
            selection.name = value
            selection.bucket = ("name", value)
        return
    if key == "metadata.namespace":
        if not equal:
            selection.not_namespaces = (*selection.not_namespaces, value)
        elif selection.namespace not in ("", value):
            selection.impossible = True
        else:
            selection.namespace = value
        return
    if key not in names:
        raise BadRequest(f"field label not supported: {key}")
    selection.fields.append((names.index(key), equal, value))
