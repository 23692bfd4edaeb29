"""Rows of StatefulSets, DaemonSets, ReplicationControllers, revisions and PodTemplates.

Source: pkg/printers/internalversion/printers.go.
"""

from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, age
from api.printers.workloads import containers_of, labels_text, replicas_cells
from api.selectors import label_selector_of


def stateful_set_cells(stateful_set: JsonObject, now_ns: int) -> list[Any]:
    """Name, ready/wanted, age; wide: containers, images."""
    metadata, spec = stateful_set["metadata"], stateful_set["spec"]
    names, images = containers_of(spec["template"]["spec"])
    ready = stateful_set.get("status", {}).get("readyReplicas", 0)
    return [
        metadata["name"],
        f"{ready}/{spec.get('replicas', 0)}",
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
    ]


def daemon_set_cells(daemon_set: JsonObject, now_ns: int) -> list[Any]:
    """Name, five counts, node selector, age; wide: containers, images, selector."""
    metadata, spec = daemon_set["metadata"], daemon_set["spec"]
    status, pod = daemon_set.get("status", {}), spec["template"]["spec"]
    names, images = containers_of(pod)
    return [
        metadata["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        labels_text(pod.get("nodeSelector", {})),
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
        str(label_selector_of(spec.get("selector"))),
    ]


def replication_controller_cells(controller: JsonObject, now_ns: int) -> list[Any]:
    """As those of a ReplicaSet; its selector is labels and no more."""
    selector = labels_text(controller["spec"].get("selector") or {})
    return replicas_cells(controller, selector, now_ns)


def controller_revision_cells(revision: JsonObject, now_ns: int) -> list[Any]:
    """Name, controller, number, age."""
    metadata = revision["metadata"]
    owners = [one for one in metadata.get("ownerReferences", ()) if one.get("controller")]
    controller = NONE
    if owners:
        group = owners[0]["apiVersion"].rpartition("/")[0]
        kind = owners[0]["kind"].lower()
        controller = (
            f"{kind}.{group}/{owners[0]['name']}" if group else f"{kind}/{owners[0]['name']}"
        )
    return [
        metadata["name"],
        controller,
        revision.get("revision", 0),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def pod_template_cells(template: JsonObject, now_ns: int) -> list[Any]:
    """Name, containers, images, labels of the pods."""
    inner = template["template"]
    names, images = containers_of(inner["spec"])
    labels = inner["metadata"].get("labels", {})
    return [template["metadata"]["name"], names, images, labels_text(labels)]
