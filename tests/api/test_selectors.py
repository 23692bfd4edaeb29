"""Selectors: the grammar, the texts of errors, and what matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.selectors import (
    Requirement,
    SelectorError,
    label_selector_of,
    parse_field_selector,
    parse_label_selector,
)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("", None, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a in (x, y)", {}, False),
        ("a in (x)", {"a": "x"}, True),
        ("a in (,x)", {"a": ""}, True),
        ("a notin (x,y)", {"a": "z"}, True),
        ("a notin (x,y)", {"a": "x"}, False),
        ("a notin (x,y)", None, True),
        ("a", {"a": ""}, True),
        ("a", {"b": ""}, False),
        ("!a", {"b": ""}, True),
        ("!a", {"a": ""}, False),
        ("a=b,c!=d,e", {"a": "b", "e": "1"}, True),
        ("a=b,c!=d,e", {"a": "b", "c": "d", "e": "1"}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "5"}, False),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "-7"}, True),
        ("a<5", {}, False),
        ("example.com/a in (b)", {"example.com/a": "b"}, True),
        ("in in (in)", {"in": "in"}, True),
    ],
)
def test_labels(text: str, labels: dict[str, str] | None, matches: bool) -> None:
    selector = parse_label_selector(text)
    assert selector.matches(labels) is matches
    assert parse_label_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a in x", "unable to parse requirement: found 'x' expected: '('"),
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "a in ()",
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' "
            "operators, values set can't be empty",
        ),
        (
            "/a",
            'unable to parse requirement: <nil>: Invalid value: "/a": '
            "prefix part must be non-empty",
        ),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
            "operators, the value must be an integer",
        ),
    ],
)
def test_bad_label_selectors(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value) == message


def test_a_bad_value_is_named_by_its_place() -> None:
    with pytest.raises(SelectorError, match=r'values\[0\]\[a\]: Invalid value: "-x": a valid'):
        parse_label_selector("a=-x")


def test_selector_objects() -> None:
    selector = label_selector_of(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["b", "a"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
                {"key": "zone", "operator": "Exists"},
            ],
        }
    )
    assert str(selector) == "app=web,env notin (dev),!old,tier in (a,b),zone"
    assert selector.matches({"app": "web", "tier": "a", "zone": ""})
    assert not selector.matches({"app": "web", "tier": "a", "zone": "", "old": ""})
    assert label_selector_of({}).matches({"x": "y"})
    assert not label_selector_of(None).matches({"x": "y"})
    assert label_selector_of({}) != label_selector_of(None)


def test_bad_selector_objects() -> None:
    with pytest.raises(SelectorError, match='"Is" is not a valid label selector operator'):
        label_selector_of({"matchExpressions": [{"key": "a", "operator": "Is"}]})
    with pytest.raises(SelectorError, match="values set must be empty for exists"):
        label_selector_of(
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}
        )


def test_fields() -> None:
    selector = parse_field_selector("status.phase!=Failed,spec.nodeName==n1,")
    assert selector.requirements == (
        Requirement("spec.nodeName", "=", ("n1",)),
        Requirement("status.phase", "!=", ("Failed",)),
    )
    assert selector.matches({"spec.nodeName": "n1", "status.phase": "Running"})
    assert not selector.matches({"spec.nodeName": "n1", "status.phase": "Failed"})
    assert not selector.matches({"status.phase": "Running"})
    assert parse_field_selector("spec.nodeName=").matches({})
    assert not parse_field_selector("spec.nodeName!=").matches({})
    assert parse_field_selector("").matches({})


def test_field_escapes() -> None:
    selector = parse_field_selector(r"a=x\,y\=z\\,b=1")
    assert selector.requirements[0] == Requirement("a", "=", ("x,y=z\\",))
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_bad_field_selectors(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text)
    assert str(caught.value) == message


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), min_size=1))
def test_field_selectors_survive_their_text(fields: dict[str, str]) -> None:
    selector = parse_field_selector("")
    requirements = [Requirement(key, "=", (value,)) for key, value in sorted(fields.items())]
    selector = type(selector)(requirements)
    assert parse_field_selector(str(selector)).matches(fields)


@given(st.text(alphabet="ab=!(), <>innot/", max_size=12))
def test_any_text_is_a_selector_or_one_error(text: str) -> None:
    for parse in (parse_label_selector, parse_field_selector):
        try:
            assert parse(str(parse(text))) == parse(text)
        except SelectorError:
            pass
