"""LimitRange admission: defaults filled in, bounds told in Kubernetes' words."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.limits import ANNOTATION, limit_claim, limit_pod


def limits(kind: str = "Container", **item: Any) -> list[JsonObject]:
    limit_range: JsonObject = {
        "metadata": {"name": "l"},
        "spec": {"limits": [{"type": kind, **item}]},
    }
    set_defaults(kind_of("limitranges"), limit_range)
    return [limit_range]


def pod(*resources: JsonObject) -> JsonObject:
    containers = [
        {"name": f"c{i}", "image": "i", "resources": one} for i, one in enumerate(resources)
    ]
    made: JsonObject = {"metadata": {"name": "p"}, "spec": {"containers": containers}}
    set_defaults(kind_of("pods"), made)
    return made


def test_defaults_are_filled_in_and_told() -> None:
    made = pod({}, {"requests": {"cpu": "1"}})
    ranges = limits(default={"cpu": "2", "memory": "1Gi"}, defaultRequest={"cpu": "500m"})
    assert limit_pod(made, ranges) == []
    first, second = made["spec"]["containers"]
    assert first["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
    assert second["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert made["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for "
        "container c0; memory request for container c1; cpu, memory limit for container c1"
    )


@pytest.mark.parametrize(
    ("item", "resources", "fault"),
    [
        (
            {"max": {"cpu": "2"}},
            {"limits": {"cpu": "3"}},
            "maximum cpu usage per Container is 2, but limit is 3",
        ),
        (
            {"min": {"cpu": "1"}},
            {"requests": {"cpu": "500m"}},
            "minimum cpu usage per Container is 1, but request is 500m",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
    ],
)
def test_bounds_of_a_container(item: JsonObject, resources: JsonObject, fault: str) -> None:
    assert limit_pod(pod(resources), limits(**item)) == [fault]


def test_a_pod_counts_as_a_whole() -> None:
    ranges = limits("Pod", max={"cpu": "1"})
    made = pod({"limits": {"cpu": "600m"}}, {"limits": {"cpu": "600m"}})
    assert limit_pod(made, ranges) == ["maximum cpu usage per Pod is 1, but limit is 1200m"]
    assert limit_pod(pod({}), ranges) == ["maximum cpu usage per Pod is 1.  No limit is specified"]


def test_claims_have_bounds_of_storage() -> None:
    kind = "PersistentVolumeClaim"
    claim: JsonObject = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    assert limit_claim(claim, limits(kind, min={"storage": "2Gi"})) == [
        "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"
    ]
    assert limit_claim(claim, limits(kind, max={"storage": "1Gi"})) == []
