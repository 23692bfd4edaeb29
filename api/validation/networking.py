"""Validation of Endpoints, EndpointSlices, Ingresses, NetworkPolicies and addresses.

Source: pkg/apis/{core,discovery,networking}/validation/validation.go.
"""

from collections.abc import Sequence
from ipaddress import ip_network

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_subdomain
from api.validation.addresses import BAD_ADDRESS, BAD_CIDR, is_address, is_cidr
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE
from api.validation.ports import (
    PROTOCOLS,
    check_port_number,
    check_port_or_name,
    wrong_with_port_name,
)

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
ADDRESSES_MAX = 100
ENDPOINTS_MAX = 1000
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
                ip = address.get("ip", "")
                if not is_address(ip):
                    causes.append(Cause.invalid(f"{field}.{name}[{place}].ip", ip, BAD_ADDRESS))
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
    names: list[str] = []
    for index, port in enumerate(endpoint_slice.get("ports") or ()):
        field, name = f"ports[{index}]", port["name"]
        for text in wrong_with_port_name(name) if name else ():
            causes.append(Cause.invalid(f"{field}.name", name, text))
        if name in names:
            causes.append(Cause.duplicate(f"{field}.name", name))
        names.append(name)
        _check_protocol(causes, port, field)
        if port.get("port") is not None:
            check_port_number(causes, port["port"], f"{field}.port")


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
            path = f"{field}[{place}]"
            if kind == "FQDN":
                for text in wrong_with_subdomain(address):
                    causes.append(Cause.invalid(path, address, text))
            elif kind in ADDRESS_TYPES and not is_address(address):
                causes.append(Cause.invalid(path, address, BAD_ADDRESS))
            elif kind in ADDRESS_TYPES and (":" in address) is not (kind == "IPv6"):
                text = f"must be an {kind} address"
                causes.append(Cause.invalid(path, address, text))


def check_endpoint_slice_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The type of its addresses stays."""
    if new["addressType"] != old["addressType"]:
        causes.append(Cause.invalid("addressType", new["addressType"], IMMUTABLE))
    else:
        check_endpoint_slice(causes, new)


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
        if len(peer) > 1:
            text = "may not specify both ipBlock and another peer"
            causes.append(Cause.forbidden(field, text))
        _check_block(causes, block, f"{field}.ipBlock")


def _check_block(causes: list[Cause], block: JsonObject, field: str) -> None:
    cidr = block.get("cidr", "")
    if not cidr:
        causes.append(Cause.required(f"{field}.cidr"))
        return
    if not is_cidr(cidr):
        causes.append(Cause.invalid(f"{field}.cidr", cidr, BAD_CIDR))
        return
    whole = ip_network(cidr, strict=False)
    for index, text in enumerate(block.get("except") or ()):
        path = f"{field}.except[{index}]"
        if not is_cidr(text):
            causes.append(Cause.invalid(path, text, BAD_CIDR))
            continue
        part = ip_network(text, strict=False)
        inside = part.version == whole.version and part.network_address in whole
        if not inside or part.prefixlen <= whole.prefixlen:
            causes.append(Cause.invalid(path, text, "must be a strict subset of `cidr`"))


def check_network_policy_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_network_policy(causes, new)
