"""Validation of StatefulSets, DaemonSets, ReplicationControllers, revisions and PodTemplates.

Source: pkg/apis/apps/validation/validation.go, pkg/apis/core/validation/validation.go.
"""

from typing import Any

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label
from api.validation.metadata import IMMUTABLE
from api.validation.ports import check_int_or_percent, is_over_100_percent, number_of
from api.validation.templates import (
    check_counts,
    check_runs_on,
    check_selector,
    check_selector_and_template,
    check_template,
    check_template_metadata,
    not_selected,
)
from api.validation.workloads import check_same_selector, shown_strategy

_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_CHANGEABLE_TEXT = ", ".join(f"'{name}'" for name in _CHANGEABLE[:-1])
_FORBIDDEN_TEXT = (
    f"updates to statefulset spec for fields other than {_CHANGEABLE_TEXT} and "
    f"'{_CHANGEABLE[-1]}' are forbidden"
)
_RETENTION = ("Delete", "Retain")


def check_stateful_set(causes: list[Cause], stateful_set: JsonObject, new: bool = True) -> None:
    """A StatefulSet, defaulted; metadata apart. The name of a service is looked at in ``new``
    ones alone."""
    spec = stateful_set["spec"]
    policy = spec["podManagementPolicy"]
    if policy not in ("OrderedReady", "Parallel"):
        text = "must be 'OrderedReady' or 'Parallel'"
        causes.append(Cause.invalid("spec.podManagementPolicy", policy, text))
    strategy = spec["updateStrategy"]
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            shown = _shown(rolling)
            causes.append(Cause.invalid("spec.updateStrategy.rollingUpdate", shown, text))
    elif strategy["type"] == "RollingUpdate":
        check_counts(causes, rolling or {}, "spec.updateStrategy.rollingUpdate", "partition")
    else:
        text = "must be 'RollingUpdate' or 'OnDelete'"
        shown = {"Type": strategy["type"], "RollingUpdate": rolling and _shown(rolling)}
        causes.append(Cause.invalid("spec.updateStrategy", shown, text))
    for name in ("whenDeleted", "whenScaled"):
        value = spec["persistentVolumeClaimRetentionPolicy"][name]
        if value not in _RETENTION:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            causes.append(Cause.not_supported(path, value, _RETENTION))
    check_counts(causes, spec, "spec", "replicas", "minReadySeconds")
    check_counts(causes, spec.get("ordinals", {}), "spec.ordinals", "start")
    service = spec.get("serviceName")
    if new and service:
        for text in wrong_with_label(service):
            causes.append(Cause.invalid("spec.serviceName", service, text))
    template = spec["template"]
    if check_selector(causes, spec, "statefulset"):
        # Of the pods no more: what they mount may come from the templates of claims.
        check_template_metadata(causes, template, "spec.template")
    check_runs_on(causes, template["spec"], "spec.template.spec", "StatefulSet")


def _shown(rolling: JsonObject) -> JsonObject:
    """As the server holds it."""
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": None}


def check_stateful_set_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Of the specification only what a running set can follow may change."""
    if new["spec"] == old["spec"]:
        return
    check_stateful_set(causes, new, False)
    if _rest(new["spec"]) != _rest(old["spec"]):
        causes.append(Cause.forbidden("spec", _FORBIDDEN_TEXT))


def _rest(spec: JsonObject) -> JsonObject:
    return {name: value for name, value in spec.items() if name not in _CHANGEABLE}


def check_daemon_set(causes: list[Cause], daemon_set: JsonObject) -> None:
    """A new DaemonSet, defaulted; metadata apart."""
    spec = daemon_set["spec"]
    check_selector_and_template(causes, spec, "daemonset", "DaemonSet")
    check_counts(causes, spec, "spec", "minReadySeconds")
    strategy = spec["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        _check_rolling(causes, strategy.get("rollingUpdate") or {})
    elif strategy["type"] != "OnDelete":
        shown, kinds = shown_strategy(strategy), ("RollingUpdate", "OnDelete")
        causes.append(Cause.not_supported("spec.updateStrategy", shown, kinds))
    check_counts(causes, spec, "spec", "revisionHistoryLimit")


def _check_rolling(causes: list[Cause], rolling: JsonObject) -> None:
    field = "spec.updateStrategy.rollingUpdate"
    unavailable: Any = rolling.get("maxUnavailable", 0)
    surge: Any = rolling.get("maxSurge", 0)
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        check_int_or_percent(causes, value, f"{field}.{name}")
        if is_over_100_percent(value):
            text = "must not be greater than 100%"
            causes.append(Cause.invalid(f"{field}.{name}", value, text))
    if number_of(unavailable) and number_of(surge):
        text = "may not be set when maxUnavailable is non-zero"
        causes.append(Cause.invalid(f"{field}.maxSurge", surge, text))
    elif not number_of(unavailable) and not number_of(surge):
        text = "cannot be 0 when maxSurge is 0"
        causes.append(Cause.required(f"{field}.maxUnavailable", text))


def check_daemon_set_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The selector stays. The rest is judged twice, as there."""
    if new["spec"] == old["spec"]:
        return
    check_daemon_set(causes, new)
    check_daemon_set(causes, new)
    check_same_selector(causes, new, old)


def check_replication_controller(causes: list[Cause], controller: JsonObject) -> None:
    """A new ReplicationController, defaulted; metadata apart."""
    spec = controller["spec"]
    check_counts(causes, spec, "spec", "minReadySeconds")
    selector = spec.get("selector")
    if not selector:
        causes.append(Cause.required("spec.selector"))
    check_counts(causes, spec, "spec", "replicas")
    template = spec.get("template")
    if template is None:
        causes.append(Cause.required("spec.template"))
        return
    labels = template["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in (selector or {}).items()):
        causes.append(not_selected(labels))
    check_template(causes, template, "spec.template")
    check_runs_on(causes, template["spec"], "spec.template.spec", "ReplicationController")


def check_replication_controller_update(
    causes: list[Cause], new: JsonObject, old: JsonObject
) -> None:
    """As a new one."""
    if new["spec"] != old["spec"]:
        check_replication_controller(causes, new)


def check_controller_revision(causes: list[Cause], revision: JsonObject) -> None:
    """A number and the state that it stands for."""
    if revision.get("data") is None:
        causes.append(Cause.required("data", "data is mandatory"))
    check_counts(causes, revision, "", "revision")


def check_controller_revision_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Its data stays."""
    check_controller_revision(causes, new)
    if new.get("data") != old.get("data"):
        causes.append(Cause.invalid("data", new.get("data"), IMMUTABLE))


def check_pod_template(causes: list[Cause], template: JsonObject) -> None:
    """A stored template."""
    inner = template["template"]
    check_template(causes, inner, "template")


def check_pod_template_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    if new["template"] != old["template"]:
        check_pod_template(causes, new)
