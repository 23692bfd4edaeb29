"""Types of YAML scalars as Go's library has them."""

from typing import Any

import pytest

from api.errors import BadRequest
from apiserver.untrusted import parse_yaml, parse_yaml_strictly
from tests.apiserver.apiserver_rig import Rig


def value(text: str) -> Any:
    return parse_yaml(f"v: {text}".encode())["v"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # Numbers of base 60 are texts, and so are dates.
        ("1:30:00", "1:30:00"),
        ("190:20:30.15", "190:20:30.15"),
        ("2001-12-14", "2001-12-14"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("12", 12),
        ("+12", 12),
        ("-0x1F", -31),
        ("0o17", 15),
        ("017", 15),
        ("08", 8),
        ("0b11", 3),
        ("1_000", 1000),
        ("_1", "_1"),
        ("1e3", 1000),
        ("12.5e-1", 1.25),
        ("1.", 1),
        (".5", 0.5),
        ("-.5", -0.5),
        (".5_0", ".5_0"),
        ("1.2.3", "1.2.3"),
        ("1h", "1h"),
        ("-", ["x"]),
        ("18446744073709551615", 18446744073709551615),
        ("1e999", "1e999"),
        ("y", True),
        ("off", False),
        ("yEs", "yEs"),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 3", 3),
        ("!!binary aGVsbG8=", "hello"),
        ("!!binary /w==", "\ufffd"),
        ("!mine 12", "12"),
        ("!!timestamp 2001-12-14", "2001-12-14"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1]", [{"a": 1}]),
    ],
)
def test_scalars(text: str, wanted: Any) -> None:
    found = value("\n- x" if text == "-" else text)
    assert (type(found), found) == (type(wanted), wanted)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".inf", "json: unsupported value: +Inf"),
        ("-.INF", "json: unsupported value: -Inf"),
        (".nan", "json: unsupported value: NaN"),
        ("!!int x", "cannot decode !!str `x` as a !!int"),
        ("!!bool maybe", "cannot decode !!str `maybe` as a !!bool"),
        ("!!binary '*'", "!!binary value contains invalid base64 data"),
    ],
)
def test_what_json_or_the_tag_does_not_allow(text: str, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        value(text)
    assert why in str(refused.value)


def test_a_merge_key_and_an_alias() -> None:
    body = b"base: &b {a: 1, b: 2}\nmore: {<<: *b, b: 3}\nsame: *b\n"
    parsed = parse_yaml(body)
    assert parsed["more"] == {"a": 1, "b": 3} and parsed["same"] == {"a": 1, "b": 2}


def test_keys_that_come_twice_are_told_as_written_and_not_as_merged() -> None:
    body = b"base: &b {a: 1, b: 2}\nmore: {<<: *b, b: 3}\n"
    assert parse_yaml_strictly(body) == (parse_yaml(body), [])
    parsed, found = parse_yaml_strictly(body + b"last:\n  <<: *b\n  c: 1\n  c: 2\n")
    assert parsed["last"] == {"a": 1, "b": 2, "c": 2}
    assert found == ['yaml: unmarshal errors:\n  line 6: key "c" already set in map']
    assert parse_yaml_strictly(b"a: 1\na: 2\n")[1] == [
        'yaml: unmarshal errors:\n  line 2: key "a" already set in map'
    ]


def test_a_config_map_keeps_its_times() -> None:
    rig = Rig()
    body = b"metadata: {name: c}\ndata:\n  at: 1:30:00\n  text: !!binary aGVsbG8=\n"
    path = "/api/v1/namespaces/default/configmaps"
    code, answer = rig.call("POST", path, body, content_type="application/yaml")
    assert (code, answer["data"]) == (201, {"at": "1:30:00", "text": "hello"})
