"""Structural schemas: what is pruned, defaulted and refused, and how columns are filled."""

from typing import Any

import pytest

from api.core import JsonObject
from api.crd.columns import printer_of
from api.crd.embedded import coerce_embedded, embedded_faults
from api.crd.formats import fits_format
from api.crd.lists import duplicates
from api.crd.numbers import go_number
from api.crd.paths import PathError, find_all, parse_path, put_at, simple_path, value_at
from api.crd.prune import prune, set_defaults
from api.crd.schema import Node
from api.crd.values import wrong_values


def obj(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties}


INT: JsonObject = {"type": "integer"}
TEXT: JsonObject = {"type": "string"}
FREE: JsonObject = {"x-kubernetes-preserve-unknown-fields": True}


def faults(schema: JsonObject, value: Any, **more: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in wrong_values(Node(schema), value, **more)]


@pytest.mark.parametrize(
    ("schema", "value", "left", "dropped"),
    [
        (obj(a=INT), {"a": 1, "b": 2, "kind": "K"}, {"a": 1, "kind": "K"}, ["b"]),
        (obj(a=obj(b=INT)), {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, ["a.c"]),
        (
            obj(a={"type": "array", "items": obj(b=INT)}),
            {"a": [{"b": 1}, {"c": 1}]},
            {"a": [{"b": 1}, {}]},
            ["a[1].c"],
        ),
        (
            obj(a={"type": "object", "additionalProperties": obj(b=INT)}),
            {"a": {"x": {"b": 1, "c": 1}}},
            {"a": {"x": {"b": 1}}},
            ["a.x.c"],
        ),
        (obj(a={**obj(b=obj(c=INT)), **FREE}), {"a": {"z": {"y": 1}}}, {"a": {"z": {"y": 1}}}, []),
        (
            obj(a={**obj(b=obj(c=INT)), **FREE}),
            {"a": {"b": {"d": 1}}},
            {"a": {"b": {}}},
            ["a.b.d"],
        ),
        (
            obj(a={**obj(spec=obj()), "x-kubernetes-embedded-resource": True}),
            {"a": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "zz": 1}},
            {"a": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}}},
            ["a.zz"],
        ),
        (obj(), {"metadata": {"name": "n", "odd": 1}}, {"metadata": {"name": "n", "odd": 1}}, []),
    ],
)
def test_pruning(
    schema: JsonObject, value: JsonObject, left: JsonObject, dropped: list[str]
) -> None:
    assert prune(Node(schema), value) == dropped
    assert value == left


def test_defaults_stand_in_for_absent_fields_and_for_nulls_that_may_not_be() -> None:
    schema = obj(
        a={**INT, "default": 1},
        b={**INT, "default": 2, "nullable": True},
        c=INT,
        d={**obj(e={**TEXT, "default": "x"}), "default": {}},
        f={"type": "array", "items": obj(g={**INT, "default": 7})},
        h={"type": "object", "additionalProperties": obj(i={**INT, "default": 8})},
    )
    value: JsonObject = {"a": None, "b": None, "c": None, "f": [{}, {"g": 1}], "h": {"x": {}}}
    set_defaults(Node(schema), value)
    assert value == {
        "a": 1,
        "b": None,
        "d": {"e": "x"},
        "f": [{"g": 7}, {"g": 1}],
        "h": {"x": {"i": 8}},
    }


