"""GET of a container's log. A hollow container writes nothing, so the log of one that has run is
empty; ``follow`` ends at once.

Source: pkg/registry/core/pod/strategy.go (LogLocation), validateContainerLogStatus in
pkg/kubelet/kubelet_pods.go at v0.36.3.
"""

from api.core import JsonObject
from api.errors import BadRequest, NotFound
from apiserver.answers import plain
from apiserver.registry import Registry, Request, Verb
from apiserver.verbs.read import not_older

_LISTS = ("containers", "initContainers", "ephemeralContainers")


def read_log(registry: Registry, request: Request) -> Verb:
    yield from not_older(registry, request.kind, None)
    cache = registry.cache(request.kind)
    record = cache.records.get(cache.key(request.namespace, request.name))
    if record is None:
        raise NotFound(request.kind.key, request.name)
    pod = record.object()
    container = _container(pod, request.options.get("container", ""), request.name)
    if not pod["spec"].get("nodeName"):
        raise BadRequest(f"pod {request.name} does not have a host assigned")
    statuses = pod.get("status") or {}
    for status in statuses.get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting")
        if status["name"] == container and waiting is not None:
            raise BadRequest(
                f'container "{container}" in pod "{request.name}" is waiting to start: '
                f"{waiting.get('reason', '')}"
            )
    return plain(200, "")


def _container(pod: JsonObject, asked: str, pod_name: str) -> str:
    spec = pod["spec"]
    names = [one["name"] for field in _LISTS for one in spec.get(field) or ()]
    if asked:
        if asked not in names:
            raise BadRequest(f"container {asked} is not valid for pod {pod_name}")
        return asked
    own = [one["name"] for one in spec.get("containers") or ()]
    if len(own) == 1:
        return str(own[0])
    text = (
        f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(own)}]"
    )
    if spec.get("initContainers"):
        inits = " ".join(one["name"] for one in spec["initContainers"])
        text += f" or one of the init containers: [{inits}]"
    raise BadRequest(text)
