"""What updates are told twice, and what only a look at the sources tells: by rule, not by record.

Source: ValidateUpdate in pkg/registry/*/strategy.go of Kubernetes 1.36 and what it calls.
"""

import copy
from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create, prepare_update
from api.validation import validate_create, validate_status_update, validate_update

PODS = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
JOB_PODS = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"a": "b"}}
KEPT = {"selector": SELECTOR, "template": PODS}
NEGATIVE = "Invalid value: -1: must be greater than or equal to 0"
POLICY = {"podSelector": {}, "policyTypes": ["Ingress"]}
TAINT = {"key": "a", "effect": "No"}
BAD_TAINT = (
    'Unsupported value: "No": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
)
FIELD_STAYS = "field is immutable"


def stored(key: str, **content: Any) -> JsonObject:
    kind = kind_of(key)
    metadata = {"name": "a", "uid": "u", **({"namespace": "x"} if kind.namespaced else {})}
    obj: JsonObject = {"metadata": metadata, **copy.deepcopy(content)}
    set_defaults(kind, obj)
    prepare_create(kind, obj, 0)
    return obj


def told(key: str, before: JsonObject, **content: Any) -> list[str]:
    """The causes against an update by ``content``."""
    kind = kind_of(key)
    after = copy.deepcopy(before)
    for name, value in content.items():
        after[name] = {**after[name], **value} if isinstance(value, dict) else value
    set_defaults(kind, after)
    prepare_update(kind, after, before)
    return [cause.text for cause in validate_update(kind, after, before)]


@pytest.mark.parametrize(
    ("key", "spec", "change", "causes"),
    [
        ("apps/replicasets", KEPT, {"minReadySeconds": -1},
         [f"spec.minReadySeconds: {NEGATIVE}"] * 2),
        ("apps/daemonsets", KEPT, {"minReadySeconds": -1},
         [f"spec.minReadySeconds: {NEGATIVE}"] * 2),
        ("apps/deployments", KEPT, {"minReadySeconds": -1},
         [f"spec.minReadySeconds: {NEGATIVE}"]),
        ("batch/jobs", {"template": JOB_PODS}, {"backoffLimit": -1},
         [f"spec.backoffLimit: {NEGATIVE}"] * 2),
        ("networking.k8s.io/networkpolicies", POLICY, {"policyTypes": ["X"]},
         ['spec.policyTypes[0]: Unsupported value: "X": supported values: "Egress", "Ingress"']
         * 2),
        ("nodes", {}, {"taints": [TAINT]}, [f"metadata.taints[0].effect: {BAD_TAINT}"] * 2),
        ("nodes", {"externalID": "a"}, {"externalID": "b"},
         ["spec.externalID: Forbidden: may not be updated"]),
    ],
)  # fmt: skip
def test_faults_of_an_update(
    key: str, spec: JsonObject, change: JsonObject, causes: list[str]
) -> None:
    assert told(key, stored(key, spec=spec), spec=change) == causes


@pytest.mark.parametrize(
    ("key", "times"),
    [("apps/deployments", 3), ("apps/daemonsets", 4), ("secrets", 4), ("leases", 3), ("roles", 4),
     ("poddisruptionbudgets", 2), ("nodes", 4), ("limitranges", 3), ("storageclasses", 4)],
)  # fmt: skip
def test_how_often_a_wrong_label_is_told(key: str, times: int) -> None:
    groups = {"leases": "coordination.k8s.io/", "roles": "rbac.authorization.k8s.io/"}
    groups |= {"poddisruptionbudgets": "policy/", "storageclasses": "storage.k8s.io/"}
    full = groups.get(key, "") + key
    content: JsonObject = {"provisioner": "p"} if key == "storageclasses" else {}
    before = stored(full, spec=KEPT if key.startswith("apps") else {}, **content)
    causes = told(full, before, metadata={"labels": {"a": "b c"}})
    assert len(causes) == times and {cause[:16] for cause in causes} == {"metadata.labels:"}