@pytest.mark.parametrize(
    ("schema", "value", "field", "message"),
    [
        (INT, "x", "a", 'Invalid value: "string": a in body must be of type integer: "string"'),
        (INT, None, "a", 'Invalid value: "null": a in body must be of type integer: "null"'),
        (INT, True, "a", 'Invalid value: "boolean": a in body must be of type integer: "boolean"'),
        (
            {"x-kubernetes-int-or-string": True},
            [],
            "a",
            'Invalid value: "array": a in body must be of type integer,string: "array"',
        ),
        (
            {**INT, "minimum": 3},
            2,
            "a",
            "Invalid value: 2: a in body should be greater than or equal to 3",
        ),
        (
            {"type": "number", "maximum": 2.5, "exclusiveMaximum": True},
            2.5,
            "a",
            "Invalid value: 2.5: a in body should be less than 2.5",
        ),
        ({**INT, "multipleOf": 4}, 6, "a", "Invalid value: 6: a in body should be a multiple of 4"),
        (
            {**TEXT, "minLength": 3},
            "ab",
            "a",
            'Invalid value: "ab": a in body should be at least 3 chars long',
        ),
        ({**TEXT, "maxLength": 1}, "ab", "a", "Too long: may not be more than 1 bytes"),
        (
            {**TEXT, "pattern": "^b+$"},
            "ab",
            "a",
            "Invalid value: \"ab\": a in body should match '^b+$'",
        ),
        (
            {**TEXT, "format": "date-time"},
            "ab",
            "a",
            'Invalid value: "ab": a in body must be of type date-time: "ab"',
        ),
        (
            {**TEXT, "enum": ["x", "y"]},
            "z",
            "a",
            'Unsupported value: "z": supported values: "x", "y"',
        ),
        (
            {"type": "array", "items": INT, "maxItems": 1},
            [1, 2],
            "a",
            "Too many: 2: must have at most 1 items",
        ),
        (
            {"type": "array", "items": INT, "minItems": 1},
            [],
            "a",
            "Invalid value: 0: a in body should have at least 1 items",
        ),
        (
            {"type": "array", "items": INT},
            [1, "x"],
            "a[1]",
            'Invalid value: "string": a[1] in body must be of type integer: "string"',
        ),
        ({**obj(b=INT), "required": ["b"]}, {}, "a.b", "Required value"),
        (
            {"type": "object", "additionalProperties": INT},
            {"x": "y"},
            "a.x",
            'Invalid value: "string": a.x in body must be of type integer: "string"',
        ),
        (
            {"type": "object", "additionalProperties": INT, "maxProperties": 1},
            {"x": 1, "y": 1},
            "a",
            "Too many: 2: must have at most 1 items",
        ),
        (
            {**INT, "not": {"enum": [1]}},
            1,
            "<nil>",
            'Invalid value: "": "a" must not validate the schema (not)',
        ),
    ],
)
def test_values(schema: JsonObject, value: Any, field: str, message: str) -> None:
    assert faults(obj(a=schema), {"a": value}) == [(field, message)]


BEYOND = 'Invalid value: "": {} value must be of type {} in a'


@pytest.mark.parametrize(
    ("schema", "value", "messages"),
    [
        ({**INT, "format": "int32"}, 1 << 31,
         [BEYOND.format("Checked", "integer with format int32")]),
        ({**INT, "format": "bogus"}, 1 << 31, []),
        ({"type": "number", "format": "int32"}, 1 << 40, []),
        ({"type": "number", "format": "float"}, 1e39,
         [BEYOND.format("Checked", "number with format float")]),
        (INT, 1e30, [BEYOND.format("Checked", "integer (default format)")]),
        (INT, 1.5, ['Invalid value: "number": a in body must be of type integer: "number"',
                    BEYOND.format("Checked", "integer (default format)")]),
        ({**INT, "minimum": 1.5}, 1,
         [BEYOND.format("Minimum boundary", "integer (default format)"),
          "Invalid value: 1: a in body should be greater than or equal to 1.5"]),
        ({"type": "number", "minimum": 1.5}, 1, []),
        ({"type": "number", "maximum": 2e6}, 2000001,
         ["Invalid value: 2000001: a in body should be less than or equal to 2000000"]),
        ({"type": "number", "multipleOf": 0.5}, 2,
         ["Invalid value: 0: factor MultipleOf declared for a must be positive: 0"]),
        ({"type": "number", "multipleOf": 0.1}, 0.7, []),
        ({**INT, "format": "int32"}, True,
         ['Invalid value: "": a in body must be of type int32: ""']),
        ({**TEXT, "format": "date"}, 3,
         ['Invalid value: "int64": a in body must be of type date: "int64"']),
        ({**TEXT, "format": "date"}, [], []),
        ({**TEXT, "format": "uuid4"}, "0" * 32,
         [f'Invalid value: "{"0" * 32}": a in body must be of type uuid4: "{"0" * 32}"']),
        ({**TEXT, "maxLength": 1, "pattern": "^b+$"}, "ab",
         ["Too long: may not be more than 1 bytes"]),
        ({**TEXT, "nullable": True, "enum": ["x"]}, None,
         ['Unsupported value: null: supported values: "x"']),
        ({**obj(b=INT), "maxProperties": 1, "required": ["d"]}, {"b": "", "c": 1},
         ["Too many: 2: must have at most 1 items",
          'Invalid value: "string": a.b in body must be of type integer: "string"',
          "Required value"]),
    ],
)  # fmt: skip
def test_values_as_kube_openapi_judges_them(
    schema: JsonObject, value: Any, messages: list[str]
) -> None:
    assert [message for _, message in faults(obj(a=schema), {"a": value})] == messages


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INT, 2.0),
        ({**INT, "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "5%"),
        ({**TEXT, "maxLength": 2}, "äö"),
        ({**TEXT, "format": "no-such-format"}, "x"),
        ({"type": "number", "minimum": 1, "maximum": 2}, 1.5),
        ({**INT, "anyOf": [{"minimum": 5}, {"maximum": 1}]}, 0),
        ({**INT, "oneOf": [{"minimum": 5}, {"maximum": 1}]}, 9),
        ({**INT, "allOf": [{"minimum": 5}, {"maximum": 9}]}, 7),
        (FREE, {"any": ["thing", None]}),
    ],
)
def test_values_that_are_right(schema: JsonObject, value: Any) -> None:
    assert faults(obj(a=schema), {"a": value}) == []


