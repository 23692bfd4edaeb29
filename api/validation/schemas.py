"""Is the schema of a CustomResourceDefinition structural, and made of what is supported?

Source: apiextensions-apiserver/pkg/apiserver/schema/validation.go (structure), defaulting/
validation.go (defaults), pkg/apis/apiextensions/validation/validation.go (keywords).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from api.core import JsonObject
from api.crd.expressions import ExpressionError, matches
from api.crd.prune import prune_value
from api.crd.rules import rule_faults
from api.crd.schema import RESOURCE_FIELDS, Node
from api.crd.values import wrong_values
from api.errors import Cause

_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_ONLY_OUTSIDE: Mapping[str, str] = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
"""Keywords that may not stand below a junctor, with what is said of them."""
_AT_ROOT = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum",
    "ExclusiveMinimum", "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems",
    "MultipleOf", "Required", "Items", "Properties", "ExternalDocs", "Example",
    "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
"""What the root of a schema with a status subresource may say, in Go's names."""


def check_schema(raw: JsonObject, field: str, has_status: bool) -> Iterator[Cause]:
    """The causes against the schema of a version."""
    if has_status:
        other = next((key for key in sorted(raw) if raw[key] and _go_name(key) not in _AT_ROOT), "")
        if other:
            text = (
                f"only [{' '.join(_AT_ROOT)}] fields are allowed at the root of the schema if the "
                "status subresource is enabled"
            )
            yield Cause.invalid(field, raw, text)
    if raw.get("nullable"):
        yield Cause.forbidden(f"{field}.nullable", "nullable cannot be true at the root")
    structure = sorted(_structure(raw, field, _ROOT), key=lambda cause: cause.text)
    structure = structure or list(_default_faults(raw, field))
    yield from structure
    yield from _keywords(raw, field, "", True)


def _go_name(key: str) -> str:
    words = key.removeprefix("$").split("-")
    if words[0] == "x":
        return "X" + "".join(word.capitalize() for word in words[2:])
    return key[0].upper() + key[1:]


# Structure


def _structure(raw: JsonObject, field: str, level: str) -> Iterator[Cause]:
    kind, items = raw.get("type", ""), raw.get("items")
    if kind == "array" and not isinstance(items, dict):
        yield Cause.required(f"{field}.items", "must be specified")
    if isinstance(items, dict):
        yield from _structure(items, f"{field}.items", _ITEM)
    for name, child in (raw.get("properties") or {}).items():
        yield from _structure(child, f"{field}.properties[{name}]", _FIELD)
    additional = raw.get("additionalProperties")
    if additional is not None and level == _ROOT:
        yield Cause.forbidden(f"{field}.additionalProperties", "must not be used at the root")
    if isinstance(additional, dict):
        yield from _structure(additional, f"{field}.additionalProperties", _FIELD)
    yield from _extension_faults(raw, field)
    yield from _junctor_faults(raw, field, True)
    yield from _type_faults(raw, field, level)
    if level == _ROOT or raw.get("x-kubernetes-embedded-resource"):
        yield from _resource_faults(raw, field, level)
    yield from _unspecified(raw, raw, field, field)


def _type_faults(raw: JsonObject, field: str, level: str) -> Iterator[Cause]:
    kind = raw.get("type", "")
    where = f"{field}.type"
    free = raw.get("x-kubernetes-int-or-string") or raw.get("x-kubernetes-preserve-unknown-fields")
    if raw.get("x-kubernetes-embedded-resource"):
        if kind != "object":
            text = "must be object if x-kubernetes-embedded-resource is true"
            yield Cause.invalid(where, kind, text) if kind else Cause.required(where, text)
    elif not kind and not free:
        yield Cause.required(where, f"must not be empty {level}")
    if level == _ROOT and kind and kind != "object":
        yield Cause.invalid(where, kind, "must be object at the root")


def _extension_faults(raw: JsonObject, field: str) -> Iterator[Cause]:
    preserve = "x-kubernetes-preserve-unknown-fields"
    embedded = "x-kubernetes-embedded-resource"
    if raw.get("x-kubernetes-int-or-string"):
        for name in (preserve, embedded):
            if raw.get(name):
                text = "must be false if x-kubernetes-int-or-string is true"
                yield Cause.invalid(f"{field}.{name}", True, text)
    if raw.get(embedded):
        if raw.get("additionalProperties") is not None:
            text = "must not be used if x-kubernetes-embedded-resource is set"
            yield Cause.forbidden(f"{field}.additionalProperties", text)
        if not raw.get(preserve) and not raw.get("properties"):
            text = f"must not be empty if {embedded} is true without {preserve}"
            yield Cause.required(f"{field}.properties", text)


