"""Defaults of Endpoints, EndpointSlices, IngressClasses and NetworkPolicies.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/{discovery,networking}/v1/defaults.go.
"""

from api.core import JsonObject


def set_endpoints_defaults(endpoints: JsonObject) -> None:
    """In place."""
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def set_endpoint_slice_defaults(endpoint_slice: JsonObject) -> None:
    """In place."""
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def set_ingress_class_defaults(ingress_class: JsonObject) -> None:
    """In place."""
    parameters = ingress_class["spec"].get("parameters")
    if parameters is not None and not parameters.get("scope"):
        parameters["scope"] = "Cluster"


def set_network_policy_defaults(policy: JsonObject) -> None:
    """In place."""
    spec = policy["spec"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