def test_junctors_name_themselves_and_what_failed() -> None:
    either = {**INT, "anyOf": [{"minimum": 5}, {"maximum": 1}]}
    assert faults(obj(a=either), {"a": 3}) == [
        ("<nil>", 'Invalid value: "": "a" must validate at least one schema (anyOf)'),
        ("a", "Invalid value: 3: a in body should be greater than or equal to 5"),
    ]
    one = {**INT, "oneOf": [{"minimum": 1}, {"minimum": 2}]}
    assert faults(obj(a=one), {"a": 3}) == [
        (
            "<nil>",
            'Invalid value: "": "a" must validate one and only one schema (oneOf). '
            "Found 2 valid alternatives",
        )
    ]
    both = {**INT, "allOf": [{"minimum": 5}, {"maximum": 9}]}
    assert faults(obj(a=both), {"a": 3})[1] == (
        "<nil>",
        'Invalid value: "": "a" must validate all the schemas (allOf)',
    )


def test_what_an_update_leaves_alone_is_not_judged() -> None:
    tags = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {**obj(k=TEXT, v={**INT, "minimum": 1})},
    }
    schema = obj(a={**INT, "minimum": 5}, b=INT, tags=tags)
    old = {"a": 1, "b": 1, "tags": [{"k": "x", "v": 0}, {"k": "y", "v": 0}]}
    assert faults(schema, {**old, "b": 2}, old=old) == []
    assert [field for field, _ in faults(schema, {**old, "a": 2}, old=old)] == ["a"]
    new = {**old, "tags": [{"k": "z", "v": 0}, *old["tags"]]}  # type: ignore[misc]
    assert [field for field, _ in faults(schema, new, old=old)] == ["tags[0].v"]


def test_a_part_that_is_judged_alone_is_named_by_its_place() -> None:
    assert faults(obj(ready=INT), {"ready": "x"}, place="status") == [
        (
            "status.ready",
            'Invalid value: "string": ready in body must be of type integer: "string"',
        )
    ]


def test_lists_that_are_sets_or_maps_hold_nothing_twice() -> None:
    schema = obj(
        s={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        m={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a", "b"],
            "items": obj(a=TEXT, b=INT, c=INT),
        },
    )
    value = {
        "s": ["x", "y", "x", "x"],
        "m": [{"a": "x", "b": 1}, {"a": "x", "b": 2}, {"a": "x", "b": 1, "c": 3}],
    }
    found = [(cause.field, cause.message) for cause in duplicates(Node(schema), value)]
    assert found == [("m[2]", 'Duplicate value: {"a":"x","b":1}'), ("s[2]", 'Duplicate value: "x"')]


EMBEDDED = Node(obj(a={**obj(), **FREE, "x-kubernetes-embedded-resource": True}))


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"kind": "Pod", "metadata": {"name": "A B"}}, ["a.apiVersion: Required value"]),
        ({"apiVersion": "", "kind": "x y", "metadata": {"finalizers": ["x"], "labels": {"-": ""}}},
         ['a.apiVersion: Invalid value: "": must not be empty',
          'a.kind: Invalid value: "x y": may have mixed case, but',
          'a.metadata.labels: Invalid value: "-": name part must']),
        ({"apiVersion": "a/b/c", "kind": "K", "metadata": {"name": "a/b", "namespace": "-"}},
         ['a.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
          "a.metadata.name: Invalid value: \"a/b\": may not contain '/'",
          'a.metadata.namespace: Invalid value: "-": a lowercase RFC 1123 label must']),
    ],
)  # fmt: skip
def test_an_embedded_resource_is_a_resource(value: JsonObject, faults: list[str]) -> None:
    found = [f"{cause.field}: {cause.message}" for cause in embedded_faults(EMBEDDED, {"a": value})]
    assert [text[: len(fault)] for text, fault in zip(found, faults, strict=True)] == faults


