"""The objects that a cluster has before anybody asks: namespaces and the API's own Service.

They are looked after in rounds, if somebody deleted one or changed the Service. Source:
tests/golden/api/bootstrap.jsonl; pkg/controlplane/controller/kubernetesservice/controller.go and
systemnamespaces/system_namespaces_controller.go at v1.36.
"""

from api.calls import ADDED, DELETED
from api.core import JsonObject
from api.errors import AlreadyExists, NotFound
from api.kinds import kind_of
from apiserver.cache import CacheEvent
from apiserver.change import change
from apiserver.messages import Answer, User
from apiserver.records import Record
from apiserver.registry import Registry, Request, Verb
from apiserver.verbs.create import Draft, create_object

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
ROUND_NS = 10 * 10**9
"""Source: DefaultEndpointReconcilerInterval, pkg/controlplane/apiserver/config.go. Namespaces have
a minute there."""
_SERVER = User("system:apiserver", ("system:masters",))
_SERVICE_KEY = b"/registry/services/default/kubernetes"
_PORTS = ({"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443},)


def bootstrap(registry: Registry) -> Verb:
    """Create what is missing. Every API server does it; the first one wins."""
    for name in NAMESPACES:
        yield from _create(registry, "namespaces", "", {"metadata": {"name": name}})
    service: JsonObject = {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [dict(port) for port in _PORTS],
            "clusterIP": "10.96.0.1",
            "type": "ClusterIP",
        },
    }
    yield from _create(registry, "services", "default", service)
    return Answer(200, b"")


def needs_care(resource: str, event: CacheEvent) -> bool:
    """Whether a change is one that ``look_after`` may have to undo."""
    if resource == "services":
        return event.record.key == _SERVICE_KEY and event.type != ADDED
    return resource == "namespaces" and event.type == DELETED and event.record.name in NAMESPACES


def look_after(registry: Registry) -> Verb:
    """What ``bootstrap`` made, as it made it: the Service with its type and ports."""
    yield from bootstrap(registry)
    try:
        yield from change(registry, kind_of("services"), "default", "kubernetes", _restored)
    except NotFound:
        pass  # Deleted again since: there will be another round.
    return Answer(200, b"")


def _restored(record: Record, service: JsonObject) -> JsonObject:
    spec = {**service["spec"], "type": "ClusterIP", "ports": [dict(port) for port in _PORTS]}
    return {**service, "metadata": dict(service["metadata"]), "spec": spec}


def _create(registry: Registry, resource: str, namespace: str, obj: JsonObject) -> Verb:
    kind = kind_of(resource)
    request = Request(0, _SERVER, "create", kind)
    request.namespace = namespace
    request.user_agent = "kube-apiserver/v1.36"
    cache = registry.cache(kind)
    if cache.key(namespace, obj["metadata"]["name"]) in cache.records:
        return Answer(409, b"")
    obj = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
    try:
        return (yield from create_object(registry, request, Draft(obj)))
    except AlreadyExists:
        return Answer(409, b"")
