"""Admission: which of the rules in ``api.admission`` run, with what they need to know."""

from collections.abc import Generator, Mapping
from typing import Any

from api.admission import (
    DEFAULT_INGRESS_CLASS,
    DEFAULT_STORAGE_CLASS,
    GROWS_NOT,
    PriorityClass,
    add_default_tolerations,
    add_service_account,
    default_class,
    is_mirror,
    protect,
    resolve_priority,
    run_as_class,
    service_account_name,
    set_default_class,
    taint_new_node,
    wants_more_room,
)
from api.core import JsonObject
from api.errors import Forbidden, aggregate
from api.kinds import Kind, kind_of
from api.limits import limit_claim, limit_pod
from api.storage import GET
from apiserver.records import Record
from apiserver.registry import Ask, Registry
from apiserver.storefail import raise_if_failed

_ACCOUNTS = kind_of("serviceaccounts")
ACCOUNT_WITHOUT_OPINIONS: JsonObject = {}


def admit(registry: Registry, kind: Kind, obj: JsonObject, base: str) -> Generator[Ask, Any, None]:
    """Complete a defaulted new object in place, or raise Forbidden. ``base``: what its name was
    generated from, if it was: what completes objects runs before they have one, and says so."""
    key = kind.key
    if key == "pods":
        yield from _admit_pod(registry, obj, base)
    elif key == "nodes":
        taint_new_node(obj)
    elif key == "persistentvolumeclaims":
        _admit_claim(registry, obj)
    elif key == "networking.k8s.io/ingresses":
        _default(registry, key, obj, INGRESS_CLASSES, DEFAULT_INGRESS_CLASS)
    elif key == PRIORITY_CLASSES:
        _admit_priority_class(registry, obj)
    protect(key, obj)


STORAGE_CLASSES = "storage.k8s.io/storageclasses"
INGRESS_CLASSES = "networking.k8s.io/ingressclasses"
PRIORITY_CLASSES = "scheduling.k8s.io/priorityclasses"
LIMIT_RANGES = "limitranges"
RUNTIME_CLASSES = "node.k8s.io/runtimeclasses"


def limit_ranges(registry: Registry, namespace: str) -> list[JsonObject]:
    """The LimitRanges of a namespace, as far as the watch cache has seen them."""
    cache = registry.caches[LIMIT_RANGES]
    if not cache.records:
        return []
    return [record.object() for record in cache.walk(namespace)]


def _admit_claim(registry: Registry, claim: JsonObject) -> None:
    _default(registry, "persistentvolumeclaims", claim, STORAGE_CLASSES, DEFAULT_STORAGE_CLASS)
    meta = claim["metadata"]
    faults = limit_claim(claim, limit_ranges(registry, meta["namespace"]))
    if faults:
        raise Forbidden("persistentvolumeclaims", meta.get("name", ""), aggregate(faults))


def _default(registry: Registry, key: str, obj: JsonObject, classes: str, annotation: str) -> None:
    """The class that an administrator has marked as the default, for an object without one."""
    marked = (
        record.object()
        for record in registry.caches[classes].records.values()
        if annotation.encode() in record.value
    )
    name = default_class(marked, annotation)
    if name is not None:
        set_default_class(key, obj, name)


def _priority_classes(registry: Registry) -> tuple[Mapping[str, PriorityClass], str]:
    """What pods take from each class, by name, and the name of the global default, if any."""
    classes: dict[str, PriorityClass] = {}
    default = ""
    for record in registry.caches[PRIORITY_CLASSES].records.values():
        one = record.object()
        classes[record.name] = PriorityClass(one["value"], one["preemptionPolicy"])
        if one.get("globalDefault") and (not default or one["value"] < classes[default].value):
            default = record.name
    return classes, default


def _admit_priority_class(registry: Registry, obj: JsonObject) -> None:
    """Source: validatePriorityClass, plugin/pkg/admission/priority/admission.go."""
    _, default = _priority_classes(registry)
    if obj.get("globalDefault") and default:
        text = f"PriorityClass {default} is already marked as default. Only one default can exist"
        raise Forbidden(PRIORITY_CLASSES, obj["metadata"].get("name", ""), text)


def _admit_pod(registry: Registry, pod: JsonObject, base: str) -> Generator[Ask, Any, None]:
    meta = pod["metadata"]
    if not is_mirror(pod):
        account = yield from account_of(registry, meta, service_account_name(pod), base)
        add_service_account(pod, account, registry.names.suffix())
    faults = limit_pod(pod, limit_ranges(registry, meta["namespace"]))
    if faults:
        raise Forbidden("pods", meta.get("name", ""), aggregate(faults))
    add_default_tolerations(pod)
    refusal = resolve_priority(pod, *_priority_classes(registry))
    if refusal is None:
        refusal = yield from _run_as_class(registry, pod)
    if refusal is not None:
        raise Forbidden("pods", base or meta.get("name", ""), refusal)


def _run_as_class(registry: Registry, pod: JsonObject) -> Generator[Ask, Any, str | None]:
    name = pod["spec"].get("runtimeClassName")
    if name is None:
        return run_as_class(pod, None)
    kind = kind_of(RUNTIME_CLASSES)
    cache = registry.cache(kind)
    key = cache.key("", name)
    record = cache.records.get(key)
    if record is not None:
        return run_as_class(pod, record.object())
    reply = yield registry.ask(kind, key, (GET, key, 0))
    raise_if_failed(reply)
    if not reply[1]:
        return f'pod rejected: RuntimeClass "{name}" not found'
    return run_as_class(pod, Record(key, reply[2], reply[3], reply[1], reply[1]).object())


def admit_update(registry: Registry, kind: Kind, new: JsonObject, old: JsonObject) -> None:
    """Forbidden for a claim that would grow on a class that does not say that volumes may."""
    if kind.key != "persistentvolumeclaims" or not wants_more_room(new, old):
        return
    name = new["spec"].get("storageClassName")
    cache = registry.caches[STORAGE_CLASSES]
    record = cache.records.get(cache.key("", name)) if name else None
    if record is None or not record.object().get("allowVolumeExpansion"):
        raise Forbidden(kind.key, new["metadata"]["name"], GROWS_NOT)


def account_of(
    registry: Registry, meta: JsonObject, name: str, base: str
) -> Generator[Ask, Any, JsonObject]:
    """The ServiceAccount of a new pod with this metadata; ACCOUNT_WITHOUT_OPINIONS for one that
    leaves pods as they are. Forbidden when there is none, as in Kubernetes."""
    cache = registry.caches["serviceaccounts"]
    key = cache.key(meta["namespace"], name)
    record = cache.records.get(key)
    if record is None:
        reply = yield registry.ask(_ACCOUNTS, key, (GET, key, 0))
        raise_if_failed(reply)
        if not reply[1]:
            raise Forbidden(
                "pods",
                base or meta.get("name", ""),
                f"error looking up service account {meta['namespace']}/{name}: "
                f'serviceaccount "{name}" not found',
            )
        record = Record(key, reply[2], reply[3], reply[1], reply[1])
    return record.object() if has_opinions(record) else ACCOUNT_WITHOUT_OPINIONS


def has_opinions(account: Record) -> bool:
    """Whether a ServiceAccount may change pods in more than its name."""
    value = account.value
    return b"automountServiceAccountToken" in value or b"imagePullSecrets" in value
