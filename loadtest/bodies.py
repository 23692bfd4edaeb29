"""The Kubernetes objects and URLs of the load, as black-box clients send them."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from loadtest.schedule import Arrival

IMAGE = "registry.example/app:v1"
NOTHING: Mapping[str, str] = MappingProxyType({})
OWNER_LABEL = "hollowfleet.dev/load"
"""On every object of the load; its value is the scenario."""
REPLICA_REQUESTS = {"cpu": "10m", "memory": "32Mi"}
"""Of each pod of a Deployment."""


def collection_path(resource: str, namespace: str) -> str:
    """URL path of a collection. ``resource``: "pods" or "apps/deployments"."""
    group, slash, plural = resource.partition("/")
    root = f"/apis/{group}/v1" if slash else "/api/v1"
    plural = plural if slash else group
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def object_path(resource: str, namespace: str, name: str) -> str:
    return f"{collection_path(resource, namespace)}/{name}"


def pod_body(arrival: Arrival, image: str = IMAGE, annotations: Mapping[str, str] = NOTHING) -> str:
    """A pod with one container and the requests of the arrival.

    Extended resources are also limits, as the API demands.
    """
    requests = {key: str(value) for key, value in arrival.value}
    resources: dict[str, dict[str, str]] = {"requests": requests}
    extended = {key: value for key, value in requests.items() if "/" in key}
    if extended:
        resources["limits"] = extended
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": arrival.name,
                "labels": {OWNER_LABEL: arrival.scenario},
                **_annotated(annotations),
            },
            "spec": {"containers": [{"name": "c0", "image": image, "resources": resources}]},
        }
    )


def _annotated(annotations: Mapping[str, str]) -> dict[str, object]:
    return {"annotations": dict(annotations)} if annotations else {}


def deployment_body(
    arrival: Arrival, image: str = IMAGE, annotations: Mapping[str, str] = NOTHING
) -> str:
    """A Deployment of small pods, which have the annotations."""
    labels = {"app": arrival.name, OWNER_LABEL: arrival.scenario}
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": arrival.name, "labels": labels},
            "spec": {
                "replicas": dict(arrival.value)["replicas"],
                "selector": {"matchLabels": {"app": arrival.name}},
                "template": {
                    "metadata": {"labels": labels, **_annotated(annotations)},
                    "spec": {
                        "containers": [
                            {
                                "name": "c0",
                                "image": image,
                                "resources": {"requests": REPLICA_REQUESTS},
                            }
                        ]
                    },
                },
            },
        }
    )


def namespace_body(name: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