def test_classes_stay_and_are_judged() -> None:
    before = stored("storage.k8s.io/storageclasses", provisioner="p")
    assert told("storage.k8s.io/storageclasses", before, reclaimPolicy="X") == [
        'reclaimPolicy: Unsupported value: "X": supported values: "Delete", "Retain"',
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
    ]
    before = stored("scheduling.k8s.io/priorityclasses", value=1)
    assert told("scheduling.k8s.io/priorityclasses", before, preemptionPolicy="Never") == [
        f'preemptionPolicy: Invalid value: "Never": {FIELD_STAYS}'
    ]


@pytest.mark.parametrize(
    ("key", "spec", "causes"),
    [
        ("apps/deployments", {**KEPT, "strategy": {"type": "X"}},
         ['spec.strategy: Unsupported value: {"Type":"X","RollingUpdate":null}: supported values: '
          '"Recreate", "RollingUpdate"']),
        ("apps/daemonsets",
         {**KEPT, "updateStrategy": {"type": "X", "rollingUpdate": {"maxSurge": "5%"}}},
         ['spec.updateStrategy: Unsupported value: {"Type":"X","RollingUpdate":{"MaxUnavailable":0,'
          '"MaxSurge":"5%"}}: supported values: "RollingUpdate", "OnDelete"']),
        ("apps/daemonsets", {**KEPT, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
         ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when "
          "maxSurge is 0"]),
        ("apps/statefulsets",
         {**KEPT, "updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
         ['spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}'
          ": only allowed for updateStrategy 'RollingUpdate'"]),
        ("autoscaling/horizontalpodautoscalers",
         {"minReplicas": 0, "maxReplicas": 1, "behavior": {"scaleUp": {"tolerance": "-1"}},
          "scaleTargetRef": {"kind": "K", "name": "n", "apiVersion": "a/v1"}},
         ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
          "spec.metrics: Forbidden: must specify at least one Object or External metric to support "
          "scaling to zero replicas",
          'spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to '
          "0"]),
        ("autoscaling/horizontalpodautoscalers",
         {"maxReplicas": -1, "scaleTargetRef": {"kind": "K", "name": "n", "apiVersion": "a/v1"},
          "metrics": [{"type": "ContainerResource", "containerResource": {
              "name": "foo", "container": "c",
              "target": {"type": "Utilization", "averageUtilization": 1}}}, {"type": "X"}]},
         ["spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1",
          "spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`",
          'spec.metrics[0].containerResource.name: Invalid value: "foo": must be a standard '
          "resource type or fully qualified",
          'spec.metrics[0].containerResource.name: Invalid value: "foo": must be a standard '
          "resource for containers",
          *['spec.metrics[1].type: Unsupported value: "X": supported values: "ContainerResource", '
            '"External", "Object", "Pods", "Resource"'] * 2]),
        ("admissionregistration.k8s.io/mutatingadmissionpolicies",
         {"reinvocationPolicy": "X", "mutations": [
             {"patchType": "JSONPatch"}, {"patchType": "X"}, {},
             {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"},
              "jsonPatch": {"expression": "[]"}}]},
         ["spec.matchConstraints: Required value",
          "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is "
          "JSONPatch",
          'spec.mutations[1].patchType: Unsupported value: "X": supported values: '
          '"ApplyConfiguration", "JSONPatch"',
          "spec.mutations[2].patchType: Required value",
          'spec.mutations[3].jsonPatch: Invalid value: {"Expression":"[]"}: must not be specified '
          "when patchType is ApplyConfiguration",
          'spec.reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", '
          '"Never"']),
        ("batch/jobs",
         {"template": JOB_PODS, "completionMode": "Indexed", "completions": 2,
          "maxFailedIndexes": 3},
         ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
          "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions"]),
        ("batch/jobs",
         {"template": JOB_PODS, "completionMode": "Indexed", "completions": 200_000,
          "parallelism": 20_000, "backoffLimitPerIndex": 1},
         ["spec.maxFailedIndexes: Required value: must be specified when completions is above "
          "100000",
          "spec.parallelism: Invalid value: 20000: must be less than or equal to 10000 when "
          "completions are above 100000 and used with backoff limit per index"]),
    ],
)  # fmt: skip
def test_faults_of_a_new_object(key: str, spec: JsonObject, causes: list[str]) -> None:
    obj = stored(key, spec=spec)
    assert [cause.text for cause in validate_create(kind_of(key), obj)] == causes


