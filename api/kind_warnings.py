"""What a server warns of in objects other than pods and their templates, on create and update.

Source: pkg/api/{service,persistentvolume,persistentvolumeclaim}/{warnings,util}.go, pkg/api/node/
util.go and WarningsOnCreate, WarningsOnUpdate of pkg/registry/*/*/strategy.go at v1.36.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import shown
from api.names import wrong_with_qualified_name
from api.quantity import milli_value
from api.validation.metadata import STANDARD_FINALIZERS

NODE_LABELS: Final = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
"""Deprecated label of nodes -> since when, and what to use instead."""
VOLUMES: Final = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
"""Deprecated source of volumes -> what is said of it."""
_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
_CLASS_INSTEAD: Final = 'deprecated since v1.8; use "storageClassName" attribute instead'
_HINTS: Final = "service.kubernetes.io/topology-aware-hints"
_MODE: Final = "service.kubernetes.io/topology-mode"
_MOUNTABLE: Final = "kubernetes.io/enforce-mountable-secrets"


def warnings_of_kind(key: str, obj: JsonObject) -> list[str]:
    """Of a new object of that kind, or of what an update makes of one; defaulted."""
    warn = _WARNINGS.get(key)
    return [] if warn is None else list(warn(obj))


def warnings_of_finalizers(new: JsonObject, old: JsonObject | None = None) -> list[str]:
    """Of the finalizers that a custom resource comes with, or gets: without a domain and a path
    others may have them too. Source: validateKubeFinalizerName,
    apiextensions-apiserver/pkg/registry/customresource/validator.go."""
    known = () if old is None else old["metadata"].get("finalizers", ())
    found = []
    for name in sorted({*new["metadata"].get("finalizers", ())} - {*known}):
        wrong = list(wrong_with_qualified_name(name))
        if "/" not in name and name not in STANDARD_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            wrong.append(
                f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts "
                "with other finalizer writers"
            )
        found += [f"metadata.finalizers: {shown(name)}: {text}" for text in wrong]
    return found


def of_whole_bytes(amounts: Mapping[str, str], name: str, field: str) -> Iterator[str]:
    """That a size is no fraction of a byte."""
    if name in amounts and milli_value(amounts[name]) % 1000:
        size = shown(amounts[name])
        yield f"{field}[{name}]: fractional byte value {size} is invalid, must be an integer"


def of_claim(spec: JsonObject, field: str) -> Iterator[str]:
    """Of the specification of a claim, or of a template for one."""
    for part in ("requests", "limits"):
        amounts = (spec.get("resources") or {}).get(part, {})
        yield from of_whole_bytes(amounts, "storage", f"{field}.resources.{part}")


def of_node_terms(terms: Sequence[JsonObject], field: str) -> Iterator[str]:
    """Of labels of nodes that terms select by. ``field``: of the list of terms."""
    for index, term in enumerate(terms):
        yield from of_node_term(term, f"{field}[{index}]")


def of_node_term(term: JsonObject, field: str) -> Iterator[str]:
    """Warnings about labels of nodes, in a term that selects nodes, that have new names."""
    for index, expression in enumerate(term.get("matchExpressions", ())):
        key = expression.get("key", "")
        if key in NODE_LABELS:
            yield f"{field}.matchExpressions[{index}].key: {key} is {instead(key)}"


def instead(label: str) -> str:
    """What is said of a deprecated label of nodes."""
    since, other = NODE_LABELS[label]
    return f'deprecated since {since}; use "{other}" instead'


def _of_service(service: JsonObject) -> Iterator[str]:
    spec = service["spec"]
    kind, external = spec["type"], bool(spec.get("externalIPs"))
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if _HINTS in service["metadata"].get("annotations", ()):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    if headless:
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    elif external and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if external and kind == "ExternalName":
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _of_volume_claim(claim: JsonObject) -> Iterator[str]:
    yield from _of_class(claim)
    yield from of_claim(claim["spec"], "spec")


def _of_class(obj: JsonObject) -> Iterator[str]:
    if _CLASS in obj["metadata"].get("annotations", ()):
        yield f"metadata.annotations[{_CLASS}]: {_CLASS_INSTEAD}"


def _of_volume(volume: JsonObject) -> Iterator[str]:
    spec = volume["spec"]
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    field = "spec.nodeAffinity.required.nodeSelectorTerms"
    yield from of_node_terms(required.get("nodeSelectorTerms") or (), field)
    yield from _of_class(volume)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    for name, text in VOLUMES.items():
        if name in spec:
            yield f"spec.{name}: {text}"
    yield from of_whole_bytes(spec.get("capacity") or {}, "storage", "spec.capacity")


def _of_node(node: JsonObject) -> Iterator[str]:
    if node["spec"].get("configSource") is not None:
        yield "spec.configSource: the feature is removed"
    if node["spec"].get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"


def _of_account(account: JsonObject) -> Iterator[str]:
    if _MOUNTABLE in account["metadata"].get("annotations", ()):
        yield (
            f"metadata.annotations[{_MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces "
            "to isolate access to mounted secrets"
        )


def _of_stateful_set(stateful_set: JsonObject) -> Iterator[str]:
    spec = stateful_set["spec"]
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from of_claim(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value "
            ">= 0 is recommended"
        )


_WARNINGS: Final[Mapping[str, Callable[[JsonObject], Iterator[str]]]] = {
    "services": _of_service,
    "persistentvolumes": _of_volume,
    "persistentvolumeclaims": _of_volume_claim,
    "nodes": _of_node,
    "serviceaccounts": _of_account,
    "apps/statefulsets": _of_stateful_set,
}
