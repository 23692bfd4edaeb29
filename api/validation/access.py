"""Validation of roles and of who has them.

Source: pkg/apis/rbac/validation/validation.go of Kubernetes 1.36.
"""

from collections.abc import Sequence

from api.core import JsonObject
from api.defaults.cluster import RBAC
from api.errors import Cause
from api.names import wrong_with_subdomain
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import wrong_with_path_segment

_SUBJECTS = ("ServiceAccount", "User", "Group")


def check_role(causes: list[Cause], role: JsonObject) -> None:
    """A Role; metadata apart."""
    _check_rules(causes, role.get("rules") or (), namespaced=True)


def check_role_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_role(causes, new)


def check_cluster_role(causes: list[Cause], role: JsonObject) -> None:
    """A ClusterRole; metadata apart."""
    _check_rules(causes, role.get("rules") or (), namespaced=False)
    aggregation = role.get("aggregationRule")
    if aggregation is not None:
        selectors = aggregation.get("clusterRoleSelectors") or ()
        field = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            causes.append(Cause.required(field, text))
        for index, selector in enumerate(selectors):
            check_label_selector(causes, selector, f"{field}[{index}]")


def check_cluster_role_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_cluster_role(causes, new)


def _check_rules(causes: list[Cause], rules: Sequence[JsonObject], namespaced: bool) -> None:
    for index, rule in enumerate(rules):
        field = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(Cause.required(f"{field}.verbs", "verbs must contain at least one value"))
        paths = rule.get("nonResourceURLs")
        if paths:
            if namespaced:
                text = "namespaced rules cannot apply to non-resource URLs"
                causes.append(Cause.invalid(f"{field}.nonResourceURLs", paths, text))
            elif any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(Cause.invalid(f"{field}.nonResourceURLs", paths, text))
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            causes.append(Cause.required(f"{field}.apiGroups", text))
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            causes.append(Cause.required(f"{field}.resources", text))


def check_role_binding(causes: list[Cause], binding: JsonObject) -> None:
    """A RoleBinding, defaulted; metadata apart."""
    _check_binding(causes, binding, ("Role", "ClusterRole"))


def check_cluster_role_binding(causes: list[Cause], binding: JsonObject) -> None:
    """A ClusterRoleBinding, defaulted; metadata apart."""
    _check_binding(causes, binding, ("ClusterRole",))


def _check_binding(causes: list[Cause], binding: JsonObject, kinds: Sequence[str]) -> None:
    role = binding["roleRef"]
    if role["apiGroup"] != RBAC:
        causes.append(Cause.not_supported("roleRef.apiGroup", role["apiGroup"], (RBAC,)))
    if role["kind"] not in kinds:
        causes.append(Cause.not_supported("roleRef.kind", role["kind"], kinds))
    if not role["name"]:
        causes.append(Cause.required("roleRef.name"))
    for text in wrong_with_path_segment(role["name"]):
        causes.append(Cause.invalid("roleRef.name", role["name"], text))
    for index, subject in enumerate(binding.get("subjects") or ()):
        _check_subject(causes, subject, f"subjects[{index}]")


def _check_subject(causes: list[Cause], subject: JsonObject, field: str) -> None:
    name, kind = subject.get("name", ""), subject.get("kind", "")
    if not name:
        causes.append(Cause.required(f"{field}.name"))
    group = subject.get("apiGroup", "")
    if kind == "ServiceAccount":
        for text in wrong_with_subdomain(name) if name else ():
            causes.append(Cause.invalid(f"{field}.name", name, text))
        if group:
            causes.append(Cause.not_supported(f"{field}.apiGroup", group, ("",)))
        if not subject.get("namespace"):
            causes.append(Cause.required(f"{field}.namespace"))
    elif kind in _SUBJECTS:
        if group != RBAC:
            causes.append(Cause.not_supported(f"{field}.apiGroup", group, (RBAC,)))
    else:
        causes.append(Cause.not_supported(f"{field}.kind", kind, _SUBJECTS))


def check_role_binding_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The role stays, subjects come and go."""
    check_role_binding(causes, new)
    _check_same_role(causes, new, old)


def check_cluster_role_binding_update(
    causes: list[Cause], new: JsonObject, old: JsonObject
) -> None:
    """The role stays, subjects come and go."""
    check_cluster_role_binding(causes, new)
    _check_same_role(causes, new, old)


def _check_same_role(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    role = new["roleRef"]
    if role != old["roleRef"]:
        shown = {"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]}
        causes.append(Cause.invalid("roleRef", shown, "cannot change roleRef"))
