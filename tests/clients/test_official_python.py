"""The official Python client, unmodified. Numbers are those of the acceptance checks."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kubernetes import client, config, dynamic, stream, watch
from kubernetes.client import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock import leaselock

from tests.apiserver.custom_widgets import definition
from tests.clients.conftest import LEAVES_SOCKETS
from tests.clients.programs import PATIENCE_S, PATIENT, Client, Cluster

POD = {"metadata": {"name": "lone"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
SERVER_SIDE = "application/apply-patch+yaml"
pytestmark = LEAVES_SOCKETS


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
    from kubernetes import informer as informers

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
        assert last.wait(PATIENCE_S)
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


def test_the_dynamic_client(api: client.ApiClient, namespace: str, tmp_path: Path) -> None:
    """49, of built-in kinds"""
    dynamics = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovered"))
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


def test_the_dynamic_client_finds_custom_resources(
    api: client.ApiClient, namespace: str, tmp_path: Path
) -> None:
    """49, of a kind that is defined while the client runs"""
    extensions = client.ApiextensionsV1Api(api)
    made = definition(plural="gadgets")
    extensions.create_custom_resource_definition(made)
    try:
        dynamics = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovered"))
        gadgets = dynamics.resources.get(api_version="example.com/v1", kind="Gadget")
        body = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}}
        created = gadgets.create(namespace=namespace, body={**body, "spec": {"size": 2}})
        assert created.spec.color == "red"
        patch = {"spec": {"size": 3}}
        media = "application/merge-patch+json"
        gadgets.patch(namespace=namespace, name="g", body=patch, content_type=media)
        [listed] = gadgets.get(namespace=namespace).items
        assert listed.spec.size == 3
        gadgets.delete(namespace=namespace, name="g")
    finally:
        extensions.delete_custom_resource_definition(made["metadata"]["name"])


class Counted(leaselock.LeaseLock):
    """The client's own lock, which tells that it was looked at."""

    def __init__(self, namespace: str, identity: str, api: client.ApiClient) -> None:
        super().__init__("leader", namespace, identity)
        self.api_instance = client.CoordinationV1Api(api)
        self.looks = threading.Semaphore(0)

    def get(self, name: str, namespace: str) -> tuple[bool, object]:
        found: tuple[bool, object] = super().get(name, namespace)
        self.looks.release()
        return found


class Contender:
    """One candidate in a thread of its own; it gives up its lead when told to."""

    def __init__(self, lock: Counted) -> None:
        self.lock = lock
        self.leads, self.release = threading.Event(), threading.Event()
        self.stopped = threading.Event()
        # While the other one leads, however slowly it renews, the Lease does not run out.
        self.settings = settings = electionconfig.Config(
            lock,
            lease_duration=PATIENCE_S,
            renew_deadline=PATIENCE_S - 1,
            retry_period=1,
            onstarted_leading=self._lead,
            onstopped_leading=self.stopped.set,
        )
        self.thread = threading.Thread(target=leaderelection.LeaderElection(settings).run)
        self.thread.start()

    def _lead(self) -> None:
        self.leads.set()
        self.release.wait()
        raise RuntimeError("gives up")


def test_of_two_contenders_for_a_lease_one_leads(api: client.ApiClient, namespace: str) -> None:
    """48"""
    first = Contender(Counted(namespace, "first", api))
    assert first.leads.wait(PATIENCE_S)
    second = Contender(Counted(namespace, "second", api))
    try:
        for _ in range(3):
            assert second.lock.looks.acquire(timeout=PATIENCE_S)
        assert not second.leads.is_set()
        first.release.set()
        assert first.stopped.wait(PATIENCE_S)
        second.settings.lease_duration = 1
        assert second.leads.wait(PATIENCE_S)
        lease = client.CoordinationV1Api(api).read_namespaced_lease("leader", namespace)
        assert lease.spec.holder_identity == "second"
    finally:
        for one in (first, second):
            one.release.set()
            one.thread.join(PATIENCE_S)


def test_exec_over_a_websocket(core: client.CoreV1Api, here: Client, namespace: str) -> None:
    """50"""
    core.create_namespaced_pod(namespace, POD)
    here("wait", "pod/lone", "--for=condition=Ready", PATIENT)
    ask = core.connect_get_namespaced_pod_exec
    flags = {"stdin": False, "stdout": True, "stderr": True, "tty": False}
    words = ["sh", "-c", "echo out; exit 3"]
    opened = stream.stream(ask, "lone", namespace, command=words, _preload_content=False, **flags)
    opened.run_forever(timeout=PATIENCE_S)
    assert (opened.read_stdout(), opened.returncode) == ("out\n", 3)
    opened.close()
    flags["stdin"] = True
    opened = stream.stream(ask, "lone", namespace, command=["cat"], _preload_content=False, **flags)
    opened.write_stdin("to and fro\n")
    assert opened.readline_stdout(timeout=PATIENCE_S) == "to and fro"
    opened.close()
    assert "no process runs" in core.read_namespaced_pod_log("lone", namespace)
