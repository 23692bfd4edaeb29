"""The kinds of Kubernetes 1.36 by key, by path and by group, version and kind.

The table (``data/kinds.json``, see its README) is read once, in about 2 ms, when first asked.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from api.crd.version import CustomVersion

SERVED: tuple[str, ...] = (
    "namespaces",
    "nodes",
    "pods",
    "coordination.k8s.io/leases",
    "events",
    "services",
    "serviceaccounts",
    "configmaps",
    "apps/replicasets",
    "apps/deployments",
    "secrets",
    "endpoints",
    "limitranges",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
    "podtemplates",
    "replicationcontrollers",
    "apps/controllerrevisions",
    "apps/daemonsets",
    "apps/statefulsets",
    "batch/jobs",
    "batch/cronjobs",
    "autoscaling/horizontalpodautoscalers",
    "policy/poddisruptionbudgets",
    "discovery.k8s.io/endpointslices",
    "networking.k8s.io/ingresses",
    "networking.k8s.io/ingressclasses",
    "networking.k8s.io/networkpolicies",
    "networking.k8s.io/ipaddresses",
    "networking.k8s.io/servicecidrs",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/clusterrolebindings",
    "scheduling.k8s.io/priorityclasses",
    "storage.k8s.io/storageclasses",
    "storage.k8s.io/csidrivers",
    "storage.k8s.io/csinodes",
    "storage.k8s.io/csistoragecapacities",
    "storage.k8s.io/volumeattachments",
    "storage.k8s.io/volumeattributesclasses",
    "node.k8s.io/runtimeclasses",
    "certificates.k8s.io/certificatesigningrequests",
    "flowcontrol.apiserver.k8s.io/flowschemas",
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
    "admissionregistration.k8s.io/mutatingwebhookconfigurations",
    "admissionregistration.k8s.io/validatingwebhookconfigurations",
    "admissionregistration.k8s.io/mutatingadmissionpolicies",
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
    "admissionregistration.k8s.io/validatingadmissionpolicybindings",
    "resource.k8s.io/deviceclasses",
    "resource.k8s.io/resourceclaims",
    "resource.k8s.io/resourceclaimtemplates",
    "resource.k8s.io/resourceslices",
    "apiextensions.k8s.io/customresourcedefinitions",
    "apiregistration.k8s.io/apiservices",
)
"""Keys of the resources that our API server stores."""

DATA = Path(__file__).parent / "data"


class UnknownKindError(KeyError):
    """No such resource or kind in the table of Kubernetes 1.36."""

    def __str__(self) -> str:
        return str(self.args[0])


class Subresource(NamedTuple):
    """A part of a resource with a path of its own, such as ``pods/status``."""

    name: str
    group: str
    version: str
    kind: str
    """Group, version and kind of its body; for the kind of its resource, the resource's own."""
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one version."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    type_name: str
    """Name of its struct in ``data/fields.json``."""
    resource: str = ""
    """Plural, lower case; empty for kinds without a resource, such as DeleteOptions."""
    namespaced: bool = False
    verbs: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    list_kind: str = ""
    list_type_name: str = ""
    off: bool = False
    """Known to 1.36 but not served unless switched on (alpha and beta versions)."""
    custom: "CustomVersion | None" = field(default=None, repr=False, compare=False)
    """Of a kind that a CustomResourceDefinition makes: what its schema decides. Such a kind is in
    none of the tables."""

    key: str = field(init=False, repr=False, compare=False)
    """``"pods"``, ``"apps/deployments"``: the resource without its version."""
    api_version: str = field(init=False, repr=False, compare=False)
    """``"v1"``, ``"apps/v1"``: as in the objects."""

    def __post_init__(self) -> None:
        # Made once: a request asks for them a dozen times.
        prefix = f"{self.group}/" if self.group else ""
        object.__setattr__(self, "key", prefix + self.resource)
        object.__setattr__(self, "api_version", prefix + self.version)

    @property
    def qualified(self) -> str:
        """``"Pod"``, ``"Deployment.apps"``: as in messages about invalid objects."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def qualified_resource(self) -> str:
        """``"pods"``, ``"deployments.apps"``: as in messages about resources."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def subresource(self, name: str) -> Subresource | None:
        """Its subresource of that name, or None."""
        return next((sub for sub in self.subresources if sub.name == name), None)


