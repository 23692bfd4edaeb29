"""Validation of object metadata: names, labels, annotations, owners, finalizers.

Every check appends to a list of causes and costs next to nothing when there is nothing to say.
Source: apimachinery/pkg/api/validation/objectmeta.go, apis/meta/v1/validation/validation.go.
"""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address

from api.core import JsonObject
from api.errors import Cause
from api.names import (
    wrong_with_dns_1035,
    wrong_with_label,
    wrong_with_label_value,
    wrong_with_qualified_name,
    wrong_with_subdomain,
)
from api.validation.addresses import BAD_ADDRESS, is_address

ANNOTATIONS_BYTES_MAX = 256 * 1024
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
IMMUTABLE = "field is immutable"

NameCheck = Callable[[str], Sequence[str]]


def wrong_with_path_segment(name: str) -> tuple[str, ...]:
    """A name that can stand in a path, for kinds without a stricter rule."""
    if name in (".", ".."):
        return (f"may not be '{name}'",)
    return tuple(f"may not contain '{mark}'" for mark in "/%" if mark in name)


def wrong_with_address(name: str) -> tuple[str, ...]:
    """The name of an IPAddress: the address as it is usually written."""
    if not is_address(name):
        return (BAD_ADDRESS,)
    address = ip_address(name)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return ("must not be an IPv4-mapped IPv6 address",)
    return () if str(address) == name else (f'must be in canonical form ("{address}")',)


EMBEDDED = "embedded resources"
"""In place of a kind: a resource of any kind inside another."""
CUSTOM = "custom resources"
"""In place of a kind: one that a definition made."""
NAME_CHECKS: Mapping[str, NameCheck] = {
    EMBEDDED: wrong_with_path_segment,
    "policy/poddisruptionbudgets": wrong_with_path_segment,
    "namespaces": wrong_with_label,
    "services": wrong_with_dns_1035,
    "apps/statefulsets": wrong_with_label,
    "events": wrong_with_path_segment,
    "rbac.authorization.k8s.io/roles": wrong_with_path_segment,
    "rbac.authorization.k8s.io/rolebindings": wrong_with_path_segment,
    "rbac.authorization.k8s.io/clusterroles": wrong_with_path_segment,
    "rbac.authorization.k8s.io/clusterrolebindings": wrong_with_path_segment,
    "networking.k8s.io/ipaddresses": wrong_with_address,
    "certificates.k8s.io/certificatesigningrequests": wrong_with_path_segment,
    "apiregistration.k8s.io/apiservices": wrong_with_path_segment,
}
"""Rules of names by kind; all others are DNS subdomains."""
_FREE_FINALIZERS = (
    EMBEDDED,
    CUSTOM,
    "events",
    "coordination.k8s.io/leases",
    "policy/poddisruptionbudgets",
    "apiextensions.k8s.io/customresourcedefinitions",
    "apiregistration.k8s.io/apiservices",
    "admissionregistration.k8s.io/validatingwebhookconfigurations",
    "admissionregistration.k8s.io/mutatingwebhookconfigurations",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
    "admissionregistration.k8s.io/validatingadmissionpolicybindings",
)
"""Kinds whose finalizers need no domain: their validation is not that of the core group."""


def check_metadata(causes: list[Cause], key: str, obj: JsonObject, namespaced: bool) -> None:
    """Metadata of an object of kind ``key``, new or updated."""
    metadata = obj["metadata"]
    check_names(causes, key, metadata)
    _check_namespace(causes, metadata, namespaced)
    if metadata.get("generation", 0) < 0:
        causes.append(nonnegative("metadata.generation", metadata["generation"]))
    _check_maps(causes, metadata)
    if "finalizers" in metadata:
        _check_finalizers(causes, metadata["finalizers"], key)


def check_names(causes: list[Cause], key: str, metadata: JsonObject) -> None:
    """The name, and the beginning of a generated one."""
    check_name = NAME_CHECKS.get(key, wrong_with_subdomain)
    prefix = metadata.get("generateName")
    if prefix:
        for text in check_name(masked_prefix(prefix)):
            causes.append(Cause.invalid("metadata.generateName", prefix, text))
    name = metadata.get("name")
    if not name:
        causes.append(Cause.required("metadata.name", "name or generateName is required"))
    else:
        for text in check_name(name):
            causes.append(Cause.invalid("metadata.name", name, text))


def masked_prefix(prefix: str) -> str:
    """The beginning of a generated name as a name that may be checked: without a dash at the end.
    Source: maskTrailingDash, apimachinery/pkg/api/validation/generic.go."""
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix[-1] == "-" else prefix


