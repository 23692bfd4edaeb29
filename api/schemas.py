"""OpenAPI v3 schemas of structs, made from the field table, with Kubernetes' merge rules."""

from collections.abc import Iterable
from functools import cache

from api.core import JsonObject
from api.fields import (
    LIST_META,
    OBJECT_META,
    Field,
    FieldType,
    fields_of,
    has_type,
    type_row,
)
from api.kinds import Kind, all_kinds

_META = "apimachinery.pkg.apis.meta.v1."
_SPECIAL_NAMES = {
    "Time": f"{_META}Time",
    "MicroTime": f"{_META}MicroTime",
    "Duration": f"{_META}Duration",
    "FieldsV1": f"{_META}FieldsV1",
    "Quantity": "apimachinery.pkg.api.resource.Quantity",
    "IntOrString": "apimachinery.pkg.util.intstr.IntOrString",
    "RawExtension": "apimachinery.pkg.runtime.RawExtension",
}
_SPECIAL: dict[str, JsonObject] = {
    f"{_META}Patch": {"type": "object"},
    f"{_META}Time": {"type": "string", "format": "date-time"},
    f"{_META}MicroTime": {"type": "string", "format": "date-time"},
    f"{_META}Duration": {"type": "string"},
    f"{_META}FieldsV1": {"type": "object"},
    "apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    "apimachinery.pkg.runtime.RawExtension": {"type": "object"},
}
_SCALARS: dict[str, JsonObject] = {
    "s": {"type": "string"},
    "b": {"type": "boolean"},
    "i": {"type": "integer", "format": "int32"},
    "l": {"type": "integer", "format": "int64"},
    "d": {"type": "number", "format": "double"},
    "y": {"type": "string", "format": "byte"},
    "W": {"type": "array", "items": {"type": "string"}},
}
_DEFAULTS: dict[str, object] = {"s": "", "b": False, "i": 0, "l": 0, "d": 0}
_EXTENSIONS = {
    "lk": "x-kubernetes-list-map-keys",
    "lt": "x-kubernetes-list-type",
    "mt": "x-kubernetes-map-type",
    "mk": "x-kubernetes-patch-merge-key",
    "ps": "x-kubernetes-patch-strategy",
}


def reference(type_name: str) -> JsonObject:
    """A reference to the schema of a type of the field table, or of a custom kind."""
    prefix = "io.k8s." if has_type(type_name) or type_name in _SPECIAL else ""
    return {"$ref": f"#/components/schemas/{prefix}{type_name}"}


def schemas_of(type_names: Iterable[str]) -> dict[str, JsonObject]:
    """The schemas of some types and of all that they mention, sorted by name."""
    found: dict[str, JsonObject] = {}
    todo = list(type_names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        special = _SPECIAL.get(name)
        found[name] = special if special is not None else _struct_schema(name, todo)
    return {f"io.k8s.{name}": found[name] for name in sorted(found)}


def custom_schemas(kind: Kind) -> dict[str, JsonObject]:
    """The schemas of a custom kind and of its lists, by name. They mention metadata of both."""
    assert kind.custom is not None
    raw = _with_resource_fields(kind.custom.schema, True)
    item: JsonObject = {"allOf": [reference(kind.type_name)]}
    listed: JsonObject = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": item},
            "kind": {"type": "string"},
            "metadata": {"allOf": [reference(LIST_META)]},
        },
    }
    found = {}
    for name, word, schema in (
        (kind.type_name, kind.kind, raw),
        (kind.list_type_name, kind.list_kind, listed),
    ):
        gvk = {"group": kind.group, "kind": word, "version": kind.version}
        found[name] = {**schema, "x-kubernetes-group-version-kind": [gvk]}
    return found


def _with_resource_fields(raw: JsonObject, resource: bool) -> JsonObject:
    """A schema with the fields that every resource has, at the top and where one is embedded."""
    schema = dict(raw)
    if isinstance(raw.get("items"), dict):
        schema["items"] = _with_resource_fields(
            raw["items"], bool(raw["items"].get("x-kubernetes-embedded-resource"))
        )
    properties = {
        name: _with_resource_fields(child, bool(child.get("x-kubernetes-embedded-resource")))
        for name, child in (raw.get("properties") or {}).items()
    }
    if resource:
        schema.setdefault("type", "object")
        properties["apiVersion"] = properties["kind"] = {"type": "string"}
        properties["metadata"] = {"allOf": [reference(OBJECT_META)]}
    if properties:
        schema["properties"] = dict(sorted(properties.items()))
    return schema


def _struct_schema(type_name: str, mentioned: list[str]) -> JsonObject:
    properties: dict[str, JsonObject] = {}
    required: list[str] = []
    _collect(type_name, properties, required, mentioned)
    schema: JsonObject = {"type": "object", "properties": dict(sorted(properties.items()))}
    if required:
        schema["required"] = sorted(required)
    row = type_row(type_name)
    if "mt" in row:
        schema["x-kubernetes-map-type"] = row["mt"]
    kinds = _kinds_by_type().get(type_name)
    if kinds:
        schema["x-kubernetes-group-version-kind"] = kinds
    return schema


@cache
def _kinds_by_type() -> dict[str, list[JsonObject]]:
    """Type -> group, version and kind of each kind and list of kinds that has it."""
    found: dict[str, list[JsonObject]] = {}
    for kind in all_kinds():
        names = ((kind.type_name, kind.kind), (kind.list_type_name, kind.list_kind))
        for type_name, name in names:
            gvk = {"group": kind.group, "kind": name, "version": kind.version}
            found.setdefault(type_name, []).append(gvk)
    return found


def _collect(
    type_name: str, properties: dict[str, JsonObject], required: list[str], mentioned: list[str]
) -> None:
    for field in fields_of(type_name):
        if field.type.item == "TypeMeta":
            properties["apiVersion"] = properties["kind"] = {"type": "string"}
        elif field.inline:
            _collect(field.type.struct, properties, required, mentioned)
        else:
            properties[field.name] = _property(field, mentioned)
            if field.required:
                required.append(field.name)


def _property(field: Field, mentioned: list[str]) -> JsonObject:
    kind = field.type
    rules = field.rules
    item = _item(kind, mentioned)
    if "e" in rules:
        item = {**item, "enum": rules["e"]}
    if kind.container == "list":
        schema: JsonObject = {"type": "array", "items": _with_default(kind, item)}
    elif kind.container == "map":
        schema = {"type": "object", "additionalProperties": _with_default(kind, item)}
    elif "d" in rules:
        schema = {**_wrapped(item), "default": rules["d"]}
    elif kind.pointer or (field.omit_empty and kind.item in _SCALARS):
        schema = item
    else:
        schema = _with_default(kind, item)
    extensions = {key: rules[rule] for rule, key in _EXTENSIONS.items() if rule in rules}
    return {**_wrapped(schema), **extensions} if extensions else schema


def _wrapped(schema: JsonObject) -> JsonObject:
    """In OpenAPI 3.0 nothing may stand beside a reference."""
    return {"allOf": [schema]} if "$ref" in schema else schema


def _with_default(kind: FieldType, item: JsonObject) -> JsonObject:
    if kind.item == "struct":
        return {**_wrapped(item), "default": {}}
    return {**item, "default": _DEFAULTS[kind.item]} if kind.item in _DEFAULTS else item


def _item(kind: FieldType, mentioned: list[str]) -> JsonObject:
    name = kind.struct or _SPECIAL_NAMES.get(kind.item, "")
    if name:
        mentioned.append(name)
        return reference(name)
    return _SCALARS.get(kind.item, {})