def test_the_metadata_of_an_embedded_resource_is_read() -> None:
    value = {"a": {"x": 1, "metadata": {"name": "n", "foo": 1, "creationTimestamp": None}}}
    assert coerce_embedded(EMBEDDED, value) == (['unknown field "a.metadata.foo"'], None)
    assert value == {"a": {"x": 1, "metadata": {"name": "n"}}}
    for wrong, text in (
        ({"kind": 3}, "a.kind: Invalid value: 3: must be a string"),
        ({"metadata": "x"}, 'a.metadata: Invalid value: "x": json: cannot unmarshal string into Go '
         "value of type v1.ObjectMeta"),
        ({"metadata": {"name": 1}}, 'a.metadata: Invalid value: {"name":1}: json: cannot unmarshal '
         "number into Go struct field ObjectMeta.name of type string"),
    ):  # fmt: skip
        assert coerce_embedded(EMBEDDED, {"a": wrong}) == ([], text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (0, "0"),
        (1.5, "1.5"),
        (65535, "65535"),
        (1000000, "1e+06"),
        (2147483647, "2.147483647e+09"),
        (0.00001, "1e-05"),
        (-12.25, "-12.25"),
        (999999, "999999"),
    ],
)
def test_numbers_are_told_as_go_prints_them(number: float, text: str) -> None:
    assert go_number(number) == text


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2020-01-02T03:04:05Z", "2020-01-02"),
        ("date", "2020-01-02", "2020-13-02"),
        ("duration", "1h5m", "1x"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "fe80::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "01:23:45:67:89:ab", "01:23"),
        ("uuid", "a7f6b3a0-0000-4000-8000-000000000000", "a7f6"),
        ("uri", "https://example.com/x", "x"),
        ("hostname", "a.b-c", "-a"),
        ("email", "a@b.c", "ab"),
        ("byte", "YWI=", "?"),
    ],
)
def test_formats(name: str, good: str, bad: str) -> None:
    assert fits_format(name, good)
    assert not fits_format(name, bad)


def test_cells_of_columns() -> None:
    columns: list[JsonObject] = [
        {"name": "Whole", "type": "string", "jsonPath": ".spec.list"},
        {"name": "First", "type": "string", "jsonPath": ".spec.list[0].k"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.c[?(@.type=="Ready")].status'},
        {"name": "Count", "type": "integer", "jsonPath": ".spec.count", "format": "int32"},
        {"name": "Share", "type": "number", "jsonPath": ".spec.count"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "None", "type": "string", "jsonPath": ".spec.absent"},
        {"name": "Label", "type": "string", "jsonPath": ".metadata.labels.a\\.b/c"},
    ]
    printer = printer_of(columns)
    assert [column.name for column in printer.columns][:2] == ["Name", "Whole"]
    assert printer.columns[4].format == "int32" and printer.columns[6].priority == 1
    value = {
        "metadata": {
            "name": "n",
            "creationTimestamp": "1970-01-01T00:00:10Z",
            "labels": {"a.b/c": "x"},
        },
        "spec": {"list": [{"k": "v"}], "count": 3.0, "on": True},
        "status": {"c": [{"type": "Other", "status": "0"}, {"type": "Ready", "status": "1"}]},
    }
    cells = printer.cells(value, 70 * 10**9)
    assert cells == ["n", '[{"k":"v"}]', "v", "1", 3, 3.0, True, "60s", None, "x"]
    assert [column.name for column in printer_of([]).columns] == ["Name", "Age"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".list[*].k", ["x", "y"]),
        (".list[-1].k", ["y"]),
        (".list[0:1].k", ["x"]),
        ("['a']['b']", [1]),
        ("..k", ["x", "y"]),
        (".list[?(@.n>1)].k", ["y"]),
        (".list[?(@.m)].k", []),
        (".none.b", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    value = {"a": {"b": 1}, "list": [{"k": "x", "n": 1}, {"k": "y", "n": 2}]}
    steps = parse_path(path)
    assert steps is not None
    assert find_all(steps, value) == found


def test_simple_paths_read_and_write() -> None:
    value: JsonObject = {"spec": {"replicas": "x"}}
    path = simple_path(".spec.replicas")
    with pytest.raises(PathError) as caught:
        value_at(value, path, int)
    assert str(caught.value) == (
        ".spec.replicas accessor error: x is of the type string, expected int64"
    )
    assert value_at(value, simple_path(".status.replicas"), int) is None
    put_at(value, simple_path(".status.replicas"), 3)
    assert value["status"] == {"replicas": 3}
    with pytest.raises(PathError):
        put_at(value, simple_path(".spec.replicas.x"), 3)


def test_a_pattern_takes_linear_time() -> None:
    schema = obj(a={**TEXT, "pattern": "^(a+)+$"})
    assert [field for field, _ in faults(schema, {"a": "a" * 5000 + "b"})] == ["a"]
