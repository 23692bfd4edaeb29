"""What a user types into an unmodified kubectl, and what he reads."""

import json

import pytest

from tests.cluster.commands import NODES, Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kubectl]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    kubectl("create", "namespace", name)
    request.addfinalizer(lambda: kubectl("delete", "namespace", name, "--wait=false"))
    return name


def test_version_and_api_resources(kubectl: Kubectl) -> None:
    assert "Server Version: v1.36" in kubectl("version").stdout
    listed = {row[0] for row in rows(kubectl("api-resources").stdout)[1:]}
    assert {"pods", "nodes", "deployments", "replicasets", "leases", "services"} <= listed


def test_get_nodes(kubectl: Kubectl) -> None:
    table = rows(kubectl("get", "nodes").stdout)
    assert table[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert len(table) == NODES + 1
    assert {row[1] for row in table[1:]} == {"Ready"}


def test_create_deployment_scale_and_delete(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    made = kubectl("create", "deployment", "web", "--image=nginx", "--replicas=50", *here)
    assert made.stdout == "deployment.apps/web created\n"
    done = kubectl("rollout", "status", "deployment/web", "--timeout=30s", *here)
    assert 'deployment "web" successfully rolled out' in done.stdout
    table = rows(kubectl("get", "pods", "-o", "wide", *here).stdout)
    assert table[0][:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert len(table) == 51
    assert {row[2] for row in table[1:]} == {"Running"}
    kubectl("scale", "deployment/web", "--replicas=5", *here)
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=5", "--timeout=30s", *here)
    kubectl("delete", "deployment", "web", *here)
    kubectl("wait", "pods", "--all", "--for=delete", "--timeout=30s", *here)
    assert "No resources found" in kubectl("get", "pods", *here).stderr


POD = """
apiVersion: v1
kind: Pod
metadata: {name: lone, labels: {app: lone}}
spec:
  containers: [{name: c, image: busybox, resources: {requests: {cpu: 100m}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


def test_create_file_get_and_delete(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    made = kubectl("create", "-f", "-", *here, stdin=POD)
    assert made.stdout == "pod/lone created\nconfigmap/settings created\n"
    again = kubectl("create", "-f", "-", *here, stdin=POD, check=False)
    assert 'pods "lone" already exists' in again.stderr
    kubectl("wait", "pod/lone", "--for=condition=Ready", "--timeout=30s", *here)
    pod = json.loads(kubectl("get", "pod", "lone", "-o", "json", *here).stdout)
    assert pod["status"]["podIP"].startswith("10.")
    everywhere = kubectl("get", "pods", "-A", "-l", "app=lone").stdout
    assert f"{namespace} " in everywhere
    assert kubectl("delete", "pod", "lone", *here).stdout.startswith('pod "lone" deleted')


def test_apply_is_created_unchanged_configured(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    first = kubectl("apply", "-f", "-", *here, stdin=POD).stdout
    assert first == "pod/lone created\nconfigmap/settings created\n"
    second = kubectl("apply", "-f", "-", *here, stdin=POD).stdout
    assert second == "pod/lone unchanged\nconfigmap/settings unchanged\n"
    third = kubectl("apply", "-f", "-", *here, stdin=POD.replace("blue", "green")).stdout
    assert "configmap/settings configured" in third
    value = kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.colour}", *here)
    assert value.stdout == "green"


def test_a_rollout_replaces_every_pod(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=10", *here)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s", *here)
    kubectl("set", "image", "deployment/web", "nginx=nginx:2", *here)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s", *here)
    images = kubectl(
        "get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}", *here
    ).stdout.split()
    assert images == ["nginx:2"] * 10


def test_watch_sees_a_pod_come_and_go(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    kubectl("create", "configmap", "before", *here)
    version = kubectl(
        "get", "configmap", "before", "-o", "jsonpath={.metadata.resourceVersion}", *here
    ).stdout
    kubectl("label", "configmap", "before", "k=v", *here)
    kubectl("delete", "configmap", "before", *here)
    path = (
        f"/api/v1/namespaces/{namespace}/configmaps?watch=1&resourceVersion={version}"
        "&timeoutSeconds=1&fieldSelector=metadata.name=before"
    )
    events = [json.loads(line) for line in kubectl("get", "--raw", path).stdout.splitlines()]
    assert [event["type"] for event in events] == ["MODIFIED", "DELETED"]


def test_an_unknown_kind_and_field_are_refused(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    unknown = kubectl("get", "unicorns", check=False)
    assert 'the server doesn\'t have a resource type "unicorns"' in unknown.stderr
    typo = POD.replace("image: busybox", "imagee: busybox")
    refused = kubectl("create", "-f", "-", *here, stdin=typo, check=False)
    assert 'unknown field "spec.containers[0].imagee"' in refused.stderr
