"""Which objects the scopes of a ResourceQuota take in.

Source: podMatchesScopeFunc and pvcMatchesScopeFunc, pkg/quota/v1/evaluator/core of Kubernetes 1.36.
"""

from collections.abc import Callable, Mapping
from typing import Final

from api.core import JsonObject
from api.podspec import qos_class
from api.selectors import label_selector_of


def in_scope(quota: JsonObject, key: str, obj: JsonObject) -> bool:
    """Whether all scopes of a quota take an object in."""
    spec = quota["spec"]
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not scopes:
        return True
    scoped = _SCOPED.get(key)
    return scoped is not None and all(scoped(scope, obj) for scope in scopes)


def _pod_in_scope(scope: JsonObject, pod: JsonObject) -> bool:
    spec = pod["spec"]
    match scope["scopeName"]:
        case "Terminating":
            return int(spec.get("activeDeadlineSeconds", -1)) >= 0
        case "NotTerminating":
            return int(spec.get("activeDeadlineSeconds", -1)) < 0
        case "BestEffort":
            return qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return qos_class(pod) != "BestEffort"
        case "PriorityClass":
            return _names(scope, spec.get("priorityClassName"))
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec.get("affinity") or {})
    return False


def _crosses_namespaces(affinity: JsonObject) -> bool:
    for side in (affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}):
        terms = [*(side.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        for one in side.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(one["podAffinityTerm"])
        if any(term.get("namespaces") or "namespaceSelector" in term for term in terms):
            return True
    return False


def _claim_in_scope(scope: JsonObject, claim: JsonObject) -> bool:
    """By any of the classes that a claim has, had or is to have."""
    if scope["scopeName"] != "VolumeAttributesClass":
        return False
    status = claim.get("status") or {}
    names = [
        claim["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    ]
    known = [name for name in names if name]
    return any(_names(scope, name) for name in known or [None])


def _names(scope: JsonObject, name: str | None) -> bool:
    """Whether a class of this name, or none, is one of those that a scope asks for."""
    wanted = {"key": "class", "operator": scope["operator"], "values": scope.get("values") or []}
    selector = label_selector_of({"matchExpressions": [wanted]})
    return selector.matches({"class": name} if name else {})


_SCOPED: Final[Mapping[str, Callable[[JsonObject, JsonObject], bool]]] = {
    "pods": _pod_in_scope,
    "persistentvolumeclaims": _claim_in_scope,
}
"""Objects of other kinds are in no scope."""
