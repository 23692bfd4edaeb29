"""What a registry resets before it stores an object: status, generation, system fields.

On create the client's status is dropped where a controller owns it; on update the status stays,
on a status update all else stays; the generation counts changes of the wish.

Source: the PrepareForCreate and PrepareForUpdate of pkg/registry/{core,apps}/*/strategy.go.
"""

from api.core import JsonObject
from api.defaults.services import keep_allocated, normalize_cluster_ips
from api.kinds import Kind
from api.podspec import qos_class
from api.times import rfc3339

_GENERATED = ("pods", "apps/deployments", "apps/replicasets")
"""Served kinds whose generation counts."""

_FRESH_STATUS: dict[str, JsonObject] = {
    "apps/deployments": {},
    "apps/replicasets": {"replicas": 0},
    "services": {"loadBalancer": {}},
    "namespaces": {"phase": "Active"},
}

_WITH_STATUS = ("pods", "nodes", "services", "namespaces", "apps/deployments", "apps/replicasets")

_KEPT_BY_STATUS_UPDATE: dict[str, tuple[str, ...]] = {
    "pods": ("ownerReferences",),
    "apps/deployments": ("labels",),
}
"""Metadata that a status update cannot touch, by kind."""


def prepare_create(kind: Kind, obj: JsonObject, now_ns: int) -> None:
    """Bring a defaulted, admitted new object into its first stored state, in place."""
    key = kind.key
    if key in _GENERATED:
        obj["metadata"]["generation"] = 1
    if key == "pods":
        obj["status"] = _new_pod_status(obj, now_ns)
    elif key in _FRESH_STATUS:
        status = _FRESH_STATUS[key]
        obj["status"] = {name: _fresh(value) for name, value in status.items()}
    if key == "namespaces":
        finalizers = obj["spec"].setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")


def _fresh(value: object) -> object:
    return {} if value == {} else value


def _new_pod_status(pod: JsonObject, now_ns: int) -> JsonObject:
    status: JsonObject = {"phase": "Pending"}
    if pod["spec"].get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": rfc3339(now_ns),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    status["qosClass"] = qos_class(pod)
    return status


def prepare_update(kind: Kind, new: JsonObject, old: JsonObject) -> None:
    """Carry over what an update cannot change, and count the generation, in place."""
    _keep_system_fields(new["metadata"], old["metadata"])
    key = kind.key
    if key in _WITH_STATUS:
        new["status"] = old["status"]
    if key == "namespaces":
        new["spec"] = old["spec"]
    elif key == "services":
        normalize_cluster_ips(new, old)
        keep_allocated(new, old)
    if key in _GENERATED:
        changed = new["spec"] != old["spec"]
        if key == "apps/deployments" and not changed:
            changed = _annotations(new) != _annotations(old)
        if changed:
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def prepare_status_update(kind: Kind, new: JsonObject, old: JsonObject) -> None:
    """Of a status update only the status, and what metadata a registry lets through, counts."""
    _keep_system_fields(new["metadata"], old["metadata"])
    if "spec" in old:
        new["spec"] = old["spec"]
    for name in _KEPT_BY_STATUS_UPDATE.get(kind.key, ()):
        _keep(new["metadata"], old["metadata"], name)


def _keep_system_fields(new: JsonObject, old: JsonObject) -> None:
    """The generation always stays; the others when the client leaves them out."""
    _keep(new, old, "generation")
    for name in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if not new.get(name):
            _keep(new, old, name)


def _keep(new: JsonObject, old: JsonObject, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _annotations(obj: JsonObject) -> JsonObject:
    found: JsonObject = obj["metadata"].get("annotations", {})
    return found
