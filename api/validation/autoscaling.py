"""Validation of HorizontalPodAutoscalers: target, metrics and behaviour.

Source: pkg/apis/autoscaling/validation/validation.go at v1.36.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.quantity import parse
from api.validation.metadata import nonnegative, wrong_with_path_segment
from api.validation.resources import CONTAINER_RESOURCES, check_resource_name

_METRICS: Final = ("ContainerResource", "External", "Object", "Pods", "Resource")
_METRIC_FIELDS: Final = {name: name[0].lower() + name[1:] for name in _METRICS}
_IN_ORDER: Final = ("object", "external", "pods", "resource", "containerResource")
_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_SELECTIONS: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")
_AT_LEAST_ONE: Final = "must be greater than or equal to 1"
_WINDOW_S_MAX: Final = 3600
_PERIOD_S_MAX: Final = 1800


def check_autoscaler(causes: list[Cause], autoscaler: JsonObject) -> None:
    """A HorizontalPodAutoscaler of version v2, defaulted; metadata apart."""
    spec = autoscaler["spec"]
    low, high = spec["minReplicas"], spec["maxReplicas"]
    if low < 1:
        causes.append(Cause.invalid("spec.minReplicas", low, _AT_LEAST_ONE))
    if high == 0:
        causes.append(Cause.required("spec.maxReplicas", "must be set and greater than 0"))
    elif high < 0:
        causes.append(Cause.invalid("spec.maxReplicas", high, _AT_LEAST_ONE))
    if high < low:
        text = "must be greater than or equal to `minReplicas`"
        causes.append(Cause.invalid("spec.maxReplicas", high, text))
    _check_reference(causes, spec["scaleTargetRef"], "spec.scaleTargetRef")
    for index, metric in enumerate(spec.get("metrics") or ()):
        _check_metric(causes, metric, f"spec.metrics[{index}]")
    if low == 0 and not any(
        metric.get("type") in ("Object", "External") for metric in spec.get("metrics") or ()
    ):
        text = "must specify at least one Object or External metric to support scaling to zero "
        causes.append(Cause.forbidden("spec.metrics", f"{text}replicas"))
    behavior = spec.get("behavior") or {}
    for name in ("scaleUp", "scaleDown"):
        if behavior.get(name) is not None:
            _check_rules(causes, behavior[name], f"spec.behavior.{name}")


def check_autoscaler_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_autoscaler(causes, new)


def _check_reference(causes: list[Cause], target: JsonObject, field: str) -> None:
    for name in ("kind", "name"):
        value = target.get(name, "")
        if not value:
            causes.append(Cause.required(f"{field}.{name}"))
        for text in wrong_with_path_segment(value):
            causes.append(Cause.invalid(f"{field}.{name}", value, text))
    version = target.get("apiVersion", "")
    grouped = version.rpartition("/")[0] or (
        target.get("kind") == "ReplicationController" and version
    )
    if field == "spec.scaleTargetRef" and not grouped:
        text = "apiVersion must specify API group"
        causes.append(Cause.invalid(f"{field}.apiVersion", version, text))


def _check_metric(causes: list[Cause], metric: JsonObject, field: str) -> None:
    kind = metric.get("type", "")
    if not kind:
        causes.append(Cause.required(f"{field}.type", "must specify a metric source type"))
    unknown = kind not in _METRICS
    if unknown:
        causes.append(Cause.not_supported(f"{field}.type", kind, _METRICS))
    present = [name for name in _IN_ORDER if metric.get(name) is not None]
    if present:
        _check_source(causes, metric[present[0]], present[0], f"{field}.{present[0]}")
    if unknown:  # Told twice.
        causes.append(Cause.not_supported(f"{field}.type", kind, _METRICS))
    expected = _METRIC_FIELDS.get(kind)
    if expected is not None and expected not in present:
        text = "must populate information for the given metric source"
        causes.append(Cause.required(f"{field}.{expected}", text))
    if len(present) > 1:
        for name in present:
            if name != expected:
                text = "must populate the given metric source only"
                causes.append(Cause.forbidden(f"{field}.{name}", text))


def _check_source(causes: list[Cause], source: JsonObject, name: str, field: str) -> None:
    target = source.get("target") or {}
    value, average = target.get("value"), target.get("averageValue")
    utilization, place = target.get("averageUtilization"), f"{field}.target"
    if name == "object":
        _check_reference(causes, source.get("describedObject") or {}, f"{field}.describedObject")
    if name in ("resource", "containerResource"):
        resource = source.get("name", "")
        if not resource:
            causes.append(Cause.required(f"{field}.name", "must specify a resource name"))
        elif name == "containerResource" and resource not in CONTAINER_RESOURCES:
            check_resource_name(causes, resource, f"{field}.name")
        if name == "containerResource" and not source.get("container"):
            causes.append(Cause.required(f"{field}.container", "must specify a container"))
    else:
        _check_identifier(causes, source.get("metric") or {}, f"{field}.metric")
    _check_target(causes, target, place)
    if name == "object" and value is None and average is None:
        text = "must set either a target value or averageValue"
        causes.append(Cause.required(f"{place}.averageValue", text))
    elif name == "external":
        if value is None and average is None:
            text = "must set either a target value for metric or a per-pod target"
            causes.append(Cause.required(f"{place}.averageValue", text))
        elif value is not None and average is not None:
            text = "may not set both a target value for metric and a per-pod target"
            causes.append(Cause.forbidden(f"{place}.value", text))
    elif name == "pods" and (average is None or not _is_positive(average)):
        text = "must specify a positive target averageValue"
        causes.append(Cause.required(f"{place}.averageValue", text))
    elif name in ("resource", "containerResource"):
        if utilization is None and average is None:
            text = "must set either a target raw value or a target utilization"
            causes.append(Cause.required(f"{place}.averageUtilization", text))
        elif utilization is not None and average is not None:
            text = "may not set both a target raw value and a target utilization"
            causes.append(Cause.forbidden(f"{place}.averageValue", text))


def _check_identifier(causes: list[Cause], metric: JsonObject, field: str) -> None:
    name = metric.get("name", "")
    if not name:
        causes.append(Cause.required(f"{field}.name", "must specify a metric name"))
        return
    for text in wrong_with_path_segment(name):
        causes.append(Cause.invalid(f"{field}.name", name, text))


def _check_target(causes: list[Cause], target: JsonObject, field: str) -> None:
    kind = target.get("type", "")
    if not kind:
        causes.append(Cause.required(f"{field}.type", "must specify a metric target type"))
    if kind not in _TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        causes.append(Cause.invalid(f"{field}.type", kind, text))
    for name in ("value", "averageValue"):
        amount = target.get(name)
        if amount is not None and not _is_positive(amount):
            causes.append(Cause.invalid(f"{field}.{name}", amount, "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        place = f"{field}.averageUtilization"
        causes.append(Cause.invalid(place, utilization, "must be greater than 0"))


def _is_positive(amount: str) -> bool:
    return parse(amount)[0] > 0


def _check_rules(causes: list[Cause], rules: JsonObject, field: str) -> None:
    window = rules.get("stabilizationWindowSeconds")
    place = f"{field}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        causes.append(Cause.invalid(place, window, "must be greater than or equal to zero"))
    elif window is not None and window > _WINDOW_S_MAX:
        text = f"must be less than or equal to {_WINDOW_S_MAX}"
        causes.append(Cause.invalid(place, window, text))
    selection = rules.get("selectPolicy")
    if selection is not None and selection not in _SELECTIONS:
        causes.append(Cause.not_supported(f"{field}.selectPolicy", selection, _SELECTIONS))
    policies = rules.get("policies") or ()
    if not policies:
        causes.append(Cause.required(f"{field}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        path = f"{field}.policies[{index}]"
        if policy["type"] not in _POLICIES:
            causes.append(Cause.not_supported(f"{path}.type", policy["type"], _POLICIES))
        if policy["value"] <= 0:
            text = "must be greater than zero"
            causes.append(Cause.invalid(f"{path}.value", policy["value"], text))
        period = policy["periodSeconds"]
        if period <= 0:
            text = "must be greater than zero"
            causes.append(Cause.invalid(f"{path}.periodSeconds", period, text))
        elif period > _PERIOD_S_MAX:
            text = f"must be less than or equal to {_PERIOD_S_MAX}"
            causes.append(Cause.invalid(f"{path}.periodSeconds", period, text))
    tolerance = rules.get("tolerance")
    if tolerance is not None and parse(tolerance)[0] < 0:
        causes.append(nonnegative(f"{field}.tolerance", tolerance))
