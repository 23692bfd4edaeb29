"""What is wrong with an object that does not fit its struct, and where, in Go's words.

Go's decoder drops fields that it does not know (a strict one tells them), reads null as absent, and
stops at a value that no rule can read. Source: sigs.k8s.io/json v1.36 and encoding/json of Go; the
special types in apimachinery/pkg/apis/meta/v1 and pkg/api/resource.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from api.core import JsonObject
from api.fields import Field, FieldType, json_fields
from api.quantity import QuantityError, parse
from api.times import TimeError, parse_micro_time, parse_time

_GO_NAMES = {
    "s": "string",
    "b": "bool",
    "i": "int32",
    "l": "int64",
    "d": "float64",
    "TypeMeta": "string",
    "y": "[]uint8",
    "W": "v1.ExtraValue",
    "Quantity": "resource.Quantity",
    "Time": "v1.Time",
    "MicroTime": "v1.MicroTime",
    "Duration": "v1.Duration",
    "IntOrString": "intstr.IntOrString",
}
_ZEROS: dict[str, object] = {
    "s": "",
    "b": False,
    "i": 0,
    "l": 0,
    "d": 0,
    "y": "",
    "Quantity": "0",
    "IntOrString": 0,
    "Duration": "0s",
}
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class _Misfit(Exception):
    """The decoder stops here."""


def find_misfits(type_name: str, obj: JsonObject) -> tuple[list[str], str | None]:
    """Unknown fields as messages, and the error that stopped the decoder or None.

    Changes the object as check_structure says. Cost: 40 µs for a pod of 1 KB.
    """
    walk = _Walk()
    try:
        walk.struct(type_name, obj, "", "")
    except _Misfit as misfit:
        return walk.unknown, str(misfit)
    return walk.unknown, None


class _Walk:
    def __init__(self) -> None:
        self.unknown: list[str] = []

    def struct(self, type_name: str, obj: JsonObject, path: str, go_path: str) -> None:
        """``path`` names fields with indexes and keys, ``go_path`` without; both end in a dot."""
        fields = json_fields(type_name)
        for name in list(obj):
            field = fields.get(name)
            if field is None:
                self.unknown.append(f'unknown field "{path}{name}"')
                del obj[name]
            elif obj[name] is None:
                del obj[name]
            else:
                place = f"{_short(type_name)}.{go_path}{name}"
                self._field(field, obj, path + name, _Place(place, go_path + name))

    def _field(self, field: Field, obj: JsonObject, path: str, place: "_Place") -> None:
        value, kind = obj[field.name], field.type
        if not kind.container:
            self._item(kind, value, path, place)
        elif kind.container == "list":
            if type(value) is not list:
                raise _Misfit(place.mismatch(value, f"[]{_go_name(kind)}"))
            for i, item in enumerate(value):
                if item is None:
                    value[i] = _zero(kind)
                else:
                    self._item(kind, item, f"{path}[{i}]", place)
        else:
            if type(value) is not dict:
                raise _Misfit(place.mismatch(value, f"map[string]{_go_name(kind)}"))
            for key, item in value.items():
                if item is None:
                    value[key] = _zero(kind)
                else:
                    self._item(kind, item, f"{path}.{key}", place)

    def _item(self, kind: FieldType, value: object, path: str, place: "_Place") -> None:
        if kind.item == "struct":
            if not isinstance(value, dict):
                raise _Misfit(place.mismatch(value, _go_name(kind)))
            self.struct(kind.struct, value, f"{path}.", f"{place.go_path}.")
            return
        wrong = _CHECKERS[kind.item](value)
        if wrong is not None:
            raise _Misfit(wrong or place.mismatch(value, _go_name(kind)))


class _Place:
    """The path of a value in the words of Go's encoding/json, which names Go types and fields."""

    def __init__(self, field: str, go_path: str) -> None:
        self.field = field
        self.go_path = go_path

    def mismatch(self, value: object, wanted: str) -> str:
        found = _word(value)
        if found == "number" and wanted in ("int32", "int64"):
            found = f"number {orjson.dumps(value).decode()}"
        return f"json: cannot unmarshal {found} into Go struct field {self.field} of type {wanted}"


Wrong = str | None
"""None when a value can be read; otherwise the text of its type's own decoder, or ``""`` when it is
of another JSON type."""


def checker_of(item: str) -> Callable[[Any], Wrong]:
    """What reads values (not null) of that item type."""
    return _CHECKERS[item]


def _string(value: object) -> Wrong:
    return None if type(value) is str else ""


