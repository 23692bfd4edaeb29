"""Single rules of server-side apply: words of refusals, order of lists, names, subresources."""

import copy
import json

import pytest

from api.apply import Writer, apply_patch, manager_of, track_create, track_scale, track_update
from api.apply.lastapplied import LAST_APPLIED
from api.apply.merge import merge
from api.apply.schema import atom_of
from api.apply.typed import misfit
from api.core import JsonObject
from api.errors import ApiError, Conflict
from api.kinds import kind_of

POD = kind_of("pods")
CONFIG_MAP = kind_of("configmaps")
DEPLOYMENT = kind_of("apps/deployments")
TIME, LATER = "2026-05-01T00:00:00Z", "2026-05-01T00:00:05Z"


def config_map(**data: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def live_config_map(manager: str = "maker", **data: str) -> JsonObject:
    obj = config_map(**data)
    track_create(CONFIG_MAP, obj, Writer(manager, TIME))
    obj["metadata"]["uid"] = "u"
    return obj


def owners(obj: JsonObject) -> JsonObject:
    return {entry["manager"]: entry for entry in obj["metadata"].get("managedFields", ())}


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        ([{"name": "c", "foo": 1}], '.spec.containers[name="c"].foo: field not declared in schema'),
        ([{"name": "c", "stdin": "x"}], '.spec.containers[name="c"].stdin: expected boolean, got'),
        ([{"name": "c", "image": 5}], "image: expected string, got &value.valueUnstructured{Value"),
        ([None], "element 0: associative list with keys may not have a null element"),
        ([1], "element 0: associative list with keys may not have non-map elements"),
        ({}, ".spec.containers: expected list, got "),
        ([{"name": "c", "env": [{"name": "A"}, {"name": "A"}]}], 'entries for key [name="A"]'),
        ([{"name": "c", "resources": []}], '[name="c"].resources: expected map, got '),
        ([{"name": "c", "ports": [{"containerPort": {}}]}], "got map[string]interface {}"),
    ],
)
def test_what_does_not_fit_is_named(containers: object, text: str) -> None:
    found = misfit(atom_of(POD.type_name), {"spec": {"containers": containers}})
    assert found is not None and text in found


def test_several_misfits_are_listed() -> None:
    found = misfit(atom_of(POD.type_name), {"spec": {"foo": 1, "hostname": None, "bar": 2}})
    assert found is not None
    first, *rest = found.split("\n")
    assert (first, len(rest)) == ("errors:", 2)
    assert rest[0] == "  .spec.bar: field not declared in schema"


@pytest.mark.parametrize(
    ("live", "applied", "order"),
    [
        ("abc", "", "abc"),
        ("abc", "ca", "bca"),
        ("abc", "b", "abc"),
        ("abc", "xb", "axbc"),
        ("abc", "bx", "abcx"),
        ("abcd", "dxb", "acdxb"),
        ("", "zy", "zy"),
    ],
)
def test_applied_items_keep_their_order(live: str, applied: str, order: str) -> None:
    before = {"metadata": {"finalizers": list(live)}}
    merged = merge(
        atom_of(CONFIG_MAP.type_name), before, {"metadata": {"finalizers": list(applied)}}
    )
    assert "".join(merged["metadata"]["finalizers"]) == order


def test_a_manager_is_named_by_the_client_or_its_program() -> None:
    assert manager_of("m", "kubectl/v1.36") == "m"
    assert manager_of("", "kubectl/v1.36 (linux/amd64)") == "kubectl"
    assert manager_of("", "") == "unknown"
    assert manager_of("", "a\x00b/1") == "ab"
    assert manager_of("", "é" * 100) == "é" * 64


def test_an_update_that_takes_nothing_keeps_the_time() -> None:
    live = live_config_map(a="1", b="1")
    new = copy.deepcopy(live)
    del new["data"]["b"]
    track_update(CONFIG_MAP, live, new, Writer("maker", LATER))
    assert owners(new)["maker"]["time"] == TIME
    assert owners(new)["maker"]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_a_client_may_set_managed_fields_on_the_object_but_not_on_its_status() -> None:
    live = live_config_map(a="1")
    given = [{"manager": "x", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}]
    for subresource, manager in (("", "x"), ("status", "maker")):
        new = copy.deepcopy(live)
        new["metadata"]["managedFields"] = copy.deepcopy(given)
        track_update(CONFIG_MAP, live, new, Writer("w", LATER, subresource))
        assert list(owners(new)) == [manager]


