"""Views of stored objects: recorded answers, and that nothing is lost on the way there and back."""

import json
from pathlib import Path

import pytest

from api.conversion import view_of, views
from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_by_path, kind_of
from api.validation import validate_create

GOLDEN = Path(__file__).parent.parent / "golden" / "api"
EVENTS, V1 = views()


@pytest.mark.parametrize("case", ["def-hpa-v2", "def-hpa-v2-behavior"])
def test_recorded_v1_form(case: str) -> None:
    text = (GOLDEN / "defaults.jsonl").read_text().replace("<time>", "2026-01-01T00:00:00Z")
    lines = text.splitlines()
    made, seen = next(c for c in map(json.loads, lines) if c["id"] == case)["steps"]
    stored, expected = made["res"]["body"], seen["res"]["body"]
    assert V1.from_stored(stored) == expected
    back = V1.to_stored(expected)
    set_defaults(V1.stored, back)
    assert back == stored


def test_the_default_metric_comes_back() -> None:
    spec = {"maxReplicas": 5, "targetCPUUtilizationPercentage": 70, "scaleTargetRef": {"name": "d"}}
    stored = V1.to_stored({"metadata": {"name": "h"}, "spec": spec})
    set_defaults(V1.stored, stored)
    assert V1.from_stored(stored)["spec"]["targetCPUUtilizationPercentage"] == 70


def test_other_metrics_are_kept_in_annotations() -> None:
    metrics = [
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "5"},
            },
        },
        {
            "type": "Object",
            "object": {
                "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                "metric": {"name": "hits"},
                "target": {"type": "Value", "value": "100"},
            },
        },
        {
            "type": "External",
            "external": {
                "metric": {"name": "queue"},
                "target": {"type": "AverageValue", "averageValue": "30"},
            },
        },
    ]
    stored: JsonObject = {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": "h", "annotations": {"own": "1"}},
        "spec": {"maxReplicas": 5, "scaleTargetRef": {"name": "d"}, "metrics": metrics},
        "status": {
            "conditions": [{"type": "AbleToScale", "status": "True"}],
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "memory", "current": {"averageValue": "1Gi"}},
                }
            ],
        },
    }
    set_defaults(V1.stored, stored)
    seen = V1.from_stored(stored)
    assert "targetCPUUtilizationPercentage" not in seen["spec"]
    back = V1.to_stored(seen)
    set_defaults(V1.stored, back)
    assert back == stored


def test_a_measured_share_keeps_its_raw_value() -> None:
    """What v1 has no field for stays in annotations; a quantity that is not set is 0 there."""
    target = {"kind": "Service", "name": "s", "apiVersion": "v1"}
    share = {"averageUtilization": 5, "averageValue": "10m"}
    queue = {
        "describedObject": target,
        "metric": {"name": "q"},
        "target": {"type": "AverageValue", "averageValue": "3"},
    }
    stored: JsonObject = {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 5, "metrics": [{"type": "Object", "object": queue}]},
        "status": {
            "currentMetrics": [
                {"type": "Resource", "resource": {"name": "cpu", "current": share}},
                {"type": "External", "external": {"metric": {"name": "e"}, "current": {}}},
            ]
        },
    }
    seen = V1.from_stored(stored)
    assert seen["status"]["currentCPUUtilizationPercentage"] == 5
    notes = {
        name.rpartition("/")[2]: json.loads(text)
        for name, text in seen["metadata"]["annotations"].items()
    }
    measured = {"name": "cpu", "currentAverageUtilization": 5, "currentAverageValue": "10m"}
    assert notes["current-metrics"] == [
        {"type": "Resource", "resource": measured},
        {"type": "External", "external": {"metricName": "e", "currentValue": "0"}},
    ]
    named = {"target": target, "metricName": "q", "targetValue": "0", "averageValue": "3"}
    assert notes["metrics"] == [{"type": "Object", "object": named}]
    back = V1.to_stored(seen)
    queue["target"] = {"type": "AverageValue", "value": "0", "averageValue": "3"}
    assert back["spec"]["metrics"] == [{"type": "Object", "object": queue}]
    assert back["status"]["currentMetrics"][0]["resource"]["current"] == share


def test_no_policies_are_not_the_default_ones() -> None:
    kind, metadata = V1.stored, {"name": "h", "namespace": "x"}
    spec = {
        "maxReplicas": 5,
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "behavior": {"scaleDown": {"policies": []}, "scaleUp": {}},
    }
    scaler: JsonObject = {"metadata": metadata, "spec": spec}
    set_defaults(kind, scaler)
    assert len(scaler["spec"]["behavior"]["scaleUp"]["policies"]) == 2
    causes = [cause.text for cause in validate_create(kind, scaler)]
    required = "Required value: must specify at least one Policy"
    assert causes == [f"spec.behavior.scaleDown.policies: {required}"]


def test_events_of_both_groups_are_the_same() -> None:
    event: JsonObject = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "message": "m",
        "source": {"component": "c"},
        "count": 2,
        "reportingComponent": "r",
    }
    set_defaults(kind_of("events"), event)
    seen = EVENTS.from_stored(event)
    assert seen["note"] == "m" and seen["regarding"] == {"kind": "Pod", "name": "p"}
    assert seen["deprecatedCount"] == 2 and seen["deprecatedSource"] == {"component": "c"}
    assert seen["reportingController"] == "r" and seen["apiVersion"] == "events.k8s.io/v1"
    back = EVENTS.to_stored(seen)
    set_defaults(kind_of("events"), back)
    assert back == {"kind": "Event", "apiVersion": "v1", **event}


def test_views_show_what_is_stored_elsewhere() -> None:
    assert view_of(kind_by_path("autoscaling", "v1", "horizontalpodautoscalers")) is V1
    assert view_of(kind_by_path("events.k8s.io", "v1", "events")) is EVENTS
    for view in views():
        assert view.kind is not view.stored
        assert view_of(view.stored) is None
