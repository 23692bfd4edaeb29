"""Validation of Endpoints, EndpointSlices, Ingresses, NetworkPolicies and addresses.

Source: pkg/apis/{core,discovery,networking}/validation/validation.go.
"""

from collections.abc import Sequence
from ipaddress import ip_network

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_qualified_name, wrong_with_subdomain
from api.validation.addresses import check_address, check_cidr, check_reachable, is_cidr
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE, wrong_with_path_segment
from api.validation.ports import (
    PROTOCOLS,
    check_port_number,
    check_port_or_name,
)

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
ADDRESSES_MAX = 100
ENDPOINTS_MAX = 1000
PORTS_MAX = 20_000
_POLICY_TYPES = ("Egress", "Ingress")


def check_endpoints(causes: list[Cause], endpoints: JsonObject) -> None:
    """Endpoints; metadata apart."""
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        field = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            text = "must specify `addresses` or `notReadyAddresses`"
            causes.append(Cause.required(field, text))
        for name in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(name) or ()):
                _check_endpoint_address(causes, address, f"{field}.{name}[{place}]")
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            path = f"{field}.ports[{place}]"
            name = port.get("name", "")
            if not name and len(ports) > 1:
                causes.append(Cause.required(f"{path}.name"))
            for text in wrong_with_label(name) if name else ():
                causes.append(Cause.invalid(f"{path}.name", name, text))
            check_port_number(causes, port["port"], f"{path}.port")
            _check_protocol(causes, port, path)
            _check_application(causes, port, path)


def _check_endpoint_address(causes: list[Cause], address: JsonObject, field: str) -> None:
    ip, host, node = (address.get(name) for name in ("ip", "hostname", "nodeName"))
    check_address(causes, ip or "", f"{field}.ip")
    for text in wrong_with_label(host) if host else ():
        causes.append(Cause.invalid(f"{field}.hostname", host, text))
    for text in wrong_with_subdomain(node) if node is not None else ():
        causes.append(Cause.invalid(f"{field}.nodeName", node, text))
    check_reachable(causes, ip or "", f"{field}.ip")


def _check_application(causes: list[Cause], port: JsonObject, field: str) -> None:
    protocol = port.get("appProtocol")
    for text in wrong_with_qualified_name(protocol) if protocol is not None else ():
        causes.append(Cause.invalid(f"{field}.appProtocol", protocol, text))


