"""Validation of Services.

Whether an address or a node port is free is for the allocator to say, not for this file.
Source: ValidateService, ValidateServiceUpdate in pkg/apis/core/validation/validation.go.
"""

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_qualified_name, wrong_with_subdomain
from api.validation.exposure import (
    check_exposure,
    check_external_addresses,
    check_families,
    check_sources,
    sources_of,
)
from api.validation.metadata import check_labels
from api.validation.ports import PROTOCOLS, check_port_number, check_port_or_name

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
KUBELET_PORT = 10250
AFFINITY_S_MAX = 86400


def check_service(causes: list[Cause], service: JsonObject) -> None:
    """A new Service, defaulted and with its addresses; metadata apart."""
    _check_service(causes, service, None)


def _check_service(causes: list[Cause], service: JsonObject, sources: str | None) -> None:
    """As it is now. ``sources``: those its annotation named so far."""
    spec = service["spec"]
    ports = spec.get("ports", ())
    kind = spec["type"]
    if kind != "ExternalName":
        before = len(causes)
        check_families(causes, spec)
        if len(causes) > before:
            return
    headless = (spec.get("clusterIPs") or [spec.get("clusterIP")])[0] == "None"
    if not ports and not headless and kind != "ExternalName":
        causes.append(Cause.required("spec.ports"))
    _check_type(causes, spec, headless)
    names: set[str] = set()
    for index, port in enumerate(ports):
        _check_port(causes, port, (f"spec.ports[{index}]", len(ports) > 1), names)
    if "selector" in spec:
        check_labels(causes, spec["selector"], "spec.selector")
    _check_affinity(causes, spec)
    _check_addresses(causes, spec)
    if kind not in TYPES:
        causes.append(Cause.not_supported("spec.type", kind, TYPES))
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                causes.append(Cause.forbidden(f"spec.ports[{index}].nodePort", text))
    _check_distinct(causes, spec)
    check_sources(causes, service, sources)
    check_exposure(causes, spec)


def check_service_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a Service: its addresses stay while its type keeps them."""
    sources = sources_of(old)
    if new["spec"] == old["spec"] and sources_of(new) == sources:
        return
    after, before = new["spec"], old["spec"]
    if "ExternalName" not in (after["type"], before["type"]):
        ours, theirs = after.get("clusterIPs", []), before.get("clusterIPs", [])
        if theirs and ours[:1] != theirs[:1]:
            causes.append(Cause.invalid("spec.clusterIPs[0]", ours, "may not change once set"))
    kept = before.get("loadBalancerClass")
    if after["type"] == before["type"] == "LoadBalancer" and after.get("loadBalancerClass") != kept:
        name = after.get("loadBalancerClass")
        causes.append(Cause.invalid("spec.loadBalancerClass", name, "may not change once set"))
    _check_service(causes, new, sources)


def _check_type(causes: list[Cause], spec: JsonObject, headless: bool) -> None:
    kind = spec["type"]
    if kind == "LoadBalancer":
        for index, port in enumerate(spec.get("ports", ())):
            if port["port"] == KUBELET_PORT:
                text = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
                causes.append(Cause.invalid(f"spec.ports[{index}]", KUBELET_PORT, text))
    if kind in ("LoadBalancer", "NodePort") and headless:
        text = f"may not be set to 'None' for {kind} services"
        causes.append(Cause.invalid("spec.clusterIPs[0]", "None", text))
    if kind == "ExternalName":
        if spec.get("clusterIPs"):
            text = "may not be set for ExternalName services"
            causes.append(Cause.forbidden("spec.clusterIPs", text))
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if spec.get(name):
                text = "may not be set for ExternalName services"
                causes.append(Cause.forbidden(f"spec.{name}", text))
        name = spec.get("externalName", "")
        if not name:
            causes.append(Cause.required("spec.externalName"))
        for text in wrong_with_subdomain(name.removesuffix(".")) if name else ():
            causes.append(Cause.invalid("spec.externalName", name.removesuffix("."), text))


def _check_port(
    causes: list[Cause], port: JsonObject, place: tuple[str, bool], names: set[str]
) -> None:
    """One port. ``place``: its path, and whether ports must be named; ``names``: those so far."""
    path, named = place
    name = port.get("name", "")
    if name:
        for text in wrong_with_label(name):
            causes.append(Cause.invalid(f"{path}.name", name, text))
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        names.add(name)
    elif named:
        causes.append(Cause.required(f"{path}.name"))
    check_port_number(causes, port["port"], f"{path}.port")
    if port["protocol"] not in PROTOCOLS:
        causes.append(Cause.not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    check_port_or_name(causes, port["targetPort"], f"{path}.targetPort")
    if "appProtocol" in port:
        for text in wrong_with_qualified_name(port["appProtocol"]):
            causes.append(Cause.invalid(f"{path}.appProtocol", port["appProtocol"], text))


def _check_affinity(causes: list[Cause], spec: JsonObject) -> None:
    affinity = spec["sessionAffinity"]
    if affinity not in AFFINITIES:
        causes.append(Cause.not_supported("spec.sessionAffinity", affinity, AFFINITIES))
    if affinity == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= AFFINITY_S_MAX:
            field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            text = f"must be greater than 0 and less than {AFFINITY_S_MAX}"
            causes.append(Cause.invalid(field, seconds, text))


def _check_addresses(causes: list[Cause], spec: JsonObject) -> None:
    check_external_addresses(causes, spec)


def _check_distinct(causes: list[Cause], spec: JsonObject) -> None:
    """No two ports with the same protocol and number, or the same node port."""
    node_ports: set[tuple[str, int]] = set()
    ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports", ())):
        chosen = (port["protocol"], port.get("nodePort", 0))
        if chosen[1]:
            if chosen in node_ports:
                causes.append(Cause.duplicate(f"spec.ports[{index}].nodePort", chosen[1]))
            node_ports.add(chosen)
    for index, port in enumerate(spec.get("ports", ())):
        served = (port["protocol"], port["port"])
        if served in ports:
            value = {
                "Name": "",
                "Protocol": served[0],
                "AppProtocol": None,
                "Port": served[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            causes.append(Cause.duplicate(f"spec.ports[{index}]", value))
        ports.add(served)
