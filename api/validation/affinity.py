"""Validation of affinities: to nodes, to pods, and away from them.

Source: validateAffinity, ValidateNodeSelector and what they call in
pkg/apis/core/validation/validation.go.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import (
    wrong_with_label,
    wrong_with_label_value,
    wrong_with_qualified_name,
    wrong_with_subdomain,
)
from api.validation.label_selectors import check_label_selector

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT: Final = "must be in the range 1-100"
_NO_OPERATOR: Final = "not a valid selector operator"


def check_affinity(causes: list[Cause], affinity: JsonObject, field: str) -> None:
    """To nodes, to pods and away from pods, in this order."""
    node = affinity.get("nodeAffinity")
    if node is not None:
        path = f"{field}.nodeAffinity"
        if REQUIRED in node:
            check_node_selector(causes, node[REQUIRED], f"{path}.{REQUIRED}")
        for index, term in enumerate(node.get(PREFERRED, ())):
            place = f"{path}.{PREFERRED}[{index}]"
            _check_weight(causes, term, place)
            _check_term(causes, term["preference"], False, f"{place}.preference")
    for name in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(name)
        if pods is None:
            continue
        for index, term in enumerate(pods.get(REQUIRED, ())):
            _check_pod_term(causes, term, f"{field}.{name}.{REQUIRED}[{index}]")
        for index, weighted in enumerate(pods.get(PREFERRED, ())):
            place = f"{field}.{name}.{PREFERRED}[{index}]"
            _check_weight(causes, weighted, place)
            _check_pod_term(causes, weighted["podAffinityTerm"], f"{place}.podAffinityTerm")


def check_node_selector(causes: list[Cause], selector: JsonObject, field: str) -> None:
    """A selector that has to match, whose values are values of labels."""
    terms = selector.get("nodeSelectorTerms") or ()
    path = f"{field}.nodeSelectorTerms"
    if not terms:
        causes.append(Cause.required(path, "must have at least one node selector term"))
    for index, term in enumerate(terms):
        _check_term(causes, term, True, f"{path}[{index}]")


def _check_weight(causes: list[Cause], term: JsonObject, field: str) -> None:
    if not 1 <= term["weight"] <= 100:
        causes.append(Cause.invalid(f"{field}.weight", term["weight"], _WEIGHT))


def _check_term(causes: list[Cause], term: JsonObject, strict: bool, field: str) -> None:
    """``strict``: values that no label can have are refused."""
    for index, requirement in enumerate(term.get("matchExpressions", ())):
        _check_requirement(causes, requirement, strict, f"{field}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.get("matchFields", ())):
        _check_field(causes, requirement, f"{field}.matchFields[{index}]")


def _check_requirement(
    causes: list[Cause], requirement: JsonObject, strict: bool, field: str
) -> None:
    operator, values = requirement["operator"], requirement.get("values", ())
    place = f"{field}.values"
    if operator in ("In", "NotIn"):
        if not values:
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(Cause.required(place, text))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(Cause.forbidden(place, text))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.append(Cause.required(place, text))
    else:
        causes.append(Cause.invalid(f"{field}.operator", operator, _NO_OPERATOR))
    for text in wrong_with_qualified_name(requirement["key"]):
        causes.append(Cause.invalid(f"{field}.key", requirement["key"], text))
    if strict:
        for index, value in enumerate(values):
            for text in wrong_with_label_value(value):
                causes.append(Cause.invalid(f"{place}[{index}]", value, text))


def _check_field(causes: list[Cause], requirement: JsonObject, field: str) -> None:
    operator, values = requirement["operator"], requirement.get("values", ())
    if operator not in ("In", "NotIn"):
        causes.append(Cause.invalid(f"{field}.operator", operator, _NO_OPERATOR))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.append(Cause.required(f"{field}.values", text))
    if requirement["key"] != "metadata.name":
        text = "not a valid field selector key"
        causes.append(Cause.invalid(f"{field}.key", requirement["key"], text))
        return
    for index, value in enumerate(values):
        for text in wrong_with_subdomain(value):
            causes.append(Cause.invalid(f"{field}.values[{index}]", value, text))


def _check_pod_term(causes: list[Cause], term: JsonObject, field: str) -> None:
    for name in ("labelSelector", "namespaceSelector"):
        if term.get(name) is not None:
            check_label_selector(causes, term[name], f"{field}.{name}")
    for name in term.get("namespaces", ()):
        for text in wrong_with_label(name):
            causes.append(Cause.invalid(f"{field}.namespace", name, text))
    _check_keys(causes, term, field)
    key = term["topologyKey"]
    if not key:
        causes.append(Cause.required(f"{field}.topologyKey", "can not be empty"))
    for text in wrong_with_qualified_name(key):
        causes.append(Cause.invalid(f"{field}.topologyKey", key, text))


def _check_keys(causes: list[Cause], term: JsonObject, field: str) -> None:
    selector = term.get("labelSelector")
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys: Sequence[str] = term.get(name, ())
        if keys and selector is None:
            text = "must not be specified when labelSelector is not set"
            causes.append(Cause.forbidden(f"{field}.{name}", text))
            continue
        for index, key in enumerate(keys):
            for text in wrong_with_qualified_name(key):
                causes.append(Cause.invalid(f"{field}.{name}[{index}]", key, text))
    places = {key: index for index, key in enumerate(term.get("matchLabelKeys", ()))}
    if selector is not None:
        seen = list(selector.get("matchLabels", {}))
        for expression in selector.get("matchExpressions", ()):
            key = expression["key"]
            if key in places and key in seen:
                text = "exists in both matchLabelKeys and labelSelector"
                causes.append(Cause.invalid(f"{field}[{places[key]}]", key, text))
            seen.append(key)
    for key, index in places.items():
        if key in term.get("mismatchLabelKeys", ()):
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            causes.append(Cause.invalid(f"{field}.matchLabelKeys[{index}]", key, text))


def check_spread(causes: list[Cause], constraints: Sequence[JsonObject], field: str) -> None:
    """How pods are spread over domains."""
    for index, constraint in enumerate(constraints):
        path = f"{field}[{index}]"
        skew, key = constraint["maxSkew"], constraint["topologyKey"]
        if skew <= 0:
            causes.append(Cause.invalid(f"{path}.maxSkew", skew, "must be greater than zero"))
        if not key:
            causes.append(Cause.required(f"{path}.topologyKey", "can not be empty"))
        else:
            for text in wrong_with_qualified_name(key):
                causes.append(Cause.invalid(f"{path}.topologyKey", key, text))
        action = constraint["whenUnsatisfiable"]
        supported = ("DoNotSchedule", "ScheduleAnyway")
        if action not in supported:
            causes.append(Cause.not_supported(f"{path}.whenUnsatisfiable", action, supported))
        following = constraints[index + 1 :]
        if any(
            (one["topologyKey"], one["whenUnsatisfiable"]) == (key, action) for one in following
        ):
            place = f"{path}.{{topologyKey, whenUnsatisfiable}}"
            causes.append(Cause.duplicate(place, f"{{{key}, {action}}}"))
        _check_domains(causes, constraint, path)
        _check_spread_selector(causes, constraint, path)


def _check_domains(causes: list[Cause], constraint: JsonObject, path: str) -> None:
    domains, action = constraint.get("minDomains"), constraint["whenUnsatisfiable"]
    if domains is not None:
        if domains <= 0:
            causes.append(Cause.invalid(f"{path}.minDomains", domains, "must be greater than zero"))
        if action != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            causes.append(Cause.invalid(f"{path}.minDomains", domains, text))
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(name)
        if policy is not None and policy not in ("Honor", "Ignore"):
            causes.append(Cause.not_supported(f"{path}.{name}", policy, ("Honor", "Ignore")))


def _check_spread_selector(causes: list[Cause], constraint: JsonObject, path: str) -> None:
    selector, keys = constraint.get("labelSelector"), constraint.get("matchLabelKeys", ())
    place = f"{path}.matchLabelKeys"
    if keys and selector is None:
        text = "must not be specified when labelSelector is not set"
        causes.append(Cause.forbidden(place, text))
    chosen = selector or {}
    known = [
        *chosen.get("matchLabels", {}),
        *(expression["key"] for expression in chosen.get("matchExpressions", ())),
    ]
    for index, key in enumerate(keys):
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(f"{place}[{index}]", key, text))
        if key in known:
            text = "exists in both matchLabelKeys and labelSelector"
            causes.append(Cause.invalid(f"{place}[{index}]", key, text))
    if selector is not None:
        check_label_selector(causes, selector, f"{path}.labelSelector")
