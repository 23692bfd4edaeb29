"""Logs of and commands in hollow containers, by an unmodified kubectl."""

import pytest

from tests.clients.conftest import Text
from tests.clients.manifests import DEPLOYMENT, POD
from tests.clients.programs import PATIENCE_S, PATIENT, Client, Cluster, talking

pytestmark = pytest.mark.kubectl


@pytest.fixture
def lone(here: Client) -> Client:
    """kubectl where a pod runs."""
    here("create", "-f", "-", stdin=POD)
    here("wait", "pod/lone", "--for=condition=Ready", PATIENT)
    return here


def test_logs(lone: Client, said: Text, namespace: str) -> None:
    """35"""
    first, second = said("logs", "lone").splitlines()
    assert first.startswith(f"hollow: container c of pod {namespace}/lone began on node hollow-")
    assert said("logs", "lone", "--tail=1") == f"{second}\n"
    stamp, _, rest = said("logs", "lone", "--tail=1", "--timestamps").partition(" ")
    assert stamp.endswith(".000000000Z") and rest == f"{second}\n"
    assert said("logs", "-l", "app=lone", "--prefix").startswith("[pod/lone/c] hollow: ")
    before = lone("logs", "lone", "--previous", check=False)
    assert 'previous terminated container "c" in pod "lone" not found' in before.stderr
    other = lone("logs", "lone", "-c", "z", check=False)
    assert "container z is not valid for pod lone" in other.stderr


def test_logs_of_a_deployment_need_a_container(here: Client, said: Text) -> None:
    """35"""
    here("create", "-f", "-", stdin=DEPLOYMENT)
    here("rollout", "status", "deployment/web", PATIENT)
    assert "image sidecar:1" in said("logs", "deployment/web", "-c", "side")
    assert said("logs", "-l", "app=web", "--all-containers").count("no process runs") == 4


def test_logs_are_followed_until_the_pod_goes(
    cluster: Cluster, kubectl_program: object, lone: Client, namespace: str
) -> None:
    """35"""
    command = [str(kubectl_program), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace]
    with talking([*command, "logs", "-f", "lone"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("hollow: container c")
        lone("delete", "pod", "lone", "--wait=false")
        assert "no process runs" in process.stdout.read()
        assert process.wait(PATIENCE_S) == 0


def test_exec_carries_output_input_and_codes(lone: Client, said: Text) -> None:
    """36"""
    assert said("exec", "lone", "--", "echo", "hello", "there") == "hello there\n"
    assert said("exec", "-i", "lone", "--", "cat", stdin="one\ntwo\n") == "one\ntwo\n"
    assert "HOSTNAME=lone\n" in said("exec", "lone", "--", "env")
    failed = lone("exec", "lone", "--", "sh", "-c", "echo out; exit 3", check=False)
    assert (failed.returncode, failed.stdout) == (3, "out\n")
    assert "command terminated with exit code 3" in failed.stderr
    missing = lone("exec", "lone", "--", "ls", check=False)
    assert missing.returncode == 1
    assert 'exec: "ls": executable file not found in $PATH' in missing.stderr


def test_exec_carries_much_input(lone: Client, said: Text) -> None:
    text = "0123456789abcdef" * 200_000
    assert said("exec", "-i", "lone", "--", "cat", stdin=text) == text


def test_attach_port_forward_and_copy_are_refused_by_name(lone: Client, tmp_path: object) -> None:
    attach = lone("attach", "lone", check=False)
    assert attach.returncode == 1
    assert "pods/attach is not implemented by this server" in attach.stderr
    forward = lone("port-forward", "pod/lone", ":80", check=False)
    assert forward.returncode == 1
    assert "pods/portforward is not implemented by this server" in forward.stderr
    copy = lone("cp", "lone:/etc/hosts", f"{tmp_path}/hosts", check=False)
    assert copy.returncode == 1
    assert 'exec: "tar": executable file not found in $PATH' in copy.stderr


def test_debug_adds_a_container_and_patch_resizes_one(lone: Client, said: Text) -> None:
    """Both are carried out by the pod's node, which tells of it in the status."""
    lone("debug", "lone", "--image=busybox", "-c", "dbg", "--attach=false", "--", "sh")
    started = "jsonpath={.status.ephemeralContainerStatuses[0].state.running}"
    lone("wait", "pod/lone", f"--for={started}", PATIENT)
    assert said("get", "pod", "lone", "-o", "jsonpath={.spec.ephemeralContainers[0].name}") == "dbg"
    policy = '[{"op":"add","path":"/spec/containers/0/resizePolicy","value":[]}]'
    lone("patch", "pod", "lone", "--subresource", "resize", "--type=json", "-p", policy)
    wish = '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"7"}}}]}}'
    refused = lone("patch", "pod", "lone", "--subresource", "resize", "-p", wish, check=False)
    assert refused.returncode == 1
    assert "Pod QOS Class may not change as a result of resizing" in refused.stderr


def test_a_resize_reaches_the_status(here: Client) -> None:
    burst = POD.replace("name: lone", "name: burst", 1).replace(
        "name: c,", 'name: c, resources: {requests: {cpu: "100m"}},'
    )
    assert "100m" in burst
    here("create", "-f", "-", stdin=burst)
    here("wait", "pod/burst", "--for=condition=Ready", PATIENT)
    wish = '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"150m"}}}]}}'
    here("patch", "pod", "burst", "--subresource", "resize", "-p", wish)
    has = "jsonpath={.status.containerStatuses[0].allocatedResources.cpu}=150m"
    here("wait", "pod/burst", f"--for={has}", PATIENT)
