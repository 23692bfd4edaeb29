"""Where a request for a log or for a command leads: a container of a pod that has a node."""

from collections.abc import Generator
from typing import Any, NamedTuple

from api.core import JsonObject
from api.errors import NotFound
from apiserver.containers import container_of, status_of
from apiserver.registry import Ask, Registry, Request
from apiserver.verbs.read import not_older


class Place(NamedTuple):
    """A container, and the pod that it is of."""

    key: bytes
    """Of the pod, in the cache."""
    uid: str
    pod: JsonObject
    container: JsonObject
    status: JsonObject
    """What the kubelet has said of the container; empty when nothing yet."""

    @property
    def state(self) -> JsonObject:
        """Of the container as last reported; empty where it was not."""
        found: JsonObject = self.status.get("state") or {}
        return found


def find_container(registry: Registry, request: Request) -> Generator[Ask, Any, Place | None]:
    """None when the pod has no node yet. NotFound, BadRequest."""
    yield from not_older(registry, request.kind, None)
    cache = registry.cache(request.kind)
    key = cache.key(request.namespace, request.name)
    record = cache.records.get(key)
    if record is None:
        raise NotFound(request.kind.key, request.name)
    pod = record.object()
    container = container_of(pod, request.options.get("container", ""))
    if not pod["spec"].get("nodeName"):
        return None
    return Place(key, record.uid, pod, container, status_of(pod, container["name"]))
