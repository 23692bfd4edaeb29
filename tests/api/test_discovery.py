"""Discovery documents against the recorded ones, cut down to what is served."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.conversion import views
from api.discovery import (
    AGGREGATED_V2BETA1,
    SPINE,
    VERSION,
    aggregated,
    api_versions,
    group,
    group_list,
    resource_list,
)
from api.kinds import kind_of

GROUPS = {kind_of(one).group for one in SPINE} | {view.kind.group for view in views()}
GOLDEN = Path(__file__).parents[1] / "golden" / "api"


def document(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def legacy() -> dict[str, Any]:
    rows = map(json.loads, (GOLDEN / "discovery_legacy.jsonl").read_text().splitlines())
    return {row["path"]: row["body"] for row in rows}


def key(group: str, resource: str) -> str:
    return f"{group}/{resource}" if group else resource


def served(group: str, resource: str) -> bool:
    where = key(group, resource)
    seen = any((v.kind.group, v.kind.resource) == (group, resource) for v in views())
    return where in SPINE or seen


def cut_down(recorded: Any) -> Any:
    """A recorded aggregated document without what is not served."""
    items = []
    for item in recorded["items"]:
        name = item["metadata"].get("name", "")
        for version in item["versions"]:
            kept = [r for r in version["resources"] if served(name, r["resource"])]
            for resource in kept:
                names = SPINE.get(key(name, resource["resource"]), ())
                subs = [s for s in resource.pop("subresources", []) if s["subresource"] in names]
                if subs:
                    resource["subresources"] = subs
            version["resources"] = kept
        item["versions"] = [version for version in item["versions"] if version["resources"]]
        if item["versions"]:
            items.append(item)
    return {**recorded, "items": items}


@pytest.mark.parametrize("core", [True, False])
def test_aggregated(core: bool) -> None:
    recorded = cut_down(document(f"discovery_v2_{'api' if core else 'apis'}.json"))
    assert json.dumps(aggregated(SPINE, core)) == json.dumps(recorded)


def test_the_older_form_differs_in_its_version_only() -> None:
    old = aggregated(SPINE, False, AGGREGATED_V2BETA1)
    assert old["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    assert old["items"] == aggregated(SPINE, False)["items"]


def test_everything_that_is_recorded_comes_out_again_when_it_is_served() -> None:
    """With all of the recorded resources served, the documents are the recorded ones."""
    served: dict[str, list[str]] = {}
    for name in ("discovery_v2_api.json", "discovery_v2_apis.json"):
        for item in document(name)["items"]:
            for version in item["versions"][:1]:
                for resource in version["resources"]:
                    names = [sub["subresource"] for sub in resource.get("subresources", [])]
                    where = key(item["metadata"].get("name", ""), resource["resource"])
                    served[where] = names
    del served["events.k8s.io/events"]
    assert aggregated(served, True) == document("discovery_v2_api.json")
    assert aggregated(served, False) == document("discovery_v2_apis.json")
    for path, body in legacy().items():
        parts = path.strip("/").split("/")
        if len(parts) == 3:
            made = resource_list(served, parts[1], parts[2])
            assert made is not None
            if parts[1] not in GROUPS:
                # The hash tells the version in the store, which 1.36 did not move for all of them.
                for row in made["resources"] + body["resources"]:
                    row.pop("storageVersionHash", None)
            assert made == body, path


def test_legacy() -> None:
    recorded = legacy()
    assert api_versions("<server>") == recorded["/api"]
    groups = [one for one in recorded["/apis"]["groups"] if one["name"] in GROUPS]
    assert group_list(SPINE) == {**recorded["/apis"], "groups": groups}
    assert group(SPINE, "apps") == recorded["/apis/apps"]
    apps = resource_list(SPINE, "apps", "v1")
    assert apps is not None
    assert apps == recorded["/apis/apps/v1"]


def test_the_core_group() -> None:
    core = resource_list(SPINE, "", "v1")
    assert core is not None
    assert core["groupVersion"] == "v1"
    rows = {row["name"]: row for row in core["resources"]}
    assert list(rows) == sorted(rows)
    assert rows["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }
    assert rows["pods/exec"]["verbs"] == ["create", "get"]
    assert "pods/attach" not in rows
    assert "storageVersionHash" not in rows["bindings"]


def test_what_is_not_served() -> None:
    assert group(SPINE, "metrics.k8s.io") is None
    assert group(SPINE, "") is None
    assert resource_list(SPINE, "apps", "v1beta1") is None


def test_version() -> None:
    assert document("version.json") == VERSION
    assert list(document("version.json")) == list(VERSION)
