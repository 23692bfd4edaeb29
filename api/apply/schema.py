"""How server-side apply sees a type: which fields are owned one by one and which as a whole.

Made from the field table once for each struct. Lists are atomic unless the table calls them sets or
maps (or gives them a patch merge key); maps and structs are granular unless it calls them atomic.

Source: pkg/schemaconv/openapi.go of kube-openapi (how tags become a schema); api/data/README.md.
"""

from typing import Any, NamedTuple

import orjson

from api.fields import Field, FieldType, json_fields, type_row
from api.kinds import Kind

SCALAR, STRUCT, MAP, LIST, UNTYPED = range(5)
"""What no schema describes (UNTYPED) is a map when it is one, entry by entry; else it is a leaf."""

_SCALARS = {
    "s": "string",
    "y": "string",
    "TypeMeta": "string",
    "Time": "string",
    "MicroTime": "string",
    "Duration": "string",
    "i": "numeric",
    "l": "numeric",
    "d": "numeric",
    "b": "boolean",
}
_ZEROES: dict[str, Any] = {"s": "", "i": 0, "l": 0, "d": 0, "b": False}


class Key(NamedTuple):
    """A field that tells the items of a list apart."""

    name: str
    default: Any
    """Its value in items that leave it out; None: it is left out of the path element too."""


class Atom:
    """The type of a value. Structs contain themselves, so it is filled after it is made."""

    __slots__ = ("atomic", "fields", "item", "keys", "leaf", "rest", "scalar", "shape")

    def __init__(self, shape: int, atomic: bool = False) -> None:
        self.shape = shape
        self.atomic = atomic
        """A list, map or struct that is owned as a whole."""
        self.leaf = atomic or shape == SCALAR
        """Nothing below it is owned on its own."""
        self.scalar = ""
        """For a scalar its type: string, numeric or boolean; empty: any of them."""
        self.fields: dict[str, Atom] = {}
        """For a struct: the schema of each field, by name."""
        self.rest: Atom | None = None
        """Of a struct that may hold more than its fields: the type of what is no field."""
        self.item: Atom = self
        """For a map or list: the schema of each of its items."""
        self.keys: tuple[Key, ...] = ()
        """Of a list that is a map; without keys, a list that is not atomic is a set."""

    def child(self, name: str) -> "Atom | None":
        """The type of a field or map entry; None when the struct has no such field."""
        return self.fields.get(name, self.rest) if self.shape == STRUCT else self.item

    def is_leaf(self, value: Any) -> bool:
        """Nothing below this value is owned on its own."""
        return self.leaf or (self.shape == UNTYPED and not isinstance(value, dict))

    def element(self, item: Any) -> str:
        """The path element of a list item, checked by ``typed``: a key without value and default is
        left out."""
        if not self.keys:
            return f"v:{orjson.dumps(item).decode()}"
        if len(self.keys) == 1:
            name, default = self.keys[0]
            value = item.get(name, default)
            if value is not None:
                return f'k:{{"{name}":{orjson.dumps(value).decode()}}}'
        found: dict[str, Any] = {}
        for name, default in self.keys:
            if name in item:
                found[name] = item[name]
            elif default is not None:
                found[name] = default
        return f"k:{orjson.dumps(found).decode()}"


_structs: dict[str, Atom] = {}
"""Made once for each struct. Not a functools.cache: structs contain themselves."""


def atom_of(type_name: str) -> Atom:
    """The schema of a struct of fields.json. UnknownTypeError."""
    atom = _structs.get(type_name)
    if atom is None:
        atom = Atom(STRUCT, type_row(type_name).get("mt") == "atomic")
        _structs[type_name] = atom
        for name, field in json_fields(type_name).items():
            atom.fields[name] = _field_atom(field)
    return atom


def kind_atom(kind: Kind) -> Atom:
    """The schema of a kind, built in or custom."""
    return kind.custom.atom if kind.custom is not None else atom_of(kind.type_name)


def _field_atom(field: Field) -> Atom:
    kind, rules = field.type, field.rules
    if kind.container == "list":
        return _list_atom(field)
    if kind.container == "map":
        atom = Atom(MAP, rules.get("mt") == "atomic")
        atom.item = _item_atom(kind)
        return atom
    item = _item_atom(kind)
    if item.shape == STRUCT and rules.get("mt") == "atomic" and not item.atomic:
        whole = Atom(STRUCT, True)
        whole.fields = item.fields
        return whole
    return item


def _item_atom(kind: FieldType) -> Atom:
    if kind.item == "struct":
        return atom_of(kind.struct)
    if kind.item == "W":
        return Atom(LIST, True)
    atom = Atom(SCALAR)
    atom.scalar = _SCALARS.get(kind.item, "")
    return atom


def _list_atom(field: Field) -> Atom:
    rules = field.rules
    relation = rules.get("lt") or _relation_of_patch(field)
    atom = Atom(LIST, relation == "atomic")
    atom.item = _item_atom(field.type)
    if relation == "map":
        names = rules.get("lk") or [field.merge_key]
        of_item = json_fields(field.type.struct)
        atom.keys = tuple(Key(name, _default_of(of_item[name])) for name in sorted(names))
    return atom


def _relation_of_patch(field: Field) -> str:
    if not field.patch_merges:
        return "atomic"
    return "map" if field.merge_key else "set"


def _default_of(field: Field) -> Any:
    """A scalar that is always written has its zero as default in the OpenAPI documents."""
    if "d" in field.rules:
        return field.rules["d"]
    if field.type.pointer or field.omit_empty or field.omit_zero:
        return None
    return _ZEROES.get(field.type.item)