def check_endpoints_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As new ones."""
    check_endpoints(causes, new)


def _check_protocol(causes: list[Cause], port: JsonObject, field: str) -> None:
    protocol = port.get("protocol", "TCP")
    if protocol not in PROTOCOLS:
        causes.append(Cause.not_supported(f"{field}.protocol", protocol, PROTOCOLS))


def check_endpoint_slice(causes: list[Cause], endpoint_slice: JsonObject) -> None:
    """An EndpointSlice, defaulted; metadata apart."""
    kind = endpoint_slice["addressType"]
    if not kind:
        causes.append(Cause.required("addressType"))
    elif kind not in ADDRESS_TYPES:
        causes.append(Cause.not_supported("addressType", kind, ADDRESS_TYPES))
    _check_slice_endpoints(causes, endpoint_slice.get("endpoints") or (), kind)
    ports = endpoint_slice.get("ports") or ()
    if len(ports) > PORTS_MAX:
        causes.append(Cause.too_many("ports", len(ports), PORTS_MAX))
        return
    names: list[str] = []
    for index, port in enumerate(ports):
        field, name = f"ports[{index}]", port["name"]
        for text in wrong_with_label(name) if name else ():
            causes.append(Cause.invalid(f"{field}.name", name, text))
        if name in names:
            causes.append(Cause.duplicate(f"{field}.name", name))
        names.append(name)
        _check_protocol(causes, port, field)
        _check_application(causes, port, field)


def _check_slice_endpoints(causes: list[Cause], endpoints: Sequence[JsonObject], kind: str) -> None:
    if len(endpoints) > ENDPOINTS_MAX:
        causes.append(Cause.too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
        return
    for index, endpoint in enumerate(endpoints):
        field = f"endpoints[{index}].addresses"
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            causes.append(Cause.required(field, "must contain at least 1 address"))
        elif len(addresses) > ADDRESSES_MAX:
            causes.append(Cause.too_many(field, len(addresses), ADDRESSES_MAX))
        for place, address in enumerate(addresses):
            _check_slice_address(causes, address, kind, f"{field}[{place}]")
        host, node = endpoint.get("hostname"), endpoint.get("nodeName")
        for text in wrong_with_subdomain(node) if node is not None else ():
            causes.append(Cause.invalid(f"endpoints[{index}].nodeName", node, text))
        for text in wrong_with_label(host) if host is not None else ():
            causes.append(Cause.invalid(f"endpoints[{index}].hostname", host, text))


def _check_slice_address(causes: list[Cause], address: str, kind: str, field: str) -> None:
    if kind == "FQDN":
        for text in wrong_with_domain(address):
            causes.append(Cause.invalid(field, address, text))
    elif kind in ADDRESS_TYPES:
        before = len(causes)
        check_address(causes, address, field)
        if len(causes) > before:
            return
        if (":" in address) is not (kind == "IPv6"):
            causes.append(Cause.invalid(field, address, f"must be an {kind} address"))
        check_reachable(causes, address, field)


def wrong_with_domain(name: str) -> Sequence[str]:
    """A fully qualified name: two labels or more, and perhaps a dot at the end."""
    bare = name.removesuffix(".")
    wrong = wrong_with_subdomain(bare)
    if wrong:
        return wrong
    if "." not in bare:
        return ("should be a domain with at least two segments separated by dots",)
    return tuple(text for label in bare.split(".") for text in wrong_with_label(label))


def check_endpoint_slice_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The type of its addresses stays."""
    if new["addressType"] != old["addressType"]:
        causes.append(Cause.invalid("addressType", new["addressType"], IMMUTABLE))
    else:
        check_endpoint_slice(causes, new)


def check_service_range(causes: list[Cause], service_range: JsonObject) -> None:
    """A ServiceCIDR; metadata apart."""
    spec = service_range.get("spec") or {}
    cidrs, field = spec.get("cidrs") or (), "spec.cidrs"
    whole = len({":" in cidr for cidr in cidrs}) == len(cidrs) and all(map(is_cidr, cidrs))
    shown = {"CIDRs": cidrs}
    if not cidrs:
        causes.append(Cause.required(field, "at least one CIDR required"))
    elif len(cidrs) > 2:
        causes.append(Cause.invalid(field, shown, "may only hold up to 2 values"))
    elif len(cidrs) == 2 and not whole:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
        causes.append(Cause.invalid(field, shown, f"{text}2001:db8::/64"))
    else:
        for index, cidr in enumerate(cidrs):
            before = len(causes)
            check_cidr(causes, cidr, f"{field}[{index}]")
            if len(causes) == before and cidr != str(ip_network(cidr)):
                text = f'must be in canonical form ("{ip_network(cidr)}")'
                causes.append(Cause.invalid(f"{field}[{index}]", cidr, text))


def check_service_range_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """A range may get its second family, and nothing else."""
    after, before = ((one.get("spec") or {}).get("cidrs") or [] for one in (new, old))
    added = (len(before), len(after)) == (1, 2)
    if len(before) != len(after) and not added:
        causes.append(Cause.invalid("spec.cidrs", after, IMMUTABLE))
        return
    for index, (cidr, old_one) in enumerate(zip(after, before, strict=False)):
        if cidr != old_one:
            causes.append(Cause.invalid(f"spec.cidrs[{index}]", cidr, IMMUTABLE))
    if added:
        check_service_range(causes, new)


def check_network_policy(causes: list[Cause], policy: JsonObject) -> None:
    """A NetworkPolicy, defaulted; metadata apart."""
    spec = policy["spec"]
    if spec.get("podSelector"):
        check_label_selector(causes, spec["podSelector"], "spec.podSelector")
    for name, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(name) or ()):
            field = f"spec.{name}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                path = f"{field}.ports[{place}]"
                _check_protocol(causes, port, path)
                if port.get("port") is not None:
                    check_port_or_name(causes, port["port"], f"{path}.port")
                if port.get("endPort") is not None:
                    _check_end_port(causes, port, f"{path}.endPort")
            for place, peer in enumerate(rule.get(peers) or ()):
                _check_peer(causes, peer, f"{field}.{peers}[{place}]")
    if len(spec.get("policyTypes") or ()) > len(_POLICY_TYPES):
        text = "may not specify more than two policyTypes"
        causes.append(Cause.invalid("spec.policyTypes", spec["policyTypes"], text))
        return
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in _POLICY_TYPES:
            path = f"spec.policyTypes[{index}]"
            causes.append(Cause.not_supported(path, kind, _POLICY_TYPES))


def _check_end_port(causes: list[Cause], port: JsonObject, field: str) -> None:
    first, last = port.get("port"), port["endPort"]
    if first is None:
        text = "may not be specified when `port` is not specified"
        causes.append(Cause.invalid(field, last, text))
    elif isinstance(first, str):
        text = "may not be specified when `port` is non-numeric"
        causes.append(Cause.invalid(field, last, text))
    else:
        if last < first:
            text = "must be greater than or equal to `port`"
            causes.append(Cause.invalid(field, first, text))
        check_port_number(causes, last, field)


def _check_peer(causes: list[Cause], peer: JsonObject, field: str) -> None:
    if not peer:
        causes.append(Cause.required(field, "must specify a peer"))
    for name in ("podSelector", "namespaceSelector"):
        if peer.get(name) is not None:
            check_label_selector(causes, peer[name], f"{field}.{name}")
    block = peer.get("ipBlock")
    if block is not None:
        _check_block(causes, block, f"{field}.ipBlock")
        if len(peer) > 1:
            text = "may not specify both ipBlock and another peer"
            causes.append(Cause.forbidden(field, text))


def _check_block(causes: list[Cause], block: JsonObject, field: str) -> None:
    cidr = block.get("cidr", "")
    if not cidr:
        causes.append(Cause.required(f"{field}.cidr"))
        return
    check_cidr(causes, cidr, f"{field}.cidr")
    if not is_cidr(cidr):
        return
    whole = ip_network(cidr, strict=False)
    for index, text in enumerate(block.get("except") or ()):
        path = f"{field}.except[{index}]"
        check_cidr(causes, text, path)
        if not is_cidr(text):
            continue
        part = ip_network(text, strict=False)
        inside = part.version == whole.version and part.network_address in whole
        if not inside or part.prefixlen <= whole.prefixlen:
            causes.append(Cause.invalid(path, text, "must be a strict subset of `cidr`"))


def check_network_policy_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one, twice."""
    check_network_policy(causes, new)
    check_network_policy(causes, new)


def check_taken(causes: list[Cause], taken: JsonObject) -> None:
    """An IPAddress: whose it is."""
    parent, field = taken["spec"].get("parentRef"), "spec.parentRef"
    if parent is None:
        causes.append(Cause.required(field))
        return
    group = parent.get("group", "")
    for text in wrong_with_subdomain(group) if group else ():
        causes.append(Cause.invalid(f"{field}.group", group, text))
    for name in ("resource", "name", "namespace"):
        value = parent.get(name, "")
        if not value and name != "namespace":
            causes.append(Cause.required(f"{field}.{name}"))
        for text in wrong_with_path_segment(value):
            causes.append(Cause.invalid(f"{field}.{name}", value, text))


def check_taken_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """``parentRef`` is immutable: an address keeps its owner."""
    parent = new["spec"].get("parentRef")
    if parent != old["spec"].get("parentRef"):
        causes.append(Cause.invalid("spec.parentRef", parent, IMMUTABLE))
