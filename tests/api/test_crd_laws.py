"""Laws of pruning, defaulting and validation over schemas and objects that are made at random."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from api.crd.atoms import resource_atom
from api.crd.prune import prune, set_defaults
from api.crd.schema import Node
from api.crd.values import wrong_values

NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-5, 5),
    "string": st.text("xyz", max_size=3),
    "boolean": st.booleans(),
    "number": st.floats(-5, 5, allow_nan=False),
}
LEAVES = st.sampled_from(sorted(SCALARS)).flatmap(
    lambda kind: st.builds(
        lambda default, nullable: {
            "type": kind,
            **({"default": default} if default is not None else {}),
            **({"nullable": True} if nullable else {}),
        },
        st.none() | SCALARS[kind],
        st.booleans(),
    )
)


def _deeper(inner: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    fields = st.dictionaries(NAMES, inner, max_size=3)
    return st.one_of(
        fields.map(lambda found: {"type": "object", "properties": found}),
        fields.map(
            lambda found: {
                "type": "object",
                "properties": found,
                "x-kubernetes-preserve-unknown-fields": True,
            }
        ),
        inner.map(lambda one: {"type": "array", "items": one}),
        inner.map(lambda one: {"type": "object", "additionalProperties": one}),
    )


SCHEMAS = st.dictionaries(NAMES, st.recursive(LEAVES, _deeper, max_leaves=6), max_size=3).map(
    lambda found: {"type": "object", "properties": found}
)
VALUES = st.recursive(
    st.none() | st.one_of(*SCALARS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)


def fitting(schema: JsonObject) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    kind = schema["type"]
    if kind == "array":
        return st.lists(fitting(schema["items"]), max_size=3)
    if kind != "object":
        return SCALARS[kind] | st.none() if schema.get("nullable") else SCALARS[kind]
    if "additionalProperties" in schema:
        return st.dictionaries(NAMES, fitting(schema["additionalProperties"]), max_size=3)
    known = {name: fitting(child) for name, child in schema.get("properties", {}).items()}
    return st.fixed_dictionaries({}, optional=known)


def copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


@settings(deadline=None, max_examples=50)
@given(SCHEMAS, OBJECTS)
def test_pruning_and_defaulting_are_done_once(schema: JsonObject, obj: JsonObject) -> None:
    node = Node(schema)
    prune(node, obj)
    once = copy(obj)
    assert prune(node, obj) == [] and obj == once
    set_defaults(node, obj)
    once = copy(obj)
    set_defaults(node, obj)
    assert obj == once
    assert prune(node, obj) == [], "a default brings in nothing unknown"


@settings(deadline=None, max_examples=50)
@given(st.data(), SCHEMAS)
def test_what_is_made_by_a_schema_is_valid_by_it(data: st.DataObject, schema: JsonObject) -> None:
    node, obj = Node(schema), data.draw(fitting(schema))
    assert wrong_values(node, obj) == []
    before = copy(obj)
    assert prune(node, obj) == [] and obj == before
    set_defaults(node, obj)
    assert wrong_values(node, obj) == [], "defaults of the right type keep it valid"


@settings(deadline=None, max_examples=50)
@given(SCHEMAS, OBJECTS)
def test_an_update_that_changes_nothing_is_always_valid(
    schema: JsonObject, obj: JsonObject
) -> None:
    assert wrong_values(Node(schema), obj, copy(obj)) == []


@settings(deadline=None, max_examples=50)
@given(SCHEMAS)
def test_server_side_apply_sees_the_fields_of_the_schema(schema: JsonObject) -> None:
    atom = resource_atom(Node(schema))
    assert {"apiVersion", "kind", "metadata", *schema["properties"]} == set(atom.fields)
