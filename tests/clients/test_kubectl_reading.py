"""What an unmodified kubectl reads. Numbers are those of the acceptance checks."""

import json

import pytest

from tests.clients.conftest import Text
from tests.clients.manifests import DEPLOYMENT, POD, TWO
from tests.clients.programs import PATIENT, Client, Cluster, talking
from tests.clients.serve import NODES

pytestmark = pytest.mark.kubectl


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_version(kubectl: Client) -> None:
    """1"""
    version = json.loads(kubectl("version", "-o", "json").stdout)
    assert version["serverVersion"]["gitVersion"].startswith("v1.36.")
    assert version["clientVersion"]["gitVersion"].startswith("v1.36.")


def test_api_resources_and_versions(kubectl: Client) -> None:
    """2"""
    listed = {row[0] for row in rows(kubectl("api-resources", "-o", "name").stdout)}
    assert {"pods", "deployments.apps", "jobs.batch", "leases.coordination.k8s.io"} <= listed
    versions = kubectl("api-versions").stdout.split()
    assert {"v1", "apps/v1", "autoscaling/v1", "autoscaling/v2", "events.k8s.io/v1"} <= set(
        versions
    )
    for group in ("apps", "batch"):
        legacy = json.loads(kubectl("get", "--raw", f"/apis/{group}/v1").stdout)
        names = {one["name"] for one in legacy["resources"] if "/" not in one["name"]}
        assert {f"{name}.{group}" for name in names} <= listed


def test_get_with_columns_and_selectors(kubectl: Client, here: Client, said: Text) -> None:
    """3, 4, 7"""
    nodes = rows(kubectl("get", "nodes").stdout)
    assert nodes[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [row[1] for row in nodes[1:]] == ["Ready"] * NODES
    here("create", "-f", "-", stdin=TWO)
    here("wait", "pod/lone", "--for=condition=Ready", PATIENT)
    wide = rows(said("get", "pods", "-o", "wide", "--show-labels"))
    assert wide[0][:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert (wide[1][0], wide[1][1], wide[1][-1]) == ("lone", "1/1", "app=lone")
    assert wide[1][5].startswith("10.")
    node = wide[1][6]
    assert "lone" in kubectl("get", "pods", "-A", "-l", "app=lone").stdout
    assert "No resources found" in here("get", "pods", "-l", "app=other").stderr
    selector = f"status.phase=Running,spec.nodeName={node}"
    assert said("get", "pods", "--field-selector", selector, "-o", "name") == "pod/lone\n"
    none = here("get", "pods", "--field-selector", "status.phase!=Running")
    assert "No resources found" in none.stderr
    assert said("get", "pod", "lone", "-o", "jsonpath={.spec.nodeName}") == node
    assert "\n  nodeName: " in said("get", "pod", "lone", "-o", "yaml")
    assert said("get", "configmaps", "settings", "-o", "name") == "configmap/settings\n"


def test_get_in_pages(here: Client, said: Text) -> None:
    """5"""
    for number in range(5):
        here("create", "configmap", f"c{number}")
    pages = said("get", "configmaps", "--chunk-size=1", "-o", "name").split()
    assert {f"configmap/c{number}" for number in range(5)} <= set(pages)
    assert len(pages) == len(set(pages))


def test_get_watch_sees_what_happens(
    cluster: Cluster, kubectl_program: object, here: Client, namespace: str
) -> None:
    """6"""
    here("create", "configmap", "one")
    command = [str(kubectl_program), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace]
    watch = ["get", "configmaps", "-w", "--output-watch-events", "--field-selector"]
    with talking([*command, *watch, "metadata.name=one"]) as process:
        assert process.stdout is not None
        head, first = process.stdout.readline(), process.stdout.readline()
        assert head.split()[:2] == ["EVENT", "NAME"]
        assert first.split()[:2] == ["ADDED", "one"]
        here("label", "configmap", "one", "a=b")
        assert process.stdout.readline().split()[:2] == ["MODIFIED", "one"]
        here("delete", "configmap", "one")
        assert process.stdout.readline().split()[:2] == ["DELETED", "one"]


def test_describe(
    cluster: Cluster, kubectl: Client, here: Client, said: Text, namespace: str
) -> None:
    """34"""
    here("apply", "-f", "-", stdin=DEPLOYMENT)
    here("rollout", "status", "deployment/web", PATIENT)
    here("expose", "deployment", "web", "--port=80")
    one = said("get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
    cluster.await_event(namespace, one, "Scheduled")
    cluster.await_event(namespace, "web", "ScalingReplicaSet")
    pod = said("describe", "pod", one)
    assert "Status:           Running" in pod and "Controlled By:  ReplicaSet/web-" in pod
    assert "Scheduled" in pod and "Events:" in pod
    deployment = said("describe", "deployment", "web")
    assert "2 desired | 2 updated | 2 total | 2 available" in deployment
    assert "ScalingReplicaSet" in deployment
    assert "Port:                     <unset>  80/TCP" in said("describe", "service", "web")
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").stdout
    told = kubectl("describe", "node", node).stdout
    assert "KubeletReady" in told and "HolderIdentity:  " in told and "Non-terminated Pods:" in told
    assert "Status:       Active" in kubectl("describe", "namespace", namespace).stdout


def test_top_is_refused_by_name(kubectl: Client) -> None:
    """38"""
    for what in ("nodes", "pods"):
        refused = kubectl("top", what, check=False)
        assert refused.returncode != 0
        assert "Metrics API not available" in refused.stderr


def test_explain(kubectl: Client) -> None:
    """39, of a built-in kind"""
    told = kubectl("explain", "pod.spec.containers").stdout
    assert "KIND:       Pod" in told and "FIELD: containers <[]Container>" in told
    assert "imagePullPolicy" in told
    assert "replicas\t<integer>" in kubectl("explain", "deployment.spec").stdout


def test_events(cluster: Cluster, here: Client, said: Text, namespace: str) -> None:
    """42"""
    here("create", "-f", "-", stdin=POD)
    cluster.await_event(namespace, "lone", "Scheduled")
    assert "Scheduled" in said("events")
    assert "Scheduled" in said("events", "--for", "pod/lone")
    assert "No events found" in here("events", "--for", "pod/other").stderr


def test_raw_paths(kubectl: Client) -> None:
    """44"""
    for path in ("/healthz", "/livez", "/readyz"):
        assert kubectl("get", "--raw", path).stdout == "ok"
    index = json.loads(kubectl("get", "--raw", "/openapi/v3").stdout)
    for name in ("api/v1", "apis/apps/v1"):
        document = json.loads(
            kubectl("get", "--raw", index["paths"][name]["serverRelativeURL"]).stdout
        )
        assert document["openapi"].startswith("3.")
    assert "apiserver_request_total" in kubectl("get", "--raw", "/metrics").stdout