def kind_of(key: str) -> Kind:
    """The kind of a resource key, in the version that discovery prefers. UnknownKindError."""
    try:
        return _tables().by_key[key]
    except KeyError:
        raise UnknownKindError(f"unknown resource {key!r}") from None


def has_resource(key: str) -> bool:
    """Whether the table has a resource of that key."""
    return key in _tables().by_key


def kind_by_path(group: str, version: str, resource: str) -> Kind:
    """The kind served under ``/apis/GROUP/VERSION/RESOURCE``. UnknownKindError."""
    try:
        return _tables().by_path[group, version, resource]
    except KeyError:
        raise UnknownKindError(f"unknown resource {resource!r} in {group}/{version}") from None


def kind_by_gvk(group: str, version: str, kind: str) -> Kind:
    """The kind of that name, with or without a resource. UnknownKindError."""
    try:
        return _tables().by_gvk[group, version, kind]
    except KeyError:
        raise UnknownKindError(f"unknown kind {kind!r} in {group}/{version}") from None


def all_kinds() -> Sequence[Kind]:
    """The whole table, sorted by group, version and kind as in the file."""
    return _tables().kinds


def split_api_version(api_version: str) -> tuple[str, str]:
    """``"apps/v1"`` is group ``apps`` and version ``v1``; ``"v1"`` is the core group's."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


class _Tables(NamedTuple):
    kinds: tuple[Kind, ...]
    by_key: Mapping[str, Kind]
    by_path: Mapping[tuple[str, str, str], Kind]
    by_gvk: Mapping[tuple[str, str, str], Kind]


@cache
def _tables() -> _Tables:
    rows = orjson.loads((DATA / "kinds.json").read_bytes())
    kinds = tuple(_read(row) for row in rows)
    resources = [kind for kind in kinds if kind.resource]
    by_key: dict[str, Kind] = {}
    for kind in resources:
        known = by_key.get(kind.key)
        if known is None or _rank(kind) > _rank(known):
            by_key[kind.key] = kind
    return _Tables(
        kinds,
        by_key,
        {(kind.group, kind.version, kind.resource): kind for kind in resources},
        {(kind.group, kind.version, kind.kind): kind for kind in kinds},
    )


def _read(row: Mapping[str, object]) -> Kind:
    group, version = str(row["g"]), str(row["v"])
    return Kind(
        group=group,
        version=version,
        kind=str(row["k"]),
        type_name=str(row["t"]),
        resource=str(row.get("r", "")),
        namespaced="ns" in row,
        verbs=tuple(str(row.get("verbs", "")).split()),
        subresources=tuple(_read_sub(sub, group, version) for sub in _rows(row.get("sub"))),
        singular=str(row.get("s", "")),
        short_names=tuple(_words(row.get("sn"))),
        categories=tuple(_words(row.get("c"))),
        list_kind=str(row.get("l", "")),
        list_type_name=str(row.get("lt", "")),
        off="off" in row,
    )


def _read_sub(row: Sequence[str], parent_group: str, parent_version: str) -> Subresource:
    name, gvk, verbs = row
    group, version, kind = gvk.split("/")
    if not version:
        group, version = parent_group, parent_version
    return Subresource(name, group, version, kind, tuple(verbs.split()))


def _rows(value: object) -> Iterable[Sequence[str]]:
    return value if isinstance(value, list) else ()


def _words(value: object) -> Iterable[str]:
    return value if isinstance(value, list) else ()


def _rank(kind: Kind) -> tuple[bool, bool, bool, int, int]:
    """Order of preference: served first."""
    return (not kind.off, *version_rank(kind.version)[1:5])


def version_rank(version: str) -> tuple[bool, bool, bool, int, int, tuple[int, ...]]:
    """Sorts versions by preference: v2 over v1 over v1beta2 over v1alpha3, and what is no such
    version last, in the order of the alphabet.

    Source: apimachinery/pkg/version/helpers.go, CompareKubeAwareVersionStrings.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return (False, False, False, 0, 0, tuple(-ord(letter) for letter in version))
    major, stage, minor = found.groups()
    return (True, not stage, stage == "beta", int(major), int(minor or 0), ())


_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
