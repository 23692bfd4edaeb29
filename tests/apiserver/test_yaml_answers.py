"""Answers as YAML: the same as in JSON, written as Go's library writes it."""

import orjson
import pytest
import yaml

from apiserver.in_yaml import written
from tests.apiserver.apiserver_rig import Rig

YAML = "application/yaml"
MAPS = "/api/v1/namespaces/x/configmaps"


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    data = {"on": "true", "n": "1", "lines": "a\nb\n", "odd": "a: b", "time": "1:30"}
    assert rig_answers(made, "POST", MAPS, {"metadata": {"name": "c"}, "data": data}) == 201
    return made


def rig_answers(rig: Rig, method: str, path: str, body: object) -> int:
    return rig.ask(method, path, body).code


@pytest.mark.parametrize(
    "path", [f"{MAPS}/c", MAPS, f"{MAPS}/none", "/api", "/apis/apps/v1", "/version"]
)
def test_an_answer_is_the_same_in_both_languages(rig: Rig, path: str) -> None:
    plain = rig.ask("GET", path)
    told = rig.ask("GET", path, accept=YAML)
    assert (told.code, told.content_type) == (plain.code, YAML)
    assert yaml.safe_load(told.body) == orjson.loads(plain.body)


def test_the_first_language_that_is_known_wins(rig: Rig) -> None:
    assert rig.ask("GET", MAPS, accept=f"application/json, {YAML}").body.startswith(b"{")
    protobuf = "application/vnd.kubernetes.protobuf"
    assert rig.ask("GET", MAPS, accept=f"{protobuf}, {YAML}, */*").content_type == YAML
    assert rig.ask("GET", MAPS, accept=protobuf).code == 406


def test_a_watch_has_no_form_in_yaml(rig: Rig) -> None:
    refused = rig.ask("GET", f"{MAPS}?watch=1", accept=YAML)
    assert (refused.code, refused.content_type) == (406, YAML)
    stream = rig.watch(f"{MAPS}?watch=1", accept=f"{YAML}, application/json")
    assert stream.content_type == "application/json"
    assert [event[0] for event in stream.events] == ["ADDED"]


def test_what_would_keep_others_waiting_is_refused(rig: Rig) -> None:
    for number in range(2):
        body = {"metadata": {"name": f"big-{number}"}, "data": {"a": "x" * 200_000}}
        assert rig_answers(rig, "POST", MAPS, body) == 201
    assert rig.ask("GET", f"{MAPS}/big-0", accept=YAML).code == 200
    assert rig.ask("GET", MAPS, accept=YAML).code == 406


def test_text_that_could_be_something_else_is_quoted() -> None:
    document = {
        "b": ["", "null", "y", "0x1f", "2026-01-02T03:04:05Z", "12:30", "plain", "a: b", "a\nb"],
        "a": {},
        "c": [{"d": 1, "e": None}],
    }
    assert written(document).decode() == (
        'a: {}\nb:\n- ""\n- "null"\n- "y"\n- "0x1f"\n- "2026-01-02T03:04:05Z"\n- "12:30"\n- plain\n'
        "- 'a: b'\n- |-\n  a\n  b\nc:\n- d: 1\n  e: null\n"
    )
