"""Structure: recorded texts, what is dropped, what is refused."""

import copy
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.findings import find_duplicates, find_in_object
from api.kinds import Kind, kind_by_path
from api.structure import (
    FITS,
    Structure,
    cannot_handle,
    check_structure,
    strict_error,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "api"
POD = "api.core.v1.Pod"
META = {"name": "p1"}


def lines(name: str) -> list[str]:
    return (GOLDEN / name).read_text().splitlines()


def recorded(*files: str) -> dict[str, Any]:
    cases = [json.loads(line) for name in files for line in lines(name)]
    return {case["id"]: case for case in cases}


def kind_at(path: str) -> Kind:
    parts = path.split("?")[0].strip("/").split("/")
    core = parts[0] == "api"
    group, version, *rest = ["", *parts[1:]] if core else parts[1:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    return kind_by_path(group, version, rest[0])


def answer(request: dict[str, Any]) -> tuple[str, list[str]]:
    """What a strict server says (empty: nothing), and what a lenient one warns of."""
    kind = kind_at(request["path"])
    raw = request["raw"].encode() if "raw" in request else orjson.dumps(request["body"])
    obj = orjson.loads(raw)
    found = find_duplicates(raw, obj)
    structure = check_structure(kind.type_name, obj)
    found += structure.unknown
    why = structure.error or (strict_error(found) if found else "")
    return (cannot_handle(kind, why).message if why else ""), found


@pytest.mark.parametrize(
    "case", ["err-type-mismatch-map", "err-strict-dup", "err-strict-case", "err-quantity"]
)
def test_recorded_refusals(case: str) -> None:
    step = recorded("errors.jsonl")[case]["steps"][0]
    assert answer(step["req"])[0] == step["res"]["body"]["message"]


def test_recorded_refusals_of_special_values() -> None:
    step = recorded("errors.jsonl")["err-secret-b64"]["steps"][-1]
    assert answer(step["req"])[0] == step["res"]["body"]["message"]
    step = next(
        step
        for step in recorded("defaults.jsonl")["def-lease-offset"]["steps"]
        if step["res"]["code"] == 400
    )
    assert answer(step["req"])[0] == step["res"]["body"]["message"]
    step = recorded("errors.jsonl")["err-yaml-create"]["steps"][0]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": True}}
    assert answer({"path": step["req"]["path"], "body": body})[0] == step["res"]["body"]["message"]


@pytest.mark.parametrize("case", ["err-warn-unknown-default", "err-warn-dup"])
def test_recorded_warnings(case: str) -> None:
    step = recorded("errors.jsonl")[case]["steps"][0]
    found = answer(step["req"])[1]
    expected = step["res"]["headers"]["warning"]
    assert [f"299 - {json.dumps(text)}" for text in found] == expected


def test_every_accepted_body_fits() -> None:
    checked = 0
    for case in recorded("defaults.jsonl").values():
        for step in case["steps"]:
            body = step["req"].get("body")
            if step["res"]["code"] != 201 or not isinstance(body, dict):
                continue
            try:
                kind = kind_at(step["req"]["path"])
            except KeyError:
                continue
            assert check_structure(kind.type_name, body).error is None, case["id"]
            checked += 1
    assert checked > 40


def test_unknown_fields_are_told_in_order_and_dropped() -> None:
    obj = {
        "kind": "Pod",
        "extra": {"deep": 1},
        "metadata": {"name": "p", "Labels": {}},
        "spec": {
            "containers": [{"name": "c"}, {"name": "d", "img": "x", "resources": {"x": 1}}],
            "nodeSelector": {"anything": "goes"},
        },
    }
    assert check_structure(POD, obj) == Structure(
        [
            'unknown field "extra"',
            'unknown field "metadata.Labels"',
            'unknown field "spec.containers[1].img"',
            'unknown field "spec.containers[1].resources.x"',
        ],
        None,
    )
    assert obj == {
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c"}, {"name": "d", "resources": {}}],
            "nodeSelector": {"anything": "goes"},
        },
    }
    assert check_structure(POD, obj) == FITS


def test_null_is_absent_and_a_null_item_is_zero() -> None:
    for extra in ({}, {"unknown": 1}):
        obj = {
            "metadata": {"name": "p", "creationTimestamp": None, "labels": {"a": None}},
            "spec": {"containers": [None], "volumes": None},
            "status": None,
            **extra,
        }
        assert check_structure(POD, obj).error is None
        assert obj == {
            "metadata": {"name": "p", "labels": {"a": ""}},
            "spec": {"containers": [{}]},
        }


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (
            {"containers": [{"name": 5}]},
            "json: cannot unmarshal number into Go struct field "
            "Container.spec.containers.name of type string",
        ),
        (
            {"containers": {}},
            "json: cannot unmarshal object into Go struct field "
            "PodSpec.spec.containers of type []v1.Container",
        ),
        (
            {"containers": ["x"]},
            "json: cannot unmarshal string into Go struct field "
            "PodSpec.spec.containers of type v1.Container",
        ),
        (
            {"priority": 2**31},
            "json: cannot unmarshal number 2147483648 into Go struct field "
            "PodSpec.spec.priority of type int32",
        ),
        (
            {"terminationGracePeriodSeconds": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field "
            "PodSpec.spec.terminationGracePeriodSeconds of type int64",
        ),
        (
            {"priority": True},
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            {"hostNetwork": "true"},
            "json: cannot unmarshal string into Go struct field "
            "PodSpec.spec.hostNetwork of type bool",
        ),
        (
            {"nodeSelector": []},
            "json: cannot unmarshal array into Go struct field "
            "PodSpec.spec.nodeSelector of type map[string]string",
        ),
        (
            {"overhead": {"cpu": True}},
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_mistyped_fields(spec: dict[str, Any], error: str) -> None:
    assert check_structure(POD, {"metadata": META, "spec": spec}).error == error


def test_special_types() -> None:
    def error(type_name: str, obj: dict[str, Any]) -> str | None:
        return check_structure(type_name, obj).error

    assert error(POD, {"spec": {"overhead": {"cpu": 1, "memory": "1Gi", "x": 0.5}}}) is None
    port = {"httpGet": {"port": 80}}
    assert error("api.core.v1.Container", {"livenessProbe": port}) is None
    port["httpGet"] = {"port": "http"}  # type: ignore[dict-item]
    assert error("api.core.v1.Container", {"livenessProbe": port}) is None
    port["httpGet"] = {"port": True}
    assert error("api.core.v1.Container", {"livenessProbe": port}) == (
        "json: cannot unmarshal bool into Go value of type int32"
    )
    meta = {"metadata": {"creationTimestamp": "yesterday"}}
    assert error(POD, meta) == (
        'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": '
        'cannot parse "yesterday" as "2006"'
    )
    meta = {"metadata": {"creationTimestamp": 5}}  # type: ignore[dict-item]
    assert error(POD, meta) == "json: cannot unmarshal number into Go value of type string"
    secret = "api.core.v1.Secret"
    assert error(secret, {"data": {"a": "aGk=", "b": "", "c": "aGkh\n"}}) is None
    assert error(secret, {"data": {"a": "aGk"}}) == "illegal base64 data at input byte 0"
    assert error(secret, {"data": {"a": "aGkhaG"}}) == "illegal base64 data at input byte 4"
    assert error(secret, {"data": {"a": "a*"}}) == "illegal base64 data at input byte 1"


def test_nesting_without_end_is_one_error() -> None:
    schema: dict[str, Any] = {}
    for _ in range(2000):
        schema = {"not": schema}
    name = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    assert check_structure(name, schema).error == "exceeded max depth"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ('{"a":1}', []),
        ('{"a":1,"a":2}', ["a"]),
        ('{"a":1,"a":2,"a":3}', ["a"]),
        ('{"m":{"b":1,"b":2},"l":[{"c":1},{"c":1,"c":2}]}', ["m.b", "l[1].c"]),
        ('{"a" : "x:y" , "b":":"}', []),
        ('{"a":"::","b":1,"b":2}', ["b"]),
        (r'{"a":"\u003a","b":1,"b":2}', ["b"]),
        (r'{"a":1,"\u0061":2}', ["a"]),
    ],
)
def test_duplicates(raw: str, found: list[str]) -> None:
    data = raw.encode()
    expected = [f'duplicate field "{path}"' for path in found]
    assert find_duplicates(data, orjson.loads(data)) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["metadata", "name", "labels", "spec", "containers", "ports", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), JSON))
