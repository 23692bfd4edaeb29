"""Names and labels: what is good, and what is wrong in Kubernetes' words."""

import json
from pathlib import Path

import pytest

from api.names import (
    wrong_with_config_key,
    wrong_with_dns_1035,
    wrong_with_label,
    wrong_with_label_value,
    wrong_with_qualified_name,
    wrong_with_subdomain,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "api" / "errors.jsonl"


def causes(case_id: str) -> list[tuple[str, str]]:
    """Value and text of each cause of the first failed step of a recorded case."""
    for line in GOLDEN.read_text().splitlines():
        case = json.loads(line)
        if case["id"] == case_id:
            step = next(step for step in case["steps"] if step["res"]["code"] == 422)
            found = []
            for cause in step["res"]["body"]["details"]["causes"]:
                value, text = cause["message"].removeprefix("Invalid value: ").split('": ', 1)
                found.append((value[1:], text))
            return found
    raise AssertionError(f"no case {case_id}")


def test_recorded_messages() -> None:
    for name in ("err-badname", "err-longname", "err-slash-name"):
        ((value, text),) = causes(name)
        assert wrong_with_subdomain(value) == (text,)
    ((value, text),) = causes("err-badname-ns")
    assert wrong_with_label(value) == (text,)
    ((value, text),) = causes("err-badkey-cm")
    assert wrong_with_config_key(value) == (text,)
    for value, text in causes("err-label-patch"):
        assert wrong_with_label_value(value) == (text,)
    for value, text in causes("err-badlabel"):
        check = wrong_with_label_value if text.startswith("a valid") else wrong_with_qualified_name
        assert text in check(value)


@pytest.mark.parametrize("text", ["a", "a-b", "0a", "a" * 63])
def test_good_labels(text: str) -> None:
    assert wrong_with_label(text) == ()
    assert wrong_with_subdomain(f"{text}.example.com") == ()


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a" * 64])
def test_bad_labels(text: str) -> None:
    assert len(wrong_with_label(text)) == 1
    assert len(wrong_with_dns_1035(text)) == 1


def test_services_start_with_a_letter() -> None:
    assert wrong_with_dns_1035("a0") == ()
    assert wrong_with_dns_1035("0a") != ()


@pytest.mark.parametrize("text", ["a", "MyName", "a/b", "example.com/My.Name_1"])
def test_good_qualified_names(text: str) -> None:
    assert wrong_with_qualified_name(text) == ()


def test_bad_qualified_names() -> None:
    assert wrong_with_qualified_name("/a") == ("prefix part must be non-empty",)
    assert wrong_with_qualified_name("a/")[0] == "name part must be non-empty"
    assert wrong_with_qualified_name("A/b")[0].startswith("prefix part a lowercase RFC 1123")
    assert "optional DNS subdomain prefix" in wrong_with_qualified_name("a/b/c")[0]


def test_values_and_config_keys() -> None:
    assert wrong_with_label_value("") == ()
    assert wrong_with_label_value("a\n") != ()
    assert wrong_with_label_value("a" * 64) == ("must be no more than 63 bytes",)
    assert wrong_with_config_key("..a") == ("must not start with '..'",)
    assert wrong_with_config_key("..") == ("must not be '..'",)
    assert wrong_with_config_key(".a_B-1") == ()
