"""What is said of bodies that cannot be read, and of patches that say something twice."""

from typing import Any

import orjson
import pytest

from api.fields import has_type
from api.kinds import kind_of
from api.unstructured import misfit_of_map
from apiserver.go_json import json_error
from tests.apiserver.apiserver_rig import Rig

CM = "/api/v1/namespaces/x/configmaps"
YAML, JSON_PATCH = "application/yaml", "application/json-patch+json"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TYPES = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string '
    '"json:\\"kind,omitempty\\"" }'
)


@pytest.fixture(scope="module")
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    assert made.call("POST", CM, {"metadata": {"name": "c"}, "data": {"a": "1"}})[0] == 201
    return made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":1}x', "invalid character 'x' after top-level value"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ('{"a":trux}', "invalid character 'x' in literal true (expecting 'e')"),
        ('{"a":-x}', "invalid character 'x' in numeric literal"),
        ("imastring", "invalid character 'i' looking for beginning of value"),
        ('{"a":"\\q"}', "invalid character 'q' in string escape code"),
        ('{"a":"b', "unexpected end of JSON input"),
        ('{"a":tr', "unexpected end of JSON input"),
        ("'a'", "invalid character '\\'' looking for beginning of value"),
    ],
)
def test_gos_words_for_what_is_no_json(text: str, said: str) -> None:
    assert json_error(text) == said


@pytest.mark.parametrize(
    ("body", "media", "message"),
    [
        (
            b"[]",
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
            "version/kind; json parse error: json: cannot unmarshal array into Go value of type "
            f"{TYPES} (5b5d)",
        ),
        (
            b'{"metadata":{"name":"longer than thirty bytes"',
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
            "version/kind; json parse error: unexpected end of JSON input "
            '({"metadata":{"name":"longer th ...)',
        ),
        (
            b"a: b: c",
            YAML,
            "the object provided is unrecognized (must be of type ConfigMap): yaml: mapping values "
            "are not allowed in this context (613a20623a2063)",
        ),
        (
            b"x: y\na: b: c",
            YAML,
            "the object provided is unrecognized (must be of type ConfigMap): yaml: line 2: "
            "mapping values are not allowed in this context (783a20790a613a20623a2063)",
        ),
        (
            b'{"kind":5}',
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
            "version/kind; json parse error: json: cannot unmarshal number into Go struct field "
            '.kind of type string ({"kind":5})',
        ),
        (
            b'{"apiVersion":"v1","kind":"Foo"}',
            "",
            'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for '
            'version "v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            b'{"apiVersion":"apps/v1","kind":"Deployment"}',
            "",
            'Deployment in version "v1" cannot be handled as a ConfigMap: converting '
            "(v1.Deployment) to (core.ConfigMap): unknown conversion",
        ),
    ],
)
def test_bodies_of_no_kind_or_of_another(rig: Rig, body: bytes, media: str, message: str) -> None:
    code, answer = rig.call("POST", CM, body, content_type=media)
    assert (code, answer["message"]) == (400, message)


def test_another_version_of_the_kind_is_told_by_its_name(rig: Rig) -> None:
    body = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
    path = "/apis/autoscaling/v2/namespaces/x/horizontalpodautoscalers"
    code, answer = rig.call("POST", path, body)
    assert code == 400
    assert answer["message"] == (
        "the API version in the data (autoscaling/v1) does not match the expected API version "
        "(autoscaling/v2)"
    )


def test_null_is_an_empty_object(rig: Rig) -> None:
    code, answer = rig.call("POST", CM, b"null")
    assert (code, answer["details"]["causes"][0]["field"]) == (422, "metadata.name")


TWICE = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\ndata:\n  a: x\n  a: z\n"


def test_keys_that_come_twice_in_yaml(rig: Rig) -> None:
    code, answer = rig.call("POST", f"{CM}?fieldValidation=Strict", TWICE, content_type=YAML)
    line = 'line 7: key "a" already set in map'
    why = f"strict decoding error: yaml: unmarshal errors:\n  {line}"
    assert code == 400
    assert answer["message"] == (
        f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {why}'
    )
    warned = rig.ask("POST", f"{CM}?dryRun=All", TWICE, content_type=YAML)
    assert warned.code == 201
    assert warned.headers == (("Warning", f"299 - {orjson.dumps(line).decode()}"),)


def test_keys_that_come_twice_in_an_apply(rig: Rig) -> None:
    path = f"{CM}/two?fieldManager=m&fieldValidation=Strict"
    code, answer = rig.call("PATCH", path, TWICE, content_type=APPLY)
    assert code == 400
    assert answer["message"] == (
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 7: key "a" already set in map'
    )
    assert rig.call("GET", f"{CM}/two")[0] == 404
    path = f"{CM}/two?fieldManager=m&dryRun=All"
    warned = rig.ask("PATCH", path, TWICE, content_type=APPLY)
    assert warned.headers == (("Warning", '299 - "line 7: key \\"a\\" already set in map"'),)


