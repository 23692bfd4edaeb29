"""What is refused of kinds that few write by hand: by the rules of their validation packages."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create
from api.validation import validate_create, validate_update

STAYS = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"
NOT_HERE = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
STORAGE = "storage.k8s.io"


def made(key: str, body: JsonObject) -> JsonObject:
    kind = kind_of(key)
    metadata = {"name": "a", "uid": "u", **({"namespace": "x"} if kind.namespaced else {})}
    obj: JsonObject = {"metadata": metadata, **body}
    set_defaults(kind, obj)
    prepare_create(kind, obj, 0)
    return obj


def said(key: str, body: JsonObject) -> list[str]:
    return [cause.text for cause in validate_create(kind_of(key), made(key, body))]


@pytest.mark.parametrize(
    ("key", "body", "texts"),
    [
        (
            f"{STORAGE}/csidrivers",
            {
                "spec": {
                    "volumeLifecycleModes": ["X"],
                    "tokenRequests": [{"audience": "a"}, {"audience": "a"}],
                }
            },
            [
                'spec.tokenRequests[1].audience: Duplicate value: "a"',
                'spec.volumeLifecycleModes: Unsupported value: "X": supported values: '
                '"Persistent", "Ephemeral"',
            ],
        ),
        (
            f"{STORAGE}/csinodes",
            {"spec": {"drivers": [{"name": "a", "nodeID": "", "allocatable": {"count": -1}}]}},
            [
                "spec.drivers[0].nodeID: Required value",
                f"spec.drivers[0].allocatable.count: Invalid value: -1: {NEGATIVE}",
            ],
        ),
        (
            f"{STORAGE}/volumeattachments",
            {"spec": {"attacher": "a", "nodeName": "n", "source": {}}},
            [
                "spec.source: Required value: must specify exactly one of inlineVolumeSpec and "
                "persistentVolumeName"
            ],
        ),
        (
            f"{STORAGE}/csistoragecapacities",
            {"storageClassName": "c", "capacity": "-1"},
            [f'capacity: Invalid value: "-1": {NEGATIVE}'],
        ),
        (
            f"{STORAGE}/volumeattributesclasses",
            {"driverName": "d"},
            ["parameters: Required value: must contain at least one key/value pair"],
        ),
        (
            f"{STORAGE}/storageclasses",
            {
                "provisioner": "p",
                "allowedTopologies": [{"matchLabelExpressions": [{"key": "k", "values": []}]}],
            },
            ["allowedTopologies[0].matchLabelExpressions[0].values: Required value"],
        ),
        (
            "node.k8s.io/runtimeclasses",
            {"handler": "h", "overhead": {"podFixed": {"cpu": "-1"}}},
            [f'overhead.limits[cpu]: Invalid value: "-1": {NEGATIVE}'],
        ),
        (
            "networking.k8s.io/servicecidrs",
            {"spec": {}},
            ["spec.cidrs: Required value: at least one CIDR required"],
        ),
        (
            "networking.k8s.io/ingressclasses",
            {
                "spec": {
                    "controller": "a.b/c",
                    "parameters": {"kind": "K", "name": "", "scope": "Namespace"},
                }
            },
            [
                "spec.parameters.name: Required value: name is required",
                "spec.parameters.namespace: Required value: `parameters.scope` is set to "
                "'Namespace'",
            ],
        ),
        (
            "endpoints",
            {"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 1}]}]},
            [f'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": {NOT_HERE}'],
        ),
        (
            "discovery.k8s.io/endpointslices",
            {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]},
            [
                'endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address',
                f'endpoints[0].addresses[0]: Invalid value: "::1": {NOT_HERE}',
            ],
        ),
        (
            "limitranges",
            {"spec": {"limits": [{"type": "Foo", "maxLimitRequestRatio": {"cpu": "500m"}}]}},
            [
                'spec.limits[0].type: Invalid value: "Foo": must be a standard limit type or fully '
                "qualified",
                'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is '
                "less than 1",
            ],
        ),
        (
            "nodes",
            {"spec": {"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}},
            [
                'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more '
                "than one CIDR for each IP family"
            ],
        ),
    ],
)
def test_new_objects(key: str, body: JsonObject, texts: list[str]) -> None:
    assert said(key, body) == texts


@pytest.mark.parametrize(
    ("key", "old", "new", "texts"),
    [
        (
            f"{STORAGE}/csidrivers",
            {"spec": {}},
            {"spec": {"attachRequired": False}},
            [f"spec.attachedRequired: Invalid value: false: {STAYS}"],
        ),
        (
            f"{STORAGE}/csinodes",
            {"spec": {"drivers": [{"name": "a", "nodeID": "b", "allocatable": {"count": 1}}]}},
            {"spec": {"drivers": [{"name": "a", "nodeID": "b", "allocatable": {"count": 2}}]}},
            [],
        ),
        (
            f"{STORAGE}/volumeattributesclasses",
            {"driverName": "d", "parameters": {"a": "b"}},
            {"driverName": "d", "parameters": {"a": "c"}},
            ["parameters: Forbidden: updates to parameters are forbidden."],
        ),
        (
            "networking.k8s.io/servicecidrs",
            {"spec": {"cidrs": ["10.0.0.0/16"]}},
            {"spec": {"cidrs": ["10.1.0.0/16"]}},
            [f'spec.cidrs[0]: Invalid value: "10.1.0.0/16": {STAYS}'],
        ),
        (
            "node.k8s.io/runtimeclasses",
            {"handler": "a"},
            {"handler": "b"},
            [f'handler: Invalid value: "b": {STAYS}'],
        ),
    ],
)
def test_updates(key: str, old: JsonObject, new: JsonObject, texts: list[str]) -> None:
    found: Any = validate_update(kind_of(key), made(key, new), made(key, old))
    assert [cause.text for cause in found] == texts