@pytest.mark.parametrize("emptied", [[], [{}]])
def test_emptied_managed_fields_stay_empty_until_an_apply(emptied: list[JsonObject]) -> None:
    live = live_config_map(a="1")
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = emptied
    track_update(CONFIG_MAP, live, new, Writer("w", LATER))
    assert "managedFields" not in new["metadata"]
    again = copy.deepcopy(new)
    again["data"]["a"] = "2"
    track_update(CONFIG_MAP, new, again, Writer("w", LATER))
    assert "managedFields" not in again["metadata"]
    got = apply_patch(CONFIG_MAP, again, config_map(b="1"), Writer("m", LATER), False)
    assert set(owners(got)) == {"m", "before-first-apply"}


def test_malformed_managed_fields_are_as_if_not_given() -> None:
    live = live_config_map(a="1")
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = [{"manager": "x", "operation": "Wish"}]
    track_update(CONFIG_MAP, live, new, Writer("w", LATER))
    assert new == live


def test_conflicts_are_listed_by_manager() -> None:
    live = live_config_map("zoe", a="1", b="1")
    live = apply_patch(CONFIG_MAP, live, config_map(b="1"), Writer("ann", TIME), False)
    with pytest.raises(Conflict) as refused:
        apply_patch(CONFIG_MAP, live, config_map(a="2", b="2"), Writer("m", LATER), False)
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "ann":\n- .data.b\n'
        'conflicts with "zoe" using v1:\n- .data.a\n- .data.b'
    )


def test_kubectl_takes_over_from_its_client_side_self() -> None:
    noted = {LAST_APPLIED: json.dumps(config_map(a="1", b="1"))}
    live = config_map(a="1", b="changed")
    live["metadata"]["annotations"] = noted
    track_create(CONFIG_MAP, live, Writer("kubectl-client-side-apply", TIME))
    wish = config_map(a="2")
    with pytest.raises(Conflict):
        apply_patch(CONFIG_MAP, live, wish, Writer("other", LATER), False)
    got = apply_patch(CONFIG_MAP, live, wish, Writer("kubectl", LATER), False)
    assert got["data"]["a"] == "2"
    assert json.loads(got["metadata"]["annotations"][LAST_APPLIED]) == wish
    with pytest.raises(Conflict) as refused:
        apply_patch(CONFIG_MAP, live, config_map(b="2"), Writer("kubectl", LATER), False)
    assert ".data.b" in refused.value.message


def test_scale_takes_replicas_from_their_owner() -> None:
    live: JsonObject = {"metadata": {"name": "d"}, "spec": {"replicas": 1}}
    track_create(DEPLOYMENT, live, Writer("maker", TIME))
    new = copy.deepcopy(live)
    new["spec"]["replicas"] = 3
    track_scale(DEPLOYMENT, live, new, Writer("hpa", LATER, "scale"))
    assert owners(new)["hpa"]["subresource"] == "scale"
    assert owners(new)["hpa"]["apiVersion"] == "apps/v1"
    assert list(owners(new)) == ["hpa"]
    wish = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 5}}
    with pytest.raises(Conflict, match='conflict with "hpa" with subresource "scale" using'):
        apply_patch(DEPLOYMENT, new, wish, Writer("m", LATER), False)


def test_a_status_write_owns_status_only_and_the_object_never() -> None:
    live: JsonObject = {"metadata": {"name": "p"}, "spec": {"hostname": "h"}, "status": {}}
    track_create(POD, live, Writer("maker", TIME))
    live["metadata"]["uid"] = "u"
    for subresource, owned in (("status", {"f:status": {"f:phase": {}}}), ("", None)):
        new = copy.deepcopy(live)
        new["status"]["phase"] = "Running"
        track_update(POD, live, new, Writer("kubelet", LATER, subresource))
        assert owners(new).get("kubelet", {}).get("fieldsV1") == owned


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ({"kind": "ConfigMap"}, 400, "invalid object type: /, Kind=ConfigMap"),
        ({"apiVersion": "v1", "kind": "Pod"}, 400, "invalid object type: /v1, Kind=Pod"),
        ({**config_map(), "metadata": {"managedFields": []}}, 400, "metadata.managedFields must"),
        ({**config_map(), "x": 1}, 500, "patch object (/c; /v1, Kind=ConfigMap): .x: field not"),
    ],
)
def test_a_patch_that_cannot_be_applied(patch: JsonObject, code: int, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        apply_patch(CONFIG_MAP, None, patch, Writer("m", TIME), False)
    assert refused.value.code == code
    assert message in refused.value.message
