"""Validation of Deployments and ReplicaSets.

Source: pkg/apis/apps/validation/validation.go, pkg/registry/apps/*/strategy.go.
"""

from typing import Any

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label_value, wrong_with_qualified_name
from api.selectors import SelectorError, label_selector_of
from api.validation.metadata import (
    IMMUTABLE,
    check_annotations,
    check_labels,
    nonnegative,
)
from api.validation.pods import check_pod_spec
from api.validation.ports import check_int_or_percent, is_over_100_percent, number_of


def check_deployment(causes: list[Cause], deployment: JsonObject) -> None:
    """A new Deployment, defaulted; metadata apart."""
    _check_deployment_spec(causes, deployment["spec"])


def check_deployment_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a Deployment: the selector stays."""
    if new["spec"] == old["spec"]:
        return
    _check_deployment_spec(causes, new["spec"])
    _check_same_selector(causes, new, old)


def check_replica_set(causes: list[Cause], replica_set: JsonObject) -> None:
    """A new ReplicaSet, defaulted; metadata apart."""
    _check_replica_set_spec(causes, replica_set["spec"])


def check_replica_set_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a ReplicaSet: the selector stays."""
    if new["spec"] == old["spec"]:
        return
    _check_replica_set_spec(causes, new["spec"])
    _check_same_selector(causes, new, old)


def _check_deployment_spec(causes: list[Cause], spec: JsonObject) -> None:
    _check_nonnegative(causes, spec, "replicas")
    _check_selector_and_template(causes, spec)
    _check_strategy(causes, spec["strategy"], "spec.strategy")
    _check_nonnegative(causes, spec, "minReadySeconds")
    _check_nonnegative(causes, spec, "revisionHistoryLimit")
    _check_nonnegative(causes, spec, "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        causes.append(Cause.invalid("spec.progressDeadlineSeconds", deadline, text))


def _check_replica_set_spec(causes: list[Cause], spec: JsonObject) -> None:
    _check_nonnegative(causes, spec, "replicas")
    _check_nonnegative(causes, spec, "minReadySeconds")
    _check_selector_and_template(causes, spec)


def _check_nonnegative(causes: list[Cause], spec: JsonObject, name: str) -> None:
    value = spec.get(name, 0)
    if value < 0:
        causes.append(nonnegative(f"spec.{name}", value))


def _check_selector_and_template(causes: list[Cause], spec: JsonObject) -> None:
    selector = spec.get("selector")
    if selector is None:
        causes.append(Cause.required("spec.selector"))
    else:
        check_label_selector(causes, selector, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            text = "empty selector is invalid for deployment"
            causes.append(Cause.invalid("spec.selector", selector, text))
    try:
        matcher = label_selector_of(selector)
    except SelectorError:
        causes.append(Cause.invalid("spec.selector", selector, "invalid label selector"))
        return
    template = spec["template"]
    labels = template["metadata"].get("labels")
    if not matcher.empty and not matcher.matches(labels):
        text = "`selector` does not match template `labels`"
        causes.append(Cause.invalid("spec.template.metadata.labels", labels, text))
    _check_template(causes, template, "spec.template")


def _check_template(causes: list[Cause], template: JsonObject, field: str) -> None:
    metadata, spec = template["metadata"], template["spec"]
    check_labels(causes, metadata.get("labels", {}), f"{field}.labels")
    check_annotations(causes, metadata.get("annotations", {}), f"{field}.annotations")
    check_pod_spec(causes, spec, f"{field}.spec")
    if "ephemeralContainers" in spec:
        text = "ephemeral containers not allowed in pod template"
        causes.append(Cause.forbidden(f"{field}.spec.ephemeralContainers", text))
    if spec["restartPolicy"] != "Always":
        path = f"{field}.spec.restartPolicy"
        causes.append(Cause.not_supported(path, spec["restartPolicy"], ("Always",)))
    if "activeDeadlineSeconds" in spec:
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        causes.append(Cause.forbidden(f"{field}.spec.activeDeadlineSeconds", text))


def check_label_selector(causes: list[Cause], selector: JsonObject, field: str) -> None:
    """matchLabels and matchExpressions of a LabelSelector object."""
    check_labels(causes, selector.get("matchLabels", {}), f"{field}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions", ())):
        path = f"{field}.matchExpressions[{index}]"
        operator, values = requirement["operator"], requirement.get("values", ())
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be specified when `operator` is 'In' or 'NotIn'"
                causes.append(Cause.required(f"{path}.values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.append(Cause.forbidden(f"{path}.values", text))
        else:
            text = "not a valid selector operator"
            causes.append(Cause.invalid(f"{path}.operator", operator, text))
        for text in wrong_with_qualified_name(requirement["key"]):
            causes.append(Cause.invalid(f"{path}.key", requirement["key"], text))
        for place, value in enumerate(values):
            for text in wrong_with_label_value(value):
                causes.append(Cause.invalid(f"{path}.values[{place}]", value, text))


def _check_strategy(causes: list[Cause], strategy: JsonObject, field: str) -> None:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            causes.append(Cause.forbidden(f"{field}.rollingUpdate", text))
    elif kind == "RollingUpdate":
        _check_rolling(causes, rolling or {}, f"{field}.rollingUpdate")
    else:
        causes.append(Cause.not_supported(f"{field}.type", kind, ("Recreate", "RollingUpdate")))


def _check_rolling(causes: list[Cause], rolling: JsonObject, field: str) -> None:
    unavailable: Any = rolling.get("maxUnavailable", 0)
    surge: Any = rolling.get("maxSurge", 0)
    check_int_or_percent(causes, unavailable, f"{field}.maxUnavailable")
    check_int_or_percent(causes, surge, f"{field}.maxSurge")
    if number_of(unavailable) == 0 and number_of(surge) == 0:
        text = "may not be 0 when `maxSurge` is 0"
        causes.append(Cause.invalid(f"{field}.maxUnavailable", unavailable, text))
    if is_over_100_percent(unavailable):
        text = "must not be greater than 100%"
        causes.append(Cause.invalid(f"{field}.maxUnavailable", unavailable, text))


def _check_same_selector(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    selector = new["spec"].get("selector")
    if selector != old["spec"].get("selector"):
        causes.append(Cause.invalid("spec.selector", selector, IMMUTABLE))