def _bool(value: object) -> Wrong:
    return None if type(value) is bool else ""


def _int32(value: object) -> Wrong:
    return None if type(value) is int and -(2**31) <= value < 2**31 else ""


def _int64(value: object) -> Wrong:
    return None if type(value) is int and -(2**63) <= value < 2**63 else ""


def _float64(value: object) -> Wrong:
    return None if type(value) in (int, float) else ""


def _strings(value: object) -> Wrong:
    fits = isinstance(value, list) and all(type(one) is str for one in value)
    return None if fits else ""


def _int_or_string(value: object) -> Wrong:
    fits = type(value) is str or _int32(value) is None
    return None if fits else _unmarshal(value, "int32")


def _quantity(value: object) -> Wrong:
    if type(value) in (int, float):
        value = orjson.dumps(value).decode()
    try:
        # What is neither text nor number is wrong as a quantity, not as a JSON type.
        parse(value if type(value) is str else "{}")
    except QuantityError as error:
        return str(error)
    return None


def _time(value: object) -> Wrong:
    return _reads(parse_time, value)


def _micro_time(value: object) -> Wrong:
    return _reads(parse_micro_time, value)


def _reads(read: Callable[[str], int], value: object) -> Wrong:
    if type(value) is not str:
        return _unmarshal(value, "string")
    try:
        read(value)
    except TimeError as error:
        return str(error)
    return None


def _duration(value: object) -> Wrong:
    if type(value) is not str:
        return _unmarshal(value, "string")
    return None if _DURATION.fullmatch(value) else f'time: invalid duration "{value}"'


def _base64(value: object) -> Wrong:
    return _wrong_with_base64(value) if type(value) is str else ""


def _anything(value: object) -> Wrong:
    return None


def _wrong_with_base64(text: str) -> str | None:
    """Source: encoding/base64 of Go: line breaks do not count, the padding must be there."""
    data = text.encode()
    quantum, at = 0, 0
    for at, byte in enumerate(data):
        if byte in _BASE64:
            quantum += 1
        elif byte == ord("="):
            rest = data[at:].replace(b"\n", b"").replace(b"\r", b"")
            if rest == b"=" * (-quantum % 4) and quantum % 4 > 1:
                return None
            return f"illegal base64 data at input byte {at}"
        elif byte not in b"\r\n":
            return f"illegal base64 data at input byte {at}"
    if quantum % 4:
        return f"illegal base64 data at input byte {len(data) - quantum % 4}"
    return None


_SCHEMA = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def _schema(value: object) -> Wrong:
    """A schema read by a decoder of its own: what it does not know is dropped without a word."""
    if not isinstance(value, dict):
        return _unmarshal(value, "v1.JSONSchemaProps")
    return find_misfits(_SCHEMA, value)[1]


def _schema_or(other: Callable[[Any], bool]) -> Callable[[Any], Wrong]:
    """A schema, or what the other form of the field may be."""
    return lambda value: None if other(value) else _schema(value)


def _all_of(value: object, wrong_with: Callable[[Any], Wrong]) -> bool:
    return isinstance(value, list) and all(wrong_with(item) is None for item in value)


def _unmarshal(value: object, wanted: str) -> str:
    return f"json: cannot unmarshal {_word(value)} into Go value of type {wanted}"


def _word(value: object) -> str:
    words = {bool: "bool", str: "string", list: "array", dict: "object"}
    return words.get(type(value), "number")


def _zero(kind: FieldType) -> object:
    return {} if kind.item == "struct" else _ZEROS.get(kind.item)


def _go_name(kind: FieldType) -> str:
    if kind.item == "struct":
        return ".".join(kind.struct.rsplit(".", 2)[-2:])
    return _GO_NAMES.get(kind.item, kind.item)


def _short(type_name: str) -> str:
    return type_name.rpartition(".")[2]


_CHECKERS: dict[str, Callable[[Any], Wrong]] = {
    "s": _string,
    "TypeMeta": _string,
    "b": _bool,
    "i": _int32,
    "l": _int64,
    "d": _float64,
    "y": _base64,
    "W": _strings,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "Time": _time,
    "MicroTime": _micro_time,
    "Duration": _duration,
}
_CHECKERS |= dict.fromkeys(("any", "RawExtension", "JSON", "FieldsV1"), _anything)
_CHECKERS |= {
    "SchemaOrBool": _schema_or(lambda value: isinstance(value, bool)),
    "SchemaOrArray": _schema_or(lambda value: _all_of(value, _schema)),
    "SchemaOrStrings": _schema_or(lambda value: _all_of(value, _string)),
}
