"""Rows of autoscalers, disruption budgets, quotas, Secrets, priority and runtime classes.

Source: pkg/printers/internalversion/printers.go.
"""

from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, UNKNOWN, UNSET, age

METRICS_SHOWN = 2


def autoscaler_cells(autoscaler: JsonObject, now_ns: int) -> list[Any]:
    """Name, target, metrics, least, most, current, age. Of version v2."""
    metadata, spec = autoscaler["metadata"], autoscaler["spec"]
    status, target = autoscaler.get("status", {}), spec["scaleTargetRef"]
    low = spec.get("minReplicas")
    return [
        metadata["name"],
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        UNSET if low is None else str(low),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def _metrics(wanted: Any, current: Any) -> str:
    if not wanted:
        return NONE
    shown = []
    for index, metric in enumerate(wanted[:METRICS_SHOWN]):
        now = current[index] if index < len(current) else {}
        shown.append(_metric(metric, now))
    more = len(wanted) - METRICS_SHOWN
    return ", ".join(shown) + (f" + {more} more..." if more > 0 else "")


def _metric(metric: JsonObject, status: JsonObject) -> str:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source, found = metric.get(field) or {}, status.get(field) or {}
    target, current = source.get("target", {}), found.get("current", {})
    if kind in ("Resource", "ContainerResource"):
        prefix = f"{source.get('name', '')}: "
        if "averageValue" in target:
            return f"{prefix}{current.get('averageValue', UNKNOWN)}/{target['averageValue']}"
        now = current.get("averageUtilization")
        wanted = target.get("averageUtilization")
        left = UNKNOWN if now is None else f"{now}%"
        right = "<auto>" if wanted is None else f"{wanted}%"
        return f"{prefix}{left}/{right}"
    if kind in ("External", "Object", "Pods"):
        if "averageValue" in target:
            text = f"{current.get('averageValue', UNKNOWN)}/{target['averageValue']}"
            return text if kind == "Pods" else f"{text} (avg)"
        return f"{current.get('value', UNKNOWN)}/{target.get('value', '0')}"
    return "<unknown type>"


def disruption_budget_cells(budget: JsonObject, now_ns: int) -> list[Any]:
    """Name, least available, most unavailable, allowed, age."""
    metadata, spec = budget["metadata"], budget["spec"]
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        metadata["name"],
        "N/A" if low is None else str(low),
        "N/A" if high is None else str(high),
        budget.get("status", {}).get("disruptionsAllowed", 0),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def quota_cells(quota: JsonObject, now_ns: int) -> list[Any]:
    """Name, requests used of allowed, limits used of allowed, age."""
    metadata, status = quota["metadata"], quota.get("status", {})
    hard, used = status.get("hard", {}), status.get("used", {})
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        text = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if name.startswith("limits") else requests).append(text)
    return [
        metadata["name"],
        ", ".join(requests),
        ", ".join(limits),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def secret_cells(secret: JsonObject, now_ns: int) -> list[Any]:
    """Name, type, number of keys, age."""
    metadata = secret["metadata"]
    count = len(secret.get("data", ()))
    created = age(metadata.get("creationTimestamp"), now_ns)
    return [metadata["name"], secret.get("type", ""), count, created]


def priority_class_cells(priority_class: JsonObject, now_ns: int) -> list[Any]:
    """Name, value, whether it is the default, age, preemption."""
    metadata = priority_class["metadata"]
    return [
        metadata["name"],
        priority_class.get("value", 0),
        bool(priority_class.get("globalDefault")),
        age(metadata.get("creationTimestamp"), now_ns),
        priority_class.get("preemptionPolicy", ""),
    ]


def runtime_class_cells(runtime_class: JsonObject, now_ns: int) -> list[Any]:
    """Name, handler, age."""
    metadata = runtime_class["metadata"]
    created = age(metadata.get("creationTimestamp"), now_ns)
    return [metadata["name"], runtime_class.get("handler", ""), created]


def role_binding_cells(binding: JsonObject, now_ns: int) -> list[Any]:
    """Name, role, age; wide: users, groups, service accounts."""
    metadata, role = binding["metadata"], binding["roleRef"]
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind", ""), subject.get("name", "")
        if kind == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        if kind in by_kind:
            by_kind[kind].append(name)
    return [
        metadata["name"],
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(metadata.get("creationTimestamp"), now_ns),
        *(", ".join(names) for names in by_kind.values()),
    ]
