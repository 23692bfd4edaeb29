"""Validation of how a Job judges its pods: failure policy, success policy, who manages it.

Source: validatePodFailurePolicy, validateSuccessPolicy and validateJobSpec in
pkg/apis/batch/validation/validation.go of Kubernetes 1.36.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name, wrong_with_subdomain

_INDEXES_MAX: Final = 100_000
_INDEXES_OF_MANY_MAX: Final = 10_000
_CONDITIONS_MAX: Final = 20
_RULES_MAX: Final = 20
_VALUES_MAX: Final = 255
_MANAGER_MAX: Final = 63
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")


def check_indexes(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """How many indexes of an indexed Job run at once and may fail."""
    parallelism, failed = spec.get("parallelism") or 0, spec.get("maxFailedIndexes")
    completions = spec.get("completions")
    most = f"must be less than or equal to {_INDEXES_MAX}"
    if parallelism > _INDEXES_MAX:
        text = f"{most} when completion mode is Indexed"
        causes.append(Cause.invalid(f"{field}.parallelism", parallelism, text))
    path = f"{field}.maxFailedIndexes"
    if completions is not None and failed is not None and failed > completions:
        causes.append(Cause.invalid(path, failed, "must be less than or equal to completions"))
    if failed is not None and failed > _INDEXES_MAX:
        causes.append(Cause.invalid(path, failed, most))
    if (completions or 0) <= _INDEXES_MAX or spec.get("backoffLimitPerIndex") is None:
        return
    if failed is None:
        text = f"must be specified when completions is above {_INDEXES_MAX}"
        causes.append(Cause.required(path, text))
    for name, count in (("parallelism", parallelism), ("maxFailedIndexes", failed or 0)):
        if count > _INDEXES_OF_MANY_MAX:
            text = f"must be less than or equal to {_INDEXES_OF_MANY_MAX} when completions are "
            text += f"above {_INDEXES_MAX} and used with backoff limit per index"
            causes.append(Cause.invalid(f"{field}.{name}", count, text))


def check_failure_policy(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """``podFailurePolicy`` of a Job's specification at ``field``."""
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    rules, path = policy.get("rules") or (), f"{field}.podFailurePolicy.rules"
    if len(rules) > _RULES_MAX:
        causes.append(Cause.too_many(path, len(rules), _RULES_MAX))
    template = spec["template"]["spec"]
    names = [
        container["name"]
        for key in ("initContainers", "containers")
        for container in template.get(key) or ()
    ]
    for index, rule in enumerate(rules):
        place = f"{path}[{index}]"
        _check_action(causes, rule, spec, f"{place}.action")
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            _check_codes(causes, codes, names, f"{place}.onExitCodes")
        if len(conditions) > _CONDITIONS_MAX:
            where = f"{place}.onPodConditions"
            causes.append(Cause.too_many(where, len(conditions), _CONDITIONS_MAX))
        for number, condition in enumerate(conditions):
            _check_condition(causes, condition, f"{place}.onPodConditions[{number}]")
        text = ""
        if codes is not None and conditions:
            text = "specifying both OnExitCodes and OnPodConditions is not supported"
        elif codes is None and not conditions:
            text = "specifying one of OnExitCodes and OnPodConditions is required"
        if text:
            causes.append(Cause(place, "FieldValueInvalid", f"Invalid value: {text}"))


def _check_action(causes: list[Cause], rule: JsonObject, spec: JsonObject, field: str) -> None:
    action = rule.get("action", "")
    if not action:
        causes.append(Cause.required(field, f"valid values: {_listed(_ACTIONS)}"))
    elif action not in _ACTIONS:
        causes.append(Cause.not_supported(field, action, _ACTIONS))
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        text = "requires the backoffLimitPerIndex to be set"
        causes.append(Cause.invalid(field, action, text))


