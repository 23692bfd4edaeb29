"""The shape of a pod: everything of it that decides where it may go. Pods of one shape are
filtered and scored once."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from api.core import JsonObject
from scheduler.relations import NOBODY, Relations, RelationsIndex, relations_key
from scheduler.resources import (
    CPU,
    MEMORY,
    in_reason_order,
    pod_requests,
)

SHAPES_MAX = 65536
"""Shapes remembered. A forgotten one gets a new number and is scored anew: only slower."""


class Requirement(NamedTuple):
    """One expression of a node selector term."""

    key: str
    operator: str
    values: tuple[str, ...]


class Term(NamedTuple):
    """A node selector term: all of its requirements hold. An empty one matches nothing."""

    expressions: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]


class Toleration(NamedTuple):
    key: str
    operator: str
    value: str
    effect: str


class Port(NamedTuple):
    """A host port. ip "0.0.0.0": all addresses of the node."""

    ip: str
    protocol: str
    port: int


class ShapeKey(NamedTuple):
    """The content of a shape; two equal ones are one shape."""

    requests: tuple[tuple[str, int], ...]
    """(resource, amount > 0), plain resources first, then by name."""
    scored: tuple[int, int]
    """Millicores and bytes that LeastAllocated counts for the pod when it is scored ..."""
    counted: tuple[int, int]
    """... and when it is placed."""
    ports: tuple[Port, ...]
    tolerations: tuple[Toleration, ...]
    selector: tuple[tuple[str, str], ...] | None
    """nodeSelector, None when absent."""
    required: tuple[Term, ...] | None
    """Required node affinity, None when absent."""
    preferred: tuple[tuple[int, Term], ...]
    """(weight, term)."""
    node_name: str
    images: tuple[str, ...]
    """One per container, init containers first, tags made explicit."""
    unsupported: tuple[str, ...]
    """Plugins that this scheduler lacks and without which the pod might be put wrongly."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A shape with its number. ``place`` numbers the part that only looks at Node objects.
    Shapes that differ in their relations alone have one number."""

    number: int
    place: int
    key: ShapeKey
    cpu: int
    memory: int
    relations: Relations


class Shapes:
    """Gives equal pods the same shape."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[ShapeKey, Shape] = OrderedDict()
        """Without relations."""
        self._related: OrderedDict[tuple[int, int], Shape] = OrderedDict()
        self._relations = RelationsIndex()
        self._alone = self._relations.of_key(NOBODY)
        self._places: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._next = 0

    def of_pod(self, pod: JsonObject) -> Shape:
        """Raises QuantityError and SelectorError for a quantity or a selector that is none."""
        shape = self.of_key(shape_key(pod["spec"]))
        relations = self._relations.of_key(relations_key(pod))
        related = self._related.get((shape.number, relations.number))
        if related is None:
            related = replace(shape, relations=relations)
            self._related[shape.number, relations.number] = related
            _trim(self._related)
        return related

    def of_key(self, key: ShapeKey) -> Shape:
        shape = self._shapes.get(key)
        if shape is None:
            place_key = key[key._fields.index("tolerations") : -1]
            place = self._places.get(place_key)
            if place is None:
                place = self._places[place_key] = self._fresh()
                _trim(self._places)
            amounts = dict(key.requests)
            cpu, memory = amounts.get(CPU, 0), amounts.get(MEMORY, 0)
            shape = self._shapes[key] = Shape(self._fresh(), place, key, cpu, memory, self._alone)
            _trim(self._shapes)
        return shape

    def _fresh(self) -> int:
        self._next += 1
        return self._next


def _trim(cache: OrderedDict[Any, Any]) -> None:
    if len(cache) > SHAPES_MAX:
        cache.popitem(last=False)


def shape_key(spec: JsonObject) -> ShapeKey:
    """Cost: about 15 µs for a pod of one container."""
    requests = pod_requests(spec)
    affinity = spec.get("affinity") or {}
    node_affinity = affinity.get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    preferred = node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    selector = spec.get("nodeSelector")
    return ShapeKey(
        requests=in_reason_order(requests.amounts),
        scored=requests.scored,
        counted=requests.counted,
        ports=_host_ports(spec),
        tolerations=tuple(
            Toleration(
                t.get("key", ""), t.get("operator", ""), t.get("value", ""), t.get("effect", "")
            )
            for t in spec.get("tolerations") or ()
        ),
        selector=None if selector is None else tuple(sorted(selector.items())),
        required=None
        if required is None
        else tuple(node_selector_term(t) for t in required.get("nodeSelectorTerms") or ()),
        preferred=tuple(
            (int(t["weight"]), node_selector_term(t.get("preference") or {})) for t in preferred
        ),
        node_name=spec.get("nodeName", ""),
        images=_images(spec),
        unsupported=_unsupported(spec),
    )


def key_from_wire(body: list[Any]) -> ShapeKey:
    """The inverse of what a serialiser without tuples makes of a ShapeKey."""
    requests, scored, counted, ports, tolerations, selector, required, *rest = body
    preferred, node_name, images, unsupported = rest
    return ShapeKey(
        requests=tuple((name, amount) for name, amount in requests),
        scored=(scored[0], scored[1]),
        counted=(counted[0], counted[1]),
        ports=tuple(Port(*port) for port in ports),
        tolerations=tuple(Toleration(*toleration) for toleration in tolerations),
        selector=None if selector is None else tuple((key, value) for key, value in selector),
        required=None if required is None else tuple(_term_from_wire(t) for t in required),
        preferred=tuple((weight, _term_from_wire(t)) for weight, t in preferred),
        node_name=node_name,
        images=tuple(images),
        unsupported=tuple(unsupported),
    )


def _term_from_wire(body: list[Any]) -> Term:
    expressions, fields = (
        tuple(Requirement(key, operator, tuple(values)) for key, operator, values in part)
        for part in body
    )
    return Term(expressions, fields)


def node_selector_term(term: JsonObject) -> Term:
    expressions, fields = (
        tuple(
            Requirement(r["key"], r["operator"], tuple(r.get("values") or ()))
            for r in term.get(part) or ()
        )
        for part in ("matchExpressions", "matchFields")
    )
    return Term(expressions, fields)


def _host_ports(spec: JsonObject) -> tuple[Port, ...]:
    """Of containers and restartable init containers.
    Source: pkg/scheduler/util/utils.go, GetHostPorts."""
    holders = list(spec.get("containers", ()))
    holders += [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return tuple(
        Port(p.get("hostIP") or "0.0.0.0", p.get("protocol") or "TCP", p["hostPort"])
        for container in holders
        for p in container.get("ports") or ()
        if p.get("hostPort")
    )


def _images(spec: JsonObject) -> tuple[str, ...]:
    containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
    return tuple(_with_tag(container.get("image", "")) for container in containers)


def _with_tag(image: str) -> str:
    """Source: plugins/imagelocality/image_locality.go, normalizedImageName."""
    return image if image.rfind(":") > image.rfind("/") else image + ":latest"


def _unsupported(spec: JsonObject) -> tuple[str, ...]:
    plugins = []
    if spec.get("resourceClaims"):
        plugins.append("DynamicResources")
    return tuple(plugins)
