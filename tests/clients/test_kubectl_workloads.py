"""Rollouts, deletions, drains and waits by an unmodified kubectl. Numbers: acceptance checks."""

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Text
from tests.clients.manifests import BUDGET, DEPLOYMENT, POD, SETTINGS
from tests.clients.programs import PATIENCE_S, PATIENT, Client, Cluster, talking

pytestmark = pytest.mark.kubectl
ROLLED_OUT = ("rollout", "status", "deployment/web", PATIENT)


def test_rollout_restart_history_undo_pause_and_set_image(here: Client, said: Text) -> None:
    """21, 22"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    here(*ROLLED_OUT)
    old = said("get", "pods", "-o", "name").split()
    here("set", "image", "deployment/web", "web=nginx:2")
    here(*ROLLED_OUT)
    here("wait", *old, "--for=delete", PATIENT)
    images = said("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert images.split() == ["nginx:2", "nginx:2"]
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert said("get", "deployment", "web", "-o", image) == "nginx:2"
    assert [
        line.split()[0] for line in said("rollout", "history", "deployment/web").split("\n")[1:4]
    ] == [*("REVISION", "1", "2")]
    here("rollout", "undo", "deployment/web")
    here(*ROLLED_OUT)
    assert said("get", "deployment", "web", "-o", image) == "nginx:1"
    here("rollout", "pause", "deployment/web")
    refused = here("rollout", "restart", "deployment/web", check=False)
    assert "can't restart paused deployment" in refused.stderr
    here("rollout", "resume", "deployment/web")
    here("rollout", "restart", "deployment/web")
    here(*ROLLED_OUT)
    annotations = "jsonpath={.spec.template.metadata.annotations}"
    assert "kubectl.kubernetes.io/restartedAt" in said(
        "get", "deployment", "web", "-o", annotations
    )


def test_delete_waits_for_a_graceful_pod_or_does_not(here: Client, said: Text) -> None:
    """27, 28"""
    here("create", "-f", "-", stdin=POD)
    here("wait", "pod/lone", "--for=condition=Ready", PATIENT)
    assert said("delete", "pod", "lone", "--wait", PATIENT).startswith('pod "lone" deleted')
    assert "NotFound" in here("get", "pod", "lone", check=False).stderr
    here("create", "-f", "-", stdin=POD)
    forced = here("delete", "pod", "lone", "--force")
    assert "Immediate deletion does not wait" in forced.stderr
    assert "NotFound" in here("get", "pod", "lone", check=False).stderr


@pytest.mark.parametrize("how", ["background", "foreground", "orphan"])
def test_delete_with_dependents(
    cluster: Cluster, here: Client, said: Text, namespace: str, how: str
) -> None:
    """29"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    here(*ROLLED_OUT)
    here("delete", "deployment", "web", f"--cascade={how}", PATIENT)
    assert "NotFound" in here("get", "deployment", "web", check=False).stderr
    if how == "orphan":
        left = json.loads(said("get", "replicasets", "-o", "json"))["items"]
        assert len(left) == 1 and "ownerReferences" not in left[0]["metadata"]
        assert len(said("get", "pods", "-o", "name").split()) == 2
    else:
        # First the owners: until its controller hears that one is gone, it replaces pods.
        for path in ("/apis/apps/v1/namespaces/{}/replicasets", "/api/v1/namespaces/{}/pods"):
            cluster.await_empty(path.format(namespace))


def test_delete_of_a_namespace_empties_it(kubectl: Client) -> None:
    """30"""
    kubectl("create", "namespace", "doomed")
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", "doomed", PATIENT)
    kubectl("create", "-n", "doomed", "-f", "-", stdin=DEPLOYMENT + "---" + SETTINGS)
    kubectl("delete", "namespace", "doomed", PATIENT)
    assert "NotFound" in kubectl("get", "namespace", "doomed", check=False).stderr
    gone = kubectl("get", "pods,configmaps,deployments", "-n", "doomed", "-o", "name")
    assert gone.stdout == ""


