"""lightkube, unmodified."""

from typing import Any

import pytest

from tests.clients.conftest import LEAVES_SOCKETS
from tests.clients.programs import Cluster

lightkube = pytest.importorskip("lightkube", reason="WARNING: SKIPPED, run `make venv`")

pytestmark = LEAVES_SOCKETS


@pytest.fixture
def api(cluster: Cluster) -> object:
    return lightkube.Client(
        config=lightkube.KubeConfig.from_file(str(cluster.kubeconfig)), field_manager="lightkube"
    )


def test_pages_apply_replace_scale_wait_log_and_a_generic_resource(
    api: Any, namespace: str
) -> None:
    """52"""
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.resources.core_v1 import ConfigMap, Pod

    for number in range(5):
        made = ConfigMap(metadata=ObjectMeta(name=f"c{number}", namespace=namespace), data={})
        api.create(made)
    names = [one.metadata.name for one in api.list(ConfigMap, namespace=namespace, chunk_size=2)]
    assert {f"c{number}" for number in range(5)} <= set(names)
    own = ConfigMap(
        apiVersion="v1",
        kind="ConfigMap",
        metadata=ObjectMeta(name="own", namespace=namespace),
        data={"k": "v"},
    )
    assert api.apply(own, force=True).data == {"k": "v"}
    own = api.get(ConfigMap, "own", namespace=namespace)
    own.data["k"] = "w"
    assert api.replace(own).data == {"k": "w"}
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": "d", "namespace": namespace}
    api.create(Deployment.from_dict({"metadata": meta, "spec": spec}))
    api.wait(Deployment, "d", for_conditions=["Available"], namespace=namespace)
    scale = Deployment.Scale.from_dict({"metadata": meta, "spec": {"replicas": 2}})
    api.replace(scale, "d")
    assert api.get(Deployment.Scale, "d", namespace=namespace).spec.replicas == 2
    pod = next(iter(api.list(Pod, namespace=namespace, labels=labels)))
    api.wait(Pod, pod.metadata.name, for_conditions=["Ready"], namespace=namespace)
    lines = list(api.log(pod.metadata.name, namespace=namespace))
    assert "no process runs" in lines[-1]
    Generic = create_namespaced_resource("apps", "v1", "ReplicaSet", "replicasets")
    [owned] = api.list(Generic, namespace=namespace)
    assert owned.metadata.ownerReferences[0].name == "d"
