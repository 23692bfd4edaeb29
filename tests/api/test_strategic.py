"""Laws of strategic merge patch, on pods and services."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from api.errors import BadRequest, Invalid, PlainError
from api.patches import merge_patch, strategic_merge_patch
from api.strategic import go_text

POD = "api.core.v1.Pod"
SERVICE = "api.core.v1.Service"

names = st.sampled_from(["a", "b", "c", "d"])
texts = st.text("xyz", max_size=2)
labels = st.dictionaries(names, texts, max_size=3)


def named(items: list[JsonObject]) -> list[JsonObject]:
    return list({item["name"]: item for item in items}.values())


variables = st.lists(st.fixed_dictionaries({"name": names, "value": texts}), max_size=3).map(named)
containers = st.lists(
    st.fixed_dictionaries({"name": names}, optional={"image": texts, "env": variables}), max_size=4
).map(named)
pods = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": names},
            optional={
                "labels": labels,
                "finalizers": st.lists(names, max_size=3, unique=True),
            },
        ),
        "spec": st.fixed_dictionaries(
            {"containers": containers},
            optional={"nodeName": texts, "nodeSelector": labels, "hostNetwork": st.booleans()},
        ),
    }
)


def patch(doc: JsonObject, change: Any, type_name: str = POD) -> JsonObject:
    return strategic_merge_patch(type_name, doc, copy.deepcopy(change))


@given(pods)
def test_the_empty_patch_changes_nothing(pod: JsonObject) -> None:
    before = copy.deepcopy(pod)
    assert patch(pod, {}) == before
    assert pod == before


@given(pods, pods)
@settings(max_examples=200)
def test_a_patch_is_idempotent_and_leaves_its_document(pod: JsonObject, change: JsonObject) -> None:
    before = copy.deepcopy(pod)
    once = patch(pod, change)
    assert pod == before
    assert patch(once, change) == once


@given(pods, pods)
def test_what_the_patch_says_holds_and_nothing_named_is_lost(
    pod: JsonObject, change: JsonObject
) -> None:
    result = patch(pod, change)
    by_name = {c["name"]: c for c in result["spec"]["containers"]}
    assert len(by_name) == len(result["spec"]["containers"])
    for container in change["spec"]["containers"]:
        assert by_name[container["name"]].get("image") == container.get(
            "image", by_name[container["name"]].get("image")
        )
    assert set(by_name) == {
        c["name"] for c in (*pod["spec"]["containers"], *change["spec"]["containers"])
    }


@given(pods)
def test_null_removes(pod: JsonObject) -> None:
    result = patch(pod, {"metadata": {"labels": None}, "spec": {"nodeName": None}})
    assert "labels" not in result["metadata"] and "nodeName" not in result["spec"]


@given(pods, names)
def test_delete_and_replace_directives(pod: JsonObject, name: str) -> None:
    gone = patch(pod, {"spec": {"containers": [{"name": name, "$patch": "delete"}]}})
    assert gone["spec"]["containers"] == [c for c in pod["spec"]["containers"] if c["name"] != name]
    only = patch(pod, {"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}})
    assert only["spec"]["containers"] == [{"name": "z"}]
    whole = patch(pod, {"spec": {"$patch": "replace", "hostname": "h"}})
    assert whole["spec"] == {"hostname": "h"}


@given(pods, st.permutations(["a", "b", "c", "d"]))
def test_the_order_directive_orders(pod: JsonObject, order: list[str]) -> None:
    directive = [{"name": name} for name in order]
    assume(pod["spec"]["containers"])
    result = patch(pod, {"spec": {"$setElementOrder/containers": directive}})
    got = [c["name"] for c in result["spec"]["containers"]]
    assert got == [name for name in order if name in got]


@given(pods, st.lists(names, max_size=3, unique=True))
def test_lists_of_scalars(pod: JsonObject, values: list[str]) -> None:
    old = pod["metadata"].get("finalizers", [])
    merged = patch(pod, {"metadata": {"finalizers": values}})["metadata"]["finalizers"]
    assert sorted(merged) == sorted({*old, *values})
    less = patch(pod, {"metadata": {"$deleteFromPrimitiveList/finalizers": values}})
    assert less["metadata"].get("finalizers", []) == [v for v in old if v not in values]


@given(pods, labels, texts)
def test_without_lists_it_is_a_merge_patch(pod: JsonObject, some: JsonObject, text: str) -> None:
    change = {"metadata": {"labels": some}, "spec": {"nodeName": text, "nodeSelector": None}}
    assert patch(pod, change) == merge_patch(pod, change)


def test_atomic_lists_are_replaced() -> None:
    pod = {"spec": {"containers": [{"name": "a", "args": ["1", "2"]}]}}
    result = patch(pod, {"spec": {"containers": [{"name": "a", "args": ["3"]}]}})
    assert result["spec"]["containers"] == [{"name": "a", "args": ["3"]}]


def test_merge_keys_may_be_numbers() -> None:
    service = {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81}]}}
    result = patch(service, {"spec": {"ports": [{"port": 81, "name": "b"}]}}, SERVICE)
    assert result["spec"]["ports"] == [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]


def test_retain_keys_clears_the_others() -> None:
    pod = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    change = {"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}
    result = patch(pod, {"spec": {"volumes": [change]}})
    assert result["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, PlainError),
        ({"spec": {"containers": [{"$patch": "delete"}]}}, PlainError),
        ({"spec": {"containers": [{"name": "a", "$patch": "merge"}]}}, PlainError),
        ({"spec": {"containers": [{"name": "a", "$patch": "odd"}]}}, PlainError),
        ({"spec": {"$patch": "odd"}}, PlainError),
        ({"spec": {"$retainKeys": "x"}}, BadRequest),
        ({"spec": {"$retainKeys": ["a"], "nodeName": "x"}}, BadRequest),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}}, None),
        ({"spec": {"$setElementOrder/containers": "x"}}, PlainError),
        ({"spec": {"$setElementOrder/containers": [], "containers": 5}}, PlainError),
        ({"spec": {"$setElementOrder/odd": [], "odd": []}}, PlainError),
        ({"spec": {"$setElementOrder/containers": [{"image": "x"}]}}, PlainError),
        ({"metadata": {"labels": {"$setElementOrder/a": []}}}, None),
        ({"spec": {"containers": ["x"]}}, PlainError),
        ({"spec": {"containers": [{"name": {}}, {"name": []}]}}, None),
        ({"metadata": {"finalizers": [{}]}}, PlainError),
        ({"metadata": {"finalizers": [[]]}}, Invalid),
    ],
)
def test_patches_that_contradict_themselves(change: JsonObject, error: type[Exception]) -> None:
    pod = {"metadata": {"finalizers": ["f"]}, "spec": {"containers": [{"name": "a"}]}}
    if error is None:
        patch(pod, change)
        return
    with pytest.raises(error):
        patch(pod, change)


@pytest.mark.parametrize(
    ("change", "spec"),
    [
        ({"nodeSelector": {"$patch": "delete"}}, {}),
        ({"nodeSelector": {"$patch": "replace", "a": "b"}}, {}),
        ({"affinity": {"podAffinity": {"$patch": "replace", "x": 1}}}, {"affinity": {}}),
        (
            {"volumes": [{"name": "v"}, {"$patch": "delete", "name": "w"}]},
            {"volumes": [{"name": "v"}]},
        ),
        ({"securityContext": {"$retainKeys": ["a"]}}, {"securityContext": {"$retainKeys": ["a"]}}),
    ],
)
def test_directives_where_there_is_nothing_to_direct(change: JsonObject, spec: JsonObject) -> None:
    """What is told to change nothing goes; other directives stay, as fields that nobody knows."""
    assert patch({"spec": {}}, {"spec": change})["spec"] == spec


def test_what_cannot_be_merged_goes_where_a_directive_takes_away() -> None:
    change = {"spec": {"nodeSelector": {"$patch": "delete"}}}
    assert patch({"spec": {"nodeSelector": "odd"}}, change)["spec"] == {}


def test_values_as_go_prints_them() -> None:
    assert go_text({"b": [1, None, True], "a": {"x": "y"}}) == "map[a:map[x:y] b:[1 <nil> true]]"
