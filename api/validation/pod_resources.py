"""Validation of what a pod asks for as a whole: claims for devices, and resources of its own.

Source: validatePodResourceClaims, validateResourceClaimNames, validatePodResources and
validateContainerRestartPolicy in pkg/apis/core/validation/validation.go of Kubernetes 1.36.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_subdomain
from api.podspec import Amounts, aggregate_requests, amounts_of
from api.quantity import BINARY_SI, DECIMAL_SI, text_of
from api.validation.resources import check_resources, is_huge_page

_SOURCES: Final = ("resourceClaimName", "resourceClaimTemplateName")
_POLICIES: Final = ("Always", "Never", "OnFailure")
_ACTIONS: Final = ("Restart", "RestartAllContainers")
_OPERATORS: Final = ("In", "NotIn")
_RULES_MAX: Final = 20
_VALUES_MAX: Final = 255


def check_pod_claims(causes: list[Cause], claims: Sequence[JsonObject], field: str) -> None:
    """``resourceClaims``: each has a name and names a claim or a template of claims."""
    names: list[str] = []
    for index, claim in enumerate(claims):
        path, name = f"{field}[{index}]", claim.get("name", "")
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        elif name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        else:
            for text in wrong_with_label(name):
                causes.append(Cause.invalid(f"{path}.name", name, text))
            names.append(name)
        given = [source for source in _SOURCES if claim.get(source) is not None]
        if len(given) != 1:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            if given:
                text = (
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                    "specified"
                )
            shown = {"Name": name}
            shown |= {source[0].upper() + source[1:]: claim.get(source) for source in _SOURCES}
            causes.append(Cause.invalid(path, shown, text))
        for source in given:
            for text in wrong_with_subdomain(claim[source]):
                causes.append(Cause.invalid(f"{path}.{source}", claim[source], text))


def names_of_claims(spec: JsonObject) -> Sequence[str]:
    """What containers of the pod may name, in order."""
    names = (claim.get("name", "") for claim in spec.get("resourceClaims") or ())
    return sorted(dict.fromkeys(name for name in names if name))


def check_claim_references(
    causes: list[Cause], claims: Sequence[JsonObject], names: Sequence[str], field: str
) -> None:
    """``claims`` of a container: each names one of the pod's, and nothing is named twice."""
    seen: list[str] = []
    for index, claim in enumerate(claims):
        path, name, request = f"{field}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            causes.append(Cause.required(path))
            continue
        for text in wrong_with_label(request) if request and name not in seen else ():
            causes.append(Cause.invalid(f"{path}.request", request, text))
        key = f"{name}/{request}" if request else name
        if name in seen or key in seen:
            causes.append(Cause.duplicate(path, name if name in seen else key))
        elif not request:
            overlaps = [one for one in seen if one.startswith(f"{name}/")]
            causes.extend(Cause.duplicate(path, name) for _ in overlaps)
        seen.append(key)
        if name not in names:
            why = f": {', '.join(names)}" if names else " which is empty"
            missing = Cause.not_found(path, name)
            text = f"{missing.message}: must be one of the names in pod.spec.resourceClaims{why}"
            causes.append(missing._replace(message=text))


def check_pod_level_resources(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """``resources`` of a whole pod, by themselves and against those of its containers."""
    own, path = spec["resources"], f"{field}.resources"
    if own.get("claims"):
        text = "claims may not be set for Resources at pod-level"
        causes.append(Cause.forbidden(f"{path}.claims", text))
    check_resources(causes, own, path, pod_level=True)
    names, claims = names_of_claims(spec), own.get("claims") or ()
    check_claim_references(causes, claims, names, f"{path}.claims")
    for part in ("requests", "limits"):
        pod, amounts = own.get(part, {}), amounts_of(own.get(part))
        for name, total in sorted(aggregate_requests(spec, part).items()):
            if name not in amounts or total <= amounts[name]:
                continue
            if part == "requests" or is_huge_page(name):
                text = f"must be greater than or equal to aggregate container {part} of "
                text += _shown(name, total)
                causes.append(Cause.invalid(f"{path}.{part}[{name}]", pod[name], text))
    _check_limits_of_containers(causes, spec, amounts_of(own.get("limits")), path)


def _check_limits_of_containers(
    causes: list[Cause], spec: JsonObject, limits: Amounts, path: str
) -> None:
    for index, container in enumerate(spec["containers"] or ()):
        given = container["resources"].get("limits", {})
        for name, amount in sorted(amounts_of(given).items()):
            if amount > limits.get(name, amount):
                place = f"{path}.containers[{index}][{name}].limits"
                text = "must be less than or equal to pod limits of "
                text += spec["resources"]["limits"][name]
                causes.append(Cause.invalid(place, given[name], text))


def _shown(name: str, nanos: int) -> str:
    return text_of(nanos, DECIMAL_SI if name == "cpu" else BINARY_SI)


def check_restarts(causes: list[Cause], container: JsonObject, field: str) -> None:
    """``restartPolicy`` of one container, and the rules that need one."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and rules:
        text = "must specify restartPolicy when restart rules are used"
        causes.append(Cause.required(f"{field}.restartPolicy", text))
    elif policy is not None and policy not in _POLICIES:
        causes.append(Cause.not_supported(f"{field}.restartPolicy", policy, _POLICIES))
    path = f"{field}.restartPolicyRules"
    if len(rules) > _RULES_MAX:
        causes.append(Cause.too_many(path, len(rules), _RULES_MAX))
    for index, rule in enumerate(rules):
        place, action, codes = f"{path}[{index}]", rule.get("action", ""), rule.get("exitCodes")
        if action not in _ACTIONS:
            causes.append(Cause.not_supported(f"{place}.action", action, _ACTIONS))
        if codes is None:
            causes.append(Cause.required(f"{place}.exitCodes", "must be specified"))
            continue
        operator, values = codes.get("operator", ""), codes.get("values") or ()
        if operator not in _OPERATORS:
            causes.append(Cause.not_supported(f"{place}.exitCodes.operator", operator, _OPERATORS))
        if len(values) > _VALUES_MAX:
            causes.append(Cause.too_many(f"{place}.exitCodes.values", len(values), _VALUES_MAX))
