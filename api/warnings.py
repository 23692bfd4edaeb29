"""What a server warns of in an object that it takes: deprecated, doubled and surprising things.

Here are pods and what has a template for them; the others are in ``api.kind_warnings``.

Source: pkg/api/pod/warnings.go and the WarningsOnCreate and WarningsOnUpdate of
pkg/registry/*/*/strategy.go at v1.36.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import shown
from api.kind_warnings import (
    NODE_LABELS,
    VOLUMES,
    instead,
    of_claim,
    of_node_term,
    of_node_terms,
    of_whole_bytes,
    warnings_of_kind,
)
from api.names import wrong_with_label

_ANNOTATIONS: Final = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
"""Deprecated annotation of pods -> what is said of it."""
_SECCOMP: Final = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_OF_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_NO_POD: Final = "a null labelSelector results in matching no pod"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_OWNERS: Final = (
    "apps/deployments",
    "apps/replicasets",
    "apps/statefulsets",
    "apps/daemonsets",
    "replicationcontrollers",
    "batch/jobs",
)
"""Kinds whose pods are named after them, with a template at ``spec.template``."""
_NAMED_BY_LABEL: Final = ("apps/daemonsets",)
"""Kinds among them that are not warned of a name which is no DNS label."""
_INGRESS_CLASS: Final = "kubernetes.io/ingress.class"


def warnings_of_create(key: str, obj: JsonObject) -> list[str]:
    """Of a new object of that kind, defaulted. A pod may lack a specification that is known."""
    found: list[str] = []
    meta, spec = obj["metadata"], obj.get("spec") or {}
    if key == "pods":
        found += warnings_of_pod_name(meta)
        found += _of_pod(meta, spec, "")
    elif key in _OWNERS:
        if key not in _NAMED_BY_LABEL:
            found += _surprising(meta, "Pod names and hostnames")
        found += _of_template(spec.get("template"), "spec.template.")
    elif key == "batch/cronjobs":
        found += _surprising(meta, "Pod names and hostnames")
        template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
        found += _of_template(template, "spec.jobTemplate.spec.template.")
    elif key == "networking.k8s.io/ingresses" and _INGRESS_CLASS in meta.get("annotations", ()):
        found.append(
            f'annotation "{_INGRESS_CLASS}" is deprecated, please use '
            "'spec.ingressClassName' instead"
        )
    return found + warnings_of_kind(key, obj)


def warnings_of_pod_name(meta: JsonObject) -> list[str]:
    """Of the part of a new pod in which it differs from others of its template."""
    return list(_surprising(meta, "the Pod's hostname"))


def warnings_of_update(key: str, new: JsonObject, old: JsonObject) -> list[str]:
    """Of a template that an update changes, and of kinds that are warned of again."""
    if key not in _OWNERS and key != "batch/cronjobs":
        return warnings_of_kind(key, new)
    if new.get("spec") == old.get("spec"):
        return []
    found = warnings_of_create(key, new)
    return [text for text in found if not text.startswith("metadata.name:")]


def _surprising(meta: JsonObject, used_in: str) -> Iterator[str]:
    wrong = wrong_with_label(meta.get("name", ""))
    if wrong:
        yield (
            f"metadata.name: this is used in {used_in}, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(wrong)}]"
        )


def _of_template(template: JsonObject | None, path: str) -> Iterator[str]:
    if template is not None:
        yield from _of_pod(template.get("metadata") or {}, template.get("spec") or {}, path)


def _of_pod(meta: JsonObject, spec: JsonObject, path: str) -> Iterator[str]:
    """``path``: of the template with a dot behind it; empty for a pod."""
    field = f"{path}spec"
    for label in spec.get("nodeSelector", ()):
        if label in NODE_LABELS:
            yield f"{field}.nodeSelector[{label}]: {instead(label)}"
    affinity = spec.get("affinity") or {}
    yield from _of_node_affinity(affinity.get("nodeAffinity") or {}, field)
    yield from _of_spread(spec.get("topologySpreadConstraints", ()), field)
    annotations = meta.get("annotations", {})
    for name, text in _ANNOTATIONS.items():
        if name in annotations:
            yield f"{path}metadata.annotations[{name}]: {text}"
    yield from _of_volumes(spec.get("volumes", ()), field)
    yield from _doubled(spec.get("hostAliases", ()), "ip", f"{field}.hostAliases")
    secrets = spec.get("imagePullSecrets", ())
    yield from _doubled(secrets, "name", f"{field}.imagePullSecrets")
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            yield f'{field}.imagePullSecrets[{index}].name: invalid empty name ""'
    for name in ("memory", "ephemeral-storage"):
        yield from of_whole_bytes(spec.get("overhead") or {}, name, f"{field}.overhead")
    secured = spec.get("securityContext") or {}
    if _SECCOMP_OF_POD in annotations and secured.get("seccompProfile") is None:
        yield f"{path}metadata.annotations[{_SECCOMP_OF_POD}]: {_SECCOMP}"
    containers = [
        (f"{field}.{name}[{index}]", container)
        for name in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(name) or ())
    ]
    for place, container in containers:
        name = f"{_SECCOMP_OF_CONTAINER}{container['name']}"
        secured = container.get("securityContext") or {}
        if name in annotations and secured.get("seccompProfile") is None:
            yield f"{path}metadata.annotations[{name}]: {_SECCOMP}"
        yield from _of_container(container, place)
    yield from _of_ports(containers)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield (
            f"{field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and "
            "will be treated as 1"
        )
    for name in ("podAffinity", "podAntiAffinity"):
        yield from _of_pod_affinity(affinity.get(name) or {}, f"{field}.affinity.{name}")


def _of_node_affinity(affinity: JsonObject, field: str) -> Iterator[str]:
    path = f"{field}.affinity.nodeAffinity"
    required = affinity.get(_REQUIRED) or {}
    terms = required.get("nodeSelectorTerms") or ()
    yield from of_node_terms(terms, f"{path}.{_REQUIRED}.nodeSelectorTerms")
    for index, term in enumerate(affinity.get(_PREFERRED) or ()):
        preference = term.get("preference") or {}
        yield from of_node_term(preference, f"{path}.{_PREFERRED}[{index}].preference")


def _of_pod_affinity(affinity: JsonObject, field: str) -> Iterator[str]:
    """Terms that select no pod."""
    for index, term in enumerate(affinity.get(_REQUIRED) or ()):
        if term.get("labelSelector") is None:
            yield f"{field}.{_REQUIRED}[{index}].labelSelector: {_NO_POD}"
    for index, weighted in enumerate(affinity.get(_PREFERRED) or ()):
        if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
            yield f"{field}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_POD}"


def _of_volumes(volumes: Sequence[JsonObject], field: str) -> Iterator[str]:
    """Sources that are deprecated, and claims of fractions of bytes."""
    for index, volume in enumerate(volumes):
        place = f"{field}.volumes[{index}]"
        for name, text in VOLUMES.items():
            if name in volume:
                in_go = "storageOS" if name == "storageos" else name
                yield f"{place}.{in_go}: {text}"
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template is not None:
            yield from of_claim(template["spec"], f"{place}.ephemeral.volumeClaimTemplate.spec")


def _of_spread(constraints: Sequence[JsonObject], field: str) -> Iterator[str]:
    for index, constraint in enumerate(constraints):
        place, key = f"{field}.topologySpreadConstraints[{index}]", constraint["topologyKey"]
        if key in NODE_LABELS:
            yield f"{place}.topologyKey: {key} is {instead(key)}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NO_POD}"


def _doubled(items: Sequence[JsonObject], name: str, field: str) -> Iterator[str]:
    seen: list[str] = []
    for index, item in enumerate(items):
        value = item.get(name, "")
        if value in seen:
            yield f"{field}[{index}].{name}: duplicate {name} {shown(value)}"
        seen.append(value)


def _of_container(container: JsonObject, field: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for name in ("memory", "ephemeral-storage"):
        for part in ("limits", "requests"):
            amounts: Mapping[str, str] = resources.get(part) or {}
            yield from of_whole_bytes(amounts, name, f"{field}.resources.{part}")
    seen: list[str] = []
    for index, variable in enumerate(container.get("env", ())):
        name, value = variable["name"], variable.get("value", "")
        reference = f"$({name})"
        hides = "valueFrom" in variable or value == reference or reference not in value
        if name in seen and hides:
            yield (
                f"{field}.env[{index}]: hides previous definition of {shown(name)}, which may be "
                "dropped when using apply"
            )
        seen.append(name)


def _of_ports(containers: Sequence[tuple[str, JsonObject]]) -> Iterator[str]:
    """Ports of the same number and protocol, in whatever containers."""
    known: dict[tuple[int, str], list[tuple[str, JsonObject]]] = {}
    for field, container in containers:
        for index, port in enumerate(container.get("ports", ())):
            place = f"{field}.ports[{index}]"
            others = known.setdefault((port["containerPort"], port["protocol"]), [])
            for other, earlier in others:
                host, before = port.get("hostPort", 0), earlier.get("hostPort", 0)
                if (port.get("hostIP", ""), host) == (earlier.get("hostIP", ""), before):
                    yield f"{place}: duplicate port definition with {other}"
                elif not host or not before:
                    yield f"{place}: overlapping port definition with {other}"
                elif host == before and not (port.get("hostIP") and earlier.get("hostIP")):
                    yield f"{place}: dangerously ambiguous port definition with {other}"
            others.append((place, port))
