"""Patches against the recorded answers, and their laws."""

import copy
import json
from pathlib import Path

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import set_addresses, wants_cluster_ip
from api.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge
from api.json_patches import OPERATIONS_MAX
from api.kinds import Kind, kind_by_path
from api.lifecycle import prepare_create, prepare_status_update, prepare_update
from api.patches import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    json_patch,
    merge_patch,
    strategic_merge_patch,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "api"

ELSEWHERE = {
    "smp-crd-415": "custom resources are not served",
    "smp-volume-noretain": "the patch applies; validation refuses the outcome (test_validation)",
    "smp-typeerror": "the patch applies; the structure check refuses the outcome",
}
"""Recorded cases that are not answered by patching alone. Every other smp- case must come out."""


def recorded() -> list[JsonObject]:
    lines = (GOLDEN / "patches.jsonl").read_text().splitlines()
    return [case for case in map(json.loads, lines) if case["id"].startswith("smp-")]


CASES = recorded()


def kind_and_subresource(path: str) -> tuple[Kind, str]:
    parts = path.split("?")[0].strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    return kind_by_path(group, version, rest[0]), rest[2] if len(rest) > 2 else ""


def patched(req: JsonObject, kind: Kind, doc: JsonObject) -> JsonObject:
    media = req["headers"]["Content-Type"]
    body = copy.deepcopy(req["body"])
    if media == STRATEGIC_MERGE_PATCH:
        return strategic_merge_patch(kind.type_name, doc, body)
    if media == MERGE_PATCH:
        return merge_patch(doc, body)
    assert media == JSON_PATCH
    return json_patch(doc, body)


def comparable(obj: JsonObject) -> JsonObject:
    """Without what the server makes up, and without what admission adds to a pod."""
    obj = copy.deepcopy(obj)
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace"):
        obj["metadata"].pop(name, None)
    for owner in obj["metadata"].get("ownerReferences", ()):
        owner.pop("uid")
    if obj["kind"] == "Pod":
        del obj["spec"]
    return obj


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_recorded_patches(case: JsonObject) -> None:
    if case["id"] in ELSEWHERE:
        return
    stored: JsonObject | None = None
    for step in case["steps"]:
        req, res = step["req"], step["res"]
        kind, subresource = kind_and_subresource(req["path"])
        if req["method"] == "POST":
            stored = copy.deepcopy(req["body"])
            set_defaults(kind, stored)
            if kind.key == "services":
                set_addresses(stored, "<clusterIP>" if wants_cluster_ip(stored) else None)
            prepare_create(kind, stored, 0)
            continue
        assert stored is not None and req["method"] == "PATCH"
        before = copy.deepcopy(stored)
        if res["code"] >= 400:
            with pytest.raises(ApiError) as caught:
                patched(req, kind, stored)
            assert caught.value.code == res["code"]
            assert caught.value.reason == res["body"].get("reason", "")
            assert caught.value.message == res["body"]["message"]
            assert stored == before
            continue
        new = patched(req, kind, stored)
        assert stored == before
        set_defaults(kind, new)
        (prepare_status_update if subresource == "status" else prepare_update)(kind, new, stored)
        assert comparable(new) == comparable(res["body"])
        stored = new


def test_every_recorded_case_is_looked_at() -> None:
    assert len(CASES) == 28
    assert set(ELSEWHERE) <= {case["id"] for case in CASES}


def test_recorded_json_patch_refusals() -> None:
    doc: JsonObject = {"data": {"a": "1", "zz": "x"}}
    for ops in (
        [{"op": "test", "path": "/data/a", "value": "9"}],
        [{"op": "remove", "path": "/data/yy"}],
        [{"op": "add", "path": "/spec/x/y", "value": 1}],
        [{"op": "foo", "path": "/data/a"}],
        [{"op": "test", "path": "/data/zz", "value": None}],
        [{"op": "replace"}],
        [{"op": "replace", "path": "", "value": []}],
        [{"op": "add", "path": "/data/a/b", "value": 1}],
    ):
        with pytest.raises(Invalid) as caught:
            json_patch(doc, ops)
        assert caught.value.status()["details"] == {}
        assert doc == {"data": {"a": "1", "zz": "x"}}


def test_replace_of_a_missing_key_adds_it() -> None:
    assert json_patch({"data": {}}, [{"op": "replace", "path": "/data/z", "value": 1}]) == {
        "data": {"z": 1}
    }


LIST = [{"a": 1}, 2]


