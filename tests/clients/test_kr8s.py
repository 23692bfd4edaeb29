"""kr8s, unmodified."""

import pytest

from tests.clients.conftest import LEAVES_SOCKETS
from tests.clients.programs import PATIENCE_S, Cluster

kr8s = pytest.importorskip("kr8s", reason="WARNING: SKIPPED, run `make venv`")

pytestmark = [
    *LEAVES_SOCKETS,
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported"),
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),
]
"""It knows versions up to 1.35; from Python 3.14 on its temporary files are told of."""


@pytest.fixture
def api(cluster: Cluster) -> object:
    return kr8s.api(kubeconfig=str(cluster.kubeconfig))


def test_get_create_patch_scale_watch_exec_and_wait(api: object, namespace: str) -> None:
    """51"""
    from kr8s.objects import ConfigMap, Deployment, Pod

    labels = {"app": "web"}
    spec = {"containers": [{"name": "c", "image": "busybox"}]}
    place = {"namespace": namespace}
    Deployment(
        {
            "metadata": {"name": "d", **place},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
        api=api,
    ).create()
    deployment = Deployment.get("d", namespace=namespace, api=api)
    deployment.wait("condition=Available", timeout=PATIENCE_S)
    deployment.scale(3)
    assert deployment.replicas == 3
    deployment.patch({"metadata": {"labels": {"a": "b"}}})
    assert deployment.labels["a"] == "b"
    pod = Pod({"metadata": {"name": "lone", **place}, "spec": spec}, api=api)
    pod.create()
    pod.wait("condition=Ready", timeout=PATIENCE_S)
    done = pod.exec(["echo", "hi"])
    assert (done.stdout, done.returncode) == (b"hi\n", 0)
    assert any("no process runs" in line for line in pod.logs())
    settings = ConfigMap({"metadata": {"name": "s", **place}, "data": {"a": "b"}}, api=api)
    settings.create()
    for kind, event in api.watch("configmaps", namespace=namespace):  # type: ignore[attr-defined]
        if event.name == "s":
            assert kind == "ADDED"
            break
    names = [one.name for one in api.get("pods", "lone", namespace=namespace)]  # type: ignore[attr-defined]
    assert names == ["lone"]
    pod.delete()
    pod.wait("delete", timeout=PATIENCE_S)