def test_any_object_fits_in_the_end_or_is_refused(obj: dict[str, Any]) -> None:
    first = check_structure(POD, obj)
    if first.error is None:
        once = copy.deepcopy(obj)
        assert check_structure(POD, obj) == FITS
        assert obj == once


def test_findings_come_in_the_order_of_the_text() -> None:
    """A key that is not known is never a duplicate, and nothing is said twice."""
    raw = (
        b'{"x": {"y": 1, "y": 2}, "metadata": {"name": "a", "labels": {"k": "", "k": ""}, "foo": 1,'
        b'"name": "b"}, "spec": {"containers": [{"name": "c", "bar": 1, "image": "i", "image": "",'
        b'"resources": {"limits": {"cpu": "1", "cpu": "2"}}}]}, "x": 1, "spec": {"baz": 1}}'
    )
    assert find_in_object(raw, "api.core.v1.Pod") == [
        'unknown field "x"',
        'duplicate field "metadata.labels.k"',
        'unknown field "metadata.foo"',
        'duplicate field "metadata.name"',
        'unknown field "spec.containers[0].bar"',
        'duplicate field "spec.containers[0].image"',
        'duplicate field "spec.containers[0].resources.limits.cpu"',
        'duplicate field "spec"',
        'unknown field "spec.baz"',
    ]
