"""The shape of a pod: everything of it that decides where it may go. Pods of one shape are
filtered and scored once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from api.core import JsonObject
from scheduler.relations import Relations
from scheduler.resources import in_reason_order, pod_requests

if TYPE_CHECKING:
    # A profile is made of plugins, which look at shapes.
    from scheduler.framework import Profile


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
    profile: str
    """Whose plugins decide: the scheduler name."""
    unsupported: tuple[str, ...]
    """Plugins that this scheduler lacks and without which the pod might be put wrongly."""


UNNUMBERED = 0
"""Number and place of the shapes of pods that nobody schedules; others have them from 1 on."""


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
    profile: "Profile"


def shape_key(spec: JsonObject, profile: str, status: JsonObject | None = None) -> ShapeKey:
    """``status``: see pod_requests. Cost: about 15 µs for a pod of one container."""
    requests = pod_requests(spec, status)
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
        profile=profile,
        unsupported=_unsupported(spec),
    )


def key_from_wire(body: list[Any]) -> ShapeKey:
    """The inverse of what a serialiser without tuples makes of a ShapeKey."""
    requests, scored, counted, ports, tolerations, selector, required, *rest = body
    preferred, node_name, images, profile, unsupported = rest
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
        profile=profile,
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
