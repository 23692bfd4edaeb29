"""What is wrong with a value by an OpenAPI v3 schema, in Kubernetes' words.

An update is ratcheted: a part that is as it was is not judged again.

Source: kube-openapi/pkg/validation/validate and pkg/validation/errors/schema.go (order, texts);
apiextensions-apiserver/pkg/apiserver/validation/validation.go and ratcheting.go;
tests/golden/api/patches.jsonl, smp-crd-415.
"""

from collections.abc import Iterator
from typing import Any

from api.core import JsonObject
from api.crd.expressions import matches
from api.crd.formats import fits_format
from api.crd.numbers import NO_PATH, wrong_numbers
from api.crd.schema import Node
from api.errors import Cause
from api.errors import shown as json_text

_GO_FORMATS = {"integer": "int64", "number": "float64"}
"""What Go's values have by themselves."""
ABSENT = object()
"""Stands for ``oldSelf`` where the old object has no value that corresponds to the new one."""
_JSON_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def wrong_values(node: Node, value: Any, old: Any = ABSENT, place: str = "") -> list[Cause]:
    """The causes against a value. ``place``: where it stands in its object, a field such as
    ``status`` that is judged alone; its path is not repeated in the texts."""
    prefix = f"{place}." if place else ""
    return [_placed(cause, prefix, place) for cause in _once(_judge(node, value, old, ""))]


def _placed(cause: Cause, prefix: str, place: str) -> Cause:
    if cause.field == NO_PATH:
        return cause._replace(field=place or NO_PATH)
    return cause._replace(field=f"{prefix}{cause.field}" if cause.field else place or NO_PATH)


def _once(causes: Iterator[Cause]) -> list[Cause]:
    return list(dict.fromkeys(causes))


