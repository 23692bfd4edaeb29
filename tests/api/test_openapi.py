"""OpenAPI documents: what kubectl and KWOK read in them, and the recorded operation."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.conversion import views
from api.discovery import SPINE
from api.kinds import kind_of
from api.openapi import OpenApi

GOLDEN = Path(__file__).parents[1] / "golden" / "api"


@pytest.fixture(scope="module")
def openapi() -> OpenApi:
    return OpenApi(SPINE)


def document(openapi: OpenApi, path: str) -> Any:
    raw = openapi.document(path)
    assert raw is not None
    return json.loads(raw)


def test_index(openapi: OpenApi) -> None:
    index = json.loads(openapi.index)
    kinds = [*map(kind_of, SPINE), *(view.kind for view in views())]
    groups = {(kind.group, kind.version) for kind in kinds}
    roots = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in groups]
    assert sorted(index["paths"]) == sorted(roots)
    recorded = json.loads((GOLDEN / "openapi_v3_index.json").read_text())
    assert set(index["paths"]) <= {row["path"] for row in recorded["paths"]}
    for path, row in index["paths"].items():
        assert row == {"serverRelativeURL": f"/openapi/v3/{path}?hash={openapi.hash_of(path)}"}
    assert openapi.document("apis/apps/v1beta1") is None


def test_documents_do_not_depend_on_the_order_of_asking() -> None:
    one, two = OpenApi(SPINE), OpenApi(dict(reversed(SPINE.items())))
    assert two.document("apis/apps/v1") == one.document("apis/apps/v1")
    assert one.index == two.index


def test_the_recorded_operation(openapi: OpenApi) -> None:
    recorded = json.loads((GOLDEN / "openapi_v3_example.json").read_text())
    item = document(openapi, "apis/apps/v1")["paths"][recorded["path"]]
    assert sorted(["parameters", *recorded["otherVerbs"]]) == sorted([*item, "parameters"])
    for key, value in recorded["patch"].items():
        if key not in ("requestBody", "responses"):
            assert item["patch"][key] == value
    # What we do not read or write is not offered: server-side apply, YAML and protobuf answers.
    body = recorded["patch"]["requestBody"]
    del body["content"]["application/apply-patch+yaml"]
    assert item["patch"]["requestBody"] == body
    assert set(item["patch"]["responses"]) == set(recorded["patch"]["responses"])
    for code in ("200", "201"):
        content = item["patch"]["responses"][code]["content"]
        wanted = recorded["patch"]["responses"][code]["content"]["application/json"]
        assert content == {"application/json": wanted}
    names = [parameter for parameter in recorded["pathParameters"] if parameter["in"] == "path"]
    assert item["parameters"] == names


def test_kubectl_finds_the_patch_of_every_kind(openapi: OpenApi) -> None:
    for key in SPINE:
        kind = kind_of(key)
        if "patch" not in kind.verbs:
            continue
        root = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
        found = [
            item["patch"]
            for url, item in document(openapi, root)["paths"].items()
            if url.endswith(f"/{kind.resource}/{{name}}")
        ]
        assert len(found) == 1
        assert found[0]["x-kubernetes-group-version-kind"] == {
            "group": kind.group,
            "version": kind.version,
            "kind": kind.kind,
        }
        names = {parameter["name"] for parameter in found[0]["parameters"]}
        assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= names


def test_subresources_tell_the_kind_of_their_body(openapi: OpenApi) -> None:
    paths = document(openapi, "api/v1")["paths"]
    eviction = paths["/api/v1/namespaces/{namespace}/pods/{name}/eviction"]
    assert list(eviction) == ["post", "parameters"]
    assert eviction["post"]["x-kubernetes-group-version-kind"] == {
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
    }
    assert eviction["post"]["operationId"] == "createCoreV1NamespacedPodEviction"
    assert "/api/v1/namespaces/{namespace}/pods/{name}/attach" not in paths
    assert paths["/api/v1/pods"]["get"]["operationId"] == "listCoreV1PodForAllNamespaces"
    assert list(paths["/api/v1/namespaces/{namespace}/bindings"]) == ["post", "parameters"]


def test_every_reference_and_operation_id_is_good(openapi: OpenApi) -> None:
    ids = []
    for path in openapi.paths:
        doc = document(openapi, path)
        schemas = doc["components"]["schemas"]
        text = json.dumps(doc)
        for part in text.split('"$ref": "#/components/schemas/')[1:]:
            assert part.split('"')[0] in schemas
        for item in doc["paths"].values():
            ids += [op["operationId"] for key, op in item.items() if key != "parameters"]
    assert len(ids) == len(set(ids)) > 60


def test_merge_rules_are_in_the_schemas(openapi: OpenApi) -> None:
    schemas = document(openapi, "api/v1")["components"]["schemas"]
    spec = schemas["io.k8s.api.core.v1.PodSpec"]
    assert spec["required"] == ["containers"]
    assert spec["properties"]["containers"] == {
        "type": "array",
        "items": {
            "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}],
            "default": {},
        },
        "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge",
    }
    conditions = schemas["io.k8s.api.core.v1.PodStatus"]["properties"]["conditions"]
    assert conditions["x-kubernetes-patch-merge-key"] == "type"
    assert schemas["io.k8s.api.core.v1.ObjectReference"]["x-kubernetes-map-type"] == "atomic"
    assert schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]
    assert schemas["io.k8s.api.core.v1.PodList"]["properties"]["items"]["items"]["allOf"]
    limits = schemas["io.k8s.api.core.v1.ResourceRequirements"]["properties"]["limits"]
    assert limits["additionalProperties"] == {
        "$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"
    }
    volume = schemas["io.k8s.api.core.v1.Volume"]["properties"]
    assert {"name", "emptyDir", "hostPath"} <= set(volume)
