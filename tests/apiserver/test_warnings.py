"""What a server warns of in objects that it takes, on create and when a template changes."""

from typing import Any

import orjson
import pytest
from apiserver_rig import Rig

from api.core import JsonObject

PODS = "/api/v1/namespaces/x/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/x/deployments"
HIDES = 'hides previous definition of "A", which may be dropped when using apply'
MERGE = "application/merge-patch+json"


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    return made


def warned(rig: Rig, method: str, path: str, body: JsonObject, **more: Any) -> list[str]:
    answer = rig.ask(method, path, body, **more)
    assert answer.code in (200, 201), answer.body
    texts = [value.removeprefix("299 - ") for name, value in answer.headers if name == "Warning"]
    return [orjson.loads(text) for text in texts]


def pod(name: str = "p", container: JsonObject | None = None, **spec: Any) -> JsonObject:
    containers = [{"name": "c", "image": "i", **(container or {})}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def variables(*values: str) -> JsonObject:
    return {"env": [{"name": "A", "value": value} for value in values]}


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (pod(container=variables("1", "2")), [f"spec.containers[0].env[1]: {HIDES}"]),
        (pod(container=variables("1", "$(A)2")), []),
        (
            pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
                '"kubernetes.io/os" instead'
            ],
        ),
        (
            pod(container={"ports": [{"containerPort": 80}, {"containerPort": 80}]}),
            [
                "spec.containers[0].ports[1]: duplicate port definition with "
                "spec.containers[0].ports[0]"
            ],
        ),
        (
            pod(container={"resources": {"requests": {"memory": "100m"}}}),
            [
                'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is '
                "invalid, must be an integer"
            ],
        ),
        (
            pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]),
            ['spec.imagePullSecrets[1].name: duplicate name "a"'],
        ),
        (
            pod("a.b"),
            [
                "metadata.name: this is used in the Pod's hostname, which can result in surprising "
                "behavior; a DNS label is recommended: [must not contain dots]"
            ],
        ),
    ],
)
def test_pods_are_warned_of_each_time(rig: Rig, body: JsonObject, texts: list[str]) -> None:
    """The second time, their specification is known."""
    for _ in range(2):
        assert warned(rig, "POST", f"{PODS}?dryRun=All", body) == texts


def test_templates_are_warned_of_when_they_change(rig: Rig) -> None:
    spec = pod(container=variables("1", "2"))["spec"]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
    body = {
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    texts = [f"spec.template.spec.containers[0].env[1]: {HIDES}"]
    assert warned(rig, "POST", DEPLOYMENTS, body) == texts
    labels = {"metadata": {"labels": {"x": "y"}}}
    assert warned(rig, "PATCH", f"{DEPLOYMENTS}/d", labels, content_type=MERGE) == []
    scaled = {"spec": {"replicas": 2}}
    assert warned(rig, "PATCH", f"{DEPLOYMENTS}/d", scaled, content_type=MERGE) == texts


def test_other_kinds(rig: Rig) -> None:
    volume = {
        "metadata": {"name": "v"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/a"},
            "persistentVolumeReclaimPolicy": "Recycle",
        },
    }
    (text,) = warned(rig, "POST", "/api/v1/persistentvolumes", volume)
    assert text.startswith("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is")
    ingress = {
        "metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": "a"}},
        "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}},
    }
    path = "/apis/networking.k8s.io/v1/namespaces/x/ingresses"
    (text,) = warned(rig, "POST", path, ingress)
    assert text.endswith("please use 'spec.ingressClassName' instead")