@pytest.mark.parametrize(
    ("op", "outcome"),
    [
        ({"op": "test", "path": "/z", "value": None}, LIST),
        ({"op": "test", "path": "/z"}, LIST),
        ({"op": "test", "path": "/l/-1", "value": 2}, LIST),
        ({"op": "test", "path": "/l/1", "value": 2.0}, None),
        ({"op": "test", "path": "/l/1"}, None),
        ({"op": "test", "path": "", "value": {"l": LIST}}, LIST),
        ({"op": "copy", "from": "/z", "path": "/l/-"}, [*LIST, None]),
        ({"op": "copy", "from": "/l/0", "path": "/l/-1"}, [*LIST, {"a": 1}]),
        ({"op": "move", "from": "/z", "path": "/y"}, None),
        ({"op": "move", "from": "/l/0", "path": "/l/1"}, [2, {"a": 1}]),
        ({"op": "add", "path": "/l/-3", "value": 0}, [0, *LIST]),
        ({"op": "add", "path": "/l/+1", "value": 0}, [LIST[0], 0, 2]),
        ({"op": "add", "path": "/l/3", "value": 0}, None),
        ({"op": "add", "path": "/l/-"}, [*LIST, None]),
        ({"op": "add", "path": "x/l", "value": [3]}, [3]),
        ({"op": "add", "path": "l", "value": [3]}, None),
        ({"op": "replace", "path": "/l/-2", "value": 0}, [0, 2]),
        ({"op": "replace", "path": "/l/-", "value": 0}, None),
        ({"op": "replace", "path": "/l/0/~01", "value": 0}, [{"a": 1, "~1": 0}, 2]),
        ({"op": "replace", "path": "", "value": {"l": []}}, []),
        ({"op": "remove", "path": "/l/-1"}, [LIST[0]]),
        ({"op": "remove", "path": "/l/2"}, None),
        ({"op": "remove", "path": "/z"}, None),
        ({"op": "remove", "path": "/l/1/x"}, None),
        (None, None),
    ],
)  # fmt: skip
def test_operations_as_the_server_s_library_has_them(op: object, outcome: object) -> None:
    doc: JsonObject = {"l": copy.deepcopy(LIST)}
    if outcome is None:
        with pytest.raises(Invalid):
            json_patch(doc, [op])
    else:
        assert json_patch(doc, [op])["l"] == outcome
    assert doc == {"l": LIST}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("x", "string into Go value of type []handlers.jsonPatchOp"),
        ({"op": "add"}, "object into Go value of type []handlers.jsonPatchOp"),
        ([1], "number into Go value of type handlers.jsonPatchOp"),
        ([{"op": "add", "path": 5}], "number into Go struct field jsonPatchOp.path of type string"),
    ],
)
def test_what_is_no_list_of_operations(wrong: object, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        json_patch({}, wrong)
    assert caught.value.message == f"error decoding patch: json: cannot unmarshal {message}"
    assert json_patch({"a": 1}, None) == {"a": 1}


@pytest.mark.parametrize("wrong", ["x", 5, True, None, []])
def test_merge_patches_must_be_maps(wrong: object) -> None:
    with pytest.raises(BadRequest):
        merge_patch({}, wrong)
    if wrong is None:
        assert strategic_merge_patch("api.core.v1.ConfigMap", {}, wrong) == {}
        return
    with pytest.raises(BadRequest):
        strategic_merge_patch("api.core.v1.ConfigMap", {}, wrong)


def test_number_of_operations_is_bounded() -> None:
    op = {"op": "add", "path": "/a", "value": 1}
    with pytest.raises(RequestEntityTooLarge) as caught:
        json_patch({}, [op] * (OPERATIONS_MAX + 1))
    assert "got 10001" in caught.value.message


def test_merge_patch_of_the_standard() -> None:
    doc = {"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"}, "tags": ["a"]}
    patch = {"title": "Hello!", "author": {"familyName": None}, "tags": ["b"], "new": {"x": None}}
    assert merge_patch(doc, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["b"],
        "new": {},
    }


def test_nulls_go_from_maps_that_a_merge_patch_brings() -> None:
    """In lists, too; a list over a map stays as it came. By evanphx/json-patch."""
    brought = [{"x": None, "y": [None, {"z": None}]}, None]
    doc = {"scalar": 1, "list": [1], "map": {"a": 1}}
    merged = merge_patch(doc, {"new": brought, "scalar": brought, "list": brought, "map": brought})
    bare: list[object] = [{"y": [None, {}]}, None]
    assert merged == {"new": bare, "scalar": bare, "list": bare, "map": brought}
