"""GET or POST of ``exec``: run a command in a hollow container, over a WebSocket.

What a container can do is in ``hollow_exec``. SPDY, which older clients use, is not spoken.

Source: pkg/registry/core/pod/rest/subresources.go, apimachinery/pkg/util/proxy/upgradeaware.go at
v0.36.3.
"""

from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qsl

from api.errors import BadRequest, NotImplemented501
from apiserver.hollow_exec import run, world_of
from apiserver.negotiate import boolean
from apiserver.registry import Ask, Registry, Request
from apiserver.sessions import PROTOCOLS, STDERR, STDIN, STDOUT, OpenedCommand
from apiserver.verbs.place import find_container


def run_command(registry: Registry, request: Request) -> Generator[Ask, Any, OpenedCommand]:
    """BadRequest, NotFound, NotImplemented501."""
    place = yield from find_container(registry, request)
    if place is None:
        raise BadRequest(f"pod {request.name} does not have a host assigned")
    name = place.container["name"]
    if "running" not in place.state:
        raise BadRequest(f'container "{name}" in pod "{request.name}" is not running')
    command = tuple(
        value for key, value in parse_qsl(request.query, keep_blank_values=True) if key == "command"
    )
    if not command or not command[0]:
        raise BadRequest("you must specify a command")
    wanted = (("stdin", STDIN), ("stdout", STDOUT), ("stderr", STDERR))
    streams = frozenset(number for key, number in wanted if boolean(request.options, key))
    if not streams:
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    protocol = _protocol(request)
    outcome = run(command, world_of(place.pod, place.container))
    if outcome is not None and outcome.code is None and STDIN not in streams:
        outcome = outcome._replace(code=0)
    return OpenedCommand(
        *(request.id, place.key, place.uid, name, protocol, command, outcome, streams)
    )


def _protocol(request: Request) -> str:
    upgrade = request.upgrade
    if upgrade is None:
        raise BadRequest("Upgrade request required")
    if upgrade.protocol != "websocket":
        raise NotImplemented501(f"{request.kind.key}/{request.subresource} over {upgrade.protocol}")
    for known in PROTOCOLS:
        if known in upgrade.subprotocols:
            return known
    offered = " ".join(upgrade.subprotocols)
    raise BadRequest(f"unable to upgrade: unsupported subprotocols: [{offered}]")
