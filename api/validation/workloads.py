"""Validation of Deployments and ReplicaSets.

Source: pkg/apis/apps/validation/validation.go, pkg/registry/apps/*/strategy.go.
"""

from typing import Any

from api.core import JsonObject
from api.errors import Cause
from api.validation.metadata import IMMUTABLE
from api.validation.ports import check_int_or_percent, is_over_100_percent, number_of
from api.validation.templates import check_counts, check_selector_and_template


def check_deployment(causes: list[Cause], deployment: JsonObject) -> None:
    """A new Deployment, defaulted; metadata apart."""
    _check_deployment_spec(causes, deployment["spec"])


def check_deployment_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a Deployment: the selector stays."""
    if new["spec"] == old["spec"]:
        return
    _check_deployment_spec(causes, new["spec"])
    check_same_selector(causes, new, old)


def check_replica_set(causes: list[Cause], replica_set: JsonObject) -> None:
    """A new ReplicaSet, defaulted; metadata apart."""
    _check_replica_set_spec(causes, replica_set["spec"])


def check_replica_set_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a ReplicaSet: the selector stays. The rest is judged twice, as there."""
    if new["spec"] == old["spec"]:
        return
    _check_replica_set_spec(causes, new["spec"])
    _check_replica_set_spec(causes, new["spec"])
    check_same_selector(causes, new, old)


def _check_deployment_spec(causes: list[Cause], spec: JsonObject) -> None:
    check_counts(causes, spec, "spec", "replicas")
    check_selector_and_template(causes, spec, "deployment", "ReplicaSet")
    _check_strategy(causes, spec["strategy"], "spec.strategy")
    names = ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    check_counts(causes, spec, "spec", *names)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        text = "must be greater than minReadySeconds"
        causes.append(Cause.invalid("spec.progressDeadlineSeconds", deadline, text))


def _check_replica_set_spec(causes: list[Cause], spec: JsonObject) -> None:
    check_counts(causes, spec, "spec", "replicas", "minReadySeconds")
    check_selector_and_template(causes, spec, "deployment", "ReplicaSet")


def _check_strategy(causes: list[Cause], strategy: JsonObject, field: str) -> None:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            causes.append(Cause.forbidden(f"{field}.rollingUpdate", text))
    elif kind == "RollingUpdate":
        _check_rolling(causes, rolling or {}, f"{field}.rollingUpdate")
    else:
        shown = shown_strategy(strategy)
        causes.append(Cause.not_supported(field, shown, ("Recreate", "RollingUpdate")))


def shown_strategy(strategy: JsonObject) -> JsonObject:
    """The strategy of a Deployment or DaemonSet as messages show it: as the server holds it."""
    rolling = strategy.get("rollingUpdate")
    counts = rolling and {
        "MaxUnavailable": rolling.get("maxUnavailable", 0),
        "MaxSurge": rolling.get("maxSurge", 0),
    }
    return {"Type": strategy["type"], "RollingUpdate": counts}


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


def check_same_selector(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The selector of a controller stays as it was created."""
    selector = new["spec"].get("selector")
    if selector != old["spec"].get("selector"):
        causes.append(Cause.invalid("spec.selector", selector, IMMUTABLE))
