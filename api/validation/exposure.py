"""Validation of how a Service is reached: families of addresses, load balancers, traffic.

Source: ValidateServiceClusterIPsRelatedFields, ValidateService and what it calls in
pkg/apis/core/validation/validation.go; initIPFamilyFields in pkg/registry/core/service/storage/
alloc.go, for a cluster of IPv4 alone.
"""

from ipaddress import ip_address
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.validation.addresses import BAD_ADDRESS, BAD_CIDR, is_address, is_cidr
from api.validation.ports import check_port_number

_FAMILIES: Final = ("IPv4", "IPv6")
_FAMILY_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_POLICIES: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_BALANCER_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"


def check_families(causes: list[Cause], spec: JsonObject) -> None:
    """What the allocator of addresses refuses before anything else is looked at."""
    before = len(causes)
    families = spec.get("ipFamilies") or ()
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            field = f"spec.ipFamilies[{index}]"
            causes.append(Cause.not_supported(field, family, _FAMILIES))
        if family in families[:index]:
            causes.append(Cause.duplicate(f"spec.ipFamilies[{index}]", family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        causes.append(Cause.not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES))
    if len(causes) > before:
        return
    for index, family in enumerate(families):
        if family != "IPv4":
            text = "not configured on this cluster"
            causes.append(Cause.invalid(f"spec.ipFamilies[{index}]", family, text))
    if policy == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        causes.append(Cause.invalid("spec.ipFamilyPolicy", policy, text))


def check_external_addresses(causes: list[Cause], spec: JsonObject) -> None:
    for index, text in enumerate(spec.get("externalIPs", ())):
        field = f"spec.externalIPs[{index}]"
        if not is_address(text):
            causes.append(Cause.invalid(field, text, BAD_ADDRESS))
            continue
        address = ip_address(text)
        for special, why in (
            (address.is_unspecified, "may not be unspecified (0.0.0.0 or ::)"),
            (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            (
                address.is_link_local,
                "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
            ),
        ):
            if special:
                causes.append(Cause.invalid(field, text, why))


def check_exposure(causes: list[Cause], spec: JsonObject) -> None:
    """Load balancers, and where traffic may come from and go to."""
    balanced = spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges", ())
    if ranges and not balanced:
        causes.append(Cause.forbidden("spec.LoadBalancerSourceRanges", _BALANCER_ONLY))
    for index, text in enumerate(ranges):
        if not is_cidr(text.strip()):
            field = f"spec.LoadBalancerSourceRanges[{index}]"
            causes.append(Cause.invalid(field, text.strip(), BAD_CIDR))
    if "allocateLoadBalancerNodePorts" in spec and not balanced:
        causes.append(Cause.forbidden("spec.allocateLoadBalancerNodePorts", _BALANCER_ONLY))
    name = spec.get("loadBalancerClass")
    if name is not None and not balanced:
        causes.append(Cause.forbidden("spec.loadBalancerClass", _BALANCER_ONLY))
    elif name is not None:
        for text in wrong_with_qualified_name(name):
            causes.append(Cause.invalid("spec.loadBalancerClass", name, text))
    _check_external_traffic(causes, spec)
    inside = spec.get("internalTrafficPolicy")
    if inside is not None and inside not in _POLICIES:
        causes.append(Cause.not_supported("spec.internalTrafficPolicy", inside, _POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        field = "spec.trafficDistribution"
        causes.append(Cause.not_supported(field, distribution, _DISTRIBUTIONS))


def _check_external_traffic(causes: list[Cause], spec: JsonObject) -> None:
    kind, policy = spec["type"], spec.get("externalTrafficPolicy")
    reached = kind in ("LoadBalancer", "NodePort") or (
        kind == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    field = "spec.externalTrafficPolicy"
    if policy and not reached:
        text = "may only be set for externally-accessible services"
        causes.append(Cause.invalid(field, policy, text))
    elif policy and policy not in _POLICIES:
        causes.append(Cause.not_supported(field, policy, _POLICIES))
    port = spec.get("healthCheckNodePort")
    if port and (kind != "LoadBalancer" or policy != "Local"):
        text = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        causes.append(Cause.invalid("spec.healthCheckNodePort", port, text))
    elif port:
        check_port_number(causes, port, "spec.healthCheckNodePort")
