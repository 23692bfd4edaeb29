"""What several rooms read off a pod: state, class of service, resources it asks for.

Pure readers of parsed pods; nothing is cached or changed. Not for the scheduler's hot path.
"""

from collections.abc import Iterable, Mapping

from api.core import JsonObject
from api.quantity import parse

Amounts = dict[str, int]
"""Resource name -> nano units. Exact, as quantities are."""

_QOS_RESOURCES = ("cpu", "memory")


def is_terminal(pod: JsonObject) -> bool:
    """The pod has run to its end and will not run again."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: JsonObject) -> bool:
    """Its condition Ready is True."""
    condition = pod_condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def is_restartable_init(container: JsonObject) -> bool:
    """An init container that keeps running beside the others: a sidecar."""
    return container.get("restartPolicy") == "Always"


def pod_condition(pod: JsonObject, kind: str) -> JsonObject | None:
    """The condition of that type, or None."""
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == kind:
            found: JsonObject = condition
            return found
    return None


def aggregate_requests(spec: JsonObject, part: str = "requests") -> Amounts:
    """Requests, or ``limits``, of all containers, init containers and sidecars of a pod, in nano
    units."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, amounts_of(container.get("resources", {}).get(part)))
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = amounts_of(container.get("resources", {}).get(part))
        if is_restartable_init(container):
            _add(total, asked)
            _add(sidecars, asked)
            asked = sidecars
        else:
            _add(asked, sidecars)
        _raise(largest, asked)
    _raise(total, largest)
    return total


def is_pod_level_resource(name: str) -> bool:
    """Resources that a pod may state as a whole.
    Source: component-helpers/resource/helpers.go, supportedPodLevelResources."""
    return name in _QOS_RESOURCES or name.startswith("hugepages-")


def amounts_of(quantities: Mapping[str, str] | None) -> Amounts:
    """A resource list in nano units, in a new dict."""
    return {name: parse(text)[0] for name, text in (quantities or {}).items()}


def qos_class(pod: JsonObject) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``, of a defaulted pod.

    Source: pkg/apis/core/v1/helper/qos/qos.go, ComputePodQOS.
    """
    spec = pod["spec"]
    own = spec.get("resources")
    if own and (own.get("requests") or own.get("limits")):
        holders: Iterable[JsonObject] = (own,)
    else:
        containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
        holders = [container.get("resources", {}) for container in containers]
    requests: Amounts = {}
    limits: Amounts = {}
    guaranteed = True
    for holder in holders:
        if not holder:
            guaranteed = False
            continue
        _add(requests, _counted(holder.get("requests")))
        bounded = _counted(holder.get("limits"))
        _add(limits, bounded)
        if len(bounded) < len(_QOS_RESOURCES):
            guaranteed = False
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if guaranteed and requests == limits else "Burstable"


def _counted(quantities: Mapping[str, str] | None) -> Amounts:
    if not quantities:
        return {}
    amounts = {name: parse(quantities[name])[0] for name in _QOS_RESOURCES if name in quantities}
    return {name: nanos for name, nanos in amounts.items() if nanos > 0}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, nanos in more.items():
        total[name] = total.get(name, 0) + nanos


def _raise(total: Amounts, floor: Mapping[str, int]) -> None:
    for name, nanos in floor.items():
        if total.get(name, -1) < nanos:
            total[name] = nanos
