"""Which objects the scopes of a quota take in."""

from typing import Any

import pytest

from api.core import JsonObject
from api.quota_scopes import in_scope

CLAIMS = "persistentvolumeclaims"


def of_class(operator: str, *values: str) -> JsonObject:
    scope = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": list(values)}
    return {"spec": {"scopeSelector": {"matchExpressions": [scope]}}}


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"volumeAttributesClassName": "gold"}, {}),
        ({"volumeAttributesClassName": "tin"}, {"currentVolumeAttributesClassName": "gold"}),
        ({}, {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "gold"}}),
    ],
)
def test_a_claim_is_of_the_class_it_has_had_or_is_to_have(
    spec: JsonObject, status: JsonObject
) -> None:
    claim = {"spec": spec, "status": status}
    assert in_scope(of_class("In", "gold"), CLAIMS, claim)
    assert in_scope(of_class("Exists"), CLAIMS, claim)
    assert not in_scope(of_class("In", "silver"), CLAIMS, claim)
    assert not in_scope(of_class("DoesNotExist"), CLAIMS, claim)


@pytest.mark.parametrize("claim", [{"spec": {}}, {"spec": {}, "status": None}])
def test_a_claim_without_a_class(claim: JsonObject) -> None:
    assert in_scope(of_class("DoesNotExist"), CLAIMS, claim)
    assert not in_scope(of_class("Exists"), CLAIMS, claim)
    assert not in_scope(of_class("In", "gold"), CLAIMS, claim)


def pod(**spec: Any) -> JsonObject:
    return {"spec": {"containers": [{"name": "c", "resources": {}}], **spec}}


FAR = {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["y"]}]}
PREFERRED = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"namespaceSelector": {}}}
    ]
}
NEAR = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("Terminating", pod(activeDeadlineSeconds=0), pod()),
        ("NotTerminating", pod(), pod(activeDeadlineSeconds=0)),
        ("BestEffort", pod(), pod(containers=[{"resources": {"requests": {"cpu": "1"}}}])),
        ("NotBestEffort", pod(containers=[{"resources": {"requests": {"cpu": "1"}}}]), pod()),
        ("PriorityClass", pod(priorityClassName="high"), pod()),
        ("CrossNamespacePodAffinity", pod(affinity={"podAffinity": FAR}), pod(affinity=None)),
        (
            "CrossNamespacePodAffinity",
            pod(affinity={"podAntiAffinity": PREFERRED}),
            pod(affinity={"podAffinity": NEAR}),
        ),
    ],
)
def test_scopes_of_pods(scope: str, inside: JsonObject, outside: JsonObject) -> None:
    quota = {"spec": {"scopes": [scope]}}
    assert in_scope(quota, "pods", inside) and not in_scope(quota, "pods", outside)
    assert not in_scope(quota, "services", inside), "objects of other kinds are in no scope"
    assert in_scope({"spec": {}}, "services", inside)
