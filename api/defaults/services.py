"""Defaults of a Service, and the pure shape of its addresses once one is allocated.

Source: SetDefaults_Service in pkg/apis/core/v1/defaults.go, pkg/registry/core/service/storage.
"""

from collections.abc import Sequence

from api.core import JsonObject

EXTERNAL_TYPES = ("NodePort", "LoadBalancer")


def set_service_defaults(service: JsonObject) -> None:
    """Defaults known before any allocation, in place."""
    spec = service["spec"]
    put = spec.setdefault
    put("sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = put("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    put("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort", 0) in (0, ""):
            port["targetPort"] = port["port"]
    kind = spec["type"]
    if kind in EXTERNAL_TYPES or (kind == "ClusterIP" and spec.get("externalIPs")):
        put("externalTrafficPolicy", "Cluster")
    if kind in EXTERNAL_TYPES or kind == "ClusterIP":
        put("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        put("allocateLoadBalancerNodePorts", True)
        for point in (service["status"].get("loadBalancer") or {}).get("ingress") or ():
            if point.get("ip"):
                point.setdefault("ipMode", "VIP")


def normalize_cluster_ips(service: JsonObject, old: JsonObject | None = None) -> None:
    """Keep ``clusterIP`` and ``clusterIPs`` the same address, as a single-stack server does."""
    spec = service["spec"]
    single, several = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    if old is None:
        if single and not several:
            spec["clusterIPs"] = [single]
        return
    before = old["spec"]
    old_single, old_several = before.get("clusterIP", ""), before.get("clusterIPs") or []
    if single != old_single and several == old_several:
        if single:
            spec["clusterIPs"] = [single]
        else:
            spec.pop("clusterIPs", None)


def keep_allocated(service: JsonObject, old: JsonObject) -> None:
    """Give an updated Service what was allocated for it before and the client left out.

    Source: patchAllocatedValues in pkg/registry/core/service/storage/storage.go.
    """
    spec, before = service["spec"], old["spec"]
    if "ExternalName" in (spec["type"], before["type"]):
        return
    if not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
    if not spec.get("clusterIPs") and spec.get("clusterIP") == before.get("clusterIP"):
        spec["clusterIPs"] = before.get("clusterIPs", [])
    if before["type"] in EXTERNAL_TYPES and spec["type"] in EXTERNAL_TYPES:
        _keep_node_ports(spec.get("ports", ()), before.get("ports", ()))
    local = spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
    if local and spec["type"] == before["type"] == "LoadBalancer":
        port = spec.get("healthCheckNodePort") or before.get("healthCheckNodePort")
        if port:
            spec["healthCheckNodePort"] = port


def drop_of_former_type(service: JsonObject, old: JsonObject) -> None:
    """A Service of another type lets go of what its former type had, unless the client changed it.
    Source: dropTypeDependentFields, pkg/registry/core/service/strategy.go."""
    spec, before = service["spec"], old["spec"]
    kind, former = spec["type"], before["type"]
    gone: list[str] = []
    if kind == "ExternalName" != former:
        gone += ("ipFamilies", "ipFamilyPolicy")
        if spec.get("clusterIPs") == before.get("clusterIPs"):
            gone += ("clusterIP", "clusterIPs")
    if former in EXTERNAL_TYPES and kind not in EXTERNAL_TYPES:
        ports, known = (
            [port.get("nodePort", 0) for port in one.get("ports", ())] for one in (spec, before)
        )
        if sorted(ports) == sorted(known):
            for port in spec.get("ports", ()):
                port.pop("nodePort", None)
        if not spec.get("externalIPs") or kind != "ClusterIP":
            gone.append("externalTrafficPolicy")
    if former == "LoadBalancer" != kind:
        gone += ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")
    elif spec.get("externalTrafficPolicy") != "Local" == before.get("externalTrafficPolicy"):
        gone.append("healthCheckNodePort")
    for name in gone:
        if name in spec and spec[name] == before.get(name):
            del spec[name]


def _keep_node_ports(ports: Sequence[JsonObject], before: Sequence[JsonObject]) -> None:
    used = [port["nodePort"] for port in ports if port.get("nodePort")]
    known = {(port["protocol"], port["port"]): port.get("nodePort", 0) for port in before}
    for port in ports:
        allocated = known.get((port["protocol"], port["port"]), 0)
        if allocated and not port.get("nodePort") and allocated not in used:
            port["nodePort"] = allocated


def wants_cluster_ip(service: JsonObject) -> bool:
    """True when the server must choose an address: neither given, headless nor external."""
    spec = service["spec"]
    return spec["type"] != "ExternalName" and not spec.get("clusterIP")


def ports_wanting_node_port(service: JsonObject) -> list[int]:
    """Indices of the ports for which the server must choose a node port."""
    spec = service["spec"]
    kind = spec["type"]
    if kind == "NodePort" or (kind == "LoadBalancer" and spec["allocateLoadBalancerNodePorts"]):
        return [i for i, port in enumerate(spec.get("ports") or ()) if not port.get("nodePort")]
    return []


def wants_health_check_port(service: JsonObject) -> bool:
    """A load balancer that keeps traffic local gets one more port for health checks."""
    spec = service["spec"]
    return (
        spec["type"] == "LoadBalancer"
        and spec.get("externalTrafficPolicy") == "Local"
        and not spec.get("healthCheckNodePort")
    )


def set_addresses(service: JsonObject, cluster_ip: str | None) -> None:
    """Write the address chosen by the server (None: keep the given one) and its families."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if cluster_ip is not None:
        spec["clusterIP"] = cluster_ip
    spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
    anybodys = spec["clusterIP"] == "None" and not spec.get("selector")
    policy = spec.setdefault("ipFamilyPolicy", "RequireDualStack" if anybodys else "SingleStack")
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv6" if ":" in spec["clusterIP"] else "IPv4"]
    if anybodys and policy != "SingleStack" and len(spec["ipFamilies"]) == 1:
        spec["ipFamilies"].append("IPv4" if spec["ipFamilies"] == ["IPv6"] else "IPv6")
