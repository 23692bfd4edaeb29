"""Rules in CEL: what they see, what they say, what is refused."""

from typing import Any

import pytest

from api.core import JsonObject
from api.crd.expressions import ExpressionError, compiled_expression
from api.crd.rules import broken_rules, escaped, rule_faults
from api.crd.schema import Node
from api.crd.values import ABSENT
from api.errors import Cause

INT: JsonObject = {"type": "integer"}


def schema(*rules: JsonObject, **properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}


def broken(raw: JsonObject, value: Any, old: Any = ABSENT) -> list[tuple[str, str]]:
    root = {"type": "object", "properties": {"spec": raw}}
    before = ABSENT if old is ABSENT else {"spec": old}
    found = broken_rules(Node(root), {"spec": value}, before, [])
    return [(cause.field, cause.message) for cause in found]


def test_a_rule_says_its_message_or_itself() -> None:
    rule = {"rule": "self.low <= self.high", "message": "low is above high"}
    raw = schema(rule, low=INT, high=INT)
    assert broken(raw, {"low": 1, "high": 2}) == []
    assert broken(raw, {"low": 3, "high": 2}) == [
        ("spec", 'Invalid value: "object": low is above high')
    ]
    del rule["message"]
    assert broken(raw, {"low": 3, "high": 2}) == [
        ("spec", 'Invalid value: "object": failed rule: self.low <= self.high')
    ]
    rule["messageExpression"] = "'low is ' + string(self.low)"
    assert broken(raw, {"low": 3, "high": 2}) == [("spec", 'Invalid value: "object": low is 3')]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("FieldValueForbidden", Cause.forbidden("spec.a", "m")),
        ("FieldValueRequired", Cause.required("spec.a", "m")),
        ("FieldValueDuplicate", Cause.duplicate("spec.a", "object")),
        ("FieldValueInvalid", Cause.invalid("spec.a", "object", "m")),
    ],
)
def test_reasons_and_the_field_that_is_blamed(reason: str, cause: Cause) -> None:
    raw = schema({"rule": "false", "message": "m", "reason": reason, "fieldPath": ".a"}, a=INT)
    root = {"type": "object", "properties": {"spec": raw}}
    assert broken_rules(Node(root), {"spec": {"a": 1}}, ABSENT, []) == [cause]


def test_rules_of_items_entries_and_transitions() -> None:
    item = {**schema({"rule": "self.n == oldSelf.n"}, k={"type": "string"}, n=INT)}
    raw = schema(
        items={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": item,
        },
        entries={
            "type": "object",
            "additionalProperties": {**INT, "x-kubernetes-validations": [{"rule": "self > 0"}]},
        },
    )
    old = {"items": [{"k": "a", "n": 1}, {"k": "b", "n": 2}], "entries": {"x": 1}}
    new = {"items": [{"k": "b", "n": 3}, {"k": "c", "n": 1}], "entries": {"x": 0, "y": 1}}
    assert broken(raw, new) == [
        ("spec.entries[x]", 'Invalid value: "integer": failed rule: self > 0')
    ]
    assert [field for field, _ in broken(raw, new, old)] == ["spec.entries[x]", "spec.items[0]"]


def test_what_an_update_leaves_alone_is_not_judged() -> None:
    raw = schema({"rule": "self.a > 5"}, a=INT, b=INT)
    assert broken(raw, {"a": 1}, {"a": 1}) == []
    assert broken(raw, {"a": 1, "b": 1}, {"a": 1}) != []