def _resource_faults(raw: JsonObject, field: str, level: str) -> Iterator[Cause]:
    properties = raw.get("properties") or {}
    for name, wanted in zip(RESOURCE_FIELDS, ("string", "string", "object"), strict=True):
        child = properties.get(name)
        if child is not None and child.get("type", "") != wanted:
            where = f"{field}.properties[{name}].type"
            yield Cause.invalid(where, child.get("type", ""), f"must be {wanted}")
    meta = properties.get("metadata")
    if meta is None or level != _ROOT:
        return
    names = list(meta.get("properties") or {})
    extra = [key for key in meta if key not in ("type", "properties", "default", "description")]
    if extra or any(name not in ("name", "generateName") for name in names):
        text = (
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified"
        )
        yield Cause.forbidden(f"{field}.properties[metadata]", text)


def _junctor_faults(raw: JsonObject, field: str, outside: bool) -> Iterator[Cause]:
    any_of = raw.get("anyOf")
    for name in ("anyOf", "allOf", "oneOf"):
        for index, child in enumerate(raw.get(name) or ()):
            if name == "anyOf" and any_of == _INT_OR_STRING:
                continue
            if name == "allOf" and not index and child == {"anyOf": _INT_OR_STRING}:
                continue
            yield from _nested(child, f"{field}.{name}[{index}]")
    if isinstance(raw.get("not"), dict):
        yield from _nested(raw["not"], f"{field}.not")
    pattern = raw.get("pattern")
    if pattern:
        try:
            matches(pattern, "")
        except ExpressionError as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield Cause.invalid(f"{field}.pattern", pattern, text)


def _nested(raw: JsonObject, field: str) -> Iterator[Cause]:
    """A schema below a junctor: it may only judge values."""
    yield from _junctor_faults(raw, field, False)
    if isinstance(raw.get("items"), dict):
        yield from _nested(raw["items"], f"{field}.items")
    for name, child in (raw.get("properties") or {}).items():
        yield from _nested(child, f"{field}.properties[{name}]")
    for name, text in _ONLY_OUTSIDE.items():
        if raw.get(name):
            yield Cause.forbidden(f"{field}.{name}", text)
    if "metadata" in (raw.get("properties") or {}):
        where = f"{field}.properties[metadata]"
        yield Cause.forbidden(where, "must not be specified in a nested context")


def _unspecified(raw: JsonObject, judge: JsonObject, field: str, place: str) -> Iterator[Cause]:
    """What is judged below a junctor must be specified outside too."""
    for name in ("allOf", "anyOf", "oneOf"):
        for index, child in enumerate(judge.get(name) or ()):
            yield from _missing(raw, child, field, f"{place}.{name}[{index}]")
    if isinstance(judge.get("not"), dict):
        yield from _missing(raw, judge["not"], field, f"{place}.not")


def _missing(raw: JsonObject, judge: JsonObject, field: str, place: str) -> Iterator[Cause]:
    yield from _unspecified(raw, judge, field, place)
    items = raw.get("items")
    if isinstance(judge.get("items"), dict):
        if not isinstance(items, dict):
            yield Cause.required(f"{field}.items", f"because it is defined in {place}.items")
        else:
            yield from _missing(items, judge["items"], f"{field}.items", f"{place}.items")
    known = raw.get("properties") or {}
    for name, child in (judge.get("properties") or {}).items():
        where = f"{field}.properties[{name}]"
        if name in known:
            yield from _missing(known[name], child, where, f"{place}.properties[{name}]")
        elif name not in RESOURCE_FIELDS[:2] or field.endswith("]"):
            yield Cause.required(where, f"because it is defined in {place}.properties[{name}]")


# Defaults


def _default_faults(raw: JsonObject, field: str) -> Iterator[Cause]:
    """Defaults must be valid and hold nothing that would be pruned."""
    if raw.get("default") is not None:
        where, node = f"{field}.default", Node(raw)
        value: Any = orjson.loads(orjson.dumps(raw["default"]))
        if prune_value(node, value):
            yield Cause.invalid(where, raw["default"], "must not have unknown fields")
        else:
            yield from wrong_values(node, value, place=where)
    items, additional = raw.get("items"), raw.get("additionalProperties")
    if isinstance(items, dict):
        yield from _default_faults(items, f"{field}.items")
    if isinstance(additional, dict):
        yield from _default_faults(additional, f"{field}.additionalProperties")
    for name, child in sorted((raw.get("properties") or {}).items()):
        yield from _default_faults(child, f"{field}.properties[{name}]")


# Keywords


