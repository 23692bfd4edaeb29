"""Defaults of Namespaces, Nodes, Secrets, LimitRanges, PriorityClasses and role bindings.

Source: pkg/apis/{core,scheduling,rbac}/v1/defaults.go of Kubernetes 1.36.
"""

from base64 import b64encode

from api.core import JsonObject

RBAC = "rbac.authorization.k8s.io"


def set_namespace_defaults(namespace: JsonObject) -> None:
    """In place."""
    metadata = namespace["metadata"]
    name = metadata.get("name")
    if name:
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    namespace["status"].setdefault("phase", "Active")


def set_node_defaults(node: JsonObject) -> None:
    """In place. Of two words for the same the older counts. Source: Convert_v1_NodeSpec_To_core_
    NodeSpec and back, pkg/apis/core/v1/conversion.go."""
    spec, status = node["spec"], node["status"]
    first = spec.get("podCIDR")
    if first and spec.get("podCIDRs", ("",))[0] != first:
        spec["podCIDRs"] = [first]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    if "capacity" in status and "allocatable" not in status:
        status["allocatable"] = dict(status["capacity"])


def set_secret_defaults(secret: JsonObject) -> None:
    """In place. ``stringData`` is only written: it ends up in ``data``."""
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.setdefault("data", {})
        for name, text in texts.items():
            data[name] = b64encode(text.encode()).decode()
    secret.setdefault("type", "Opaque")


def set_limit_range_defaults(limit_range: JsonObject) -> None:
    """In place. ``max`` of a container is also its ``default`` limit where the range names none,
    and the limit its ``defaultRequest``."""
    for item in limit_range["spec"].get("limits") or ():
        if item.get("type") != "Container":
            continue
        default = {**item.get("max", {}), **item.get("default", {})}
        request = {**item.get("min", {}), **default, **item.get("defaultRequest", {})}
        if default:
            item["default"] = default
        if request:
            item["defaultRequest"] = request


def set_priority_class_defaults(priority_class: JsonObject) -> None:
    """In place."""
    priority_class.setdefault("preemptionPolicy", "PreemptLowerPriority")


def set_role_binding_defaults(binding: JsonObject) -> None:
    """A RoleBinding or ClusterRoleBinding, in place."""
    role = binding["roleRef"]
    role["apiGroup"] = role.get("apiGroup") or RBAC
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", RBAC)
