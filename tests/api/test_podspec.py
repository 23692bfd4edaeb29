"""Readers of pods: class of service and effective requests, worked by hand."""

from typing import Any

import pytest

from api.core import JsonObject
from api.podspec import aggregate_requests, is_ready, is_terminal, qos_class

NANO = 10**9

CPU1 = {"cpu": "1", "memory": "1Gi"}


def pod(*containers: JsonObject, **spec: Any) -> JsonObject:
    return {"spec": {"containers": [{"resources": c} for c in containers], **spec}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod({}), "BestEffort"),
        (pod({"requests": {"example.com/gpu": "1"}}), "BestEffort"),
        (pod({"requests": {"cpu": "0"}}), "BestEffort"),
        (pod({"requests": CPU1}), "Burstable"),
        (pod({"requests": CPU1, "limits": CPU1}), "Guaranteed"),
        (pod({"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": CPU1}), "Guaranteed"),
        (pod({"requests": CPU1, "limits": CPU1}, {}), "Burstable"),
        (pod({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}), "Burstable"),
        (pod({}, resources={"requests": CPU1, "limits": CPU1}), "Guaranteed"),
        (pod({"requests": CPU1, "limits": CPU1}, initContainers=[{"resources": {}}]), "Burstable"),
    ],
)
def test_qos_class(obj: JsonObject, expected: str) -> None:
    assert qos_class(obj) == expected


def test_containers_add_up_and_init_containers_do_not() -> None:
    obj = pod(
        {"requests": {"cpu": "500m", "memory": "1Gi"}},
        {"requests": {"cpu": "0.25", "example.com/gpu": "2"}},
        initContainers=[{"resources": {"requests": {"cpu": "2"}}}],
    )
    asked = aggregate_requests(obj["spec"])
    assert asked == {"cpu": 2 * NANO, "memory": 2**30 * NANO, "example.com/gpu": 2 * NANO}


def test_sidecars_run_beside_both_the_later_init_containers_and_the_main_ones() -> None:
    sidecar = {"restartPolicy": "Always", "resources": {"requests": {"cpu": "300m"}}}
    obj = pod(
        {"requests": {"cpu": "1"}},
        initContainers=[
            {"resources": {"requests": {"cpu": "1200m"}}},
            sidecar,
            {"resources": {"requests": {"cpu": "1200m"}}},
        ],
    )
    assert aggregate_requests(obj["spec"]) == {"cpu": 3 * NANO // 2}
    obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "2"
    assert aggregate_requests(obj["spec"]) == {"cpu": 23 * NANO // 10}


def test_state() -> None:
    assert is_terminal({"status": {"phase": "Failed"}})
    assert not is_terminal({"status": {"phase": "Running"}}) and not is_terminal({})
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert is_ready(ready) and not is_ready({"status": {}})