def test_a_finalizer_holds_a_deletion(here: Client, said: Text) -> None:
    """31"""
    held = SETTINGS.replace("{name: settings}", "{name: settings, finalizers: [test.io/hold]}")
    here("create", "-f", "-", stdin=held)
    refused = here("delete", "configmap", "settings", "--timeout=1s", check=False)
    assert "timed out waiting for the condition" in refused.stderr
    assert said("get", "configmap", "settings", "-o", "jsonpath={.metadata.deletionTimestamp}")
    here("patch", "configmap", "settings", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    here("wait", "configmap/settings", "--for=delete", PATIENT)


SEEN = {
    "observedGeneration": 1,
    "disruptionsAllowed": 0,
    "currentHealthy": 1,
    "desiredHealthy": 1,
    "expectedPods": 1,
}


def pinned(node: str, name: str) -> str:
    """A pod on one node whether or not new pods may go there."""
    labels = f"{{app: web, drained: {name}}}"
    app = POD.replace("name: lone, labels: {app: lone}", f"name: {name}, labels: {labels}")
    return app.replace("spec:\n", f"spec:\n  nodeName: {node}\n")


def test_drain_waits_for_a_budget_and_then_goes_on(
    cluster: Cluster, kubectl_program: Path, kubectl: Client, here: Client
) -> None:
    """32"""
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[1].metadata.name}").stdout
    here("create", "-f", "-", stdin=f"{pinned(node, 'kept')}---{BUDGET}")
    # The word of the disruption controller.
    seen = ("patch", "poddisruptionbudget", "all", "--subresource=status", "--type=merge", "-p")
    here(*seen, json.dumps({"status": SEEN}))
    here("wait", "pod/kept", "--for=condition=Ready", PATIENT)
    command = [str(kubectl_program), "--kubeconfig", str(cluster.kubeconfig), "drain", node]
    refused = "Cannot evict pod as it would violate the pod's disruption budget"
    try:
        with talking([*command, "--force", "--pod-selector=drained=kept", PATIENT]) as drain:
            assert drain.stdout is not None
            assert any(refused in line for line in drain.stdout)
            kept = json.loads(here("get", "pod", "kept", "-o", "json").stdout)
            assert "deletionTimestamp" not in kept["metadata"]
            here("delete", "poddisruptionbudget", "all")
            assert f"node/{node} drained" in drain.stdout.read()
            assert drain.wait(PATIENCE_S) == 0
        assert "NotFound" in here("get", "pod", "kept", check=False).stderr
    finally:
        kubectl("uncordon", node)


def test_drain_without_evictions(kubectl: Client, here: Client) -> None:
    """33"""
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[2].metadata.name}").stdout
    here("create", "-f", "-", stdin=f"{pinned(node, 'gone')}---{BUDGET}")
    here("wait", "pod/gone", "--for=condition=Ready", PATIENT)
    try:
        selector = "--pod-selector=drained=gone"
        done = kubectl("drain", node, "--force", "--disable-eviction", selector, PATIENT)
        assert f"node/{node} drained" in done.stdout
        assert "NotFound" in here("get", "pod", "gone", check=False).stderr
    finally:
        kubectl("uncordon", node)


def test_wait_for_each_thing(here: Client) -> None:
    """43"""
    never = here("wait", "pod/lone", "--for=create", "--timeout=1s", check=False)
    assert "timed out" in never.stderr
    here("create", "-f", "-", stdin=POD)
    for what in ("create", "condition=Ready", "jsonpath={.status.phase}=Running"):
        met = here("wait", "pod/lone", f"--for={what}", PATIENT)
        assert met.stdout == "pod/lone condition met\n"
    late = here("wait", "pod/lone", "--for=condition=Unheard", "--timeout=1s", check=False)
    assert late.returncode == 1
    here("delete", "pod", "lone", "--wait=false")
    here("wait", "pod/lone", "--for=delete", PATIENT)
