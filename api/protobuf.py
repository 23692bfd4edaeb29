"""Request bodies in Kubernetes' protobuf form, read by table into the JSON they stand for.

A body is ``k8s\\0`` and an Unknown message: type, raw message, encoding. Source:
apimachinery/pkg/runtime/serializer/protobuf/protobuf.go; the rules by which absent fields appear
are in data/README.md. There is no encoder: clients that send protobuf also accept JSON.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import orjson

from api.core import JsonObject
from api.fields import Field, fields_of
from api.kinds import Kind, UnknownKindError, kind_by_gvk, split_api_version
from api.times import micro_time, rfc3339
from api.wire import (
    BYTES,
    FIXED64,
    VARINT,
    ProtobufError,
    Wire,
    fields_of_message,
    float64,
    int32,
    int64,
    text,
)

MAGIC = b"k8s\0"
MAX_DEPTH = 100
"""Of messages in messages. Ours: the deepest real ones are schemas of custom resources."""
_META_KINDS = (
    *("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "GetOptions"),
    *("ListOptions", "Status", "APIGroup", "APIVersions"),
)
"""Kinds that belong to every group and version. Source: apimachinery/pkg/apis/meta/v1/register.go
(AddToGroupVersion)."""
_SCHEMA = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def decode_body(data: bytes, default: Kind | None = None) -> JsonObject:
    """The object of a body, with kind and apiVersion. ProtobufError for any other bytes.

    A body without a kind is read as ``default``, the kind of the path. Cost: 40 µs for a Lease.
    """
    api_version, kind, raw = read_frame(data)
    if not kind and default is not None:
        api_version, kind = default.api_version, default.kind
    if kind in _META_KINDS:
        type_name = f"apimachinery.pkg.apis.meta.v1.{kind}"
    else:
        try:
            type_name = kind_by_gvk(*split_api_version(api_version), kind).type_name
        except UnknownKindError:
            raise ProtobufError(
                f'no kind "{kind}" is registered for version "{api_version}"'
            ) from None
    return {"kind": kind, "apiVersion": api_version, **read_message(type_name, raw)}


def read_frame(data: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and message of a body. ProtobufError."""
    if data[:4] != MAGIC:
        raise ProtobufError("provided data does not appear to be a protobuf message")
    api_version = kind = encoding = ""
    raw = b""
    for number, wire, value in fields_of_message(data, len(MAGIC)):
        if wire != BYTES:
            raise ProtobufError(f"wrong wire type {wire} in the frame of the body")
        assert isinstance(value, bytes)
        if number == 1:
            api_version, kind = _type_meta(value)
        elif number == 2:
            raw = value
        elif number == 3:
            encoding = text(value)
    if encoding:
        raise ProtobufError(f"content encoding {encoding!r} is not supported")
    return api_version, kind, raw


def read_message(type_name: str, raw: bytes, depth: int = 0) -> JsonObject:
    """The JSON object of a message of a struct. ProtobufError."""
    if depth > MAX_DEPTH:
        raise ProtobufError(f"messages nested deeper than {MAX_DEPTH}")
    plan = _plan(type_name)
    seen: dict[str, object] = {}
    for number, wire, value in fields_of_message(raw):
        slot = plan.slots.get(number)
        if slot is None:
            continue
        if wire != slot.wire:
            raise ProtobufError(f"wrong wire type {wire} for field {type_name}.{slot.name}")
        item = slot.read(value, depth + 1)
        if slot.inline:
            assert isinstance(item, dict)
            seen.update(item)
        elif slot.container == "":
            seen[slot.name] = item
        elif slot.container == "list":
            items = seen.setdefault(slot.name, [])
            assert isinstance(items, list)
            items.append(item)
        else:
            entries = seen.setdefault(slot.name, {})
            assert isinstance(entries, dict) and isinstance(item, tuple)
            entries[item[0]] = item[1]
    return _written(plan, seen)


Read = Callable[[Wire, int], object]
"""Makes JSON of a wire value at a depth."""


class _Slot(NamedTuple):
    name: str
    wire: int
    container: str
    read: Read
    inline: bool


