"""A structural schema, compiled once from the ``openAPIV3Schema`` of a version.

Source: apiextensions-apiserver/pkg/apiserver/schema/structural.go (which keywords make structure).
"""

from typing import Any

from api.core import JsonObject
from api.crd.formats import supported_format

RESOURCE_FIELDS = ("apiVersion", "kind", "metadata")
"""Implicitly specified in every resource, whatever its schema says."""


class Node:
    """The schema of a value. ``raw``: its JSON, for the keywords that only judge values."""

    __slots__ = (
        "additional",
        "default",
        "embedded",
        "format",
        "has_default",
        "int_or_string",
        "items",
        "keys",
        "list_type",
        "map_type",
        "nullable",
        "open_map",
        "preserve",
        "properties",
        "raw",
        "type",
    )

    def __init__(self, raw: JsonObject) -> None:
        self.raw = raw
        self.type: str = raw.get("type", "")
        self.format = supported_format(raw)
        self.nullable = bool(raw.get("nullable"))
        self.preserve = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = bool(raw.get("x-kubernetes-embedded-resource"))
        self.int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
        self.list_type: str = raw.get("x-kubernetes-list-type", "")
        self.keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = raw.get("x-kubernetes-map-type", "")
        self.has_default = raw.get("default") is not None
        self.default: Any = raw.get("default")
        self.properties = {
            name: Node(child) for name, child in sorted((raw.get("properties") or {}).items())
        }
        items = raw.get("items")
        self.items = Node(items) if isinstance(items, dict) else None
        additional = raw.get("additionalProperties")
        self.additional = Node(additional) if isinstance(additional, dict) else None
        self.open_map = additional is not None and additional is not False
        """Keys that are no properties are entries of a map."""

    def child(self, name: str) -> "Node | None":
        """The schema of a field or of an entry of a map; None when there is none."""
        return self.properties.get(name) or self.additional

    def wants(self, value: Any) -> bool:
        """A null that stands for nothing here: the schema does not allow it."""
        return value is None and not self.nullable
