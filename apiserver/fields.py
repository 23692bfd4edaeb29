"""The fields of each resource that a field selector may name, and how they are read.

``metadata.name`` is selectable everywhere, ``metadata.namespace`` almost; they are not listed here.
Source: kubernetes pkg/apis/core/v1/conversion.go and pkg/registry/*/strategy.go (v1.36).
"""

from collections.abc import Callable

from api.core import JsonObject

_POD = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
_EVENT = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

FIELDS: dict[str, tuple[str, ...]] = {
    "pods": _POD,
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "services": ("spec.clusterIP", "spec.type"),
    "events": _EVENT,
    "apps/replicasets": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "secrets": ("type",),
    "batch/jobs": ("status.successful",),
    "certificates.k8s.io/certificatesigningrequests": ("spec.signerName",),
    "resource.k8s.io/resourceslices": ("spec.nodeName", "spec.driver"),
}
"""Resource key to the names of its selectable fields, in the order in which records keep them."""
WITHOUT_NAMESPACE = (
    "nodes",
    "namespaces",
    "certificates.k8s.io/certificatesigningrequests",
)
"""Resources of which ``metadata.namespace`` is no field; of others without one it is empty."""
OLD_NAMES: dict[str, dict[str, str]] = {"pods": {"spec.host": "spec.nodeName"}}
"""By resource: names that old clients use."""
EMPTY: dict[str, tuple[str, ...]] = {"pods": ("status.podIPs",)}
"""By resource: fields that may be named and are empty in every object."""
NODE_FIELDS: dict[str, int] = {
    key: names.index("spec.nodeName") for key, names in FIELDS.items() if "spec.nodeName" in names
}
"""Resources whose objects are found by the node that they name, and where their records keep it.
Source: Indexers of pkg/registry/core/pod/strategy.go and pkg/registry/resource/resourceslice."""


def _pod(obj: JsonObject) -> tuple[str, ...]:
    spec = obj.get("spec") or {}
    status = obj.get("status") or {}
    return (
        spec.get("nodeName", ""),
        spec.get("restartPolicy", ""),
        spec.get("schedulerName", ""),
        spec.get("serviceAccountName", ""),
        "true" if spec.get("hostNetwork") else "false",
        status.get("phase", ""),
        status.get("podIP", ""),
        status.get("nominatedNodeName", ""),
    )


def _event(obj: JsonObject) -> tuple[str, ...]:
    about = obj.get("involvedObject") or {}
    reporting = obj.get("reportingComponent") or ""
    return (
        about.get("kind", ""),
        about.get("namespace", ""),
        about.get("name", ""),
        about.get("uid", ""),
        about.get("apiVersion", ""),
        about.get("resourceVersion", ""),
        about.get("fieldPath", ""),
        obj.get("reason", ""),
        reporting,
        (obj.get("source") or {}).get("component") or reporting,
        obj.get("type", ""),
    )


def _node(obj: JsonObject) -> tuple[str, ...]:
    return ("true" if (obj.get("spec") or {}).get("unschedulable") else "false",)


def _namespace(obj: JsonObject) -> tuple[str, ...]:
    return ((obj.get("status") or {}).get("phase", ""),)


def _service(obj: JsonObject) -> tuple[str, ...]:
    spec = obj.get("spec") or {}
    return (spec.get("clusterIP", ""), spec.get("type", ""))


def _replica_set(obj: JsonObject) -> tuple[str, ...]:
    return (str((obj.get("status") or {}).get("replicas", 0)),)


def _resource_slice(obj: JsonObject) -> tuple[str, ...]:
    spec = obj.get("spec") or {}
    return (spec.get("nodeName") or "", spec.get("driver", ""))


_READ: dict[str, Callable[[JsonObject], tuple[str, ...]]] = {
    "pods": _pod,
    "nodes": _node,
    "namespaces": _namespace,
    "services": _service,
    "events": _event,
    "apps/replicasets": _replica_set,
    "replicationcontrollers": _replica_set,
    "secrets": lambda obj: (obj.get("type", ""),),
    "batch/jobs": lambda obj: (str((obj.get("status") or {}).get("succeeded", 0)),),
    "certificates.k8s.io/certificatesigningrequests": lambda obj: (
        (obj.get("spec") or {}).get("signerName", ""),
    ),
    "resource.k8s.io/resourceslices": _resource_slice,
}


def fields_of(resource: str, obj: JsonObject) -> tuple[str, ...]:
    """The values of ``FIELDS[resource]`` in ``obj``, as a field selector compares them."""
    read = _READ.get(resource)
    return read(obj) if read is not None else ()
