"""Ingresses, ranges of Services and the sources of load balancers: by the rules of Kubernetes
1.36, not by record."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.validation import validate_create, validate_update

INGRESSES, RANGES = "networking.k8s.io/ingresses", "networking.k8s.io/servicecidrs"
CLASS = "kubernetes.io/ingress.class"
SOURCES = "service.beta.kubernetes.io/load-balancer-source-ranges"
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
AT = "spec.rules[0].http.paths[0]"
STAYS = "field is immutable"
BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
BALANCER_ONLY = "Forbidden: may only be used when `type` is 'LoadBalancer'"


def made(key: str, spec: JsonObject, **annotations: str) -> JsonObject:
    kind = kind_of(key)
    metadata = {
        "name": "a",
        "annotations": annotations,
        **({"namespace": "x"} if kind.namespaced else {}),
    }
    obj: JsonObject = {"metadata": metadata, "spec": spec}
    set_defaults(kind, obj)
    return obj


def told(key: str, spec: JsonObject, **annotations: str) -> list[str]:
    """The causes against a new object."""
    found = validate_create(kind_of(key), made(key, spec, **annotations))
    return [cause.text for cause in found]


def route(**path: Any) -> JsonObject:
    whole = {"path": "/", "pathType": "Prefix", "backend": BACKEND, **path}
    kept = {name: value for name, value in whole.items() if value is not None}
    return {"rules": [{"http": {"paths": [kept]}}]}


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (route(), []),
        # Without its type nothing else of a path is looked at.
        (route(pathType=None, path="a", backend={}),
         [f"{AT}.pathType: Required value: pathType must be specified"]),
        (route(path="a//b"),
         [f'{AT}.path: Invalid value: "a//b": must be an absolute path',
          f"{AT}.path: Invalid value: \"a//b\": must not contain '//'"]),
        (route(pathType="ImplementationSpecific", path="a"),
         [f'{AT}.path: Invalid value: "a": must be an absolute path']),
        (route(backend={}),
         [f'{AT}.backend: Invalid value: "": resource or service backend is required']),
        (route(backend={"service": {"name": "s", "port": {"number": 1, "name": "n"}}}),
         [f'{AT}.backend: Invalid value: "": cannot set both port name & port number']),
        (route(backend={"service": {"name": "s"}}),
         [f"{AT}.backend: Required value: port name or number is required"]),
        (route(backend={"service": {"name": "s", "port": {"number": 65536}}}),
         [f"{AT}.backend.service.port.number: Invalid value: 65536: must be between 1 and 65535, "
          "inclusive"]),
    ],
)  # fmt: skip
def test_paths(spec: JsonObject, causes: list[str]) -> None:
    assert told(INGRESSES, spec) == causes


def test_an_annotation_of_a_new_ingress_names_the_same_class() -> None:
    spec = {**route(), "ingressClassName": "a"}
    text = "must match `ingressClassName` when both are specified"
    assert told(INGRESSES, spec, **{CLASS: "b"}) == [
        f'annotations.{CLASS}: Invalid value: "b": {text}'
    ]
    assert told(INGRESSES, spec, **{CLASS: "a"}) == told(INGRESSES, route(), **{CLASS: "b"}) == []
    other = made(INGRESSES, spec, **{CLASS: "b"})
    assert validate_update(kind_of(INGRESSES), other, other) == []


@pytest.mark.parametrize(
    ("cidrs", "causes"),
    [
        (["10.0.0.0/16", "fd00::/64"], []),
        (["FD00::/64"],
         ['spec.cidrs[0]: Invalid value: "FD00::/64": must be in canonical form ("fd00::/64")']),
        (["10.0.0.0/16", "fd00"],
         ['spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/16","fd00"]}: may specify no more than '
          "one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"]),
        (["x"], [f'spec.cidrs[0]: Invalid value: "x": {BAD_CIDR}']),
    ],
)  # fmt: skip
def test_ranges(cidrs: list[str], causes: list[str]) -> None:
    assert told(RANGES, {"cidrs": cidrs}) == causes


@pytest.mark.parametrize(
    ("before", "after", "causes"),
    [
        (["10.0.0.0/16"], ["10.0.0.0/16", "fd00::/64"], []),
        (["10.0.0.0/16"], ["10.1.0.0/16", "fd00::/64"],
         [f'spec.cidrs[0]: Invalid value: "10.1.0.0/16": {STAYS}']),
        (["10.0.0.0/16", "fd00::/64"], ["10.0.0.0/16", "fd01::/64"],
         [f'spec.cidrs[1]: Invalid value: "fd01::/64": {STAYS}']),
        (["10.0.0.0/16", "fd00::/64"], ["10.0.0.0/16"],
         [f'spec.cidrs: Invalid value: ["10.0.0.0/16"]: {STAYS}']),
    ],
)  # fmt: skip
def test_updates_of_ranges(before: list[str], after: list[str], causes: list[str]) -> None:
    old, new = (made(RANGES, {"cidrs": cidrs}) for cidrs in (before, after))
    assert [cause.text for cause in validate_update(kind_of(RANGES), new, old)] == causes


FIELD = f"metadata.annotations[{SOURCES}]"
ADDRESSES = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}


@pytest.mark.parametrize(
    ("spec", "sources", "causes"),
    [
        ({"type": "LoadBalancer"}, " 10.0.0.0/8, 1.2.3.4/32 ", []),
        ({"type": "LoadBalancer"}, "10.0.0.0/8,x", [f'{FIELD}: Invalid value: "x": {BAD_CIDR}']),
        ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]}, "x", []),
        ({}, "", [f"{FIELD}: {BALANCER_ONLY}"]),
    ],
)
def test_sources_of_load_balancers(spec: JsonObject, sources: str, causes: list[str]) -> None:
    whole = {"ports": [{"port": 80}], **ADDRESSES, **spec}
    assert told("services", whole, **{SOURCES: sources}) == causes


def test_only_new_sources_are_judged_anew() -> None:
    spec = {"ports": [{"port": 80}], "type": "LoadBalancer", **ADDRESSES}
    kind, plain = kind_of("services"), made("services", spec)
    old, new = (made("services", spec, **{SOURCES: text}) for text in ("x", "y"))
    assert validate_update(kind, old, old) == []
    for before in (plain, old):
        found = validate_update(kind, new, before)
        assert [cause.text for cause in found] == [f'{FIELD}: Invalid value: "y": {BAD_CIDR}']
