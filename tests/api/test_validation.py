"""Validation against every recorded 422 of the served kinds, and its own rules."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from api.admission import add_default_tolerations, add_service_account, taint_new_node
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import normalize_cluster_ips, set_addresses, wants_cluster_ip
from api.errors import Cause, Invalid
from api.kinds import SERVED, Kind, kind_by_path, kind_of
from api.lifecycle import prepare_create, prepare_update
from api.patches import json_patch, merge_patch, strategic_merge_patch
from api.validation import validate_create, validate_update

GOLDEN = Path(__file__).parent.parent / "golden" / "api"
NAMESPACE = "ns1"
NAMESPACES = "/api/v1/namespaces"

ELSEWHERE = {
    "err-rvmatch-no-rv": "options of the request",
    "err-rvmatch-exact-0": "options of the request",
    "err-sendinitial-list": "options of the request",
    "err-sendinitial-nomatch": "options of the request",
    "err-fieldvalidation-bogus": "options of the request",
    "err-dryrun-bogus": "options of the request",
    "err-delete-precond": "options of the request",
    "err-strict-patch": "the structure check of a patch",
    "err-patch-json": "json patches: test_patches; the rest options and structure",
    "err-svc-nodeport": "the range of node ports is the allocator's",
    "err-svc-nodeport-taken": "the node ports in use are the allocator's",
    "err-scale-2": "Scale is not a stored kind",
    "err-crd-scope": "what is fixed depends on a status that the server itself writes",
    "err-413": "its body was not recorded: test_data_of_a_config_map_is_bounded",
}
"""Cases with a 422 that is decided outside this package, and where. All others must come out."""

OWN_DIFFERENCE = ("err-pod-immutable", "err-pod-nodename", "err-pvc-shrink")
"""The message ends with a dump of Go structs, which we do not print: its first line counts."""


def kind_at(path: str) -> Kind | None:
    """The served kind of a path without subresource."""
    parts = path.split("?")[0].strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    if rest and rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    if not rest or len(rest) > 2 or "{ns}" in group:
        return None
    kind = kind_by_path(group, version, rest[0])
    return kind if kind.key in SERVED else None


def recorded() -> list[JsonObject]:
    found = []
    for line in (GOLDEN / "errors.jsonl").read_text().splitlines():
        case = json.loads(line)
        wrong = [step for step in case["steps"] if step["res"]["code"] == 422]
        if any(_is_served(step["req"]["path"]) for step in wrong):
            found.append(case)
    return found


def _is_served(path: str) -> bool:
    plurals = {key.rpartition("/")[2] for key in SERVED}
    parts = path.split("?")[0].strip("/").split("/")
    return any(part in plurals for part in parts if part != "namespaces") or path == NAMESPACES


CASES = recorded()


def resolved(value: Any) -> Any:
    return json.loads(json.dumps(value).replace("{ns}", NAMESPACE))


def create(kind: Kind, obj: JsonObject) -> tuple[JsonObject, list[Cause]]:
    if kind.namespaced:
        obj["metadata"]["namespace"] = NAMESPACE
    obj["metadata"].setdefault("uid", "old")
    set_defaults(kind, obj)
    if kind.key == "pods":
        add_service_account(obj, {}, "abcde")
        add_default_tolerations(obj)
    elif kind.key == "nodes":
        taint_new_node(obj)
    elif kind.key == "services":
        normalize_cluster_ips(obj)
        set_addresses(obj, "10.96.0.9" if wants_cluster_ip(obj) else None)
    prepare_create(kind, obj, 0)
    return obj, validate_create(kind, obj)


def update(kind: Kind, req: JsonObject, old: JsonObject) -> tuple[JsonObject, list[Cause]]:
    media = req["headers"]["Content-Type"]
    body = resolved(req["body"])
    if "strategic" in media:
        new = strategic_merge_patch(kind.type_name, old, body)
    elif "json-patch" in media:
        new = json_patch(old, body)
    else:
        new = merge_patch(old, body)
    new = copy.deepcopy(new)
    set_defaults(kind, new)
    prepare_update(kind, new, old)
    return new, validate_update(kind, new, old)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_recorded_causes(case: JsonObject) -> None:
    if case["id"] in ELSEWHERE:
        return
    stored: JsonObject = {}
    checked = 0
    for step in case["steps"]:
        req, res = step["req"], step["res"]
        kind = kind_at(req["path"])
        if kind is None or req["method"] not in ("POST", "PATCH") or res["code"] in (409, 415):
            continue
        if req["method"] == "POST":
            obj, causes = create(kind, resolved(req["body"]))
        else:
            obj, causes = update(kind, req, stored)
        if res["code"] == 422:
            expect(kind, obj, causes, step, case["id"])
            checked += 1
        else:
            assert causes == []
            stored = obj
    assert checked


def expect(kind: Kind, obj: JsonObject, causes: list[Cause], step: JsonObject, case: str) -> None:
    assert causes
    status = Invalid(kind.qualified, obj["metadata"].get("name", ""), causes).status()
    body = resolved(step["res"]["body"])
    got = [(c.field, c.reason, c.message) for c in causes]
    want = [(c["field"], c["reason"], c["message"]) for c in body["details"]["causes"]]
    if case in OWN_DIFFERENCE:
        got, want = ([(f, r, m.split("\n")[0]) for f, r, m in some] for some in (got, want))
    got = [(f, r, m.replace("11111111-2222-3333-4444-555555555555", "<uid>")) for f, r, m in got]
    if step.get("loose"):
        got.sort()
        want.sort()
    assert got == want
    assert status["code"] == 422 and status["reason"] == "Invalid"
    for key in ("name", "kind", "group"):
        assert status["details"].get(key) == body["details"].get(key)


def test_every_recorded_case_is_looked_at() -> None:
    ids = {case["id"] for case in CASES}
    assert set(ELSEWHERE) <= ids
    assert len(ids) == 71


def test_recorded_patch_that_makes_a_pod_template_wrong() -> None:
    lines = (GOLDEN / "patches.jsonl").read_text().splitlines()
    case = next(c for c in map(json.loads, lines) if c["id"] == "smp-volume-noretain")
    post, patch = case["steps"]
    kind = kind_of("apps/deployments")
    stored, causes = create(kind, resolved(post["req"]["body"]))
    assert causes == []
    obj, causes = update(kind, patch["req"], stored)
    expect(kind, obj, causes, patch, case["id"])


def test_recorded_objects_are_right() -> None:
    """Whatever the server accepted in the recorded defaults is accepted here."""
    count = 0
    for line in (GOLDEN / "defaults.jsonl").read_text().splitlines():
        for step in json.loads(line)["steps"]:
            kind = kind_at(step["req"]["path"])
            if step["req"]["method"] == "POST" and step["res"]["code"] == 201 and kind:
                assert create(kind, resolved(step["req"]["body"]))[1] == []
                count += 1
    assert count == 41


def test_data_of_a_config_map_is_bounded() -> None:
    obj: JsonObject = {"metadata": {"name": "big"}, "data": {"a": "x" * (1024 * 1024 + 1)}}
    _, causes = create(kind_of("configmaps"), obj)
    assert causes == [
        Cause("[]", "FieldValueTooLong", "Too long: may not be more than 1048576 bytes")
    ]


def test_finalizers_of_a_deleted_object_only_go() -> None:
    kind = kind_of("configmaps")
    old, causes = create(kind, {"metadata": {"name": "c", "finalizers": ["a.io/1"]}})
    assert causes == []
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    new = copy.deepcopy(old)
    new["metadata"]["finalizers"] = ["a.io/1", "a.io/2"]
    assert {cause.field for cause in validate_update(kind, new, old)} == {"metadata.finalizers"}
    new["metadata"]["finalizers"] = []
    assert validate_update(kind, new, old) == []


def test_gated_pods_may_lose_gates_and_narrow_nodes() -> None:
    kind = kind_of("pods")
    spec = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "a.io/g"}]}
    old, causes = create(kind, {"metadata": {"name": "p"}, "spec": spec})
    assert causes == []
    new = copy.deepcopy(old)
    new["spec"]["nodeSelector"] = {"a": "b"}
    del new["spec"]["schedulingGates"]
    assert validate_update(kind, new, old) == []
    new["spec"]["schedulingGates"] = [{"name": "b.io/g"}]
    fields = [cause.field for cause in validate_update(kind, new, old)]
    assert fields == ["spec.schedulingGates[0]"]


def test_images_and_more_tolerations_may_change() -> None:
    kind = kind_of("pods")
    spec = {"containers": [{"name": "c", "image": "i"}]}
    old, _ = create(kind, {"metadata": {"name": "p"}, "spec": spec})
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "j"
    new["spec"]["tolerations"].append({"key": "k", "operator": "Exists"})
    assert validate_update(kind, new, old) == []
    new["spec"]["tolerations"] = []
    assert [cause.field for cause in validate_update(kind, new, old)] == ["spec.tolerations"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hostname": "A_b"}, "spec.hostname"),
        ({"nodeName": "A_b"}, "spec.nodeName"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy"),
        ({"dnsPolicy": "X"}, "spec.dnsPolicy"),
        ({"nodeSelector": {"a b": "c"}}, "spec.nodeSelector"),
        ({"volumes": [{"name": "v", "secret": {}}]}, "spec.volumes[0].secret.secretName"),
        ({"schedulingGates": [{"name": "a"}, {"name": "a"}]}, "spec.schedulingGates[1]"),
        (
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}
                ]
            },
            "spec.topologySpreadConstraints[0].maxSkew",
        ),
        (
            {"initContainers": [{"name": "i", "image": "x", "livenessProbe": {"exec": {}}}]},
            "spec.initContainers[0].livenessProbe",
        ),
    ],
)
def test_pod_specs_that_are_wrong(change: JsonObject, field: str) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], **change}
    _, causes = create(kind_of("pods"), {"metadata": {"name": "p"}, "spec": spec})
    assert [cause.field for cause in causes] == [field]
