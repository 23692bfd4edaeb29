"""What a pod asks for, in integers: cpu in millicores, everything else in whole units (bytes,
devices).

Source: k8s.io/component-helpers/resource/helpers.go (PodRequests) and
pkg/scheduler/framework/types.go (calculateResource), v1.36. Sums are of rounded-up quantities: a
container asking for less than a millicore or a byte counts as one.
"""

from collections.abc import Iterable, Mapping

from api.core import JsonObject
from api.quantity import milli_value, whole_value

CPU = "cpu"
MEMORY = "memory"
STORAGE = "ephemeral-storage"
PODS = "pods"
PLAIN = (CPU, MEMORY, STORAGE)
"""Resources that every node has; the order of their reject reasons. Others follow by name."""

NONZERO_CPU = 100
"""Millicores that a container without a cpu request counts as, in scores of LeastAllocated."""
NONZERO_MEMORY = 200 * 1024 * 1024
"""Bytes, likewise. Source: pkg/scheduler/util/pod_resources.go."""

AMOUNT_MAX = 1 << 56
"""Larger amounts count as this: a hundred times it still fits into 64 bits."""

Amounts = dict[str, int]


def amount_of(resource: str, text: str) -> int:
    """One quantity in the unit of its resource. Raises QuantityError."""
    amount = milli_value(text) if resource == CPU else whole_value(text)
    return max(-AMOUNT_MAX, min(amount, AMOUNT_MAX))


def amounts_of(quantities: Mapping[str, object] | None) -> Amounts:
    if not quantities:
        return {}
    return {name: amount_of(name, str(text)) for name, text in quantities.items()}


def is_pod_level(resource: str) -> bool:
    """Whether ``spec.resources`` of a pod may speak of it.
    Source: component-helpers/resource/helpers.go, supportedPodLevelResources."""
    return resource in (CPU, MEMORY) or resource.startswith("hugepages-")


def pod_requests(spec: JsonObject) -> Amounts:
    """Requests of the whole pod: those of its containers, where the pod itself names an amount
    that one instead, and the overhead."""
    total = container_requests(spec, {})
    total.update(pod_level_requests(spec))
    _add(total, amounts_of(spec.get("overhead")))
    return total


def scored_requests(spec: JsonObject) -> tuple[tuple[int, int], tuple[int, int]]:
    """Millicores and bytes as LeastAllocated counts them, with defaults for containers that ask for
    nothing: of a pod to be scored, and of one that is placed. They differ in pod-level requests,
    which the score of a new pod leaves out (recorded: family podlevel)."""
    total = container_requests(spec, {CPU: NONZERO_CPU, MEMORY: NONZERO_MEMORY})
    overhead = amounts_of(spec.get("overhead"))
    more_cpu, more_memory = overhead.get(CPU, 0), overhead.get(MEMORY, 0)
    new = (total.get(CPU, 0) + more_cpu, total.get(MEMORY, 0) + more_memory)
    total.update(pod_level_requests(spec))
    return new, (total.get(CPU, 0) + more_cpu, total.get(MEMORY, 0) + more_memory)


def pod_level_requests(spec: JsonObject) -> Amounts:
    amounts = amounts_of((spec.get("resources") or {}).get("requests"))
    return {name: amount for name, amount in amounts.items() if is_pod_level(name)}


def container_requests(spec: JsonObject, missing: Mapping[str, int]) -> Amounts:
    """``missing``: amounts for containers that do not name a resource.

    Containers and restartable init containers add up; an ordinary init container runs beside the
    restartable ones before it, and the pod needs the larger of both.
    """
    total: Amounts = {}
    for container in spec.get("containers", ()):
        _add(total, _one_container(container, missing))
    starting: Amounts = {}
    restartable: Amounts = {}
    for container in spec.get("initContainers", ()):
        request = _one_container(container, missing)
        if container.get("restartPolicy") == "Always":
            _add(total, request)
            _add(restartable, request)
            _raise(starting, restartable.items())
        else:
            _add(request, restartable)
            _raise(starting, request.items())
    _raise(total, starting.items())
    return total


def in_reason_order(amounts: Amounts) -> tuple[tuple[str, int], ...]:
    """What is asked for at all, in the order in which shortages are reported."""
    plain = [(name, amounts[name]) for name in PLAIN if amounts.get(name)]
    rest = sorted(
        (name, amount)
        for name, amount in amounts.items()
        if amount and name not in PLAIN and name != PODS
    )
    return tuple(plain + rest)


def _one_container(container: JsonObject, missing: Mapping[str, int]) -> Amounts:
    request = amounts_of((container.get("resources") or {}).get("requests"))
    for name, amount in missing.items():
        request.setdefault(name, amount)
    return request


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, floor: Iterable[tuple[str, int]]) -> None:
    for name, amount in floor:
        if amount > total.get(name, 0):
            total[name] = amount
