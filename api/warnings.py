"""What a server warns of in an object that it takes: deprecated, doubled and surprising things.

Source: pkg/api/pod/warnings.go, pkg/api/node/util.go, pkg/api/persistentvolume/util.go and the
WarningsOnCreate and WarningsOnUpdate of pkg/registry/*/*/strategy.go at v1.36.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import shown
from api.names import wrong_with_label
from api.quantity import milli_value

_LABELS: Final = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
"""Deprecated label of nodes -> since when, and what to use instead."""
_VOLUMES: Final = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_CRITICAL: Final = "scheduler.alpha.kubernetes.io/critical-pod"
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
"""Of those, which do not mind a name that is no label."""
_INGRESS_CLASS: Final = "kubernetes.io/ingress.class"


def warnings_of_create(key: str, obj: JsonObject) -> list[str]:
    """Of a new object of that kind, defaulted. A pod may lack a specification that is known."""
    found: list[str] = []
    meta, spec = obj["metadata"], obj.get("spec") or {}
    if key == "pods":
        found += _surprising(meta, "the Pod's hostname")
        found += _of_pod(meta, spec, "")
    elif key in _OWNERS:
        if key not in _NAMED_BY_LABEL:
            found += _surprising(meta, "Pod names and hostnames")
        found += _of_template(spec.get("template"), "spec.template.")
    elif key == "batch/cronjobs":
        found += _surprising(meta, "Pod names and hostnames")
        template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
        found += _of_template(template, "spec.jobTemplate.spec.template.")
    elif key == "persistentvolumes" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    elif key == "networking.k8s.io/ingresses" and _INGRESS_CLASS in meta.get("annotations", ()):
        found.append(
            f'annotation "{_INGRESS_CLASS}" is deprecated, please use '
            "'spec.ingressClassName' instead"
        )
    return found


def warnings_of_update(key: str, new: JsonObject, old: JsonObject) -> list[str]:
    """Of a template that an update changes."""
    if key not in _OWNERS and key != "batch/cronjobs":
        return []
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
        if label in _LABELS:
            yield f"{field}.nodeSelector[{label}]: {_instead(label)}"
    yield from _of_spread(spec.get("topologySpreadConstraints", ()), field)
    if _CRITICAL in meta.get("annotations", ()):
        yield (
            f"{path}metadata.annotations[{_CRITICAL}]: non-functional in v1.16+; use the "
            '"priorityClassName" field instead'
        )
    for index, volume in enumerate(spec.get("volumes", ())):
        for name, text in _VOLUMES.items():
            if name in volume:
                yield f"{field}.volumes[{index}].{name}: {text}"
    yield from _doubled(spec.get("hostAliases", ()), "ip", f"{field}.hostAliases")
    secrets = spec.get("imagePullSecrets", ())
    yield from _doubled(secrets, "name", f"{field}.imagePullSecrets")
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            yield f'{field}.imagePullSecrets[{index}].name: invalid empty name ""'
    containers = [
        (f"{field}.{name}[{index}]", container)
        for name in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(name) or ())
    ]
    for place, container in containers:
        yield from _of_container(container, place)
    yield from _of_ports(containers)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield (
            f"{field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and "
            "will be treated as 1"
        )


def _instead(label: str) -> str:
    since, other = _LABELS[label]
    return f'deprecated since {since}; use "{other}" instead'


def _of_spread(constraints: Sequence[JsonObject], field: str) -> Iterator[str]:
    for index, constraint in enumerate(constraints):
        place, key = f"{field}.topologySpreadConstraints[{index}]", constraint["topologyKey"]
        if key in _LABELS:
            yield f"{place}.topologyKey: {key} is {_instead(key)}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: a null labelSelector results in matching no pod"


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
            if name in amounts and milli_value(amounts[name]) % 1000:
                yield (
                    f"{field}.resources.{part}[{name}]: fractional byte value "
                    f"{shown(amounts[name])} is invalid, must be an integer"
                )
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
            others.append((place, port))