def _check_codes(causes: list[Cause], codes: JsonObject, names: list[str], field: str) -> None:
    operator = codes.get("operator", "")
    if not operator:
        causes.append(Cause.required(f"{field}.operator", f"valid values: {_listed(_OPERATORS)}"))
    elif operator not in _OPERATORS:
        causes.append(Cause.not_supported(f"{field}.operator", operator, _OPERATORS))
    name = codes.get("containerName")
    if name is not None and name not in names:
        text = "must be one of the container or initContainer names in the pod template"
        causes.append(Cause.invalid(f"{field}.containerName", name, text))
    values, path = codes.get("values") or [], f"{field}.values"
    if not values:
        causes.append(Cause.invalid(path, values, "at least one value is required"))
    elif len(values) > _VALUES_MAX:
        causes.append(Cause.too_many(path, len(values), _VALUES_MAX))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            text = "must not be 0 for the In operator"
            causes.append(Cause.invalid(f"{path}[{index}]", value, text))
        if value in values[:index]:
            causes.append(Cause.duplicate(f"{path}[{index}]", value))
    if values != sorted(values):
        causes.append(Cause.invalid(path, values, "must be ordered"))


def _check_condition(causes: list[Cause], condition: JsonObject, field: str) -> None:
    for text in wrong_with_qualified_name(condition["type"]):
        causes.append(Cause.invalid(f"{field}.type", condition["type"], text))
    status = condition.get("status", "")
    if not status:
        causes.append(Cause.required(f"{field}.status", f"valid values: {_listed(_STATUSES)}"))
    elif status not in _STATUSES:
        causes.append(Cause.not_supported(f"{field}.status", status, _STATUSES))


def _listed(names: tuple[str, ...]) -> str:
    """As Go prints a list of quoted texts."""
    return "[" + " ".join(f'"{name}"' for name in names) + "]"


def check_success_policy(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """When a Job has done enough before all its indexes are done; ``field``: its spec."""
    policy = spec.get("successPolicy")
    if policy is None:
        return
    path = f"{field}.successPolicy"
    if spec.get("completionMode") != "Indexed":
        causes.append(Cause.invalid(path, policy, "requires indexed completion mode"))
        return
    rules = policy.get("rules") or ()
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        causes.append(Cause.required(f"{path}.rules", text))
    if len(rules) > _RULES_MAX:
        causes.append(Cause.too_many(f"{path}.rules", len(rules), _RULES_MAX))
    for index, rule in enumerate(rules):
        place = f"{path}.rules[{index}]"
        count = rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            text = "at least one of succeededCount or succeededIndexes must be specified"
            causes.append(Cause.required(place, text))
        elif count is not None and count < 0:
            text = "must be greater than or equal to 0"
            causes.append(Cause.invalid(f"{place}.succeededCount", count, text))
        elif count is not None and count > spec.get("completions", 0):
            total = spec.get("completions", 0)
            text = f"must be less than or equal to {total} (the number of specified completions)"
            causes.append(Cause.invalid(f"{place}.succeededCount", count, text))


def check_manager(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """``managedBy``: a path with a domain in front, as ``example.com/controller``."""
    manager = spec.get("managedBy")
    if manager is None:
        return
    path = f"{field}.managedBy"
    check_domain_path(causes, manager, path)
    if len(manager) > _MANAGER_MAX:
        causes.append(Cause.too_long(path, _MANAGER_MAX))


def check_domain_path(causes: list[Cause], text: str, field: str) -> None:
    """A path with a domain in front. Source: IsDomainPrefixedPath, apimachinery util/validation."""
    domain, slash, rest = text.partition("/")
    if not text:
        causes.append(Cause.required(field))
    elif not slash or not domain or not rest:
        wrong = 'must be a domain-prefixed path (such as "acme.io/foo")'
        causes.append(Cause.invalid(field, text, wrong))
    else:
        for wrong in wrong_with_subdomain(domain):
            causes.append(Cause.invalid(field, domain, wrong))
