"""What is refused of a status: counts that cannot be, sizes, addresses."""

import pytest

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

NEGATIVE = "must be greater than or equal to 0"
AVAILABLE = "status.availableReplicas"
TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
SET = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
BODIES: dict[str, JsonObject] = {
    "/apis/apps/v1/namespaces/x/deployments": SET,
    "/apis/apps/v1/namespaces/x/statefulsets": {**SET, "serviceName": "s"},
    "/apis/policy/v1/namespaces/x/poddisruptionbudgets": {"maxUnavailable": 1},
    "/api/v1/nodes": {},
    "/api/v1/namespaces/x/services": {"ports": [{"port": 80}]},
    "/api/v1/namespaces": {},
}


@pytest.mark.parametrize(
    ("path", "status", "texts"),
    [
        (
            "/apis/apps/v1/namespaces/x/deployments",
            {"replicas": 1, "readyReplicas": 1, "availableReplicas": 2},
            [
                f"{AVAILABLE}: Invalid value: 2: cannot be greater than status.replicas",
                f"{AVAILABLE}: Invalid value: 2: cannot be greater than readyReplicas",
            ],
        ),
        (
            "/apis/apps/v1/namespaces/x/statefulsets",
            {"replicas": 1, "currentRevision": "r", "collisionCount": -1},
            [f"status.collisionCount: Invalid value: -1: {NEGATIVE}"],
        ),
        (
            "/apis/policy/v1/namespaces/x/poddisruptionbudgets",
            {"disruptionsAllowed": -1},
            [f"status.disruptionsAllowed: Invalid value: -1: {NEGATIVE}"],
        ),
        (
            "/api/v1/nodes",
            {"capacity": {"cpu": "-1"}, "allocatable": {"cpu": "1"}},
            [f'status.capacity.cpu: Invalid value: "-1": {NEGATIVE}'],
        ),
        (
            "/api/v1/namespaces/x/services",
            {"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}]}},
            [
                "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "
                '"LoadBalancer"'
            ],
        ),
        (
            "/api/v1/namespaces",
            {"phase": "Terminating"},
            [
                "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if "
                "`deletionTimestamp` is empty"
            ],
        ),
    ],
)
def test_a_status_that_cannot_be(path: str, status: JsonObject, texts: list[str]) -> None:
    rig = Rig()
    rig.namespace("x")
    assert rig.call("POST", path, {"metadata": {"name": "o"}, "spec": BODIES[path]})[0] == 201
    merge = "application/merge-patch+json"
    code, told = rig.call("PATCH", f"{path}/o/status", {"status": status}, content_type=merge)
    assert code == 422
    causes = [f"{cause['field']}: {cause['message']}" for cause in told["details"]["causes"]]
    assert list(dict.fromkeys(causes)) == texts


def test_an_address_that_is_none_is_refused_on_update_too() -> None:
    rig = Rig()
    rig.namespace("x")
    path = "/api/v1/namespaces/x/services"
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    assert rig.call("POST", path, body)[0] == 201
    patch = {"spec": {"clusterIP": "abc", "clusterIPs": ["abc"]}}
    merge = "application/merge-patch+json"
    code, told = rig.call("PATCH", f"{path}/s", patch, content_type=merge)
    assert (code, told["details"]["causes"][0]["field"]) == (422, "spec.clusterIPs[0]")


@pytest.mark.parametrize(
    ("path", "spec", "kept"),
    [
        ("/apis/apps/v1/namespaces/x/deployments", SET, ["labels"]),
        ("/api/v1/namespaces/x/services", {"ports": [{"port": 80}]}, []),
        (
            "/apis/storage.k8s.io/v1/volumeattachments",
            {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}},
            ["labels", "annotations", "finalizers"],
        ),
    ],
)
def test_metadata_that_comes_with_a_status(path: str, spec: JsonObject, kept: list[str]) -> None:
    rig = Rig()
    rig.namespace("x")
    assert rig.call("POST", path, {"metadata": {"name": "n"}, "spec": spec})[0] == 201
    meta = {"labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a/b"]}
    change = {"metadata": meta, "status": {}}
    merge = "application/merge-patch+json"
    code, made = rig.call("PATCH", f"{path}/n/status", change, content_type=merge)
    assert (code, [name for name in meta if name not in made["metadata"]]) == (200, kept)
