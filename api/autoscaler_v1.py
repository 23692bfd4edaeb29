"""HorizontalPodAutoscalers of version v1, which know one metric: a share of processor time.

What v1 has no field for is kept in annotations, as text.

Source: pkg/apis/autoscaling/v1/conversion.go, pkg/apis/autoscaling/annotations.go of Kubernetes
1.36; tests/golden/api/defaults.jsonl, def-hpa-v2-behavior.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from api.core import JsonObject
from api.defaults.autoscaling import cpu_metric

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = _PREFIX + "metrics"
BEHAVIOR = _PREFIX + "behavior"
CONDITIONS = _PREFIX + "conditions"
CURRENT_METRICS = _PREFIX + "current-metrics"
_OWN = (METRICS, BEHAVIOR, CONDITIONS, CURRENT_METRICS)
_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_RULES = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY = ("Type", "Value", "PeriodSeconds")


def autoscaler_to_v1(stored: JsonObject) -> JsonObject:
    """The v1 form of a stored v2 object."""
    spec, status = stored["spec"], stored.get("status", {})
    annotations = dict(stored["metadata"].get("annotations", {}))
    seen: JsonObject = {name: spec[name] for name in _SPEC if name in spec}
    percent, others = _split(spec.get("metrics") or (), "target")
    if percent is not None:
        seen["targetCPUUtilizationPercentage"] = percent
    if others:
        annotations[METRICS] = _text([_metric_to_v1(metric) for metric in others])
    if spec.get("behavior") is not None:
        annotations[BEHAVIOR] = _text(_behavior_to_text(spec["behavior"]))
    shown: JsonObject = {name: status[name] for name in _STATUS if name in status}
    measured = status.get("currentMetrics") or ()
    current, _ = _split(measured, "current")
    if current is not None:
        shown["currentCPUUtilizationPercentage"] = current
    if measured:
        # That of processor time, too: its raw value has no field of its own.
        annotations[CURRENT_METRICS] = _text([_current_to_v1(metric) for metric in measured])
    if status.get("conditions"):
        annotations[CONDITIONS] = _text(status["conditions"])
    metadata = {**stored["metadata"], "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {"metadata": metadata, "spec": seen, "status": shown}


def autoscaler_from_v1(seen: JsonObject) -> JsonObject:
    """The v2 form of an object in v1. Annotations that cannot be read count as absent."""
    metadata = dict(seen.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    texts = {name: _parsed(annotations.pop(name)) for name in _OWN if name in annotations}
    if annotations or not texts:
        metadata = {**metadata, **({"annotations": annotations} if annotations else {})}
    else:
        metadata.pop("annotations", None)
    given, shown = seen.get("spec") or {}, seen.get("status") or {}
    spec: JsonObject = {name: given[name] for name in _SPEC if name in given}
    metrics = [_metric_from_v1(metric) for metric in _objects(texts.get(METRICS))]
    percent = given.get("targetCPUUtilizationPercentage")
    if percent is not None:
        metrics.append(cpu_metric(percent))
    if metrics:
        spec["metrics"] = metrics
    if isinstance(texts.get(BEHAVIOR), dict):
        spec["behavior"] = _behavior_from_text(texts[BEHAVIOR])
    status: JsonObject = {name: shown[name] for name in _STATUS if name in shown}
    current = shown.get("currentCPUUtilizationPercentage")
    measured = [_current_from_v1(metric) for metric in _objects(texts.get(CURRENT_METRICS))]
    if current is not None and not measured:
        now = {"averageUtilization": current}
        measured.append({"type": "Resource", "resource": {"name": "cpu", "current": now}})
    if measured:
        status["currentMetrics"] = measured
    if _objects(texts.get(CONDITIONS)):
        status["conditions"] = _objects(texts[CONDITIONS])
    return {"metadata": metadata, "spec": spec, "status": status}


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _objects(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _split(metrics: Sequence[JsonObject], field: str) -> tuple[int | None, list[JsonObject]]:
    """The share of processor time among some metrics, and the others. ``field``: target or
    current."""
    percent: int | None = None
    others = []
    for metric in metrics:
        resource = metric.get("resource") or {}
        value = (resource.get(field) or {}).get("averageUtilization")
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and value is not None:
            percent = value
        else:
            others.append(metric)
    return percent, others


# Metrics: (type, field, pairs of (path in v2, name in v1)).
_Pairs = tuple[tuple[str, str], ...]
_TARGETS: dict[str, tuple[str, _Pairs]] = {
    "Resource": (
        "resource",
        (
            ("name", "name"),
            ("target.averageUtilization", "targetAverageUtilization"),
            ("target.averageValue", "targetAverageValue"),
        ),
    ),
    "ContainerResource": (
        "containerResource",
        (
            ("name", "name"),
            ("target.averageUtilization", "targetAverageUtilization"),
            ("target.averageValue", "targetAverageValue"),
            ("container", "container"),
        ),
    ),
    "Pods": (
        "pods",
        (
            ("metric.name", "metricName"),
            ("target.averageValue", "targetAverageValue"),
            ("metric.selector", "selector"),
        ),
    ),
    "Object": (
        "object",
        (
            ("describedObject", "target"),
            ("metric.name", "metricName"),
            ("target.value", "targetValue"),
            ("metric.selector", "selector"),
            ("target.averageValue", "averageValue"),
        ),
    ),
    "External": (
        "external",
        (
            ("metric.name", "metricName"),
            ("metric.selector", "metricSelector"),
            ("target.value", "targetValue"),
            ("target.averageValue", "targetAverageValue"),
        ),
    ),
}
_ALWAYS = {
    ("target", "Pods"): "target.averageValue",
    ("target", "Object"): "target.value",
    ("current", "Resource"): "target.averageValue",
    ("current", "ContainerResource"): "target.averageValue",
    ("current", "Pods"): "target.averageValue",
    ("current", "Object"): "target.value",
    ("current", "External"): "target.value",
}
"""Quantities that are no pointers in v1: what is not set is 0 there."""
_V2_TYPES = {
    "targetAverageUtilization": "Utilization",
    "targetAverageValue": "AverageValue",
    "averageValue": "AverageValue",
    "targetValue": "Value",
}


def _metric_to_v1(metric: JsonObject) -> JsonObject:
    return _renamed(metric, "target")


def _current_to_v1(metric: JsonObject) -> JsonObject:
    return _renamed(metric, "current")


def _renamed(metric: JsonObject, word: str) -> JsonObject:
    kind = metric.get("type", "")
    if kind not in _TARGETS:
        return dict(metric)
    field, pairs = _TARGETS[kind]
    source, made = metric.get(field) or {}, {}
    always = _ALWAYS.get((word, kind))
    for path, name in pairs:
        value: Any = source
        for part in path.replace("target.", f"{word}.").split("."):
            value = (value or {}).get(part)
        if value is None and path == always:
            value = "0"
        if value is not None:
            made[_current_name(name) if word == "current" else name] = value
    return {"type": kind, field: made}


def _current_name(name: str) -> str:
    return name.replace("target", "current", 1) if name.startswith("target") else name


def _metric_from_v1(metric: JsonObject) -> JsonObject:
    return _restored(metric, "target", {name: name for name in _names()})


def _current_from_v1(metric: JsonObject) -> JsonObject:
    return _restored(metric, "current", {name: _current_name(name) for name in _names()})


def _names() -> list[str]:
    return list(dict.fromkeys(name for _, pairs in _TARGETS.values() for _, name in pairs))


def _restored(metric: JsonObject, word: str, names: dict[str, str]) -> JsonObject:
    kind = metric.get("type", "")
    if kind not in _TARGETS:
        return dict(metric)
    field, pairs = _TARGETS[kind]
    source = metric.get(field) or {}
    made: JsonObject = {}
    always = _ALWAYS.get((word, kind))
    for path, name in pairs:
        value = source.get(names[name])
        if value is None and path == always:
            value = "0"
        if value is None:
            continue
        holder = made
        *above, last = path.replace("target.", f"{word}.").split(".")
        for part in above:
            holder = holder.setdefault(part, {})
        holder[last] = value
        if word == "target" and path.startswith("target."):
            made["target"].setdefault("type", _V2_TYPES[name])
    if word == "target" and kind == "Object" and "averageValue" in made["target"]:
        made["target"]["type"] = "AverageValue"
    return {"type": kind, field: made}


def _behavior_to_text(behavior: JsonObject) -> JsonObject:
    return {
        name: None if behavior.get(key) is None else _rules_to_text(behavior[key])
        for name, key in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown"))
    }


def _rules_to_text(rules: JsonObject) -> JsonObject:
    made = {name: rules.get(_lower(name)) for name in _RULES}
    policies = rules.get("policies")
    if policies is not None:
        made["Policies"] = [{name: one.get(_lower(name)) for name in _POLICY} for one in policies]
    return made


def _behavior_from_text(behavior: JsonObject) -> JsonObject:
    made: JsonObject = {}
    for name, key in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")):
        rules = behavior.get(name)
        if isinstance(rules, dict):
            made[key] = {_lower(one): rules[one] for one in _RULES if rules.get(one) is not None}
            if "policies" in made[key]:
                made[key]["policies"] = [
                    {_lower(one): policy.get(one) for one in _POLICY}
                    for policy in _objects(rules["Policies"])
                ]
    return made


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
