"""Selectors of a list, watch or deletecollection as a ``Selection`` of one resource."""

from api.errors import BadRequest
from api.selectors import (
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)
from apiserver.fields import FIELDS
from apiserver.watch import Selection


def selection_of(resource: str, namespace: str, label_text: str, field_text: str) -> Selection:
    """What the selectors mean. BadRequest for a malformed one and for an unknown field."""
    try:
        labels = parse_label_selector(label_text) if label_text else None
        fields = parse_field_selector(field_text) if field_text else None
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    if labels is not None and labels.empty:
        labels = None
    selection = Selection(namespace, labels)
    for requirement in fields.requirements if fields is not None else ():
        _add(
            selection, resource, requirement.key, requirement.operator == "=", requirement.values[0]
        )
    return selection


def _add(selection: Selection, resource: str, key: str, equal: bool, value: str) -> None:
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
    names = FIELDS.get(resource, ())
    if key not in names:
        raise BadRequest(f"field label not supported: {key}")
    selection.fields.append((names.index(key), equal, value))
    if resource == "pods" and key == "spec.nodeName" and equal and not selection.name:
        selection.bucket = ("node", value)
