"""Rows of Deployments, ReplicaSets and Services.

Source: printDeployment, printReplicaSet, printService in
pkg/printers/internalversion/printers.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, age
from api.selectors import label_selector_of


def deployment_cells(deployment: JsonObject, now_ns: int) -> list[Any]:
    """Name, ready/wanted, updated, available, age; wide: containers, images, selector."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    status = deployment.get("status", {})
    names, images = containers_of(spec["template"]["spec"])
    return [
        metadata["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
        str(label_selector_of(spec.get("selector"))),
    ]


def scale_cells(scale: JsonObject, now_ns: int) -> list[Any]:
    """Name, wanted, there, age."""
    metadata = scale["metadata"]
    wanted, there = scale["spec"].get("replicas", 0), scale["status"]["replicas"]
    return [metadata["name"], wanted, there, age(metadata.get("creationTimestamp"), now_ns)]


def replica_set_cells(replica_set: JsonObject, now_ns: int) -> list[Any]:
    """As ``replicas_cells``."""
    selector = str(label_selector_of(replica_set["spec"].get("selector"))) or NONE
    return replicas_cells(replica_set, selector, now_ns)


def replicas_cells(owner: JsonObject, selector: str, now_ns: int) -> list[Any]:
    """Name, wanted, current, ready, age; wide: containers, images, selector."""
    metadata, spec, status = owner["metadata"], owner["spec"], owner.get("status", {})
    names, images = containers_of((spec.get("template") or {}).get("spec") or {})
    return [
        metadata["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
        selector,
    ]


def service_cells(service: JsonObject, now_ns: int) -> list[Any]:
    """Name, type, cluster IP, external IP, ports, age; wide: selector."""
    metadata, spec = service["metadata"], service["spec"]
    addresses = spec.get("clusterIPs")
    return [
        metadata["name"],
        spec.get("type", ""),
        addresses[0] if addresses else NONE,
        _external_address(service),
        ",".join(_port(port) for port in spec.get("ports", ())) or NONE,
        age(metadata.get("creationTimestamp"), now_ns),
        labels_text(spec.get("selector", {})),
    ]


def containers_of(spec: JsonObject) -> tuple[str, str]:
    """Names and images of the containers of a pod specification."""
    containers: Sequence[JsonObject] = spec.get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def _external_address(service: JsonObject) -> str:
    spec = service["spec"]
    kind, given = spec.get("type"), spec.get("externalIPs", [])
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(given) or NONE
    if kind != "LoadBalancer":
        return "<unknown>"
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    found = {entry.get("ip") or entry.get("hostname", ""): None for entry in ingress}
    return ",".join([*sorted(filter(None, found)), *given]) or "<pending>"


def _port(port: JsonObject) -> str:
    if port.get("nodePort"):
        return f"{port['port']}:{port['nodePort']}/{port['protocol']}"
    return f"{port['port']}/{port['protocol']}"


def labels_text(labels: Mapping[str, str]) -> str:
    """Labels or a selector of labels as one cell."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE
