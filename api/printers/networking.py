"""Rows of Endpoints, EndpointSlices, Ingresses, NetworkPolicies and addresses.

Source: pkg/printers/internalversion/printers.go.
"""

from collections.abc import Sequence
from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, UNSET, age
from api.selectors import label_selector_of

ENDPOINTS_SHOWN = 3


def endpoints_cells(endpoints: JsonObject, now_ns: int) -> list[Any]:
    """Name, addresses with ports, age."""
    metadata = endpoints["metadata"]
    shown: list[str] = []
    total = 0
    for subset in endpoints.get("subsets") or ():
        ports: list[JsonObject | None] = list(subset.get("ports") or ()) or [None]
        for port in ports:
            for address in subset.get("addresses") or ():
                ip = address.get("ip", "")
                if len(shown) < ENDPOINTS_SHOWN:
                    shown.append(_joined(ip, port["port"]) if port else ip)
                total += 1
    return [
        metadata["name"],
        _some(shown, total) or NONE,
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def _joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _some(shown: Sequence[str], total: int) -> str:
    text = ",".join(shown)
    return f"{text} + {total - len(shown)} more..." if total > len(shown) else text


def endpoint_slice_cells(endpoint_slice: JsonObject, now_ns: int) -> list[Any]:
    """Name, type of addresses, ports, addresses, age."""
    metadata = endpoint_slice["metadata"]
    ports = endpoint_slice.get("ports") or ()
    names = [_port_name(port) for port in ports]
    addresses = [
        address
        for endpoint in endpoint_slice.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    ]
    return [
        metadata["name"],
        endpoint_slice.get("addressType", ""),
        _some(names[:ENDPOINTS_SHOWN], len(names)) or UNSET,
        _some(addresses[:ENDPOINTS_SHOWN], len(addresses)) or UNSET,
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def _port_name(port: JsonObject) -> str:
    number, name = port.get("port"), port.get("name")
    if number is not None:
        return str(number)
    return name or "*"


def ingress_cells(ingress: JsonObject, now_ns: int) -> list[Any]:
    """Name, class, hosts, addresses, ports, age."""
    metadata, spec = ingress["metadata"], ingress["spec"]
    points = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    addresses = [point.get("ip") or point.get("hostname", "") for point in points]
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    return [
        metadata["name"],
        spec.get("ingressClassName") or NONE,
        _some(hosts[:ENDPOINTS_SHOWN], len(hosts)) or "*",
        ",".join(address for address in addresses if address),
        "80, 443" if spec.get("tls") else "80",
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def api_service_cells(service: JsonObject, now_ns: int) -> list[Any]:
    """Name, who serves it, whether it is there, age. Source: kube-aggregator/pkg/registry/
    apiservice/etcd/etcd.go."""
    metadata, serves = service["metadata"], service["spec"].get("service")
    conditions = (service.get("status") or {}).get("conditions") or ()
    available = "Unknown"
    for condition in conditions:
        if condition.get("type") == "Available":
            available, reason = condition.get("status", ""), condition.get("reason")
            if available != "True" and reason:
                available = f"{available} ({reason})"
    by = f"{serves.get('namespace', '')}/{serves.get('name', '')}" if serves else "Local"
    made = age(metadata.get("creationTimestamp"), now_ns)
    return [metadata.get("name", ""), by, available, made]


def ingress_class_cells(ingress_class: JsonObject, now_ns: int) -> list[Any]:
    """Name, controller, parameters, age."""
    metadata, spec = ingress_class["metadata"], ingress_class["spec"]
    parameters = spec.get("parameters")
    shown = NONE
    if parameters:
        group = parameters.get("apiGroup")
        kind = parameters.get("kind", "")
        shown = f"{kind}.{group}/" if group else f"{kind}/"
        shown += parameters.get("name", "")
    return [
        metadata["name"],
        spec.get("controller", ""),
        shown,
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def network_policy_cells(policy: JsonObject, now_ns: int) -> list[Any]:
    """Name, selector of pods, age."""
    metadata = policy["metadata"]
    return [
        metadata["name"],
        str(label_selector_of(policy["spec"].get("podSelector"))) or NONE,
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def ip_address_cells(address: JsonObject, now_ns: int) -> list[Any]:
    """Name, whose it is."""
    parent = address["spec"].get("parentRef") or {}
    parts = (parent.get(name) for name in ("resource", "namespace", "name"))
    resource, *rest = [part for part in parts if part] or [NONE]
    if parent.get("group"):
        resource = f"{resource}.{parent['group']}"
    return [address["metadata"]["name"], "/".join((resource, *rest))]


def service_cidr_cells(cidr: JsonObject, now_ns: int) -> list[Any]:
    """Name, ranges, age."""
    metadata = cidr["metadata"]
    ranges = ",".join(cidr["spec"].get("cidrs") or ())
    return [metadata["name"], ranges, age(metadata.get("creationTimestamp"), now_ns)]