class _Plan(NamedTuple):
    slots: Mapping[int, _Slot]
    written: tuple[tuple[str, bool, Callable[[], object] | None], ...]
    """For each key in the order of writing: name, whether zero values are left out, and what
    stands there when it is absent (None: nothing)."""


@cache
def _plan(type_name: str) -> _Plan:
    slots: dict[int, _Slot] = {}
    written: list[tuple[str, bool, Callable[[], object] | None]] = []
    for field in fields_of(type_name):
        kind = field.type
        if kind.item == "TypeMeta":
            continue
        wire, read = _READS.get(kind.item) or (BYTES, _struct_read(kind.struct))
        if kind.container == "map":
            wire, read = BYTES, _entry_read(wire, read)
        slots[field.number] = _Slot(field.name, wire, kind.container, read, field.inline)
        if field.inline:
            written += _plan(kind.struct).written
        else:
            written.append((field.name, _leaves_out_zero(field), _absent(field)))
    return _Plan(slots, tuple(written))


def _leaves_out_zero(field: Field) -> bool:
    empty = field.omit_empty and not field.type.pointer and field.type.item in _ZEROS
    return empty or field.omit_zero


def _absent(field: Field) -> Callable[[], object] | None:
    """What Go's encoder writes for a field that was not sent."""
    kind = field.type
    if field.omit_zero:
        return None
    if kind.container or kind.pointer:
        return None if field.omit_empty else lambda: None
    if kind.item == "struct":
        return lambda: read_message(kind.struct, b"")
    if kind.item in _ZEROS:
        zero = _ZEROS[kind.item]
        return None if field.omit_empty else lambda: zero
    start = {"Quantity": "0", "IntOrString": 0, "Duration": "0s"}.get(kind.item)
    return lambda: start


def _written(plan: _Plan, seen: Mapping[str, object]) -> JsonObject:
    out: JsonObject = {}
    for name, leaves_out_zero, absent in plan.written:
        if name in seen:
            value = seen[name]
            if value or not leaves_out_zero:
                out[name] = value
        elif absent is not None:
            out[name] = absent()
    return out


_ZEROS: dict[str, object] = {"s": "", "b": False, "i": 0, "l": 0, "d": 0.0}


def _type_meta(raw: bytes) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for number, wire, value in fields_of_message(raw):
        if number in found and wire == BYTES:
            found[number] = text(value)
    return found[1], found[2]


def _struct_read(type_name: str) -> Read:
    def read(value: Wire, depth: int) -> object:
        assert isinstance(value, bytes)
        return read_message(type_name, value, depth)

    return read


def _entry_read(wire: int, read: Read) -> Read:
    """Of an entry of a map: key and value, either of which may be absent when zero."""

    def entry(value: Wire, depth: int) -> tuple[str, object]:
        assert isinstance(value, bytes)
        key, part_of_item = "", (b"" if wire == BYTES else 0)
        for number, found, part in fields_of_message(value):
            if number == 1 and found == BYTES:
                key = text(part)
            elif number == 2 and found == wire:
                part_of_item = part
            elif number in (1, 2):
                raise ProtobufError(f"wrong wire type {found} in an entry of a map")
        return key, read(part_of_item, depth)

    return entry


def _one_of(value: Wire, numbers: tuple[int, ...]) -> dict[int, Wire]:
    """The last value of each of some fields of a small message."""
    assert isinstance(value, bytes)
    found = {}
    for number, wire, part in fields_of_message(value):
        if number in numbers:
            if isinstance(part, bytes) is not (wire == BYTES):
                raise ProtobufError(f"wrong wire type {wire} in a special message")
            found[number] = part
    return found


def _moment_ns(value: Wire) -> int | None:
    """None: the zero time."""
    if not value:
        return None
    found = _one_of(value, (1, 2))
    seconds, nanos = (_signed(found.get(number, 0)) for number in (1, 2))
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND or not 0 <= nanos < 1_000_000_000:
        raise ProtobufError("a time is out of range")
    return None if seconds == _FIRST_SECOND else seconds * 1_000_000_000 + nanos


_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Years 1 to 9999: what RFC 3339 can write. The first is Go's zero time."""


def _signed(value: Wire) -> int:
    if not isinstance(value, int):
        raise ProtobufError("bytes where a number must be")
    return int64(value)


