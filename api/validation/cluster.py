"""Validation of Namespaces, Leases, Events, ConfigMaps and ServiceAccounts.

Source: pkg/apis/core/validation/{validation,events}.go, pkg/apis/coordination/validation.
"""

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_config_key, wrong_with_qualified_name
from api.validation.metadata import check_plain_finalizer, nonnegative

DATA_BYTES_MAX = 1024 * 1024
IMMUTABLE = "field is immutable when `immutable` is set"


def check_namespace(causes: list[Cause], namespace: JsonObject) -> None:
    """The finalizers of its specification; metadata apart."""
    for name in namespace["spec"].get("finalizers", ()):
        for text in wrong_with_qualified_name(name):
            causes.append(Cause.invalid("spec.finalizers", name, text))
        check_plain_finalizer(causes, name, "spec.finalizers")


def check_namespace_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    if new["spec"] != old["spec"]:
        check_namespace(causes, new)


def check_lease(causes: list[Cause], lease: JsonObject) -> None:
    """Duration and number of transitions."""
    spec = lease["spec"]
    duration = spec.get("leaseDurationSeconds", 1)
    if duration <= 0:
        causes.append(
            Cause.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
        )
    transitions = spec.get("leaseTransitions", 0)
    if transitions < 0:
        causes.append(nonnegative("spec.leaseTransitions", transitions))
    strategy = spec.get("strategy")
    if strategy is not None:
        _check_strategy(causes, strategy)
    if spec.get("preferredHolder") and not spec.get("strategy"):
        text = "may only be specified if `strategy` is defined"
        causes.append(Cause.forbidden("spec.preferredHolder", text))


def _check_strategy(causes: list[Cause], strategy: str) -> None:
    """How a coordinated election picks its holder. The field is named twice over there, too."""
    field = "spec.strategy.strategy"
    if "/" not in strategy:
        if strategy != "OldestEmulationVersion":
            causes.append(Cause.not_supported(field, strategy, ("OldestEmulationVersion",)))
        return
    for text in wrong_with_qualified_name(strategy):
        causes.append(Cause.invalid(field, strategy, text))


def check_lease_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_lease(causes, new)


def check_event(causes: list[Cause], event: JsonObject) -> None:
    """An Event lies in the namespace of the object that it is about. One with an ``eventTime`` is
    of the new kind, which says who reports what and does not say much."""
    about = event["involvedObject"].get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    new = event.get("eventTime") is not None
    if new:
        fits = bool(about) or namespace in ("default", "kube-system")
    else:
        fits = namespace in ("", "default") if not about else namespace == about
    if not fits:
        text = "does not match event.namespace"
        causes.append(Cause.invalid("involvedObject.namespace", about, text))
    if new:
        _check_report(causes, event)


def _check_report(causes: list[Cause], event: JsonObject) -> None:
    name = event.get("reportingComponent", "")
    if not name:
        causes.append(Cause.required("reportingComponent"))
    for text in wrong_with_qualified_name(name):
        causes.append(Cause.invalid("reportingComponent", name, text))
    for field in ("reportingInstance", "action", "reason"):
        value = event.get(field, "")
        if not value:
            causes.append(Cause.required(field))
        if len(value.encode()) > _WORD_BYTES_MAX:
            text = f"can have at most {_WORD_BYTES_MAX} characters"
            causes.append(Cause.invalid(field, "", text))
    if len(event.get("message", "").encode()) > _NOTE_BYTES_MAX:
        text = f"can have at most {_NOTE_BYTES_MAX} characters"
        causes.append(Cause.invalid("message", "", text))


_WORD_BYTES_MAX = 128
_NOTE_BYTES_MAX = 1024


def check_event_of_new_group(causes: list[Cause], event: JsonObject) -> None:
    """What events.k8s.io/v1 wants of a new Event besides: the new kind, and nothing of the old.
    Source: ValidateEventCreate in pkg/apis/core/validation/events.go."""
    series = event.get("series")
    if series is not None and (series.get("count") or 0) < 2:
        text = "should be at least 2"
        causes.append(Cause.invalid("series.count", "", text))
    if series is not None and not series.get("lastObservedTime"):
        causes.append(Cause.required("series.lastObservedTime"))
    if event.get("eventTime") is None:
        causes.append(Cause.required("eventTime"))
    kind = event.get("type", "")
    if kind not in ("Normal", "Warning"):
        causes.append(Cause.invalid("type", "", f"has invalid value: {kind}"))
    for field in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(field):
            causes.append(Cause.invalid(field, "", "needs to be unset"))


def check_event_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_event(causes, new)


def check_event_of_new_group_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Through events.k8s.io/v1 only the series of an Event and its metadata change."""
    for field in _FIXED_OF_EVENTS:
        after, before = new.get(field), old.get(field)
        if (after or None) != (before or None):
            causes.append(Cause.invalid(field, after, "field is immutable"))


_FIXED_OF_EVENTS = (
    *("involvedObject", "reason", "message", "firstTimestamp", "lastTimestamp", "count", "type"),
    *("eventTime", "action", "related", "reportingComponent", "reportingInstance"),
)


def check_config_map(causes: list[Cause], config_map: JsonObject) -> None:
    """Keys, and the size of all values together."""
    data, binary = config_map.get("data", {}), config_map.get("binaryData", {})
    size = 0
    for key, value in data.items():
        for text in wrong_with_config_key(key):
            causes.append(Cause.invalid(f"data[{key}]", key, text))
        if key in binary:
            text = "duplicate of key present in binaryData"
            causes.append(Cause.invalid(f"data[{key}]", key, text))
        size += len(value)
    for key, value in binary.items():
        for text in wrong_with_config_key(key):
            causes.append(Cause.invalid(f"binaryData[{key}]", key, text))
        size += len(value) // 4 * 3 - value[-2:].count("=")
    if size > DATA_BYTES_MAX // 4:
        size += sum(len(value.encode()) - len(value) for value in data.values())
        if size > DATA_BYTES_MAX:
            causes.append(Cause.too_long("[]", DATA_BYTES_MAX))


def check_config_map_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An immutable one keeps its data, and stays immutable."""
    if old.get("immutable"):
        if not new.get("immutable"):
            causes.append(Cause.forbidden("immutable", IMMUTABLE))
        for name in ("data", "binaryData"):
            if new.get(name, {}) != old.get(name, {}):
                causes.append(Cause.forbidden(name, IMMUTABLE))
    check_config_map(causes, new)


def check_service_account(causes: list[Cause], account: JsonObject) -> None:
    """Nothing beyond metadata."""


def check_service_account_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Nothing beyond metadata."""
