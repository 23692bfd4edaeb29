"""Defaults of HorizontalPodAutoscalers.

Source: pkg/apis/autoscaling/v2/defaults.go of Kubernetes 1.36.
"""

from api.core import JsonObject

CPU_TARGET_PERCENT = 80
PERIOD_S = 15


def set_autoscaler_defaults(autoscaler: JsonObject) -> None:
    """A HorizontalPodAutoscaler of version v2, in place."""
    spec = autoscaler["spec"]
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(CPU_TARGET_PERCENT)]


def set_behavior_defaults(autoscaler: JsonObject) -> None:
    """In place, before empty lists are dropped: an empty ``policies`` is a choice of the user's and
    gets no default, an absent one does."""
    behavior = (autoscaler.get("spec") or {}).get("behavior")
    if behavior is not None:
        _scale_up(behavior.setdefault("scaleUp", {}))
        _scale_down(behavior.setdefault("scaleDown", {}))


def cpu_metric(percent: int) -> JsonObject:
    """The metric of a share of the requested processor time."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _scale_up(rules: JsonObject) -> None:
    rules.setdefault("stabilizationWindowSeconds", 0)
    rules.setdefault("selectPolicy", "Max")
    rules.setdefault("policies", [_policy("Pods", 4), _policy("Percent", 100)])


def _scale_down(rules: JsonObject) -> None:
    rules.setdefault("selectPolicy", "Max")
    rules.setdefault("policies", [_policy("Percent", 100)])


def _policy(kind: str, value: int) -> JsonObject:
    return {"type": kind, "value": value, "periodSeconds": PERIOD_S}
