"""Defaults against every recorded pair of the served kinds, and their laws."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from api.admission import (
    TOKEN_VOLUME_PREFIX,
    add_default_tolerations,
    add_service_account,
    protect,
    resolve_priority,
    taint_new_node,
)
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.podtemplate import pull_policy
from api.defaults.services import (
    ports_wanting_node_port,
    set_addresses,
    wants_cluster_ip,
    wants_health_check_port,
)
from api.kinds import SERVED, Kind, kind_by_path, kind_of
from api.lifecycle import prepare_create, prepare_update

GOLDEN = Path(__file__).parent.parent / "golden" / "api"

NOT_PASSING: dict[str, str] = {}
"""Case id -> why its recorded answer does not come out. Every other served case must."""

NO_DEFAULTS = {
    "def-lease-offset": "refused while decoding (api.structure)",
    "def-pod-no-sa": "refused by admission: the account does not exist (apiserver)",
}
"""Cases of served kinds whose answer is an error that is made elsewhere."""


def kind_at(path: str) -> Kind:
    parts = path.split("?")[0].strip("/").split("/")
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    return kind_by_path(group, version, parts[-1])


def recorded() -> list[tuple[str, JsonObject, JsonObject]]:
    found = []
    for line in (GOLDEN / "defaults.jsonl").read_text().splitlines():
        case = json.loads(line)
        for step in case["steps"]:
            path = step["req"]["path"]
            if step["req"]["method"] != "POST" or "{ns}.example.com" in path:
                continue
            if kind_at(path).key not in SERVED:
                continue
            if not step.get("setup"):
                found.append((case["id"], step["req"], step["res"]))
    return found


CASES = recorded()


def created(kind: Kind, obj: JsonObject) -> JsonObject:
    """What a create does to an object between decoding and storing, with fixed choices."""
    obj["metadata"]["uid"] = "<uid>"
    set_defaults(kind, obj)
    protect(kind.key, obj)
    if kind.key == "pods":
        add_service_account(obj, {}, "<rand>")
        add_default_tolerations(obj)
        assert resolve_priority(obj, {}) is None
    elif kind.key == "nodes":
        taint_new_node(obj)
    elif kind.key == "services":
        for index in ports_wanting_node_port(obj):
            obj["spec"]["ports"][index]["nodePort"] = "<nodePort>"
        if wants_health_check_port(obj):
            obj["spec"]["healthCheckNodePort"] = "<nodePort>"
        set_addresses(obj, "<clusterIP>" if wants_cluster_ip(obj) else None)
    prepare_create(kind, obj, 0)
    return obj


def without_system_fields(obj: JsonObject) -> JsonObject:
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace"):
        obj["metadata"].pop(name, None)
    if "lastPhaseTransitionTime" in obj.get("status", {}):
        obj["status"]["lastPhaseTransitionTime"] = "<time>"
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition.get("lastTransitionTime"):
            condition["lastTransitionTime"] = "<time>"
    return obj


@pytest.mark.parametrize(("case", "req", "res"), CASES, ids=[case for case, _, _ in CASES])
def test_recorded_defaults(case: str, req: JsonObject, res: JsonObject) -> None:
    if case in NO_DEFAULTS:
        assert res["code"] >= 400
        return
    kind = kind_at(req["path"])
    got = without_system_fields(created(kind, copy.deepcopy(req["body"])))
    same = got == without_system_fields(res["body"])
    assert same == (case not in NOT_PASSING), got


def test_every_served_case_is_looked_at() -> None:
    cases = {case for case, _, _ in CASES}
    assert len(CASES) == 42
    assert set(NOT_PASSING) | set(NO_DEFAULTS) <= cases


@pytest.mark.parametrize(("case", "req", "res"), CASES, ids=[case for case, _, _ in CASES])
def test_defaults_are_a_fixed_point(case: str, req: JsonObject, res: JsonObject) -> None:
    if res["code"] != 201:
        return
    kind = kind_at(req["path"])
    once = created(kind, copy.deepcopy(req["body"]))
    again = copy.deepcopy(once)
    set_defaults(kind, again)
    assert again == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry.example:5000/a/b", "Always"),
        ("registry.example:5000/a/b:v1", "IfNotPresent"),
        ("a@sha256:" + "0" * 64, "IfNotPresent"),
        ("Upper/Case", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def pod(**spec: Any) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i:1"}], **spec},
    }


def test_empty_and_unknown_fields_go_away() -> None:
    obj = pod(nodeSelector={}, hostNetwork=False, bogus=1, hostname="", overhead=None)
    obj["spec"]["containers"][0]["args"] = []
    set_defaults(kind_of("pods"), obj)
    for name in ("nodeSelector", "hostNetwork", "bogus", "hostname", "overhead"):
        assert name not in obj["spec"]
    assert "args" not in obj["spec"]["containers"][0]


def test_pointers_to_zero_stay() -> None:
    obj = pod(terminationGracePeriodSeconds=0, enableServiceLinks=False)
    set_defaults(kind_of("pods"), obj)
    assert obj["spec"]["terminationGracePeriodSeconds"] == 0
    assert obj["spec"]["enableServiceLinks"] is False


def test_amounts_finer_than_a_thousandth_are_rounded_up() -> None:
    obj = pod()
    obj["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1500u", "memory": 1024}}
    set_defaults(kind_of("pods"), obj)
    limits = {"cpu": "2m", "memory": "1024"}
    assert obj["spec"]["containers"][0]["resources"] == {"limits": limits, "requests": limits}


def test_volume_and_probe_defaults() -> None:
    obj = pod(
        volumes=[
            {"name": "a"},
            {"name": "b", "hostPath": {"path": "/x"}},
            {"name": "s", "secret": {}},
        ]
    )
    obj["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"port": 80}}
    set_defaults(kind_of("pods"), obj)
    assert obj["spec"]["volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "hostPath": {"path": "/x", "type": ""}},
        {"name": "s", "secret": {"defaultMode": 420}},
    ]
    assert obj["spec"]["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_events_write_what_is_never_omitted() -> None:
    event: JsonObject = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod"}}
    set_defaults(kind_of("events"), event)
    assert event["source"] == {}
    assert event["firstTimestamp"] is None and event["eventTime"] is None
    assert event["reportingComponent"] == "" and event["reportingInstance"] == ""


def test_lease_times_are_canonical() -> None:
    lease: JsonObject = {
        "metadata": {"name": "l"},
        "spec": {"renewTime": "2026-01-02T05:04:05.678901+02:00"},
    }
    set_defaults(kind_of("coordination.k8s.io/leases"), lease)
    assert lease["spec"]["renewTime"] == "2026-01-02T03:04:05.678901Z"


def test_token_is_not_mounted_twice_or_against_the_wish() -> None:
    obj = pod(automountServiceAccountToken=False)
    add_service_account(obj, {"automountServiceAccountToken": True}, "abcde")
    assert "volumes" not in obj["spec"]
    obj = pod()
    add_service_account(obj, {"automountServiceAccountToken": False}, "abcde")
    assert "volumes" not in obj["spec"]
    obj = pod()
    add_service_account(obj, {}, "abcde")
    add_service_account(obj, {}, "fghij")
    assert [v["name"] for v in obj["spec"]["volumes"]] == [TOKEN_VOLUME_PREFIX + "abcde"]
    assert len(obj["spec"]["containers"][0]["volumeMounts"]) == 1


def test_priority_of_system_classes_and_refusals() -> None:
    obj = pod(priorityClassName="system-node-critical")
    assert resolve_priority(obj, {}) is None
    assert obj["spec"]["priority"] == 2_000_001_000
    assert resolve_priority(pod(priorityClassName="x"), {}) == (
        "no PriorityClass with name x was found"
    )
    assert "must not be provided" in str(resolve_priority(pod(priority=5), {}))


def test_generation_counts_wishes_only() -> None:
    kind = kind_of("apps/deployments")
    old: JsonObject = {
        "metadata": {"name": "d", "generation": 3, "uid": "u"},
        "spec": {"replicas": 1},
        "status": {"replicas": 1},
    }
    new: JsonObject = {"metadata": {"name": "d"}, "spec": {"replicas": 1}, "status": {}}
    prepare_update(kind, new, old)
    assert new == old
    new = {"metadata": {"name": "d"}, "spec": {"replicas": 2}, "status": {}}
    prepare_update(kind, new, old)
    assert new["metadata"]["generation"] == 4 and new["status"] == {"replicas": 1}


def test_an_updated_service_keeps_what_was_allocated() -> None:
    kind = kind_of("services")
    old: JsonObject = {
        "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
    }
    set_defaults(kind, old)
    set_addresses(old, "10.96.0.9")
    new: JsonObject = {
        "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81, "name": "x"}]},
    }
    set_defaults(kind, new)
    prepare_update(kind, new, old)
    assert new["spec"]["clusterIP"] == "10.96.0.9"
    assert new["spec"]["clusterIPs"] == ["10.96.0.9"]
    assert [port.get("nodePort") for port in new["spec"]["ports"]] == [30080, None]


def test_a_pod_without_containers_gets_through_to_validation() -> None:
    kind = kind_of("pods")
    obj = created(kind, {"metadata": {"name": "p"}})
    assert obj["spec"]["containers"] is None and "volumes" not in obj["spec"]


def test_grpc_probes_name_the_empty_service() -> None:
    obj = pod()
    obj["spec"]["containers"][0]["livenessProbe"] = {"grpc": {"port": 5}}
    set_defaults(kind_of("pods"), obj)
    grpc = obj["spec"]["containers"][0]["livenessProbe"]["grpc"]
    assert grpc == {"port": 5, "service": ""}


def test_requests_of_the_pod_as_a_whole() -> None:
    obj = pod(resources={"limits": {"cpu": "2", "memory": "1Gi"}})
    obj["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}
    set_defaults(kind_of("pods"), obj)
    assert obj["spec"]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    obj = pod(resources={"requests": {"cpu": "1"}})
    pages = {"requests": {"memory": "1Gi"}, "limits": {"hugepages-2Mi": "4Mi"}}
    obj["spec"]["containers"][0]["resources"] = pages
    set_defaults(kind_of("pods"), obj)
    own = {"requests": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi"}}
    assert obj["spec"]["resources"] == {**own, "limits": {"hugepages-2Mi": "4Mi"}}
    obj = pod(resources={"requests": {"cpu": "1"}})
    obj["spec"]["containers"][0]["resources"] = {"requests": {"memory": "1Gi"}}
    set_defaults(kind_of("pods"), obj)
    assert obj["spec"]["resources"] == {"requests": {"cpu": "1"}}
