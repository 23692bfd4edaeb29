"""Rows of Namespaces, Nodes, ConfigMaps, ServiceAccounts, Leases and Events.

Source: pkg/printers/internalversion/printers.go.
"""

from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, UNKNOWN, age

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def namespace_cells(namespace: JsonObject, now_ns: int) -> list[Any]:
    """Name, phase, age."""
    return [_name(namespace), namespace.get("status", {}).get("phase", ""), _age(namespace, now_ns)]


def node_cells(node: JsonObject, now_ns: int) -> list[Any]:
    """Name, status, roles, age, version; wide: addresses and software."""
    status = node.get("status", {})
    ready = [c.get("status") for c in status.get("conditions", ()) if c.get("type") == "Ready"]
    words = ["Ready" if ready[0] == "True" else "NotReady"] if ready else ["Unknown"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    info = status.get("nodeInfo", {})
    return [
        _name(node),
        ",".join(words),
        ",".join(_roles(node)) or NONE,
        _age(node, now_ns),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def config_map_cells(config_map: JsonObject, now_ns: int) -> list[Any]:
    """Name, number of keys, age."""
    count = len(config_map.get("data", ())) + len(config_map.get("binaryData", ()))
    return [_name(config_map), count, _age(config_map, now_ns)]


def service_account_cells(account: JsonObject, now_ns: int) -> list[Any]:
    """Name, age."""
    return [_name(account), _age(account, now_ns)]


def lease_cells(lease: JsonObject, now_ns: int) -> list[Any]:
    """Name, holder, age."""
    return [_name(lease), lease["spec"].get("holderIdentity", ""), _age(lease, now_ns)]


def event_cells(event: JsonObject, now_ns: int) -> list[Any]:
    """Last seen, type, reason, object, subobject, source, message, first seen, count, name."""
    first = age(event.get("firstTimestamp") or event.get("eventTime"), now_ns)
    last_time = event.get("lastTimestamp")
    last = age(last_time, now_ns) if last_time else first
    count = event.get("count", 0) or 1
    series = event.get("series")
    if series is not None:
        last = age(series.get("lastObservedTime"), now_ns)
        count = series.get("count", 0)
    about = event["involvedObject"]
    target = about.get("kind", "").lower()
    if about.get("name"):
        target = f"{target}/{about['name']}"
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        target,
        about.get("fieldPath", ""),
        _source(event),
        event.get("message", "").strip(),
        first,
        count,
        _name(event),
    ]


def _source(event: JsonObject) -> str:
    source = event.get("source", {})
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else str(component)


def _roles(node: JsonObject) -> list[str]:
    labels = node["metadata"].get("labels", {})
    roles = [key[len(ROLE_PREFIX) :] for key in labels if key.startswith(ROLE_PREFIX)]
    roles.append(labels.get(ROLE_LABEL, ""))
    return sorted(dict.fromkeys(role for role in roles if role))


def _address(status: JsonObject, kind: str) -> str:
    for address in status.get("addresses", ()):
        if address.get("type") == kind:
            return str(address.get("address", ""))
    return NONE


def _name(obj: JsonObject) -> str:
    name: str = obj["metadata"].get("name", "")
    return name


def _age(obj: JsonObject, now_ns: int) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now_ns)
