"""What people write as YAML: what it means, and that all else is one error that says where."""

import json

import pytest

from api.sections import shown
from api.strict_yaml import DEPTH_MAX, YamlError, read_yaml


def test_only_what_json_has() -> None:
    text = "{a: 2026-01-02, b: 0x10, c: 1.5, d: on, e: ~, f: [x, {g: y}], 7: 1:30, h: <<}"
    assert json.dumps(read_yaml(text)) == (
        '{"a": "2026-01-02", "b": 16, "c": 1.5, "d": true, "e": null, "f": ["x", {"g": "y"}], '
        '"7": 90, "h": "<<"}'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb:\n  a: 1\n  a: 2\n", "line 4: key 'a' is given twice"),
        ("a: [1", "line 1, column 6: not YAML: expected"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: not YAML: but found another document"),
        ("a: \x00", "not YAML: unacceptable character"),
        ("[1]: 2", "line 1, column 1: a key must be a plain value"),
        ("? {a: 1}\n: 2", "line 1, column 3: a key must be a plain value"),
        ("a: &a [*a]", "line 1, column 4: not YAML: found unconstructable recursive node"),
        ("a: !!int zz", "line 1, column 4: 'zz' is no int"),
        ("a: !!float zz", "line 1, column 4: 'zz' is no float"),
        ("a: !!bool zz", "line 1, column 4: 'zz' is no bool"),
        ("a: " + "9" * 5000, "line 1, column 4: '9999999999"),
        ("a: !!timestamp 2026-01-02", "could not determine a constructor for the tag"),
        ("a: !!python/object:os.system {}", "could not determine a constructor for the tag"),
        ("[" * (DEPTH_MAX + 1), f"line 1, column {DEPTH_MAX + 1}: not YAML: more than {DEPTH_MAX}"),
        ("[" * 100_000, f"line 1, column {DEPTH_MAX + 1}: not YAML: more than {DEPTH_MAX}"),
    ],
)
def test_what_cannot_be_read_is_one_error(text: str, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert str(caught.value).startswith(words) or f": not YAML: {words}" in str(caught.value)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_many_aliases_are_shown_in_a_line() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    found = read_yaml("\n".join(lines))
    assert isinstance(found, dict) and len(shown(found["a29"])) < 2000
    assert shown("x" * 5000) == "'" + "x" * 37 + "..." + "x" * 38 + "'"
