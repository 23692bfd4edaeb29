"""How server-side apply sees a custom resource: what is owned one by one and what as a whole.

Source: pkg/schemaconv/openapi.go of kube-openapi; apiextensions-apiserver/pkg/controller/openapi/
builder (metadata is that of every object).
"""

from api.apply.schema import LIST, MAP, SCALAR, STRUCT, UNTYPED, Atom, Key, atom_of
from api.crd.schema import RESOURCE_FIELDS, Node
from api.fields import OBJECT_META

_SCALARS = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}


def resource_atom(node: Node) -> Atom:
    """The atom of a resource: its schema, and the fields that every resource has."""
    atom = _struct(node)
    for name in RESOURCE_FIELDS[:2]:
        text = Atom(SCALAR)
        text.scalar = "string"
        atom.fields[name] = text
    atom.fields["metadata"] = atom_of(OBJECT_META)
    return atom


def _atom(node: Node) -> Atom:
    if node.embedded:
        return resource_atom(node)
    if node.type == "array" and node.items is not None:
        return _list(node)
    if node.properties:
        return _struct(node)
    if node.additional is not None:
        atom = Atom(MAP, node.map_type == "atomic")
        atom.item = _atom(node.additional)
        return atom
    if node.int_or_string or node.type in _SCALARS:
        atom = Atom(SCALAR)
        atom.scalar = "" if node.int_or_string else _SCALARS[node.type]
        return atom
    if node.map_type == "atomic":
        return Atom(MAP, True)
    return Atom(UNTYPED)


def _struct(node: Node) -> Atom:
    atom = Atom(STRUCT, node.map_type == "atomic")
    for name, child in node.properties.items():
        atom.fields[name] = _atom(child)
    if node.preserve:
        atom.rest = Atom(UNTYPED)
    return atom


def _list(node: Node) -> Atom:
    assert node.items is not None
    atom = Atom(LIST, node.list_type not in ("set", "map"))
    atom.item = _atom(node.items)
    if node.list_type == "map":
        known = node.items.properties
        keys = (Key(key, known[key].default if key in known else None) for key in node.keys)
        atom.keys = tuple(sorted(keys, key=lambda key: key.name))
    return atom