def check_metadata_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """What may not change in an update, then labels, annotations and owners once more."""
    after, before = new["metadata"], old["metadata"]
    if before.get("deletionTimestamp") and "finalizers" in after:
        known = before.get("finalizers", ())
        extra = [name for name in after["finalizers"] if name not in known]
        if extra:
            quoted = ", ".join(f'"{name}"' for name in sorted(extra))
            causes.append(
                Cause.forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new "
                    f"finalizers []string{{{quoted}}}",
                )
            )
    if after.get("generation", 0) < before.get("generation", 0):
        causes.append(
            Cause.invalid(
                "metadata.generation", after.get("generation", 0), "must not be decremented"
            )
        )
    for name in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        if after.get(name) != before.get(name):
            causes.append(Cause.invalid(f"metadata.{name}", after.get(name), IMMUTABLE))
    _check_maps(causes, after)


def check_labels(causes: list[Cause], labels: Mapping[str, str], field: str) -> None:
    """Keys and values of labels, or of a selector in the form of labels."""
    for key, value in labels.items():
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(field, key, text))
        for text in wrong_with_label_value(value):
            causes.append(Cause.invalid(field, value, text))


def check_annotations(causes: list[Cause], annotations: Mapping[str, str], field: str) -> None:
    """Keys of annotations and the size of all together."""
    size = 0
    for key, value in annotations.items():
        for text in wrong_with_qualified_name(key.lower()):
            causes.append(Cause.invalid(field, key, text))
        size += len(key) + len(value)
    if size > ANNOTATIONS_BYTES_MAX // 4:
        size = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())
        if size > ANNOTATIONS_BYTES_MAX:
            causes.append(Cause.too_long(field, ANNOTATIONS_BYTES_MAX))


def nonnegative(field: str, value: object) -> Cause:
    """The cause of a negative number."""
    return Cause.invalid(field, value, "must be greater than or equal to 0")


def _check_namespace(causes: list[Cause], metadata: JsonObject, namespaced: bool) -> None:
    namespace = metadata.get("namespace")
    if namespaced:
        if not namespace:
            causes.append(Cause.required("metadata.namespace"))
        else:
            for text in wrong_with_label(namespace):
                causes.append(Cause.invalid("metadata.namespace", namespace, text))
    elif namespace:
        causes.append(Cause.forbidden("metadata.namespace", "not allowed on this type"))


def _check_maps(causes: list[Cause], metadata: JsonObject) -> None:
    if "labels" in metadata:
        check_labels(causes, metadata["labels"], "metadata.labels")
    if "annotations" in metadata:
        check_annotations(causes, metadata["annotations"], "metadata.annotations")
    if "ownerReferences" in metadata:
        _check_owners(causes, metadata["ownerReferences"])


def _check_owners(causes: list[Cause], owners: Sequence[JsonObject]) -> None:
    field = "metadata.ownerReferences"
    controller = None
    for owner in owners:
        version = owner.get("apiVersion", "")
        if not version.rpartition("/")[2]:
            causes.append(
                Cause.invalid(f"{field}.apiVersion", version, "version must not be empty")
            )
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                causes.append(Cause.invalid(f"{field}.{name}", "", "must not be empty"))
        if version == "v1" and owner.get("kind") == "Event":
            causes.append(
                Cause.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner")
            )
        if owner.get("controller"):
            if controller is not None:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in '
                    f"references for {controller} and {owner.get('name', '')}"
                )
                causes.append(Cause.invalid(field, list(owners), text))
            else:
                controller = owner.get("name", "")


def _check_finalizers(causes: list[Cause], finalizers: Sequence[str], key: str) -> None:
    field = "metadata.finalizers"
    for name in finalizers:
        for text in wrong_with_qualified_name(name):
            causes.append(Cause.invalid(field, name, text))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        causes.append(
            Cause.invalid(
                field,
                list(finalizers),
                "finalizer orphan and foregroundDeletion cannot be both set",
            )
        )
    if key in _FREE_FINALIZERS:
        return
    for index, name in enumerate(finalizers):
        check_plain_finalizer(causes, name, f"{field}[{index}]")


def check_plain_finalizer(causes: list[Cause], name: str, field: str) -> None:
    """Without a domain a finalizer must be one of Kubernetes' own."""
    if "/" not in name and name not in STANDARD_FINALIZERS:
        causes.append(
            Cause.invalid(
                field, name, "name is neither a standard finalizer name nor is it fully qualified"
            )
        )
