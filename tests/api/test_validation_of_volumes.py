"""Where volumes come from and what claims ask for, by the rules of pkg/apis/core/validation."""

import pytest

from api.core import JsonObject
from api.errors import Cause
from api.validation.claims import check_claim_spec
from api.validation.volumes import PERSISTENT_SOURCES, POD_SOURCES, check_volume_source

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
NOT_UP = "must not contain '..'"
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def of_pod(source: JsonObject) -> list[str]:
    causes: list[Cause] = []
    check_volume_source(causes, source, POD_SOURCES, "spec.volumes[0]")
    assert all(cause.field.startswith("spec.volumes[0]") for cause in causes)
    return [cause.text.removeprefix("spec.volumes[0]").removeprefix(".") for cause in causes]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ({}, [": Required value: must specify a volume type"]),
        (
            {"emptyDir": {}, "secret": {}},
            ["secret: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            {"emptyDir": {"sizeLimit": "-1"}},
            ["emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
        ),
        ({"hostPath": {}}, ["hostPath.path: Required value"]),
        ({"hostPath": {"path": "/a/../b"}}, [f'hostPath.path: Invalid value: "/a/../b": {NOT_UP}']),
        (
            {"nfs": {"server": "s"}},
            [
                "nfs.path: Required value",
                'nfs.path: Invalid value: "": must be an absolute path',
            ],
        ),
        (
            {
                "configMap": {
                    "name": "c",
                    "defaultMode": 512,
                    "items": [{"key": "a", "path": "..b"}],
                }
            },
            [
                f"configMap.defaultMode: Invalid value: 512: {MODE}",
                "configMap.items[0].path: Invalid value: \"..b\": must not start with '..'",
            ],
        ),
        (
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "x",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"},
                        }
                    ]
                }
            },
            [
                'downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported '
                'values: "metadata.annotations", "metadata.labels", "metadata.name", '
                '"metadata.namespace", "metadata.uid"'
            ],
        ),
        (
            {
                "downwardAPI": {
                    "items": [{"path": "x", "resourceFieldRef": {"resource": "limits.cpu"}}]
                }
            },
            ["downwardAPI.resourceFieldRef.containerName: Required value"],
        ),
        (
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "t", "expirationSeconds": 5}},
                        {"secret": {"name": "s", "items": [{"key": "a", "path": "b"}]}},
                        {"configMap": {"name": "m", "items": [{"key": "a", "path": "b"}]}},
                    ]
                }
            },
            [
                "projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may "
                "not specify a duration less than 10 minutes",
                'projected: Invalid value: "m": conflicting duplicate paths',
            ],
        ),
        ({"csi": {"driver": "A.b"}}, []),
        (
            {"csi": {}},
            ["csi.driver: Required value", f'csi.driver: Invalid value: "": {SUBDOMAIN}'],
        ),
        (
            {"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256}},
            [
                'iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or '
                "naa",
                "iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
            ],
        ),
        ({"fc": {"wwids": ["a"]}}, []),
        (
            {"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": CLAIM}}},
            ["ephemeral.volumeClaimTemplate.metadata.Name: Forbidden: cannot be set"],
        ),
    ],
)
def test_sources_of_pods(source: JsonObject, texts: list[str]) -> None:
    assert of_pod(source) == texts


def test_a_driver_of_a_persistent_volume_has_a_handle_and_secrets_somewhere() -> None:
    causes: list[Cause] = []
    source = {"csi": {"driver": "d.x", "nodePublishSecretRef": {"name": "a"}}}
    check_volume_source(causes, source, PERSISTENT_SOURCES, "spec")
    assert [cause.text for cause in causes] == [
        "spec.csi.volumeHandle: Required value",
        "spec.csi.nodePublishSecretRef.namespace: Required value",
    ]


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        ({}, []),
        (
            {"resources": {"requests": {"storage": "-1"}}},
            ['spec.resources[storage]: Invalid value: "-1": must be greater than zero'],
        ),
        (
            {"dataSource": {"kind": "Pod", "name": ""}},
            [
                "spec.dataSource.name: Required value",
                "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when "
                "referencing the default apiGroup",
            ],
        ),
        (
            {
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"},
                "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"},
            },
            ["spec: Invalid value: {}: must match dataSourceRef"],
        ),
    ],
)
def test_claims(more: JsonObject, texts: list[str]) -> None:
    causes: list[Cause] = []
    check_claim_spec(causes, {**CLAIM, **more}, "spec")
    assert [cause.text for cause in causes] == texts
