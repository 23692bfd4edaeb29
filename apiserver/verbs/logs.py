"""GET of a container's log, at once or followed until the container ends.

Source: validateContainerLogStatus in pkg/kubelet/kubelet_pods.go at v0.36.3.
"""

from collections.abc import Generator
from typing import Any

from api.errors import BadRequest
from apiserver.answers import TEXT, plain
from apiserver.hollow_log import log_lines, log_options, written
from apiserver.messages import Answer
from apiserver.registry import Ask, Registry, Request
from apiserver.sessions import OpenedLog
from apiserver.verbs.place import find_container


def read_log(registry: Registry, request: Request) -> Generator[Ask, Any, Answer | OpenedLog]:
    """GET of what a container has written, whole or as a stream that goes on."""
    options = log_options(request.options, request.name, registry.now_ns)
    place = yield from find_container(registry, request)
    if place is None:
        return Answer(204, b"")
    name, state = place.container["name"], place.state
    where = f'container "{name}" in pod "{request.name}"'
    if options.previous:
        state = place.status.get("lastState") or {}
        if not state.get("terminated"):
            raise BadRequest(f"previous terminated {where} not found")
    elif not place.status:
        raise BadRequest(f"{where} is not available")
    elif "running" not in state and "terminated" not in state:
        reason = (state.get("waiting") or {}).get("reason", "")
        raise BadRequest(f"{where} is waiting to start: {reason}")
    body = written(log_lines(place.pod, place.container, state), options)
    if (
        options.follow
        and "running" in state
        and options.limit_bytes is None
        and (not request.over_frames)
    ):
        return OpenedLog(request.id, place.key, place.uid, name, options, body, TEXT)
    return plain(200, body.decode())