def _string(value: Wire) -> str:
    if isinstance(value, int):
        raise ProtobufError("a number where bytes must be")
    return text(value)


def _time(value: Wire, depth: int) -> object:
    moment = _moment_ns(value)
    return None if moment is None else rfc3339(moment)


def _micro_time(value: Wire, depth: int) -> object:
    moment = _moment_ns(value)
    return None if moment is None else micro_time(moment)


def _duration(value: Wire, depth: int) -> object:
    return duration_text(_signed(_one_of(value, (1,)).get(1, 0)))


def duration_text(nanos: int) -> str:
    """A duration as Go prints it: ``1h0m5s``, ``1.5s``, ``10ms``. Source: time.Duration.String."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if nanos == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanos < size * 1000:
            return f"{sign}{_decimal(nanos, size)}{unit}"
    minutes, rest = divmod(nanos, 60_000_000_000)
    seconds = f"{_decimal(rest, 1_000_000_000)}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else str(whole)


def _quantity(value: Wire, depth: int) -> object:
    return _string(_one_of(value, (1,)).get(1, b"")) or "0"


def _int_or_string(value: Wire, depth: int) -> object:
    found = _one_of(value, (1, 2, 3))
    if _signed(found.get(1, 0)) == 1:
        return _string(found.get(3, b""))
    return int32(_signed(found.get(2, 0)))


def _raw_json(value: Wire, depth: int) -> object:
    raw = _string(_one_of(value, (1,)).get(1, b""))
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProtobufError(f"embedded JSON: {error}") from None


def _strings(value: Wire, depth: int) -> object:
    assert isinstance(value, bytes)
    return [_string(part) for number, _, part in fields_of_message(value) if number == 1]


def _schema_or(value: Wire, depth: int, others: Callable[[list[Wire]], object]) -> object:
    """A schema when field 1 holds one; otherwise what the others of field 2 make."""
    assert isinstance(value, bytes)
    parts = fields_of_message(value)
    rest = [part for number, _, part in parts if number == 2]
    schema = next((part for number, _, part in parts if number == 1), None)
    if rest or not isinstance(schema, bytes):
        return others(rest)
    return read_message(_SCHEMA, schema, depth)


def _schema(value: Wire, depth: int) -> object:
    if not isinstance(value, bytes):
        raise ProtobufError("a number where a schema must be")
    return read_message(_SCHEMA, value, depth)


def _schema_or_bool(value: Wire, depth: int) -> object:
    found = _one_of(value, (1, 2))
    return _schema(found[2], depth) if 2 in found else _signed(found.get(1, 0)) != 0


def _schema_or_array(value: Wire, depth: int) -> object:
    return _schema_or(value, depth, lambda rest: [_schema(part, depth) for part in rest] or None)


def _schema_or_strings(value: Wire, depth: int) -> object:
    return _schema_or(value, depth, lambda rest: [_string(part) for part in rest] or None)


_READS: dict[str, tuple[int, Read]] = {
    "s": (BYTES, lambda value, _: text(value)),
    "b": (VARINT, lambda value, _: value != 0),
    "i": (VARINT, lambda value, _: int32(value)),
    "l": (VARINT, lambda value, _: int64(value)),
    "d": (FIXED64, lambda value, _: float64(value)),
    "y": (BYTES, lambda value, _: b64encode(value).decode() if isinstance(value, bytes) else ""),
    "W": (BYTES, _strings),
    "Time": (BYTES, _time),
    "MicroTime": (BYTES, _micro_time),
    "Duration": (BYTES, _duration),
    "Quantity": (BYTES, _quantity),
    "IntOrString": (BYTES, _int_or_string),
    "RawExtension": (BYTES, _raw_json),
    "FieldsV1": (BYTES, _raw_json),
    "JSON": (BYTES, _raw_json),
    "SchemaOrBool": (BYTES, _schema_or_bool),
    "SchemaOrArray": (BYTES, _schema_or_array),
    "SchemaOrStrings": (BYTES, _schema_or_strings),
}
"""Item type -> wire type and reader. The table of fields tells only the first; never Go's tags."""