def test_a_job_at_rest_may_be_placed_and_sized_anew() -> None:
    before = stored("batch/jobs", spec={"template": JOB_PODS, "suspend": True})
    sized = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    template = copy.deepcopy(before["spec"]["template"])
    template["spec"] |= {"nodeSelector": {"a": "b"}, "containers": [sized]}
    assert told("batch/jobs", before, spec={"template": template}) == []
    template["spec"]["hostNetwork"] = True
    (wrong,) = told("batch/jobs", before, spec={"template": template})
    assert wrong.startswith("spec.template.spec: ") and wrong.endswith(FIELD_STAYS)
    before["status"]["startTime"] = "2026-01-01T00:00:00Z"
    (wrong,) = told("batch/jobs", before, spec={"template": template})
    assert wrong.startswith("spec.template: ") and wrong.endswith(FIELD_STAYS)


def test_places_of_a_storage_class_differ() -> None:
    """There are as many empty ones before the first: Kubernetes makes its list so."""
    terms = [{"matchLabelExpressions": [{"key": "a", "values": ["b"]}]}]
    obj = stored(
        "storage.k8s.io/storageclasses", provisioner="p", allowedTopologies=[*terms, *terms]
    )
    field = 'allowedTopologies[{}].matchLabelExpressions: Duplicate value: ""'
    kind = kind_of("storage.k8s.io/storageclasses")
    assert [cause.text for cause in validate_create(kind, obj)] == [field.format(1)]
    obj["allowedTopologies"] = [{}]
    assert [cause.text for cause in validate_create(kind, obj)] == [field.format(0)]


def test_an_indexed_job_names_its_pods() -> None:
    kind, name = kind_of("batch/jobs"), "a" * 62
    obj = stored("batch/jobs", spec={"template": JOB_PODS, "completionMode": "Indexed",
                                     "completions": 1})  # fmt: skip
    obj["metadata"]["name"] = name
    obj["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] = name
    obj["spec"]["template"]["metadata"]["labels"]["job-name"] = name
    text = f"will not able to create pod with invalid DNS label: {name}-0"
    (cause,) = validate_create(kind, obj)
    assert cause.text == f'metadata.name: Invalid value: "{name}": {text}'


def test_a_load_balancers_addresses_say_what_they_are() -> None:
    kind = kind_of("services")
    before = stored("services", spec={"type": "LoadBalancer", "ports": [{"port": 1}]})
    points = [{"ip": "1.2.3.4"}, {"hostname": "h", "ipMode": "VIP"}, {"ip": "1.2.3.4",
                                                                      "ipMode": "X"}]  # fmt: skip
    after = {**before, "status": {"loadBalancer": {"ingress": points}}}
    set_defaults(kind, after)
    assert points[0] == {"ip": "1.2.3.4", "ipMode": "VIP"}
    field = "status.loadBalancer.ingress"
    assert [cause.text for cause in validate_status_update(kind, after, before)] == [
        f"{field}[1].ipMode: Forbidden: may not be specified when `ip` is not set",
        f'{field}[2].ipMode: Unsupported value: "X": supported values: "Proxy", "VIP"',
    ]


def test_who_names_the_strategy_alone_gets_no_partition() -> None:
    for given, made in (
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ({"type": "RollingUpdate"}, {"type": "RollingUpdate"}),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
    ):
        obj = stored("apps/statefulsets", spec={**KEPT, "updateStrategy": given})
        assert obj["spec"]["updateStrategy"] == made
