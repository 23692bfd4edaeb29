"""Validation of how a Service is reached: families of addresses, load balancers, traffic.

Source: ValidateServiceClusterIPsRelatedFields, ValidateService and what it calls in
pkg/apis/core/validation/validation.go; initIPFamilyFields in pkg/registry/core/service/storage/
alloc.go, for a cluster of IPv4 alone.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.validation.addresses import check_address, check_cidr, check_reachable
from api.validation.ports import check_port_number

_FAMILIES: Final = ("IPv4", "IPv6")
_FAMILY_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_POLICIES: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_SOURCES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
_BALANCER_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"


def check_families(causes: list[Cause], spec: JsonObject) -> None:
    """What the allocator of addresses refuses before anything else is looked at."""
    before = len(causes)
    families = spec.get("ipFamilies") or ()
    ips: Sequence[str] = spec.get("clusterIPs") or ()
    _check_first(causes, spec.get("clusterIP", ""), ips)
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            field = f"spec.ipFamilies[{index}]"
            causes.append(Cause.not_supported(field, family, _FAMILIES))
        if family in families[:index]:
            causes.append(Cause.duplicate(f"spec.ipFamilies[{index}]", family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        causes.append(Cause.not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES))
    _check_addresses(causes, ips, families)
    if len(causes) > before or is_headless_without_selector(spec):
        return
    _check_stacks(causes, spec, families, ips)


def is_headless_without_selector(spec: JsonObject) -> bool:
    """A Service whose endpoints are anybody's: it may be of families that the cluster has not."""
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def _check_first(causes: list[Cause], first: str, ips: Sequence[str]) -> None:
    if first and not ips:
        causes.append(Cause.required("spec.clusterIPs"))
    elif first and ips[0] != first:
        causes.append(Cause.invalid("spec.clusterIPs", ips, "first value must match `clusterIP`"))
    elif ips and not first:
        text = "must be empty when `clusterIP` is not specified"
        causes.append(Cause.invalid("spec.clusterIPs", ips, text))


def _check_addresses(causes: list[Cause], ips: Sequence[str], families: Sequence[str]) -> None:
    before = len(causes)
    headless = ips[:1] == ["None"]
    if headless and len(ips) > 1:
        text = "'None' must be the first and only value"
        causes.append(Cause.invalid("spec.clusterIPs", ips, text))
    for index, ip in enumerate(ips):
        if index or not headless:
            check_address(causes, ip, f"spec.clusterIPs[{index}]")
    bad = len(causes) > before
    if len(ips) > 2:
        causes.append(Cause.invalid("spec.clusterIPs", ips, "may only hold up to 2 values"))
    if bad or headless:
        return
    of = ["IPv6" if ":" in ip else "IPv4" for ip in ips]
    if len(ips) > 1 and len(set(of)) == 1:
        text = "may specify no more than one IP for each IP family"
        causes.append(Cause.invalid("spec.clusterIPs", ips, text))
    if len(causes) > before:
        return
    for index, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if of[index] != family in _FAMILIES:
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            causes.append(Cause.invalid(f"spec.clusterIPs[{index}]", ip, text))


def _check_stacks(
    causes: list[Cause], spec: JsonObject, families: Sequence[str], ips: Sequence[str]
) -> None:
    """What a cluster of one family cannot do."""
    before, policy = len(causes), spec.get("ipFamilyPolicy")
    if policy in (None, "SingleStack"):
        for what, of in (("cluster IPs", ips), ("IP families", families)):
            if len(of) == 2:
                wanted = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
                text = f"{wanted} {what} are specified"
                causes.append(Cause.invalid("spec.ipFamilyPolicy", policy or "SingleStack", text))
    for index, ip in enumerate(ips):
        if index >= len(families) and ":" in ip:
            text = "IPv6 is not configured on this cluster"
            causes.append(Cause.invalid(f"spec.clusterIPs[{index}]", ips, text))
    if len(causes) > before:
        return
    if policy == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        causes.append(Cause.invalid("spec.ipFamilyPolicy", policy, text))
    for index, family in enumerate(families):
        if family != "IPv4":
            text = "not configured on this cluster"
            causes.append(Cause.invalid(f"spec.ipFamilies[{index}]", family, text))


def check_external_addresses(causes: list[Cause], spec: JsonObject) -> None:
    """Addresses outside of the cluster that lead to the Service."""
    for index, text in enumerate(spec.get("externalIPs", ())):
        field = f"spec.externalIPs[{index}]"
        before = len(causes)
        check_address(causes, text, field)
        if len(causes) == before:
            check_reachable(causes, text, field)


def sources_of(service: JsonObject) -> str | None:
    """The sources an annotation names, which the field of the spec has taken the place of."""
    named: str | None = service["metadata"].get("annotations", {}).get(_SOURCES)
    return named


def check_sources(causes: list[Cause], service: JsonObject, kept: str | None) -> None:
    """Who may reach a load balancer. ``kept``: what its annotation said so far."""
    spec, named = service["spec"], sources_of(service)
    balanced = spec["type"] == "LoadBalancer"
    ranges, field = spec.get("loadBalancerSourceRanges", ()), "spec.LoadBalancerSourceRanges"
    if ranges:
        if not balanced:
            causes.append(Cause.forbidden(field, _BALANCER_ONLY))
        for index, text in enumerate(ranges):
            check_cidr(causes, text.strip(), f"{field}[{index}]")
    elif named is not None:
        field = f"metadata.annotations[{_SOURCES}]"
        if not balanced:
            causes.append(Cause.forbidden(field, _BALANCER_ONLY))
        if named != kept and named.strip():
            for text in named.split(","):
                check_cidr(causes, text.strip(), field)


def check_exposure(causes: list[Cause], spec: JsonObject) -> None:
    """Load balancers, but for their sources, and where traffic may go to."""
    balanced = spec["type"] == "LoadBalancer"
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
