"""Validation of what controllers and kubelets report: counts, sizes, addresses.

Source: Validate*StatusUpdate in pkg/apis/{core,apps,autoscaling,policy}/validation/validation.go.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_subdomain
from api.quantity import parse, whole_value
from api.validation.addresses import check_address, is_address
from api.validation.certificates import check_request_status
from api.validation.conditions import check_conditions
from api.validation.flowcontrol import check_flow_status
from api.validation.job_statuses import check_job_status
from api.validation.metadata import nonnegative
from api.validation.nodes import check_node_update
from api.validation.resources import check_quantity

_MODES: Final = ("Proxy", "VIP")
_TOTAL: Final = "cannot be greater than status.replicas"
_COUNTS: Final[Mapping[str, Sequence[str]]] = {
    "apps/deployments": (
        *("observedGeneration", "replicas", "updatedReplicas", "readyReplicas"),
        *("availableReplicas", "unavailableReplicas", "terminatingReplicas", "collisionCount"),
    ),
    "apps/replicasets": (
        *("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
        *("terminatingReplicas", "observedGeneration"),
    ),
    "replicationcontrollers": (
        *("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
        "observedGeneration",
    ),
    "apps/statefulsets": (
        *("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
        *("observedGeneration", "collisionCount"),
    ),
    "apps/daemonsets": (
        *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
        *("observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable"),
        "collisionCount",
    ),
    "autoscaling/horizontalpodautoscalers": ("currentReplicas", "desiredReplicas"),
    "policy/poddisruptionbudgets": (
        *("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"),
    ),
}
"""Numbers that are not negative, in the order in which they are looked at."""
_PARTS: Final[Mapping[str, Sequence[str]]] = {
    "apps/deployments": ("updatedReplicas", "readyReplicas", "availableReplicas"),
    "apps/replicasets": ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
    "replicationcontrollers": ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
    "apps/statefulsets": (
        *("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
    ),
}
"""Of those, which are parts of ``replicas``."""
_READY: Final = {"apps/statefulsets": "cannot be greater than status.readyReplicas"}
_COLLISIONS: Final = ("apps/deployments", "apps/statefulsets", "apps/daemonsets")


_CONDITIONS: Final = (
    "policy/poddisruptionbudgets",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
)
"""Kinds with conditions of the common form."""


def check_status(causes: list[Cause], key: str, new: JsonObject, old: JsonObject) -> None:
    """The status of an object of kind ``key``, of which ``old`` was the last version."""
    if key in _CONDITIONS:
        conditions = (new.get("status") or {}).get("conditions") or ()
        check_conditions(causes, conditions, "status.conditions")
    if key in _COUNTS:
        _check_counts(causes, key, new.get("status") or {}, old.get("status") or {})
    check = _OTHERS.get(key)
    if check is not None:
        check(causes, new, old)


def _check_counts(causes: list[Cause], key: str, status: JsonObject, before: JsonObject) -> None:
    for name in _COUNTS[key]:
        if (status.get(name) or 0) < 0:
            causes.append(nonnegative(f"status.{name}", status[name]))
    total, ready = (status.get(name, 0) for name in ("replicas", "readyReplicas"))
    for name in _PARTS.get(key, ()):
        if status.get(name, 0) > total:
            causes.append(Cause.invalid(f"status.{name}", status.get(name, 0), _TOTAL))
    available = status.get("availableReplicas", 0)
    if key in _PARTS and available > ready:
        text = _READY.get(key, "cannot be greater than readyReplicas")
        causes.append(Cause.invalid("status.availableReplicas", available, text))
    known = before.get("collisionCount")
    number = status.get("collisionCount") or 0
    if key in _COLLISIONS and known is not None and number < known:
        causes.append(Cause.invalid("status.collisionCount", number, "cannot be decremented"))


def _check_node(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    status = new["status"]
    for kind in ("capacity", "allocatable"):
        for name, text in status.get(kind, {}).items():
            check_quantity(causes, name, text, f"status.{kind}.{name}")
    seen: list[JsonObject] = []
    for index, address in enumerate(status.get("addresses", ())):
        if address in seen:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            causes.append(Cause.duplicate(f"status.addresses[{index}]", shown))
        seen.append(address)
    check_node_update(causes, new, old)


def _check_namespace(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    phase = new["status"].get("phase", "")
    ending = bool(new["metadata"].get("deletionTimestamp"))
    wanted = "Terminating" if ending else "Active"
    if phase != wanted:
        state = "is not empty" if ending else "is empty"
        text = f"may only be '{wanted}' if `deletionTimestamp` {state}"
        causes.append(Cause.invalid("status.Phase", phase, text))


def _check_claim(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    for name, text in new["status"].get("capacity", {}).items():
        if parse(text)[0] < 0:
            why = "must be a valid resource quantity"
            causes.append(Cause.invalid(f"status.capacity[{name}]", whole_value(text), why))


def _check_service(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    points = (new.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    field = "status.loadBalancer.ingress"
    if points and new["spec"]["type"] != "LoadBalancer":
        text = 'may only be used when `spec.type` is "LoadBalancer"'
        causes.append(Cause.forbidden(field, text))
    _check_points(causes, points, field)


def _check_ingress(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    points = (new.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    _check_points(causes, points, "status.loadBalancer.ingress")


def _check_points(causes: list[Cause], points: Sequence[JsonObject], field: str) -> None:
    for index, point in enumerate(points):
        path, ip, host = f"{field}[{index}]", point.get("ip", ""), point.get("hostname", "")
        if ip:
            check_address(causes, ip, f"{path}.ip")
        mode = point.get("ipMode")
        if mode is not None and not ip:
            text = "may not be specified when `ip` is not set"
            causes.append(Cause.forbidden(f"{path}.ipMode", text))
        elif mode is not None and mode not in _MODES:
            causes.append(Cause.not_supported(f"{path}.ipMode", mode, _MODES))
        for text in wrong_with_subdomain(host) if host else ():
            causes.append(Cause.invalid(f"{path}.hostname", host, text))
        if host and is_address(host):
            text = "must be a DNS name, not an IP address"
            causes.append(Cause.invalid(f"{path}.hostname", host, text))


def _check_quota(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    for part in ("hard", "used"):
        for name, text in (new.get("status") or {}).get(part, {}).items():
            check_quantity(causes, name, text, f"status.{part}[{name}]")


_OTHERS: Final[Mapping[str, Callable[[list[Cause], JsonObject, JsonObject], None]]] = {
    "nodes": _check_node,
    "namespaces": _check_namespace,
    "persistentvolumeclaims": _check_claim,
    "services": _check_service,
    "networking.k8s.io/ingresses": _check_ingress,
    "resourcequotas": _check_quota,
    "batch/jobs": check_job_status,
    "certificates.k8s.io/certificatesigningrequests": check_request_status,
    "flowcontrol.apiserver.k8s.io/flowschemas": check_flow_status,
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": check_flow_status,
}
