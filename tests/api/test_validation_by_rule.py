"""What is refused of Services, Jobs, autoscalers and others beyond what is recorded: by rule."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create, prepare_update
from api.validation import validate_create, validate_update

PORTS = [{"port": 80}]
LB_ONLY = "Forbidden: may only be used when `type` is 'LoadBalancer'"
TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
M = "spec.metrics[0]"
WRONG_POLICY = {"type": "X", "value": 0, "periodSeconds": 1801}
RULE = "spec.podFailurePolicy.rules[0]"


def causes_of(key: str, spec: JsonObject) -> list[str]:
    kind = kind_of(key)
    metadata = {"name": "a", "uid": "u", **({"namespace": "x"} if kind.namespaced else {})}
    obj: JsonObject = {"metadata": metadata, "spec": spec}
    set_defaults(kind, obj)
    prepare_create(kind, obj, 0)
    return [cause.text for cause in validate_create(kind, obj)]


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            {"loadBalancerSourceRanges": ["1.2.3.4"], "type": "LoadBalancer"},
            [
                'spec.LoadBalancerSourceRanges[0]: Invalid value: "1.2.3.4": must be a valid CIDR '
                "value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ],
        ),
        ({"loadBalancerClass": "a/b"}, [f"spec.loadBalancerClass: {LB_ONLY}"]),
        (
            {"externalTrafficPolicy": "Local"},
            [
                'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
                "externally-accessible services"
            ],
        ),
        (
            {"type": "LoadBalancer", "healthCheckNodePort": 30000},
            [
                "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is "
                "'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            ],
        ),
        (
            {
                "clusterIP": "",
                "clusterIPs": [],
                "ipFamilies": ["IPv6"],
                "ipFamilyPolicy": "RequireDualStack",
            },
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not '
                "configured for dual-stack services",
                'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
            ],
        ),
        (
            {"externalIPs": ["127.0.0.1"]},
            [
                'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range '
                "(127.0.0.0/8, ::1/128)"
            ],
        ),
        ({"type": "LoadBalancer", "loadBalancerClass": "a/b", "externalIPs": ["10.1.1.1"]}, []),
    ],
)
def test_services(spec: JsonObject, causes: list[str]) -> None:
    given = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}
    spec = {**given, "ports": [dict(port) for port in PORTS], **spec}
    assert causes_of("services", spec) == causes


def test_a_service_of_another_type_lets_go_of_what_it_had() -> None:
    kind = kind_of("services")
    old: JsonObject = {
        "metadata": {"name": "a", "namespace": "x"},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30001}],
            "clusterIP": "10.96.0.9",
            "clusterIPs": ["10.96.0.9"],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "allocateLoadBalancerNodePorts": True,
            "healthCheckNodePort": 30002,
        },
        "status": {"loadBalancer": {}},
    }

    def turned(**changes: Any) -> JsonObject:
        ports = [dict(port) for port in old["spec"]["ports"]]
        new: JsonObject = {**old, "metadata": dict(old["metadata"])}
        new["spec"] = {**old["spec"], "ports": ports, **changes}
        prepare_update(kind, new, old)
        spec: JsonObject = new["spec"]
        return spec

    spec = turned(type="ClusterIP")
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec.keys() == {
        "type", "ports", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"
    }  # fmt: skip
    assert turned(type="ExternalName", externalName="a.b").keys() == {
        "type",
        "externalName",
        "ports",
    }
    kept = turned(type="NodePort", healthCheckNodePort=30003)
    assert kept["healthCheckNodePort"] == 30003, "what the client changed is for validation"
    assert kept["ports"][0]["nodePort"] == 30001


def job(**more: Any) -> JsonObject:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    return {"template": {"spec": pod}, **more}


def policy(**rule: Any) -> JsonObject:
    return job(podFailurePolicy={"rules": [rule]})


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            policy(action="FailJob"),
            [
                f"{RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
                "required"
            ],
        ),
        (
            policy(action="FailIndex", onExitCodes={"operator": "In", "values": [3, 0, 3]}),
            [
                f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to '
                "be set",
                f"{RULE}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In "
                "operator",
                f"{RULE}.onExitCodes.values[2]: Duplicate value: 3",
                f"{RULE}.onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
        ),
        (
            policy(action="Ignore", onPodConditions=[{"type": "A", "status": "Maybe"}]),
            [
                f'{RULE}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: '
                '"False", "True", "Unknown"'
            ],
        ),
        (
            job(managedBy="a"),
            [
                'spec.managedBy: Invalid value: "a": must be a domain-prefixed path (such as '
                '"acme.io/foo")'
            ],
        ),
        (
            job(completionMode="Indexed", completions=2, successPolicy={"rules": [{}]}),
            [
                "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
                "succeededIndexes must be specified"
            ],
        ),
        (job(managedBy="example.com/me"), []),
        (policy(action="Count", onExitCodes={"operator": "NotIn", "values": [0, 1]}), []),
    ],
)
def test_jobs(spec: JsonObject, causes: list[str]) -> None:
    assert causes_of("batch/jobs", spec) == causes


def metric(kind: str, **source: Any) -> JsonObject:
    name = kind[0].lower() + kind[1:]
    return {"metrics": [{"type": kind, name: source}]}


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            metric("Resource", name="cpu", target={"type": "Utilization"}),
            [
                f"{M}.resource.target.averageUtilization: Required value: must set either a target "
                "raw value or a target utilization"
            ],
        ),
        (
            metric("Pods", metric={"name": ""}, target={"type": "x", "averageValue": "-1"}),
            [
                f"{M}.pods.metric.name: Required value: must specify a metric name",
                f'{M}.pods.target.type: Invalid value: "x": must be either Utilization, Value, or '
                "AverageValue",
                f'{M}.pods.target.averageValue: Invalid value: "-1": must be positive',
                f"{M}.pods.target.averageValue: Required value: must specify a positive target "
                "averageValue",
            ],
        ),
        (
            {"behavior": {"scaleUp": {"policies": [WRONG_POLICY]}}},
            [
                'spec.behavior.scaleUp.policies[0].type: Unsupported value: "X": supported values: '
                '"Percent", "Pods"',
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than "
                "zero",
                "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be "
                "less than or equal to 1800",
            ],
        ),
        (metric("External", metric={"name": "q"}, target={"type": "Value", "value": "1"}), []),
    ],
)
def test_autoscalers(spec: JsonObject, causes: list[str]) -> None:
    whole = {"scaleTargetRef": dict(TARGET), "maxReplicas": 3, **spec}
    assert causes_of("autoscaling/horizontalpodautoscalers", whole) == causes


BACKEND = {"service": {"name": "s", "port": {"number": 80}}}


def route(**path: Any) -> JsonObject:
    return {"rules": [{"http": {"paths": [{"backend": BACKEND, **path}]}}]}


@pytest.mark.parametrize(
    ("key", "spec", "causes"),
    [
        (
            "networking.k8s.io/ingresses",
            route(path="/a//b", pathType="Exact"),
            ["spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'"],
        ),
        (
            "networking.k8s.io/ingressclasses",
            {"controller": "foo"},
            [
                'spec.controller: Invalid value: "foo": must be a domain-prefixed path (such as '
                '"acme.io/foo")'
            ],
        ),
        (
            "networking.k8s.io/networkpolicies",
            {"ingress": [{"ports": [{"port": 80, "endPort": 70}, {"endPort": 1}]}]},
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or "
                "equal to `port`",
                "spec.ingress[0].ports[1].endPort: Invalid value: 1: may not be specified when "
                "`port` is not specified",
            ],
        ),
        (
            "networking.k8s.io/networkpolicies",
            {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.1.0/25"]}}]}]},
            [
                'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.1.0/25": must be a '
                "strict subset of `cidr`"
            ],
        ),
        (
            "resourcequotas",
            {"hard": {"foo": "1", "count/pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]},
            [
                'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully '
                "qualified",
                'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
                'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
            ],
        ),
        (
            "resourcequotas",
            {"hard": {"cpu": "1"}, "scopes": ["BestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
        ),
        (
            "persistentvolumes",
            {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "nfs": {"server": "", "path": "a"},
            },
            [
                "spec.nfs.server: Required value",
                'spec.nfs.path: Invalid value: "a": must be an absolute path',
            ],
        ),
    ],
)
def test_other_kinds(key: str, spec: JsonObject, causes: list[str]) -> None:
    assert causes_of(key, spec) == causes


def test_names_of_stateful_sets_and_their_services_are_labels() -> None:
    label = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
        "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )
    pod = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    kind = kind_of("apps/statefulsets")
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod, "serviceName": "A_"}
    new: JsonObject = {"metadata": {"name": "a.b", "uid": "u", "namespace": "x"}, "spec": spec}
    set_defaults(kind, new)
    prepare_create(kind, new, 0)
    assert [cause.text for cause in validate_create(kind, new)] == [
        'metadata.name: Invalid value: "a.b": must not contain dots',
        f'spec.serviceName: Invalid value: "A_": {label}',
    ]
    new["metadata"] |= {"resourceVersion": "1", "name": "a"}
    grown = {**new, "spec": {**new["spec"], "replicas": 3}}
    assert validate_update(kind, grown, new) == [], "one that is there already may stay so"


def test_of_a_stateful_sets_pods_little_is_asked() -> None:
    """What they mount may be made of its claims; how many may be missing is a feature that is
    off."""
    mounts = [{"name": "claimed", "mountPath": "/d"}]
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "volumeMounts": mounts}], "restartPolicy": "Never"},
    }
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    spec: JsonObject = {
        "selector": {"matchLabels": {"a": "b"}},
        "template": template,
        "updateStrategy": rolling,
    }
    only = 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: '
    assert causes_of("apps/statefulsets", spec) == [f'{only}"Always"']
    assert spec["updateStrategy"]["rollingUpdate"] == {"partition": 0}


def test_a_job_keeps_a_selector_that_finds_its_pods() -> None:
    kind = kind_of("batch/jobs")
    metadata = {"name": "a", "namespace": "x", "uid": "u"}
    pods = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    old: JsonObject = {"metadata": metadata, "spec": {"template": pods}}
    set_defaults(kind, old)
    prepare_create(kind, old, 0)
    new: JsonObject = {**old, "spec": {**old["spec"], "selector": {"matchLabels": {"z": "z"}}}}
    fields = [cause.field for cause in validate_update(kind, new, old)]
    labels = "spec.template.metadata.labels"
    assert fields == ["spec.selector", labels, labels, "spec.selector"]
