"""Validation of pods and of the pod specification inside templates.

Source: ValidatePodSpec, ValidatePodUpdate in pkg/apis/core/validation/validation.go.
"""

import difflib
from collections.abc import Sequence
from typing import Any

import orjson

from api.core import JsonObject
from api.errors import Cause
from api.names import (
    wrong_with_label,
    wrong_with_label_value,
    wrong_with_qualified_name,
    wrong_with_subdomain,
)
from api.validation.addresses import check_dns, check_host_aliases, check_host_network
from api.validation.affinity import check_affinity, check_spread
from api.validation.containers import (
    PodContext,
    check_containers,
    check_images,
    check_init_containers,
    check_volumes,
)
from api.validation.ephemeral import check_ephemeral_containers
from api.validation.metadata import check_labels
from api.validation.pod_resources import (
    check_pod_claims,
    check_pod_level_resources,
    names_of_claims,
)
from api.validation.security import check_host_users, check_pod_security

DEADLINE_MAX = 2**31 - 1
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTIONS = ("PreemptLowerPriority", "Never")
_SYSTEMS = ("linux", "windows")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")

UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod(causes: list[Cause], pod: JsonObject) -> None:
    """A new pod, defaulted and admitted; metadata apart."""
    spec = pod["spec"]
    check_whole_pod(causes, spec)
    if "ephemeralContainers" in spec:
        causes.append(Cause.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if "schedulingGates" in spec and spec.get("nodeName"):
        causes.append(
            Cause.forbidden(
                "spec.nodeName", "cannot be set until all schedulingGates have been cleared"
            )
        )


def check_whole_pod(causes: list[Cause], spec: JsonObject) -> None:
    """The specification of a pod that is no template."""
    check_pod_spec(causes, spec, "spec")
    check_images(causes, spec["containers"] or (), "spec.containers")
    check_images(causes, spec.get("initContainers", ()), "spec.initContainers")


def check_pod_spec(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """The specification of a pod or template at path ``field``."""
    volumes = check_volumes(causes, spec.get("volumes", ()), f"{field}.volumes")
    context = PodContext(
        volumes,
        spec.get("terminationGracePeriodSeconds", 30),
        spec["restartPolicy"],
        spec.get("hostUsers") is not False,
        names_of_claims(spec),
    )
    if "resourceClaims" in spec:
        check_pod_claims(causes, spec["resourceClaims"] or (), f"{field}.resourceClaims")
    names = check_containers(causes, spec["containers"] or (), context, f"{field}.containers")
    if "initContainers" in spec:
        check_init_containers(causes, spec, context, names, field)
    if "ephemeralContainers" in spec:
        check_ephemeral_containers(causes, spec, context, f"{field}.ephemeralContainers")
    if spec.get("resources"):
        check_pod_level_resources(causes, spec, field)
    check_host_network(causes, spec, field)
    _check_choices(causes, spec, field)
    if "nodeSelector" in spec:
        check_labels(causes, spec["nodeSelector"], f"{field}.nodeSelector")
    check_pod_security(causes, spec, field)
    if "affinity" in spec:
        check_affinity(causes, spec["affinity"], f"{field}.affinity")
    check_dns(causes, spec, f"{field}.dnsConfig")
    _check_gates(causes, spec, field)
    if "topologySpreadConstraints" in spec:
        path = f"{field}.topologySpreadConstraints"
        check_spread(causes, spec["topologySpreadConstraints"], path)
    check_host_users(causes, spec, field)
    _check_names(causes, spec, field)


def _check_choices(causes: list[Cause], spec: JsonObject, field: str) -> None:
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        causes.append(
            Cause.not_supported(f"{field}.restartPolicy", spec["restartPolicy"], _RESTART_POLICIES)
        )
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        causes.append(Cause.not_supported(f"{field}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES))


def _check_gates(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """Gates of readiness and of scheduling."""
    for index, gate in enumerate(spec.get("readinessGates", ())):
        kind = gate["conditionType"]
        for text in wrong_with_qualified_name(kind):
            place = f"{field}.readinessGates[{index}].conditionType"
            causes.append(Cause.invalid(place, kind, text))
    gates: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        path = f"{field}.schedulingGates[{index}]"
        for text in wrong_with_qualified_name(gate["name"]):
            causes.append(Cause.invalid(path, gate["name"], text))
        if gate["name"] in gates:
            causes.append(Cause.duplicate(path, gate["name"]))
        gates.add(gate["name"])


def _check_names(causes: list[Cause], spec: JsonObject, field: str) -> None:
    _check_subdomains(causes, spec, field, ("serviceAccountName", "nodeName"))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= DEADLINE_MAX:
        text = f"must be between 1 and {DEADLINE_MAX}, inclusive"
        causes.append(Cause.invalid(f"{field}.activeDeadlineSeconds", deadline, text))
    for name in ("hostname", "subdomain"):
        if name in spec:
            for text in wrong_with_label(spec[name]):
                causes.append(Cause.invalid(f"{field}.{name}", spec[name], text))
    if "tolerations" in spec:
        check_tolerations(causes, spec["tolerations"], f"{field}.tolerations")
    if "hostAliases" in spec:
        check_host_aliases(causes, spec["hostAliases"], f"{field}.hostAliases")
    _check_subdomains(causes, spec, field, ("priorityClassName", "runtimeClassName"))
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in _PREEMPTIONS:
        path = f"{field}.preemptionPolicy"
        causes.append(Cause.not_supported(path, policy, _PREEMPTIONS))
    system = spec.get("os")
    if system is not None and not system["name"]:
        causes.append(Cause.required(f"{field}.os.name", "cannot be empty"))
    elif system is not None and system["name"] not in _SYSTEMS:
        causes.append(Cause.not_supported(f"{field}.os", system["name"], _SYSTEMS))


def _check_subdomains(
    causes: list[Cause], spec: JsonObject, field: str, names: Sequence[str]
) -> None:
    for name in names:
        value = spec.get(name)
        if value:
            for text in wrong_with_subdomain(value):
                causes.append(Cause.invalid(f"{field}.{name}", value, text))


def check_tolerations(causes: list[Cause], tolerations: Sequence[JsonObject], field: str) -> None:
    """Key, operator, value, seconds and effect of each toleration."""
    for index, toleration in enumerate(tolerations):
        path = f"{field}[{index}]"
        key = toleration.get("key", "")
        operator = toleration.get("operator", "")
        effect = toleration.get("effect", "")
        value = toleration.get("value", "")
        if key:
            for text in wrong_with_qualified_name(key):
                causes.append(Cause.invalid(f"{path}.key", key, text))
        elif operator != "Exists":
            text = (
                "operator must be Exists when `key` is empty, which means "
                '"match all values and all keys"'
            )
            causes.append(Cause.invalid(f"{path}.operator", operator, text))
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(Cause.invalid(f"{path}.effect", effect, text))
        if operator in ("Equal", ""):
            wrong = wrong_with_label_value(value)
            if wrong:
                causes.append(Cause.invalid(f"{path}.operator", value, ";".join(wrong)))
        elif operator != "Exists":
            causes.append(Cause.not_supported(f"{path}.operator", operator, ("Equal", "Exists")))
        elif value:
            text = "value must be empty when `operator` is 'Exists'"
            causes.append(Cause.invalid(f"{path}.operator", value, text))
        if effect and effect not in TAINT_EFFECTS:
            causes.append(Cause.not_supported(f"{path}.effect", effect, TAINT_EFFECTS))


def check_pod_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a pod: few fields of its specification may change."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_whole_pod(causes, after)
    for name in ("containers", "initContainers"):
        if len(after.get(name) or ()) != len(before.get(name) or ()):
            text = "pod updates may not add or remove containers"
            causes.append(Cause.forbidden(f"spec.{name}", text))
            return
    _check_deadline_update(causes, after, before)
    _check_additions(causes, after, before)
    munged = _with_old_values(after, before)
    if munged != before:
        text = f"pod updates may not change fields other than {UPDATABLE}\n"
        causes.append(Cause.forbidden("spec", text + _difference(before, munged)))


def _check_deadline_update(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    field = "spec.activeDeadlineSeconds"
    new, old = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if new is None:
        if old is not None:
            text = "must not update from a positive integer to nil value"
            causes.append(Cause.invalid(field, new, text))
    elif not 0 <= new <= DEADLINE_MAX:
        text = f"must be between 0 and {DEADLINE_MAX}, inclusive"
        causes.append(Cause.invalid(field, new, text))
    elif old is not None and old < new:
        causes.append(Cause.invalid(field, new, "must be less than or equal to previous value"))


def _check_additions(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    """Tolerations may be added, scheduling gates taken away. Tolerations are judged once more."""
    kept = [_without_seconds(t) for t in after.get("tolerations", ())]
    if any(_without_seconds(t) not in kept for t in before.get("tolerations", ())):
        text = "existing toleration can not be modified except its tolerationSeconds"
        causes.append(Cause.forbidden("spec.tolerations", text))
    check_tolerations(causes, after.get("tolerations", ()), "spec.tolerations")
    known = [gate["name"] for gate in before.get("schedulingGates", ())]
    for index, gate in enumerate(after.get("schedulingGates", ())):
        if gate["name"] not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            causes.append(Cause.forbidden(f"spec.schedulingGates[{index}]", text))


def _without_seconds(toleration: JsonObject) -> JsonObject:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def _with_old_values(after: JsonObject, before: JsonObject) -> JsonObject:
    """The new specification with the old values wherever a change is allowed."""
    munged = dict(after)
    for name in ("containers", "initContainers"):
        if before.get(name):
            munged[name] = [
                {**new, "image": old["image"]} if "image" in old else new
                for new, old in zip(after[name], before[name], strict=True)
            ]
    free = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and (
        after.get("terminationGracePeriodSeconds") == 1
    ):
        free.append("terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        free += ["nodeSelector", "affinity"]
    for name in free:
        munged.pop(name, None)
        if name in before:
            munged[name] = before[name]
    return munged


def _difference(before: Any, after: Any) -> str:
    """Changed lines of the two as sorted JSON. Ours: the server prints its Go structs."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    old, new = (orjson.dumps(value, option=options).decode() for value in (before, after))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return "\n".join(list(lines)[2:]) + "\n"
