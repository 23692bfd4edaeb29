"""What an object takes of ResourceQuotas, whichever there are.

Source: pkg/quota/v1/evaluator/core and apiserver/pkg/quota/v1 of Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from api.core import JsonObject
from api.podspec import is_restartable_init, is_terminal
from api.quantity import DECIMAL_SI, parse, text_of
from api.times import parse_time
from api.validation.resources import is_native

SECOND_NS: Final = 10**9
COUNTED_BY_NAME: Final = ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")
"""Kinds that have a count under their bare names, too."""
OF_CLASS: Final = ".storageclass.storage.k8s.io/"
COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")


class Amount(NamedTuple):
    """A quantity: nano units, and the family of suffixes in which it is written."""

    nanos: int
    form: str = DECIMAL_SI

    def __str__(self) -> str:
        return text_of(self.nanos, self.form)


Usage = dict[str, Amount]
"""Name of a quota's resource to how much of it."""

_ONE: Final = Amount(10**9)


def amounts(quantities: Mapping[str, str] | None) -> Usage:
    """Quantities by name, read so that they can be added."""
    return {name: Amount(*parse(text)) for name, text in (quantities or {}).items()}


def plus(left: Usage, right: Usage) -> Usage:
    """The sum. A sum is written in the way of its first part that is not zero."""
    total = dict(left)
    for name, more in right.items():
        known = total.get(name)
        if known is None or not known.nanos:
            total[name] = more
        else:
            total[name] = Amount(known.nanos + more.nanos, known.form)
    return total


def texts(usage: Usage) -> dict[str, str]:
    """As a status has it."""
    return {name: str(usage[name]) for name in sorted(usage)}


def count_name(key: str) -> str:
    """What counts the objects of a kind: ``count/deployments.apps``."""
    group, _, resource = key.rpartition("/")
    return f"count/{resource}.{group}" if group else f"count/{resource}"


def usage_of(key: str, obj: JsonObject, now_ns: int) -> Usage:
    """What a defaulted object of the kind ``key`` takes of quotas, whichever have it."""
    usage: Usage = {count_name(key): _ONE}
    if key == "pods":
        if _counts(obj, now_ns):
            spec = obj["spec"]
            usage |= of_containers(_of_pod(spec, "requests"), _of_pod(spec, "limits"))
            usage["pods"] = _ONE
    elif key == "services":
        usage |= _of_service(obj["spec"])
    elif key == "persistentvolumeclaims":
        usage |= _of_claim(obj)
    elif key in COUNTED_BY_NAME:
        usage[key] = _ONE
    return usage


def _counts(pod: JsonObject, now_ns: int) -> bool:
    """A pod that has ended, or should be gone by now, takes nothing but its own place."""
    if is_terminal(pod):
        return False
    meta = pod["metadata"]
    since, grace_s = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    if since is None or grace_s is None:
        return True
    return now_ns <= parse_time(since) + int(grace_s) * SECOND_NS


def of_containers(requests: Usage, limits: Usage) -> Usage:
    """What the summed requests and limits of containers use up, under the names of quotas."""
    usage: Usage = {}
    for name, amount in requests.items():
        if name in COMPUTE or name.startswith("hugepages-"):
            usage[name] = usage[f"requests.{name}"] = amount
        elif not is_native(name):
            usage[f"requests.{name}"] = amount
    for name, amount in limits.items():
        if name in COMPUTE:
            usage[f"limits.{name}"] = amount
    return usage


def _of_pod(spec: JsonObject, field: str) -> Usage:
    """Requests or limits of a whole pod. Source: k8s.io/component-helpers/resource/helpers.go."""
    total: Usage = {}
    for container in spec.get("containers") or ():
        total = plus(total, amounts((container.get("resources") or {}).get(field)))
    sidecars: Usage = {}
    largest: Usage = {}
    for container in spec.get("initContainers") or ():
        asked = amounts((container.get("resources") or {}).get(field))
        if is_restartable_init(container):
            total, sidecars = plus(total, asked), plus(sidecars, asked)
            asked = sidecars
        else:
            asked = plus(asked, sidecars)
        largest = _larger(largest, asked)
    total = _larger(total, largest)
    total |= amounts((spec.get("resources") or {}).get(field))
    overhead = amounts(spec.get("overhead"))
    if field == "limits":
        overhead = {one: overhead[one] for one in overhead if one in total and total[one].nanos}
    return plus(total, overhead)


def _larger(left: Usage, right: Usage) -> Usage:
    none = Amount(-1)
    return left | {one: right[one] for one in right if right[one].nanos > left.get(one, none).nanos}


def _of_service(spec: JsonObject) -> Usage:
    ports = spec.get("ports") or ()
    balancers = node_ports = 0
    if spec["type"] == "NodePort":
        node_ports = len(ports)
    elif spec["type"] == "LoadBalancer":
        balancers, node_ports = 1, len(ports)
        if not spec.get("allocateLoadBalancerNodePorts", True):
            node_ports = sum(bool(port.get("nodePort")) for port in ports)
    return {
        "services": _ONE,
        "services.loadbalancers": Amount(balancers * 10**9),
        "services.nodeports": Amount(node_ports * 10**9),
    }


def _of_claim(claim: JsonObject) -> Usage:
    usage: Usage = {"persistentvolumeclaims": _ONE}
    storage_class = claim["spec"].get("storageClassName")
    if storage_class:
        usage[f"{storage_class}{OF_CLASS}persistentvolumeclaims"] = _ONE
    asked = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        amount = Amount(*parse(asked))
        given = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
        if given is not None and parse(given)[0] > amount.nanos:
            amount = Amount(*parse(given))
        amount = Amount(-(-amount.nanos // 10**9) * 10**9, amount.form)
        usage["requests.storage"] = amount
        if storage_class:
            usage[f"{storage_class}{OF_CLASS}requests.storage"] = amount
    return usage