def _keywords(raw: JsonObject, field: str, no_default: str, root: bool) -> Iterator[Cause]:
    """``no_default``: why a default may not stand here; empty where it may."""
    kind, properties = raw.get("type", ""), raw.get("properties") or {}
    if kind and kind not in _TYPES and kind != "null":
        yield Cause.not_supported(f"{field}.type", kind, _TYPES)
    if kind == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        yield Cause.forbidden(f"{field}.type", text)
    if raw.get("default") is not None and no_default:
        yield Cause.forbidden(f"{field}.default", f"must not be set {no_default}")
    for name in ("id", *_UNSUPPORTED):
        if raw.get(name):
            yield Cause.forbidden(f"{field}.{name}", f"{name} is not supported")
    if isinstance(raw.get("items"), list):
        yield Cause.forbidden(f"{field}.items", "items must be a schema object and not an array")
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield Cause.forbidden(f"{field}.uniqueItems", text)
    additional = raw.get("additionalProperties")
    if properties and additional is not None and additional is not True:
        text = "additionalProperties and properties are mutual exclusive"
        yield Cause.forbidden(f"{field}.additionalProperties", text)
    if isinstance(additional, dict):
        yield from _keywords(additional, f"{field}.additionalProperties", no_default, False)
    for name, child in sorted(properties.items()):
        why = f"in top-level {name}" if root and name in RESOURCE_FIELDS else no_default
        yield from _keywords(child, f"{field}.properties[{name}]", why, False)
    for name in ("allOf", "anyOf", "oneOf"):
        for index, child in enumerate(raw.get(name) or ()):
            yield from _keywords(child, f"{field}.{name}[{index}]", no_default, False)
    if isinstance(raw.get("items"), dict):
        yield from _keywords(raw["items"], f"{field}.items", no_default, False)
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{field}.x-kubernetes-preserve-unknown-fields"
        yield Cause.invalid(where, False, "must be true or undefined")
    yield from rule_faults(raw, field)
    yield from _merge_faults(raw, field)


_MERGE_WORDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("x-kubernetes-map-type", "object", ("atomic", "granular")),
    ("x-kubernetes-list-type", "array", ("atomic", "set", "map")),
)


def _merge_faults(raw: JsonObject, field: str) -> Iterator[Cause]:
    """The keywords of list and map types."""
    for name, wanted, known in _MERGE_WORDS:
        value, kind = raw.get(name), raw.get("type", "")
        if value is None:
            continue
        if kind != wanted:
            text = f"must be {wanted} if {name} is specified"
            where = f"{field}.type"
            yield Cause.invalid(where, kind, text) if kind else Cause.required(where, text)
        if value not in known:
            yield Cause.not_supported(f"{field}.{name}", value, known)
    list_type, keys = raw.get("x-kubernetes-list-type"), raw.get("x-kubernetes-list-map-keys") or []
    items = raw.get("items") if isinstance(raw.get("items"), dict) else None
    if keys and list_type != "map":
        where = f"{field}.x-kubernetes-list-type"
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield Cause.invalid(where, list_type, text) if list_type else Cause.required(where, text)
    if list_type in ("set", "map") and items is not None and items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        yield Cause.forbidden(f"{field}.items.nullable", text)
    if list_type == "map":
        yield from _map_faults(keys, items, field)
    elif list_type == "set" and items is not None:
        yield from _set_faults(items, f"{field}.items")


def _set_faults(items: JsonObject, field: str) -> Iterator[Cause]:
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    lists, maps = items.get("x-kubernetes-list-type"), items.get("x-kubernetes-map-type")
    if items.get("type") == "array" and lists not in (None, "atomic"):
        yield Cause.invalid(f"{field}.x-kubernetes-list-type", lists, text)
    if items.get("type") == "object" and maps != "atomic":
        yield Cause.invalid(f"{field}.x-kubernetes-map-type", maps, text)


def _map_faults(keys: list[str], items: JsonObject | None, field: str) -> Iterator[Cause]:
    where = f"{field}.x-kubernetes-list-map-keys"
    if not keys:
        yield Cause.required(where, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        text = "must have a schema if x-kubernetes-list-type is map"
        yield Cause.required(f"{field}.items", text)
        return
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield Cause.invalid(f"{field}.items.type", items.get("type", ""), text)
        return
    known, required = items.get("properties") or {}, items.get("required") or ()
    for index, key in enumerate(keys):
        place = f"{field}.items.properties[{key}]"
        child = known.get(key)
        if child is None:
            yield Cause.invalid(where, keys, "entries must all be names of item properties")
        elif child.get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield Cause.invalid(f"{place}.type", items["type"], text)
        if key in keys[:index]:
            yield Cause.invalid(where, keys, "must not contain duplicate entries")
        if child is None:
            continue
        list_keys = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in required and child.get("default") is None:
            text = f"{list_keys} must have a default or be a required property"
            yield Cause.required(f"{place}.default", text)
        if child.get("nullable"):
            yield Cause.forbidden(f"{place}.nullable", f"{list_keys} cannot be nullable")
