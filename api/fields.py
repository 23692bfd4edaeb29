"""The fields of every Kubernetes struct: JSON name, protobuf number, type, merge rules.

The table (``data/fields.json``, see its README) is read once, in about 4 ms; a struct is taken
apart when first asked for.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import orjson

from api.core import JsonObject
from api.kinds import DATA

OBJECT_META = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "apimachinery.pkg.apis.meta.v1.ListMeta"
STATUS = "apimachinery.pkg.apis.meta.v1.Status"
DELETE_OPTIONS = "apimachinery.pkg.apis.meta.v1.DeleteOptions"


class FieldType(NamedTuple):
    """The type of a field, taken apart: ``*{}@T`` is a pointer to a map of structs."""

    pointer: bool
    """Absent differs from zero."""
    container: str
    """``""``, ``"list"`` or ``"map"`` (of string keys)."""
    item: str
    """Of the field or of the container's items: ``s b i l d y any``, ``W`` (a list of strings
    with a message of its own), ``TypeMeta``, a special type such as ``Time``, or ``struct``."""
    struct: str
    """Name of the struct when item is ``struct``."""


class Field(NamedTuple):
    """One field of a struct, in the order in which a server writes them."""

    name: str
    """JSON name; empty for a struct whose keys appear in the parent."""
    number: int
    type: FieldType
    omit_empty: bool
    omit_zero: bool
    required: bool
    inline: bool
    rules: JsonObject
    """``ps mk lt lk mt d e pn`` as the data README names them. Read only."""

    @property
    def patch_merges(self) -> bool:
        """A strategic patch merges it item by item instead of replacing it."""
        return "merge" in self.rules.get("ps", "").split(",")

    @property
    def merge_key(self) -> str:
        """Key of the items of a merged list of structs; empty otherwise."""
        key: str = self.rules.get("mk", "")
        return key


def has_type(type_name: str) -> bool:
    """Whether the table has a struct of that name."""
    return type_name in _table()


class UnknownTypeError(KeyError):
    """No struct of that name in the table."""

    def __str__(self) -> str:
        return str(self.args[0])


@cache
def fields_of(type_name: str) -> tuple[Field, ...]:
    """The fields of a struct in Go's order, embedded structs as one field. UnknownTypeError."""
    return tuple(_read(row) for row in type_row(type_name)["f"])


@cache
def json_fields(type_name: str) -> Mapping[str, Field]:
    """The fields of a struct by JSON name, embedded structs taken apart. UnknownTypeError."""
    by_name: dict[str, Field] = {}
    for field in fields_of(type_name):
        if not field.inline:
            by_name[field.name] = field
        elif field.type.item == "TypeMeta":
            for name in ("kind", "apiVersion"):
                by_name[name] = _TYPE_META[name]
        else:
            by_name.update(json_fields(field.type.struct))
    return by_name


def type_row(type_name: str) -> JsonObject:
    """The row of the table, with the keys of the data README. UnknownTypeError."""
    try:
        row: JsonObject = _table()[type_name]
    except KeyError:
        raise UnknownTypeError(f"unknown type {type_name!r}") from None
    return row


def _read(row: list[object]) -> Field:
    flags = row[3] if len(row) > 3 else ""
    rules = row[4] if len(row) > 4 else {}
    assert isinstance(row[1], int) and isinstance(flags, str) and isinstance(rules, dict)
    return Field(
        name=str(row[0]),
        number=row[1],
        type=_parse_type(str(row[2])),
        omit_empty="o" in flags,
        omit_zero="z" in flags,
        required="r" in flags,
        inline="i" in flags,
        rules=rules,
    )


def _parse_type(text: str) -> FieldType:
    pointer = text.startswith("*")
    text = text.removeprefix("*")
    container = {"[]": "list", "{}": "map"}.get(text[:2], "")
    item = text[2:] if container else text
    if item == "W[]s":
        item = "W"
    if item.startswith("@"):
        return FieldType(pointer, container, "struct", item[1:])
    return FieldType(pointer, container, item, "")


_TYPE_META = {
    name: Field(name, 0, FieldType(False, "", "s", ""), True, False, False, False, {})
    for name in ("kind", "apiVersion")
}


@cache
def _table() -> JsonObject:
    table: JsonObject = orjson.loads((DATA / "fields.json").read_bytes())
    return table
