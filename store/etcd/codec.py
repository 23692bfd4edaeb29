"""Reads and writes protobuf messages by the table of ``fields``.

A message is a dict from field name to value. Read, it has only the fields that were on the wire,
as proto3 omits zeros; written, zeros are omitted.
"""

from typing import Any

from api.wire import BYTES, VARINT, ProtobufError, Wire, fields_of_message, int64, text, varint_at
from store.etcd.fields import MESSAGES, Fields

Message = dict[str, Any]
_MASK = (1 << 64) - 1
DEPTH_MAX = 100
"""Of messages in each other: only transactions can be, and are refused then."""


def decoded(name: str, data: bytes) -> Message:
    """The message ``name``. Unknown fields are passed over, as protobuf wants. ProtobufError."""
    return _decoded(MESSAGES[name], data)


def encoded(name: str, message: Message) -> bytes:
    """The bytes of a message. Every field of ``message`` must be in the table."""
    parts: list[bytes] = []
    left = len(message)
    for number, (field, kind) in MESSAGES[name].items():
        if field not in message:
            continue
        left -= 1
        value = message[field]
        if kind[0] == "[":
            item_kind = kind[1:-1]
            parts += [_field(number, item_kind, item) for item in value]
        elif value is not None and (value or kind in MESSAGES):
            parts.append(_field(number, kind, value))
    assert not left, f"{name} has no such fields: {sorted(message)}"
    return b"".join(parts)


def varint(number: int) -> bytes:
    """An integer as protobuf writes it; negative ones take ten bytes."""
    if 0 <= number < 0x80:
        return bytes((number,))
    number &= _MASK
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def prefixed(number: int, content: bytes) -> bytes:
    """A field of bytes, or a message within a message."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind in ("int", "uint", "bool"):
        return varint(number << 3 | VARINT) + varint(int(value))
    if kind == "bytes":
        return prefixed(number, value)
    if kind == "str":
        return prefixed(number, value.encode())
    return prefixed(number, value if type(value) is bytes else encoded(kind, value))


def _decoded(fields: Fields, data: bytes, depth: int = 0) -> Message:
    if depth > DEPTH_MAX:
        raise ProtobufError(f"messages nested deeper than {DEPTH_MAX}")
    message: Message = {}
    for number, wire, value in fields_of_message(data):
        known = fields.get(number)
        if known is None:
            continue
        field, kind = known
        if kind[0] == "[":
            items = message.setdefault(field, [])
            item_kind = kind[1:-1]
            if wire == BYTES and item_kind in ("int", "uint", "bool"):
                assert isinstance(value, bytes)
                items += _packed(value)
            else:
                items.append(_value(item_kind, wire, value, depth))
        else:
            message[field] = _value(kind, wire, value, depth)
    return message


def _value(kind: str, wire: int, value: Wire, depth: int) -> Any:
    if wire != (VARINT if kind in ("int", "uint", "bool") else BYTES):
        raise ProtobufError(f"wire type {wire} for {kind}")
    match kind:
        case "int":
            return int64(value)
        case "uint":
            return value
        case "bool":
            return bool(value)
        case "bytes":
            return value
        case "str":
            return text(value)
    assert isinstance(value, bytes)
    return _decoded(MESSAGES[kind], value, depth + 1)


def _packed(data: bytes) -> list[int]:
    """Integers in one field."""
    numbers, at = [], 0
    while at < len(data):
        number, at = varint_at(data, at)
        numbers.append(int64(number))
    return numbers
