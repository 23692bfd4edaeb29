"""The official Python client, unmodified. Numbers are those of the acceptance checks."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client, config, dynamic, stream, watch
from kubernetes.client import ApiException

from tests.clients.programs import Client, Cluster

POD = {"metadata": {"name": "lone"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
SERVER_SIDE = "application/apply-patch+yaml"
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """The client leaves the sockets of watches that are broken off to the collector: let that be
    within the test that made them."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(cluster.kubeconfig)) as made:
        yield made


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


def test_every_verb(api: client.ApiClient, core: client.CoreV1Api, namespace: str) -> None:
    """46: list, create, patch, apply, scale, bind, evict, delete"""
    apps = client.AppsV1Api(api)
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": POD["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    apps.create_namespaced_deployment(namespace, {"metadata": {"name": "d"}, "spec": spec})
    apps.patch_namespaced_deployment_scale("d", namespace, {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment("d", namespace).spec.replicas == 3
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    for _ in range(2):
        core.patch_namespaced_config_map(
            "a", namespace, own, field_manager="python", _content_type=SERVER_SIDE
        )
    applied = core.read_namespaced_config_map("a", namespace)
    assert applied.metadata.managed_fields[0].operation == "Apply"
    unbound = {**POD, "spec": {**POD["spec"], "schedulerName": "nobody"}}  # type: ignore[dict-item]
    core.create_namespaced_pod(namespace, unbound)
    core.patch_namespaced_pod("lone", namespace, {"metadata": {"labels": {"a": "b"}}})
    node = core.list_node(limit=1).items[0].metadata.name
    target = client.V1ObjectReference(kind="Node", name=node)
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name="lone"), target=target)
    core.create_namespaced_pod_binding("lone", namespace, binding, _preload_content=False)
    bound = core.list_namespaced_pod(namespace, field_selector=f"spec.nodeName={node}")
    assert "lone" in [pod.metadata.name for pod in bound.items]
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name="lone"))
    core.create_namespaced_pod_eviction("lone", namespace, eviction)
    apps.delete_namespaced_deployment("d", namespace, propagation_policy="Foreground")
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_config_map("none", namespace)
    assert (missing.value.status, missing.value.reason) == (404, "Not Found")


def test_a_watch_goes_on_where_it_stopped(core: client.CoreV1Api, namespace: str) -> None:
    """46: the watch loop resumes by itself, and is told of a revision that is gone"""
    seen: list[str] = []
    looking = watch.Watch()
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    for number in range(6):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{number}"}})
    while len(seen) < 6:
        # Each call ends after two events and the next one resumes from the last.
        for event in looking.stream(
            core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=5
        ):
            seen.append(event["object"].metadata.name)
            version = event["object"].metadata.resource_version
            if len(seen) % 2 == 0:
                break
    assert seen == [f"c{number}" for number in range(6)]
    with pytest.raises(ApiException) as gone:
        next(watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version="1"))
    assert gone.value.status == 410


def test_a_shared_informer_equals_the_store_after_a_thousand_changes(
    core: client.CoreV1Api, namespace: str
) -> None:
    """47"""
    informers = pytest.importorskip("kubernetes.informer")
    informer = informers.SharedInformer(core.list_namespaced_config_map, namespace=namespace)
    last = threading.Event()
    informer.add_event_handler(
        informers.ADDED, lambda one: last.set() if one.metadata.name == "last" else None
    )
    informer.start()
    try:
        with ThreadPoolExecutor(4) as many:
            list(many.map(lambda number: _change(core, namespace, number), range(250)))
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "last"}})
        assert last.wait(30)
        wanted = {
            one.metadata.name: one.metadata.resource_version
            for one in core.list_namespaced_config_map(namespace).items
        }
        found = {one.metadata.name: one.metadata.resource_version for one in informer.cache.list()}
        assert found == wanted and len(wanted) >= 125
    finally:
        informer.stop()


def _change(core: client.CoreV1Api, namespace: str, number: int) -> None:
    """Four changes; every second object is gone at the end."""
    name = f"i{number}"
    core.create_namespaced_config_map(namespace, {"metadata": {"name": name}})
    core.patch_namespaced_config_map(name, namespace, {"data": {"k": "1"}})
    core.patch_namespaced_config_map(name, namespace, {"data": {"k": "2"}})
    if number % 2:
        core.delete_namespaced_config_map(name, namespace)
    else:
        core.patch_namespaced_config_map(name, namespace, {"data": {"k": "3"}})


def test_the_dynamic_client(api: client.ApiClient, namespace: str) -> None:
    """49, of built-in kinds"""
    dynamics = dynamic.DynamicClient(api)
    maps = dynamics.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(namespace=namespace, body={"metadata": {"name": "d"}, "data": {"k": "v"}})
    applied = maps.server_side_apply(
        namespace=namespace,
        name="d",
        body={
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "d"},
            "data": {"z": "1"},
        },
        field_manager="python",
    )
    assert applied.data.to_dict() == {"k": "v", "z": "1"}
    assert [
        one.metadata.name for one in maps.get(namespace=namespace, label_selector="a=b").items
    ] == []
    maps.delete(namespace=namespace, name="d")


def test_exec_over_a_websocket(core: client.CoreV1Api, here: Client, namespace: str) -> None:
    """50"""
    core.create_namespaced_pod(namespace, POD)
    here("wait", "pod/lone", "--for=condition=Ready", "--timeout=20s")
    ask = core.connect_get_namespaced_pod_exec
    flags = {"stdin": False, "stdout": True, "stderr": True, "tty": False}
    words = ["sh", "-c", "echo out; exit 3"]
    opened = stream.stream(ask, "lone", namespace, command=words, _preload_content=False, **flags)
    opened.run_forever(timeout=10)
    assert (opened.read_stdout(), opened.returncode) == ("out\n", 3)
    opened.close()
    flags["stdin"] = True
    opened = stream.stream(ask, "lone", namespace, command=["cat"], _preload_content=False, **flags)
    opened.write_stdin("to and fro\n")
    assert opened.readline_stdout(timeout=10) == "to and fro"
    opened.close()
    assert "no process runs" in core.read_namespaced_pod_log("lone", namespace)
