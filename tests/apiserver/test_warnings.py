"""What a server warns of in objects that it takes, on create and when a template changes."""

from typing import Any

import orjson
import pytest

from api.core import JsonObject
from api.kinds import SERVED
from controllers.absent import UNATTENDED
from controllers.core import WATCHED
from tests.apiserver.apiserver_rig import Rig

PODS = "/api/v1/namespaces/x/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/x/deployments"
HIDES = 'hides previous definition of "A", which may be dropped when using apply'
MERGE = "application/merge-patch+json"


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


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({}, []),
        (
            {"externalIPs": ["1.2.3.4"]},
            ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
        ),
        (
            {"clusterIP": "None", "sessionAffinity": "ClientIP"},
            ["spec.SessionAffinity is ignored for headless services"],
        ),
        (
            {"externalName": "a.b", "trafficDistribution": "PreferClose"},
            [
                'spec.externalName is ignored when spec.type is not "ExternalName"',
                'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
            ],
        ),
    ],
)
def test_services_are_warned_of_on_create_and_update(
    rig: Rig, spec: JsonObject, texts: list[str]
) -> None:
    path = "/api/v1/namespaces/x/services"
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}
    assert warned(rig, "POST", path, body) == texts
    label = {"metadata": {"labels": {"a": "b"}}}
    assert warned(rig, "PATCH", f"{path}/s", label, content_type=MERGE) == texts


def test_claims_and_volumes_are_whole_bytes_of_a_class_in_their_specification(rig: Rig) -> None:
    old = "volume.beta.kubernetes.io/storage-class"
    of_class = (
        f'metadata.annotations[{old}]: deprecated since v1.8; use "storageClassName" attribute '
        "instead"
    )
    size = 'fractional byte value "1500m" is invalid, must be an integer'
    meta = {"name": "v", "annotations": {old: "fast"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}}
    assert warned(
        rig,
        "POST",
        "/api/v1/namespaces/x/persistentvolumeclaims",
        {"metadata": meta, "spec": claim},
    ) == [of_class, f"spec.resources.requests[storage]: {size}"]
    volume = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1500m"},
        "rbd": {"monitors": ["a"], "image": "i"},
    }
    body = {"metadata": meta, "spec": volume}
    assert warned(rig, "POST", "/api/v1/persistentvolumes", body) == [
        of_class,
        "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
        f"spec.capacity[storage]: {size}",
    ]


def test_new_objects_that_nothing_acts_on_are_warned_of_where_the_cluster_says_so(rig: Rig) -> None:
    """However they are made; what changes later needs no reminder."""
    claim = {"metadata": {"name": "n"}, "spec": {"podSelector": {}}}
    policies = "/apis/networking.k8s.io/v1/namespaces/x/networkpolicies"
    assert warned(rig, "POST", f"{policies}?dryRun=All", claim) == []
    rig.core.warn_of(UNATTENDED)
    text = UNATTENDED["networking.k8s.io/networkpolicies"]
    assert warned(rig, "POST", policies, claim) == [text]
    labels = {"metadata": {"labels": {"x": "y"}}}
    assert warned(rig, "PATCH", f"{policies}/n", labels, content_type=MERGE) == []
    applied = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "applied"},
        "spec": {"podSelector": {}},
    }
    path = f"{policies}/applied?fieldManager=a"
    apply = "application/apply-patch+yaml"
    assert warned(rig, "PATCH", path, applied, content_type=apply) == [text]
    assert warned(rig, "POST", PODS, pod()) == []


def test_what_is_warned_of_is_served_and_no_controller_watches_it() -> None:
    assert set(UNATTENDED) <= set(SERVED)
    assert not set(UNATTENDED) & set(WATCHED)
