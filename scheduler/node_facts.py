"""What the scheduler reads of a Node object."""

from collections.abc import Mapping
from typing import NamedTuple

from api.core import JsonObject
from scheduler.resources import amounts_of


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class NodeFacts(NamedTuple):
    """What the scheduler reads of a Node object."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    allocatable: Mapping[str, int]
    """cpu in millicores, pods as a count, everything else in whole units."""
    images: tuple[tuple[str, int], ...]
    """(name, bytes), an image once under each of its names."""


def node_facts(node: JsonObject) -> NodeFacts:
    """Raises QuantityError."""
    spec = node.get("spec") or {}
    status = node.get("status") or {}
    return NodeFacts(
        name=node["metadata"]["name"],
        labels=node["metadata"].get("labels") or {},
        taints=tuple(
            Taint(t.get("key", ""), t.get("value", ""), t.get("effect", ""))
            for t in spec.get("taints") or ()
        ),
        unschedulable=bool(spec.get("unschedulable")),
        allocatable=amounts_of(status.get("allocatable")),
        images=tuple(
            (name, int(image.get("sizeBytes") or 0))
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        ),
    )
