"""What a pod asks for, in integers: cpu in millicores, everything else in whole units (bytes,
devices).

Source: k8s.io/component-helpers/resource/helpers.go (PodRequests) and
pkg/scheduler/framework/types.go (calculateResource), v1.36, where InPlacePodVerticalScaling and
InPlacePodLevelResourcesVerticalScaling are on. Sums are of rounded-up quantities: a
container asking for less than a millicore or a byte counts as one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from api.core import JsonObject
from api.podspec import is_pod_level_resource
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

DEFAULTS = {CPU: NONZERO_CPU, MEMORY: NONZERO_MEMORY}

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


class PodRequests(NamedTuple):
    """All that scheduling counts of a pod's requests."""

    amounts: Amounts
    scored: tuple[int, int]
    """Millicores and bytes as LeastAllocated counts them, with defaults for containers that ask
    for nothing, when the pod is to be scored ..."""
    counted: tuple[int, int]
    """... and when it is placed. They differ in pod-level requests, which the score of a new pod
    leaves out (recorded: family podlevel)."""


def pod_requests(spec: JsonObject, status: JsonObject | None = None) -> PodRequests:
    """Requests of the containers, where the pod itself names an amount that one instead, and the
    overhead on top. ``status``: of a pod on a node. What it says that containers have, or are to
    have, counts where it is more than they ask for: they may be about to be resized."""
    held = _held_by_containers(status or {})
    infeasible = bool(held) and _cannot_be_resized(status or {})
    plain = [
        _effective(asked_of(one), held.get(one.get("name", "")), infeasible)
        for one in spec["containers"]
    ]
    starting = []
    for one in spec.get("initContainers") or ():
        restarts = one.get("restartPolicy") == "Always"
        its = held.get(one.get("name", "")) if restarts else None
        starting.append((_effective(asked_of(one), its, infeasible), restarts))
    amounts = _sum_of_containers(plain, starting)
    overhead = amounts_of(spec.get("overhead"))
    pod_level = pod_level_requests(spec)
    if pod_level and status and status.get("resources"):
        shares = _effective(pod_level, _held(status), _cannot_be_resized(status))
        pod_level = {name: shares.get(name, 0) for name in pod_level}
    known: Amounts = {**amounts, **pod_level, **overhead} if pod_level else {}
    counted = _with_defaults(plain, starting, [name for name in DEFAULTS if name not in known])
    counted.update(pod_level)
    scored = counted
    if pod_level:
        scored = _with_defaults(plain, starting, list(DEFAULTS))
        amounts.update(pod_level)
    _add(amounts, overhead)
    return PodRequests(
        amounts, _cpu_and_memory(scored, overhead), _cpu_and_memory(counted, overhead)
    )


def asked_of(container: JsonObject) -> Amounts:
    """What a container asks for itself."""
    return amounts_of((container.get("resources") or {}).get("requests"))


def _held_by_containers(status: JsonObject) -> dict[str, Amounts]:
    """What containers have and are to have, by name; those whose status tells."""
    return {
        one["name"]: _held(one)
        for part in ("containerStatuses", "initContainerStatuses")
        for one in status.get(part) or ()
        if one.get("resources") is not None
    }


def _held(status: JsonObject) -> Amounts:
    """The larger of what is there and what was allocated."""
    amounts = amounts_of((status.get("resources") or {}).get("requests"))
    _raise(amounts, amounts_of(status.get("allocatedResources")))
    return amounts


def _effective(asked: Amounts, held: Amounts | None, infeasible: bool) -> Amounts:
    """``infeasible``: the node could never give what is asked for."""
    if held is None:
        return asked
    found = {} if infeasible else dict(asked)
    _raise(found, held)
    return found


def _cannot_be_resized(status: JsonObject) -> bool:
    """Source: k8s.io/component-helpers/resource/helpers.go, IsPodResizeInfeasible."""
    pending = [c for c in status.get("conditions") or () if c.get("type") == "PodResizePending"]
    return bool(pending) and pending[0].get("reason") == "Infeasible"


def pod_level_requests(spec: JsonObject) -> Amounts:
    if not spec.get("resources"):
        return {}
    amounts = amounts_of(spec["resources"].get("requests"))
    return {name: amount for name, amount in amounts.items() if is_pod_level_resource(name)}


def _sum_of_containers(
    plain: Sequence[Amounts], starting: Sequence[tuple[Amounts, bool]]
) -> Amounts:
    """Containers and restartable init containers add up; an ordinary init container runs beside
    the restartable ones before it, and the pod needs the larger of both."""
    total: Amounts = {}
    for request in plain:
        _add(total, request)
    peak: Amounts = {}
    restartable: Amounts = {}
    for request, restarts in starting:
        if restarts:
            _add(total, request)
            _add(restartable, request)
            _raise(peak, restartable)
        else:
            beside = dict(restartable)
            _add(beside, request)
            _raise(peak, beside)
    _raise(total, peak)
    return total


def _with_defaults(
    plain: Sequence[Amounts], starting: Sequence[tuple[Amounts, bool]], names: Sequence[str]
) -> Amounts:
    """The sum when containers that say nothing of these resources ask for the default."""
    lacking = {name: DEFAULTS[name] for name in names}
    return _sum_of_containers(
        [lacking | request for request in plain],
        [(lacking | request, restarts) for request, restarts in starting],
    )


def _cpu_and_memory(amounts: Amounts, more: Amounts) -> tuple[int, int]:
    return (
        amounts.get(CPU, 0) + more.get(CPU, 0),
        amounts.get(MEMORY, 0) + more.get(MEMORY, 0),
    )


def in_reason_order(amounts: Amounts) -> tuple[tuple[str, int], ...]:
    """What is asked for at all, in the order in which shortages are reported."""
    plain = [(name, amounts[name]) for name in PLAIN if amounts.get(name)]
    rest = sorted(
        (name, amount)
        for name, amount in amounts.items()
        if amount and name not in PLAIN and name != PODS
    )
    return tuple(plain + rest)


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, floor: Mapping[str, int]) -> None:
    for name, amount in floor.items():
        if amount > total.get(name, 0):
            total[name] = amount
