"""The objects that a cluster has before anybody asks: namespaces and the API's own Service.

Source: tests/golden/api/bootstrap.jsonl.
"""

from api.core import JsonObject
from api.errors import AlreadyExists
from api.kinds import kind_of
from apiserver.messages import Answer, User
from apiserver.registry import Registry, Request, Verb
from apiserver.verbs.create import Draft, create_object

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_SERVER = User("system:apiserver", ("system:masters",))


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
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
            "clusterIP": "10.96.0.1",
            "type": "ClusterIP",
        },
    }
    yield from _create(registry, "services", "default", service)
    return Answer(200, b"")


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
