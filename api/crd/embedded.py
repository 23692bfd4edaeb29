"""Resources inside custom resources: their type is told, and their metadata is metadata.

Source: apiextensions-apiserver/pkg/apiserver/schema/objectmeta/coerce.go, algorithm.go and
validation.go.
"""

from collections.abc import Iterator
from typing import Any

from api.canonical import canonicalize
from api.core import JsonObject
from api.crd.schema import Node
from api.errors import Cause
from api.fields import OBJECT_META
from api.json_patches import json_kind
from api.names import wrong_with_dns_1035
from api.structure import check_structure
from api.validation.metadata import EMBEDDED, check_metadata

_NO_NAME = "fakename"
"""In place of a name, which an embedded resource need not have."""


def has_embedded(node: Node) -> bool:
    """Whether a schema has an embedded resource anywhere below it."""
    inner = [*node.properties.values(), *(one for one in (node.items, node.additional) if one)]
    return any(one.embedded or has_embedded(one) for one in inner)


def coerce_embedded(root: Node, obj: JsonObject) -> tuple[list[str], str | None]:
    """Drop, in place, what their metadata does not know, sorted; and why one cannot be read."""
    unknown: list[str] = []
    for path, value in _embedded(root, obj, ""):
        for name in ("apiVersion", "kind"):
            if name in value and not isinstance(value[name], str):
                return [], _said(Cause.invalid(f"{path}.{name}", value[name], "must be a string"))
        if "metadata" not in value:
            continue
        meta = value["metadata"]
        if not isinstance(meta, dict):
            text = f"json: cannot unmarshal {json_kind(meta)} into Go value of type v1.ObjectMeta"
            return [], _said(Cause.invalid(f"{path}.metadata", meta, text))
        found = check_structure(OBJECT_META, meta)
        if found.error is not None:
            return [], _said(Cause.invalid(f"{path}.metadata", meta, found.error))
        unknown += [text.replace('"', f'"{path}.metadata.', 1) for text in found.unknown]
        canonicalize(OBJECT_META, meta)
    return sorted(unknown), None


def embedded_faults(root: Node, obj: JsonObject) -> list[Cause]:
    """What an embedded resource lacks of a resource, at any depth."""
    causes: list[Cause] = []
    for path, value in _embedded(root, obj, ""):
        for name in ("apiVersion", "kind"):
            if name not in value:
                causes.append(Cause.required(f"{path}.{name}"))
            elif not value[name]:
                causes.append(Cause.invalid(f"{path}.{name}", "", "must not be empty"))
        version, kind = value.get("apiVersion", ""), value.get("kind", "")
        if version.count("/") > 1:
            text = f"unexpected GroupVersion string: {version}"
            causes.append(Cause.invalid(f"{path}.apiVersion", version, text))
        wrong = wrong_with_dns_1035(kind.lower()) if kind else ()
        if wrong:
            text = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            causes.append(Cause.invalid(f"{path}.kind", kind, text))
        if "metadata" in value:
            causes += _metadata_faults(value["metadata"], path)
    return causes


def _metadata_faults(meta: JsonObject, path: str) -> list[Cause]:
    causes: list[Cause] = []
    named = {"metadata": {**meta, "name": meta.get("name") or _NO_NAME}}
    check_metadata(causes, EMBEDDED, named, bool(meta.get("namespace")))
    return [cause._replace(field=f"{path}.{cause.field}") for cause in causes]


def _embedded(node: Node | None, value: Any, path: str) -> Iterator[tuple[str, JsonObject]]:
    """Each with its path, outer ones first. The root is none."""
    if node is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _embedded(node.items, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        if node.embedded and path:
            yield path, value
        for name in sorted(value):
            place = f"{path}.{name}" if path else name
            if name not in node.properties and node.additional is not None:
                place = f"{path}[{name}]"
            yield from _embedded(node.child(name), value[name], place)


def _said(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}"
