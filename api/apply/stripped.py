"""Paths that nobody owns: system metadata, and what a registry resets on a write.

Source: stripmeta.go of apimachinery/pkg/util/managedfields/internal at v0.36.3; GetResetFields in
pkg/registry/*/*/strategy.go of kubernetes v1.36.
"""

from functools import cache

from api.apply.sets import ANY, EMPTY, FieldSet, of_paths, only_trees, without_trees
from api.kinds import Kind, kind_of

_SYSTEM_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
SYSTEM_FIELDS = of_paths(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in _SYSTEM_METADATA),
)

_STATUS = of_paths(("f:status",))
_SPEC = of_paths(("f:spec",))
_OF_STATUS_WRITES: dict[str, FieldSet] = {
    "pods": of_paths(
        ("f:spec",),
        ("f:metadata", "f:deletionTimestamp"),
        ("f:metadata", "f:ownerReferences"),
    ),
    "apps/deployments": of_paths(("f:spec",), ("f:metadata", "f:labels")),
    **dict.fromkeys(
        (
            "storage.k8s.io/volumeattachments",
            "admissionregistration.k8s.io/validatingadmissionpolicies",
            "apiregistration.k8s.io/apiservices",
            "flowcontrol.apiserver.k8s.io/flowschemas",
            "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
        ),
        of_paths(("f:spec",), ("f:metadata",)),
    ),
}


_ONLY_OF_POD_PARTS: dict[str, FieldSet] = {
    "ephemeralcontainers": of_paths(("f:spec", "f:ephemeralContainers")),
    "resize": of_paths(
        *(
            ("f:spec", f"f:{containers}", ANY, f"f:{name}")
            for containers in ("containers", "initContainers")
            for name in ("resources", "resizePolicy")
        )
    ),
}


def ownable(kind: Kind, subresource: str, fields: FieldSet) -> FieldSet:
    """Those of the fields that a write to the object or its subresource can change."""
    if kind.key == "pods" and subresource in _ONLY_OF_POD_PARTS:
        return only_trees(fields, _ONLY_OF_POD_PARTS[subresource])
    ignored = _reset_fields(kind, subresource)
    return without_trees(fields, ignored) if ignored else fields


def _reset_fields(kind: Kind, subresource: str) -> FieldSet:
    """What a write to the object or its subresource cannot change, whatever the client says."""
    if kind.custom is not None:
        return kind.custom.reset_fields(subresource)
    if subresource == "status":
        return _OF_STATUS_WRITES.get(kind.key, _SPEC)
    return _STATUS if _has_status(kind.key) else EMPTY


@cache
def _has_status(key: str) -> bool:
    """By key: the hash of a Kind costs more than all the rest."""
    # A Scale is a part of other kinds and has no resource of its own.
    return not key.endswith("/") and kind_of(key).subresource("status") is not None
