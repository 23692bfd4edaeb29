"""Validation of what limits others: disruption budgets, limits, priorities.

Source: pkg/apis/{policy,core,scheduling}/validation/validation.go.
"""

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.quantity import parse
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE
from api.validation.ports import check_int_or_percent, is_over_100_percent
from api.validation.resources import check_quantity

USER_PRIORITY_MAX = 1_000_000_000
_EVICTION = ("AlwaysAllow", "IfHealthyBudget")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_UNCHANGED = "may not be changed in an update."
_RESERVED = (
    "priority class names with 'system-' prefix are reserved for system use only. error: {name} is "
    "not a known system priority class"
)


def check_disruption_budget(causes: list[Cause], budget: JsonObject) -> None:
    """A PodDisruptionBudget; metadata apart."""
    spec = budget["spec"]
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        shown = {
            "MinAvailable": low,
            "Selector": spec.get("selector"),
            "MaxUnavailable": high,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        text = "minAvailable and maxUnavailable cannot be both set"
        causes.append(Cause.invalid("spec", shown, text))
    for name, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            check_int_or_percent(causes, value, f"spec.{name}")
            if is_over_100_percent(value):
                text = "must not be greater than 100%"
                causes.append(Cause.invalid(f"spec.{name}", value, text))
    if spec.get("selector") is not None:
        check_label_selector(causes, spec["selector"], "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION:
        causes.append(Cause.not_supported("spec.unhealthyPodEvictionPolicy", policy, _EVICTION))


def check_disruption_budget_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_disruption_budget(causes, new)


def check_limit_range(causes: list[Cause], limit_range: JsonObject) -> None:
    """A LimitRange, defaulted; metadata apart."""
    seen: list[str] = []
    for index, item in enumerate(limit_range["spec"].get("limits") or ()):
        field = f"spec.limits[{index}]"
        kind = item.get("type", "")
        _check_limit_type(causes, kind, f"{field}.type")
        if kind in seen:
            causes.append(Cause.duplicate(f"{field}.type", kind))
        seen.append(kind)
        if kind == "Pod":
            for name in ("default", "defaultRequest"):
                if item.get(name):
                    text = "may not be specified when `type` is 'Pod'"
                    causes.append(Cause.forbidden(f"{field}.{name}", text))
        if kind == "PersistentVolumeClaim" and not any(
            "storage" in item.get(name, {}) for name in ("min", "max")
        ):
            text = "either minimum or maximum storage value is required, but neither was provided"
            causes.append(Cause.required(field, text))
        names = dict.fromkeys(key for part in _PARTS for key in item.get(part, {}))
        for name in sorted(names):
            _check_limit(causes, item, name, field)


def _check_limit_type(causes: list[Cause], kind: str, field: str) -> None:
    wrong = wrong_with_qualified_name(kind)
    for text in wrong:
        causes.append(Cause.invalid(field, kind, text))
    if not wrong and "/" not in kind and kind not in _LIMITED:
        text = "must be a standard limit type or fully qualified"
        causes.append(Cause.invalid(field, kind, text))


_LIMITED = ("Container", "PersistentVolumeClaim", "Pod")
_PARTS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (
    ("min", "max", "min", "min value {0} is greater than max value {1}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "min value {0} is greater than default request value {1}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "default request value {0} is greater than max value {1}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {0} is greater than default limit value {1}",
    ),
    ("min", "default", "default", "min value {0} is greater than default value {1}"),
    ("default", "max", "default", "default value {0} is greater than max value {1}"),
)
"""What may not exceed what, the field blamed, and the text. The blamed value is the first, but for
the default request that is below the minimum."""


def _check_limit(causes: list[Cause], item: JsonObject, name: str, field: str) -> None:
    for part in _PARTS:
        if name in item.get(part, {}):
            check_quantity(causes, name, item[part][name], f"{field}.{part}[{name}]")
    for small, large, blamed, text in _ORDER:
        low, high = item.get(small, {}).get(name), item.get(large, {}).get(name)
        if low is not None and high is not None and parse(low)[0] > parse(high)[0]:
            shown = high if blamed == "defaultRequest" and small == "min" else low
            why = text.format(low, high)
            causes.append(Cause.invalid(f"{field}.{blamed}[{name}]", shown, why))
    ratio, place = item.get("maxLimitRequestRatio", {}).get(name), f"{field}.maxLimitRequestRatio"
    if ratio is not None and parse(ratio)[0] < parse("1")[0]:
        causes.append(Cause.invalid(f"{place}[{name}]", ratio, f"ratio {ratio} is less than 1"))


def check_limit_range_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_limit_range(causes, new)


def check_priority_class(causes: list[Cause], priority_class: JsonObject) -> None:
    """A PriorityClass of a user, defaulted; metadata apart."""
    name = priority_class["metadata"].get("name", "")
    if name.startswith("system-"):
        causes.append(Cause.forbidden("metadata.name", _RESERVED.format(name=name)))
    elif priority_class["value"] > USER_PRIORITY_MAX:
        text = f"maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"
        causes.append(Cause.forbidden("value", text))
    policy = priority_class["preemptionPolicy"]
    if policy not in _PREEMPTION:
        causes.append(Cause.not_supported("preemptionPolicy", policy, _PREEMPTION))


def check_priority_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """What pods took from it stays."""
    if new["value"] != old["value"]:
        causes.append(Cause.forbidden("value", _UNCHANGED))
    policy = new["preemptionPolicy"]
    if policy != old["preemptionPolicy"]:
        causes.append(Cause.invalid("preemptionPolicy", policy, IMMUTABLE))