def test_rules_see_values_as_the_schema_types_them() -> None:
    raw = schema(
        {"rule": "self.share + 0.5 == 1.5"},
        {"rule": "self.at < timestamp('2021-01-01T00:00:00Z')"},
        {"rule": "self.wait > duration('5s')"},
        {"rule": "self.a__dash__b == 1 && self.__namespace__ == 2"},
        {"rule": "!has(self.unknown)"},
        share={"type": "number"},
        at={"type": "string", "format": "date-time"},
        wait={"type": "string", "format": "duration"},
        **{"a-b": INT, "namespace": INT},
    )
    value = {
        "share": 1,
        "at": "2020-05-05T00:00:00Z",
        "wait": "10s",
        "a-b": 1,
        "namespace": 2,
        "unknown": 1,
    }
    assert broken(raw, value) == []


def test_an_evaluation_that_fails_is_a_broken_rule() -> None:
    raw = schema({"rule": "self.b > 1", "message": "m"}, b=INT)
    assert broken(raw, {}) == [
        ("spec", 'Invalid value: "object": no such key: b evaluating rule: m')
    ]


def test_rules_are_not_asked_about_what_has_the_wrong_shape() -> None:
    raw = schema({"rule": "self.a > 1"}, a=INT)
    found = [Cause.required("spec.x")]
    [cause] = broken_rules(Node(raw), {"a": "x"}, ABSENT, found)
    assert cause.text.startswith("<nil>: Invalid value: null: some validation rules were not check")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a,b'.split(',')", ["a", "b"]),
        ("['a','b'].join('-')", "a-b"),
        ("'Ab'.lowerAscii() + 'Ab'.upperAscii()", "abAB"),
        ("' a '.trim()", "a"),
        ("'abc'.substring(1)", "bc"),
        ("'abcb'.indexOf('b')", 1),
        ("'abcb'.lastIndexOf('b')", 3),
        ("['x','y'].indexOf('y')", 1),
        ("'abc'.charAt(1)", "b"),
        ("'abab'.replace('a', 'x')", "xbxb"),
        ("[1,2,3].sum()", 6),
        ("[3,1].min() + [3,1].max()", 4),
        ("isIP('10.0.0.1') && isIP('fe80::1') && !isIP('010.0.0.1')", True),
        ("isIP('::ffff:1.2.3.4') || isIP('fe80::1%eth0') || isIP('x')", False),
        ("isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33')", True),
        ("isURL('https://a/b') && isURL('/b') && !isURL('b')", True),
        ("isQuantity('1Gi') && !isQuantity('1Xi')", True),
        ("[1,2].isSorted() && !([2,1].isSorted())", True),
    ],
)
def test_functions_of_kubernetes(text: str, value: Any) -> None:
    assert compiled_expression(text).evaluate({}) == value


def test_nested_loops_over_much_are_cut_short() -> None:
    twice = compiled_expression("self.all(a, self.all(b, a == b || '(' != ')'))")
    assert twice.evaluate({"self": list(range(100))}) is True
    with pytest.raises(ExpressionError, match="cost"):
        twice.evaluate({"self": list(range(2000))})
    side_by_side = compiled_expression("self.all(a, a >= 0) && self.all(b, b >= 0)")
    assert side_by_side.evaluate({"self": list(range(2000))}) is True


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ({"rule": " "}, "rule", "rule is not specified"),
        ({"rule": "self.a ++"}, "rule", "compilation failed"),
        ({"rule": "quantity(self)"}, "rule", "the function quantity is not served by this"),
        ({"rule": "true", "message": " "}, "message", "must be non-empty if specified"),
        ({"rule": "true\n&& true"}, "message", "message must be specified if rule contains line"),
        ({"rule": "true", "messageExpression": "("}, "messageExpression", "compilation failed"),
        ({"rule": "true", "optionalOldSelf": True}, "optionalOldSelf", "not served"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(rule: JsonObject, field: str, message: str) -> None:
    [cause] = rule_faults({"x-kubernetes-validations": [rule]}, "f")
    assert cause.field == f"f.x-kubernetes-validations[0].{field}"
    assert message in cause.message


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("plain", "plain"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
    ],
)
def test_names_of_fields_in_rules(name: str, seen: str) -> None:
    assert escaped(name) == seen
