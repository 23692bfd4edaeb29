"""The containers of a pod: which one is meant, and what the kubelet has said of it.

Source: pkg/registry/core/pod/strategy.go (LogLocation, streamLocation) at v0.36.3.
"""

from api.core import JsonObject
from api.errors import BadRequest

_LISTS = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)


def container_of(pod: JsonObject, asked: str) -> JsonObject:
    """The container of this name, or the only one when none is asked for. BadRequest."""
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    every: dict[str, JsonObject] = {
        one["name"]: one for field, _ in _LISTS for one in spec.get(field) or ()
    }
    own = [one["name"] for one in spec.get("containers") or ()]
    if asked or len(own) == 1:
        found = every.get(asked or own[0])
        if found is None:
            raise BadRequest(f"container {asked} is not valid for pod {pod_name}")
        return found
    text = (
        f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(own)}]"
    )
    if spec.get("initContainers"):
        inits = " ".join(one["name"] for one in spec["initContainers"])
        text += f" or one of the init containers: [{inits}]"
    raise BadRequest(text)


def status_of(pod: JsonObject, container: str) -> JsonObject:
    """Empty when the kubelet has said nothing yet."""
    statuses = pod.get("status") or {}
    for _, field in _LISTS:
        for status in statuses.get(field) or ():
            if status["name"] == container:
                found: JsonObject = status
                return found
    return {}
