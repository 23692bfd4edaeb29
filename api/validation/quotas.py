"""Validation of ResourceQuotas.

Source: ValidateResourceQuotaSpec in pkg/apis/core/validation/validation.go,
pkg/apis/core/helper/helpers.go (names and scopes).
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.validation.resources import check_quantity

_COMPUTE: Final = (
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
)
_COUNTED: Final = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
)
_STORAGE: Final = ("requests.storage", "ephemeral-storage", "requests.ephemeral-storage")
_STANDARD: Final = (*_COMPUTE, *_COUNTED, *_STORAGE, "limits.ephemeral-storage")
_TYPES: Final = (*_STANDARD, "storage")
"""Names without a domain that are resources at all."""
_PAGES: Final = ("hugepages-", "requests.hugepages-")
_OF_PODS: Final = ("pods", *_COMPUTE)
_SCOPES: Final = {
    "Terminating": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "BestEffort": ("pods",),
    "NotBestEffort": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "CrossNamespacePodAffinity": _OF_PODS,
    "VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage"),
}
"""Scope -> standard resources that it can narrow."""
_PAIRS: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_BARE_SCOPES: Final = (
    *("BestEffort", "NotBestEffort", "Terminating", "NotTerminating"),
    "CrossNamespacePodAffinity",
)
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def check_quota(causes: list[Cause], quota: JsonObject) -> None:
    """A ResourceQuota; metadata apart."""
    spec = quota["spec"]
    for name, text in spec.get("hard", {}).items():
        field = f"spec.hard[{name}]"
        _check_name(causes, name, field)
        check_quantity(causes, name, text, field)
    _check_scopes(causes, spec)
    _check_selector(causes, spec)


def check_quota_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one, with the scopes of old."""
    check_quota(causes, new)
    if new["spec"].get("scopes", []) != old["spec"].get("scopes", []):
        scopes = new["spec"].get("scopes", [])
        causes.append(Cause.invalid("spec.scopes", scopes, "field is immutable"))


def _check_name(causes: list[Cause], name: str, field: str) -> None:
    for text in wrong_with_qualified_name(name):
        causes.append(Cause.invalid(field, name, text))
    if "/" in name or name.startswith(_PAGES):
        return
    if name not in _TYPES:
        text = "must be a standard resource type or fully qualified"
        causes.append(Cause.invalid(field, name, text))
    if name not in _STANDARD:
        causes.append(Cause.invalid(field, name, "must be a standard resource for quota"))


def _check_scopes(causes: list[Cause], spec: JsonObject) -> None:
    scopes = spec.get("scopes") or []
    field = "spec.scopes"
    for scope in scopes:
        if scope not in _SCOPES:
            causes.append(Cause.invalid(field, scopes, "unsupported scope"))
        _check_reach(causes, spec, scope, Cause.invalid(field, scopes, _UNREACHED))
    for pair in _PAIRS:
        if all(scope in scopes for scope in pair):
            causes.append(Cause.invalid(field, scopes, "conflicting scopes"))


def _check_reach(causes: list[Cause], spec: JsonObject, scope: str, cause: Cause) -> None:
    """``cause`` for each limited resource that the scope cannot narrow."""
    for name in sorted(spec.get("hard", {})):
        if name in _STANDARD and name not in _SCOPES.get(scope, _STANDARD):
            causes.append(cause)


_UNREACHED: Final = "unsupported scope applied to resource"
_SELECTOR: Final = "spec.scopeSelector.matchExpressions"


def _check_selector(causes: list[Cause], spec: JsonObject) -> None:
    selector = spec.get("scopeSelector") or {}
    requirements = selector.get("matchExpressions") or ()
    for requirement in requirements:
        _check_requirement(causes, requirement, spec, selector)
    scopes = [requirement["scopeName"] for requirement in requirements]
    for pair in _PAIRS:
        if all(scope in scopes for scope in pair):
            causes.append(Cause.invalid(_SELECTOR, spec.get("scopes"), "conflicting scopes"))


def _check_requirement(
    causes: list[Cause], requirement: JsonObject, spec: JsonObject, selector: JsonObject
) -> None:
    field = _SELECTOR
    scope, operator = requirement["scopeName"], requirement["operator"]
    values = requirement.get("values") or ()
    if scope not in _SCOPES:
        causes.append(Cause.invalid(f"{field}.scopeName", scope, "unsupported scope"))
    _check_reach(causes, spec, scope, Cause.invalid(field, selector, _UNREACHED))
    if scope in _BARE_SCOPES and operator != "Exists":
        text = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
        text += "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
        text += "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
        causes.append(Cause.invalid(f"{field}.operator", operator, text))
    if operator not in _OPERATORS:
        text = "not a valid selector operator"
        causes.append(Cause.invalid(f"{field}.operator", operator, text))
    elif operator in ("In", "NotIn") and not values:
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        causes.append(Cause.required(f"{field}.values", text))
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        causes.append(Cause.invalid(f"{field}.values", list(values), text))