def _judge(node: Node, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if old is not ABSENT and same(value, old):
        return
    if value is None:
        types = _types(node)
        if types and not node.nullable:
            yield _mistyped(path, types, "null")
        yield from _no_word(node, value, path)
        return
    yield from _wrong_type(node, value, path)
    yield from _junctors(node.raw, value, path)
    yield from _scalars(node, value, path)
    if isinstance(value, list):
        yield from _list(node, value, old, path)
    yield from _no_word(node, value, path)
    if isinstance(value, dict):
        yield from _object(node, value, old, path)


def _no_word(node: Node, value: Any, path: str) -> Iterator[Cause]:
    words = node.raw.get("enum")
    if words and not any(same(value, word) for word in words):
        shown = [word if isinstance(word, str) else json_text(word) for word in words]
        yield Cause.not_supported(path, value, shown)


def _wrong_type(node: Node, value: Any, path: str) -> Iterator[Cause]:
    """A format decides too: of a text or a list it is asked later, so a schema of texts with a
    format lets lists pass. Source: typeValidator.Validate, validate/type.go."""
    types, actual = _types(node), _type_of(value)
    if not types and not node.format:
        return
    fits = any(_is_of(value, one) for one in types)
    written = isinstance(value, str | list)
    own = _GO_FORMATS.get(actual, "")
    if node.format and not written and not fits and own != node.format:
        yield _mistyped(path, (node.format,), own)
    elif not fits and not (node.format and written and not {"integer", "number"} & {*types}):
        yield _mistyped(path, types, actual)


def _types(node: Node) -> tuple[str, ...]:
    if node.int_or_string:
        return ("integer", "string")
    return (node.type,) if node.type else ()


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: a boolean is no number."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    equal: bool = left == right
    return equal


def _is_of(value: Any, kind: str) -> bool:
    if kind == "integer":
        return type(value) is int or (isinstance(value, float) and value.is_integer())
    if kind == "number":
        return type(value) in (int, float)
    return _type_of(value) == kind


def _type_of(value: Any) -> str:
    return _JSON_TYPES[type(value)]


def _mistyped(path: str, types: tuple[str, ...], actual: str) -> Cause:
    text = f'Invalid value: "{actual}": {path} in body must be of type {",".join(types)}'
    return Cause(path, "FieldValueTypeInvalid", f'{text}: "{actual}"')


def _junctors(raw: JsonObject, value: Any, path: str) -> Iterator[Cause]:
    """anyOf, oneOf, allOf and not: their schemas only judge values."""
    any_of, one_of, all_of = (raw.get(name) or () for name in ("anyOf", "oneOf", "allOf"))
    if any_of:
        found = [_verdict(schema, value, path) for schema in any_of]
        if all(found):
            yield _junctor(f'"{path}" must validate at least one schema (anyOf)')
            yield from found[0]
    if one_of:
        found = [_verdict(schema, value, path) for schema in one_of]
        good = sum(not causes for causes in found)
        if good != 1:
            count = f"Found {good} valid alternatives" if good else "Found none valid"
            yield _junctor(f'"{path}" must validate one and only one schema (oneOf). {count}')
        if not good:
            yield from found[0]
    if all_of:
        found = [_verdict(schema, value, path) for schema in all_of]
        bad = [causes for causes in found if causes]
        for causes in bad:
            yield from causes
        if bad:
            tail = ". None validated" if len(bad) == len(found) else ""
            yield _junctor(f'"{path}" must validate all the schemas (allOf){tail}')
    if raw.get("not") is not None and not _verdict(raw["not"], value, path):
        yield _junctor(f'"{path}" must not validate the schema (not)')


def _verdict(schema: JsonObject, value: Any, path: str) -> list[Cause]:
    return _once(_judge(Node(schema), value, ABSENT, path))


def _junctor(text: str) -> Cause:
    return Cause(NO_PATH, "FieldValueInvalid", f'Invalid value: "": {text}')


def _scalars(node: Node, value: Any, path: str) -> Iterator[Cause]:
    raw = node.raw
    if isinstance(value, str):
        longest, least, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
        if longest is not None and len(value) > longest:
            yield Cause.too_long(path, longest)
        elif least is not None and len(value) < least:
            text = f"{path} in body should be at least {least} chars long"
            yield Cause.invalid(path, value, text)
        elif pattern and not matches(pattern, value):
            yield Cause.invalid(path, value, f"{path} in body should match '{pattern}'")
        if not fits_format(node.format, value):
            cause = Cause.invalid(
                path, value, f'{path} in body must be of type {node.format}: "{value}"'
            )
            yield cause._replace(reason="FieldValueTypeInvalid")
    elif type(value) in (int, float):
        yield from wrong_numbers(node, value, path)


def _list(node: Node, value: list[Any], old: Any, path: str) -> Iterator[Cause]:
    if node.items is not None:
        before = _items_before(node, old)
        for index, item in enumerate(value):
            past = before.get(identity(node, item), ABSENT) if before else ABSENT
            yield from _judge(node.items, item, past, f"{path}[{index}]")
    least, most = node.raw.get("minItems"), node.raw.get("maxItems")
    if least is not None and len(value) < least:
        yield Cause.invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        yield Cause.too_many(path, len(value), most)


def _items_before(node: Node, old: Any) -> dict[str, Any]:
    """Old items of a list that is a map, by key; only they can be told apart."""
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    return {identity(node, item): item for item in old if isinstance(item, dict)}


def identity(node: Node, item: Any) -> str:
    """The keys of an item of a list that is a map, as one text."""
    found = item if isinstance(item, dict) else {}
    return json_text([found.get(key) for key in node.keys])


def _object(node: Node, value: JsonObject, old: Any, path: str) -> Iterator[Cause]:
    raw, count = node.raw, len(value)
    before = old if isinstance(old, dict) else {}
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    if least is not None and count < least:
        text = f"{path} in body should have at least {least} properties"
        yield Cause.invalid(path, count, text)
    if most is not None and count > most:
        yield Cause.too_many(path, count, most)
    prefix = f"{path}." if path else ""
    if node.additional is not None:
        for name in sorted(value):
            if name not in node.properties:
                past = before.get(name, ABSENT)
                yield from _judge(node.additional, value[name], past, f"{prefix}{name}")
    for name, child in node.properties.items():
        if name in value:
            yield from _judge(child, value[name], before.get(name, ABSENT), f"{prefix}{name}")
    for name in raw.get("required") or ():
        if name not in value:
            yield Cause.required(f"{prefix}{name}")