@pytest.mark.parametrize(
    ("media", "body", "findings"),
    [
        (MERGE, b'{"data":{"a":"1","a":"2"},"foo":1}', ['duplicate field "data.a"', "foo"]),
        (STRATEGIC, b'{"data":{"a":"1","a":"2"}}', ['duplicate field "data.a"']),
        (
            JSON_PATCH,
            b'[{"op":"add","path":"/x","path":"/data/b","value":"1","why":0}]',
            ['json patch duplicate field "[0].path"', 'json patch unknown field "[0].why"'],
        ),
    ],
)
def test_what_patches_say_twice(rig: Rig, media: str, body: bytes, findings: list[str]) -> None:
    texts = [text if " " in text else f'unknown field "{text}"' for text in findings]
    code, answer = rig.call("PATCH", f"{CM}/c?fieldValidation=Strict", body, content_type=media)
    assert code == 422
    assert answer["message"].endswith(f": strict decoding error: {', '.join(texts)}")
    warned = rig.ask("PATCH", f"{CM}/c?dryRun=All", body, content_type=media)
    assert warned.code == 200
    assert [text for _, text in warned.headers] == [
        f"299 - {orjson.dumps(text).decode()}" for text in texts
    ]
    quiet = rig.ask("PATCH", f"{CM}/c?dryRun=All&fieldValidation=Ignore", body, content_type=media)
    assert (quiet.code, quiet.headers) == (200, ())


def test_a_strategic_patch_is_shown_as_go_prints_it(rig: Rig) -> None:
    path = f"{CM}/c?fieldValidation=Strict"
    body: dict[str, Any] = {"zoo": 1, "bar": {"a": None}}
    code, answer = rig.call("PATCH", path, body, content_type=STRATEGIC)
    assert code == 422
    assert answer["message"] == (
        ' "" is invalid: patch: Invalid value: "map[bar:map[a:<nil>] zoo:1]": '
        'strict decoding error: unknown field "bar", unknown field "zoo"'
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"replicas": "3"}, "unrecognized type: int32"),
        ({"replicas": 1.5}, "cannot convert float64 to int32"),
        ({"replicas": 3.0}, None),
        ({"paused": "yes"}, "unrecognized type: bool"),
        ({"selector": "a"}, "cannot restore struct from: string"),
        ({"template": {"spec": {"containers": {}}}}, "cannot restore slice from map"),
        ({"template": {"metadata": {"labels": ["a"]}}}, "cannot restore map from slice"),
        ({"template": {"metadata": {"labels": {"a": 1}}}}, "cannot convert int64 to string"),
    ],
)
def test_a_map_that_does_not_fit_its_struct(spec: dict[str, Any], said: str | None) -> None:
    type_name = kind_of("apps/deployments").type_name
    assert has_type(type_name)
    assert misfit_of_map(type_name, {"spec": spec}) == said


def test_managers_are_printable(rig: Rig) -> None:
    code, answer = rig.call("POST", f"{CM}?fieldManager=a%07b", {"metadata": {"name": "m"}})
    assert code == 422
    assert answer["details"]["causes"][0]["message"].endswith(
        'Invalid value: "a\\ab": invalid character U+0007 (at position 1)'
    )


def test_options_of_a_deletion_that_are_none(rig: Rig) -> None:
    assert rig.call("POST", CM, {"metadata": {"name": "d"}})[0] == 201
    wrong = "json: cannot unmarshal {} into Go"
    number = f"{wrong.format('string')} struct field DeleteOptions.gracePeriodSeconds of type int64"
    array = f"couldn't get version/kind; json parse error: {wrong.format('array')} value of type"
    for body, message in (({"gracePeriodSeconds": "x"}, number), ([1], f"{array} {TYPES}")):
        code, answer = rig.call("DELETE", f"{CM}/d", body)
        assert (code, answer["message"]) == (400, message)


@pytest.mark.parametrize("query", ["timeoutSeconds=x", "limit=x", "watch=1&timeoutSeconds=x"])
def test_numbers_of_a_list_are_numbers(rig: Rig, query: str) -> None:
    code, answer = rig.call("GET", f"{CM}?{query}")
    assert (code, answer["message"]) == (400, 'strconv.ParseInt: parsing "x": invalid syntax')


def test_whatever_is_not_false_is_true(rig: Rig) -> None:
    assert rig.watch(f"{CM}?watch=maybe&timeoutSeconds=1").content_type == "application/json"
    assert rig.call("GET", f"{CM}?watch=FALSE")[1]["kind"] == "ConfigMapList"


def test_selectors_of_a_deletion_are_checked_as_those_of_a_list(rig: Rig) -> None:
    code, answer = rig.call("DELETE", f"{CM}?resourceVersionMatch=Exact")
    assert (code, answer["reason"]) == (422, "Invalid")
    assert rig.call("GET", f"{CM}/c")[0] == 200
