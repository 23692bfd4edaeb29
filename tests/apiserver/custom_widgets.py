"""A definition of custom resources for tests, and how it is stored."""

from typing import Any

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

GROUP = "example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/ns/widgets"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

SPEC: JsonObject = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "replicas": {"type": "integer"},
        "tags": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["k"],
                "properties": {"k": {"type": "string"}, "v": {"type": "string"}},
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def version(name: str, storage: bool, spec: JsonObject = SPEC, **more: Any) -> JsonObject:
    """A version with the subresources status and scale."""
    status = {"type": "object", "properties": {"ready": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.ready"},
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
        ],
        **more,
    }


def definition(*versions: JsonObject, plural: str = "widgets", **names: Any) -> JsonObject:
    """A namespaced definition; by default of one version, v1."""
    kind = plural[:-1].capitalize()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "kind": kind, **names},
            "scope": "Namespaced",
            "versions": list(versions) or [version("v1", True)],
        },
    }


def widget(name: str, spec: JsonObject, api_version: str = f"{GROUP}/v1") -> JsonObject:
    return {
        "apiVersion": api_version,
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }


def defined(rig: Rig, *versions: JsonObject, **more: Any) -> JsonObject:
    """Store a definition in a cluster with a namespace ``ns``; the definition as it is then."""
    if rig.call("GET", "/api/v1/namespaces/ns")[0] == 404:
        rig.namespace("ns")
    code, made = rig.call("POST", DEFINITIONS, definition(*versions, **more))
    assert code == 201, made
    code, stored = rig.call("GET", f"{DEFINITIONS}/{made['metadata']['name']}")
    assert code == 200
    found: JsonObject = stored
    return found


def condition(stored: JsonObject, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition."""
    one = next(c for c in stored["status"]["conditions"] if c["type"] == kind)
    return one["status"], one["reason"], one["message"]
