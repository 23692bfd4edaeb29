"""What is refused in a pod's specification beyond what is recorded: by rule, with its words."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.validation import validate_create

ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
C = "spec.containers[0]"


def causes_of(spec: JsonObject) -> list[str]:
    """Of a pod whose container or specification has been changed so."""
    container = {"name": "c", "image": "i", **spec.pop("c", {})}
    whole = {"containers": [container], **spec}
    pod: JsonObject = {"metadata": {"name": "p", "namespace": "x"}, "spec": whole}
    kind = kind_of("pods")
    set_defaults(kind, pod)
    return [cause.text for cause in validate_create(kind, pod)]


def node_term(**requirement: Any) -> JsonObject:
    terms = [{"matchExpressions": [requirement]}]
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


CASES: list[tuple[JsonObject, list[str]]] = [
    ({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}}, [
        f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value: "
        "must have at least one node selector term"
    ]),
    ({"affinity": node_term(key="k", operator="In")}, [
        f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values: "
        "Required value: must be specified when `operator` is 'In' or 'NotIn'"
    ]),
    ({"affinity": node_term(key="k", operator="Gt", values=["1", "2"])}, [
        f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values: "
        "Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"
    ]),
    ({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 0, "preference": {}}]}}}, [
        f"spec.affinity.nodeAffinity.{PREFERRED}[0].weight: Invalid value: 0: "
        "must be in the range 1-100"
    ]),
    ({"affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": ""}]}}}, [
        f"spec.affinity.podAntiAffinity.{REQUIRED}[0].topologyKey: Required value: "
        "can not be empty",
        f'spec.affinity.podAntiAffinity.{REQUIRED}[0].topologyKey: Invalid value: "": '
        "name part must be non-empty",
        f'spec.affinity.podAntiAffinity.{REQUIRED}[0].topologyKey: Invalid value: "": name part '
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
        "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ]),
    ({"dnsPolicy": "None"}, [
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"
    ]),
    ({"dnsConfig": {"nameservers": ["x"]}}, [
        f'spec.dnsConfig.nameservers[0]: Invalid value: "x": {ADDRESS}'
    ]),
    ({"hostAliases": [{"ip": "1.2.3"}]}, [
        f'spec.hostAliases[0].ip: Invalid value: "1.2.3": {ADDRESS}'
    ]),
    ({"securityContext": {"runAsUser": -1}}, [
        "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
        "inclusive"
    ]),
    ({"securityContext": {"seccompProfile": {"type": "Localhost"}}}, [
        "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when "
        "seccomp type is Localhost"
    ]),
    ({"securityContext": {"fsGroupChangePolicy": "x"}}, [
        'spec.securityContext.fsGroupChangePolicy: Unsupported value: "x": supported values: '
        '"Always", "OnRootMismatch"'
    ]),
    ({"c": {"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}}, [
        f'{C}.securityContext: Invalid value: {{"Capabilities":null,"Privileged":true,'
        '"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,'
        '"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,'
        '"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set '
        "`allowPrivilegeEscalation` to false and `privileged` to true"
    ]),
    ({"hostUsers": False, "hostPID": True}, [
        "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false"
    ]),
    ({"c": {"lifecycle": {"preStop": {}}}}, [
        f"{C}.lifecycle.preStop: Required value: must specify a handler type"
    ]),
    ({"c": {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}}, [
        f"{C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
        "terminationGracePeriodSeconds (30)"
    ]),
    ({"c": {"readinessProbe": {"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 1}}}, [
        f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for "
        "readinessProbes"
    ]),
    ({"c": {"livenessProbe": {"httpGet": {"path": "/", "port": 0, "scheme": "FTP"}}}}, [
        f"{C}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, "
        "inclusive",
        f'{C}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", '
        '"HTTPS"',
    ]),
    ({"c": {"env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]}}, [
        f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting '
        "fieldPath: field label not supported: spec.foo"
    ]),
    ({"c": {"env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]}}, [
        f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported '
        'values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", '
        '"spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", '
        '"status.podIPs"'
    ]),
    ({"c": {"env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}, [
        f"{C}.env[0].valueFrom.secretKeyRef.key: Required value"
    ]),
    ({"c": {"envFrom": [{}]}}, [
        f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'
    ]),
    ({"volumes": [{"name": "v", "emptyDir": {}}],
      "c": {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "../b"}]}}, [
        f'{C}.volumeMounts.subPath: Invalid value: "../b": must not contain \'..\''
    ]),
    ({"volumes": [{"name": "v", "emptyDir": {}}],
      "c": {"volumeDevices": [{"name": "v", "devicePath": "/dev/a"}]}}, [
        f'{C}.volumeDevices[0].name: Invalid value: "v": can only use volume source type of '
        "PersistentVolumeClaim or Ephemeral for block mode"
    ]),
    ({"hostNetwork": True, "c": {"ports": [{"containerPort": 80, "hostPort": 81}]}}, [
        f"{C}.ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` "
        "is true"
    ]),
    ({"restartPolicy": "Never",
      "c": {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}}, [
        f'{C}.resizePolicy: Invalid value: "RestartContainer": must be \'NotRequired\' when '
        "`restartPolicy` is 'Never'"
    ]),
    ({"c": {"image": " i"}}, [
        f'{C}.image: Invalid value: " i": must not have leading or trailing whitespace'
    ]),
    ({"os": {"name": "plan9"}}, [
        'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'
    ]),
    ({"topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1}
    ]}, [
        "spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains "
        "if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
    ]),
    ({"readinessGates": [{"conditionType": "a/b/c"}]}, [
        'spec.readinessGates[0].conditionType: Invalid value: "a/b/c": a qualified name must '
        "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
        "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
        "prefix and '/' (e.g. 'example.com/MyName')"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "causes"), CASES)
def test_causes(spec: JsonObject, causes: list[str]) -> None:
    assert causes_of(spec) == causes


def test_what_is_right_has_none() -> None:
    spec: JsonObject = {
        "affinity": {
            **node_term(key="k", operator="In", values=["a"]),
            "podAffinity": {
                REQUIRED: [{"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}}}]
            },
        },
        "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["a.b", "_x.y", "."]},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "sysctls": []},
        "hostAliases": [{"ip": "::1", "hostnames": ["a.b"]}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
        "c": {
            "env": [{"name": "A.b", "valueFrom": {"fieldRef": {
                "fieldPath": "metadata.labels['a/b']"
            }}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "volumeDevices": [{"name": "v", "devicePath": "/dev/a"}],
            "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
            "livenessProbe": {"grpc": {"port": 1}},
        },
    }  # fmt: skip
    assert causes_of(spec) == []


def test_a_template_may_have_spaces_around_its_image() -> None:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": " "}]},
    }
    deployment: JsonObject = {
        "metadata": {"name": "d", "namespace": "x"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    kind = kind_of("apps/deployments")
    set_defaults(kind, deployment)
    assert validate_create(kind, deployment) == []
