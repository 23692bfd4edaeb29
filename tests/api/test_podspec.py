"""Readers of pods: class of service and effective requests, worked by hand."""

from typing import Any

import pytest

from api.core import JsonObject
from api.podspec import effective_requests, is_ready, is_terminal, qos_class

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
    assert effective_requests(obj) == {"cpu": 2000, "memory": 2**30, "example.com/gpu": 2}


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
    assert effective_requests(obj) == {"cpu": 1500}
    obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "2"
    assert effective_requests(obj) == {"cpu": 2300}


def test_the_pod_itself_has_the_last_word_but_for_overhead() -> None:
    obj = pod(
        {"requests": {"cpu": "1", "example.com/gpu": "1"}},
        resources={"requests": {"cpu": "3", "memory": "1Mi", "example.com/gpu": "9"}},
        overhead={"cpu": "250m"},
    )
    assert effective_requests(obj) == {"cpu": 3250, "memory": 2**20, "example.com/gpu": 1}


def test_parts_of_a_unit_count_as_a_whole_one_after_adding() -> None:
    obj = pod({"requests": {"memory": "500m"}}, {"requests": {"memory": "400m", "cpu": "1u"}})
    assert effective_requests(obj) == {"memory": 1, "cpu": 1}


def test_state() -> None:
    assert is_terminal({"status": {"phase": "Failed"}})
    assert not is_terminal({"status": {"phase": "Running"}}) and not is_terminal({})
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert is_ready(ready) and not is_ready({"status": {}})
