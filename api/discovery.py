"""Discovery documents: what this server serves, in the forms that clients ask for.

Everything is made from the resources that are really served, so that no controller waits for an
advertised one. Source: k8s.io/api/apidiscovery/v2, apimachinery/pkg/apis/meta/v1/types.go and the
recordings in tests/golden/api/discovery_*.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from api.conversion import views
from api.core import JsonObject
from api.kinds import SERVED, Kind, Subresource, kind_of, version_rank

VERSION: JsonObject = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "$Format:%H$",
    "gitTreeState": "clean",
    "buildDate": "2026-07-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""The answer to /version: clients choose their behaviour by it. As recorded."""

Served = Mapping[str, Sequence[str]]
"""Resource key -> names of its subresources that are served."""

_UNSERVED_SUBRESOURCES = (
    "attach",
    "portforward",
    "proxy",
)
REVIEWS = (
    *(f"authentication.k8s.io/{name}" for name in ("selfsubjectreviews", "tokenreviews")),
    *(
        f"authorization.k8s.io/{name}"
        for name in (
            "localsubjectaccessreviews",
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "subjectaccessreviews",
        )
    ),
)
"""Resources that are answered and not stored."""
SPINE: Served = {
    "bindings": (),
    **dict.fromkeys(REVIEWS, ()),
    **{
        key: tuple(
            sub.name for sub in kind_of(key).subresources if sub.name not in _UNSERVED_SUBRESOURCES
        )
        for key in SERVED
    },
}
"""What our API server serves."""

AGGREGATED_V2 = "apidiscovery.k8s.io/v2"
AGGREGATED_V2BETA1 = "apidiscovery.k8s.io/v2beta1"

_GROUPS = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
"""In the order of priority in which a server lists them."""
_ADMISSION = "admissionregistration.k8s.io"
_STORED_AS = {
    ("events.k8s.io", "Event"): ("", "v1"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("apiextensions.k8s.io", "v1beta1"),
    (_ADMISSION, "MutatingAdmissionPolicy"): (_ADMISSION, "v1beta1"),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): (_ADMISSION, "v1beta1"),
}
"""Group and kind -> group and version of the form in which 1.36 stores them, where another."""


def kinds_served(served: Served, custom: Sequence[Kind] = ()) -> dict[tuple[str, str], list[Kind]]:
    """Group and version -> kinds sorted by resource, in a server's order of groups: its own, then
    those of custom kinds by name, the preferred version of each first.

    With those kinds that show what is stored for another one.
    """
    seen = [view.kind for view in views() if view.stored.key in served]
    kinds = sorted((*map(kind_of, served), *seen), key=lambda kind: kind.resource)
    found: dict[tuple[str, str], list[Kind]] = {}
    for kind in sorted(kinds, key=lambda kind: _GROUPS.index(kind.group)):
        found.setdefault((kind.group, kind.version), []).append(kind)
    ordered = sorted(custom, key=lambda kind: kind.resource)
    ordered.sort(key=lambda kind: version_rank(kind.version), reverse=True)
    for kind in sorted(ordered, key=lambda kind: kind.group):
        found.setdefault((kind.group, kind.version), []).append(kind)
    return found


def api_versions(server_address: str) -> JsonObject:
    """The legacy answer to /api. ``server_address``: host and port as the client sees them."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
        ],
    }


def group_list(served: Served, custom: Sequence[Kind] = ()) -> JsonObject:
    """The legacy answer to /apis."""
    versions: dict[str, list[str]] = {}
    for name, version in kinds_served(served, custom):
        if name:
            versions.setdefault(name, []).append(version)
    listed = [_group(name, found) for name, found in versions.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(served: Served, name: str, custom: Sequence[Kind] = ()) -> JsonObject | None:
    """The legacy answer to /apis/GROUP; None when nothing of it is served."""
    versions = [version for other, version in kinds_served(served, custom) if other == name]
    if not name or not versions:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(
    served: Served, group: str, version: str, custom: Sequence[Kind] = ()
) -> JsonObject | None:
    """The legacy answer to /api/v1 and /apis/GROUP/VERSION; None when nothing is served."""
    kinds = kinds_served(served, custom).get((group, version))
    if kinds is None:
        return None
    rows = [row for kind in kinds for row in _legacy_rows(kind, served)]
    return {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if group else {}),
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": rows if kinds[0].custom else sorted(rows, key=lambda row: str(row["name"])),
    }


def aggregated(
    served: Served, core: bool, api_version: str = AGGREGATED_V2, custom: Sequence[Kind] = ()
) -> JsonObject:
    """The aggregated answer to /api (``core``) or /apis, in one of the two versions of it."""
    items: dict[str, JsonObject] = {}
    for (name, version), kinds in kinds_served(served, custom).items():
        if core is not (name == ""):
            continue
        item = items.setdefault(name, {"metadata": {"name": name} if name else {}, "versions": []})
        resources = [_resource(kind, served) for kind in kinds]
        item["versions"].append(
            {"version": version, "resources": resources, "freshness": "Current"}
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": list(items.values()),
    }


def _group(name: str, versions: Sequence[str]) -> JsonObject:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _subresources(kind: Kind, served: Served) -> Iterator[Subresource]:
    names = served.get(kind.key, ())
    if kind.custom is not None:
        yield from kind.subresources
    for sub in kind.subresources:
        if sub.name in names:
            yield sub


def _own(kind: Kind, group: str, version: str) -> bool:
    """A body of the resource's own group and version is named by its kind alone."""
    return (group, version) == (kind.group, kind.version)


def _legacy_rows(kind: Kind, served: Served) -> Iterator[JsonObject]:
    row: JsonObject = {
        "name": kind.resource,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    if "watch" in kind.verbs:
        stored = kind.custom.stored if kind.custom is not None else None
        own = (kind.group, (stored or kind).version)
        group, version = _STORED_AS.get((kind.group, kind.kind), own)
        digest = sha256(f"{group}/{version}/{kind.kind}".encode()).digest()
        row["storageVersionHash"] = b64encode(digest[:8]).decode()
    yield row
    for sub in _subresources(kind, served):
        foreign = {} if _own(kind, sub.group, sub.version) else _gv(sub)
        yield {
            "name": f"{kind.resource}/{sub.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **foreign,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }


def _gv(sub: Subresource) -> JsonObject:
    return {"group": sub.group, "version": sub.version}


def _resource(kind: Kind, served: Served) -> JsonObject:
    row: JsonObject = {
        "resource": kind.resource,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    subresources = [
        {
            "subresource": sub.name,
            "responseKind": {
                **(
                    {"group": "", "version": ""} if _own(kind, sub.group, sub.version) else _gv(sub)
                ),
                "kind": sub.kind,
            },
            "verbs": list(sub.verbs),
        }
        for sub in _subresources(kind, served)
    ]
    if subresources:
        row["subresources"] = subresources
    return row
