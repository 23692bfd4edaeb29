"""A new pod like others before it: what is its own is looked at, all else is known.

Nothing here refuses or warns: a pod of which anything would have to be said is made in full, by
``apiserver.verbs.create``, and so is the first of its kind.
"""

from typing import NamedTuple

import orjson

from api.admission import MIRROR_ANNOTATION
from api.core import JsonObject
from api.names import is_label, wrong_with_subdomain
from api.times import rfc3339
from api.validation.metadata import masked_prefix
from apiserver.admit import LIMIT_RANGES, PRIORITY_CLASSES, has_opinions, limit_ranges
from apiserver.bodies import check_type
from apiserver.ownership import manager_of_request
from apiserver.podspecs import PodSpec, Shape, shape_of
from apiserver.quotas import QUOTAS, has_quotas
from apiserver.records import DELETING
from apiserver.registry import Registry, Request

GENERATED_BASE_MAX = 58
"""Letters of a prefix that a generated name keeps. Source: maxGeneratedNameLength,
apiserver/pkg/storage/names/generate.go."""


JSON_TYPES = ("", "application/json")
"""Content types of bodies whose ending is looked up: those that most clients send."""


class Likeness(NamedTuple):
    """What is known of a pod that was parsed."""

    spec: PodSpec | None
    """None: its specification must be looked at."""
    spec_key: bytes
    """Its JSON."""
    shape: Shape | None
    """None: its metadata must be looked at, and tells nothing about that of others."""


UNLIKE = Likeness(None, b"", None)


def likeness(registry: Registry, request: Request, pod: JsonObject) -> Likeness:
    """Of a parsed pod, which is not changed."""
    given = pod.get("spec")
    if type(given) is not dict or is_limited(registry, request.namespace):
        return UNLIKE
    key = orjson.dumps(given)
    spec = registry.pod_specs.find(key, registry.caches[PRIORITY_CLASSES].last_revision)
    if spec is None:
        return UNLIKE
    if request.content_type in JSON_TYPES:
        registry.pod_endings.learn(request.body, key)
    return Likeness(spec, key, shape_of(pod))


def begun_alike(registry: Registry, request: Request) -> tuple[JsonObject, Likeness] | None:
    """A pod without its specification, which is known; None: its body must be parsed whole."""
    if request.content_type not in JSON_TYPES:
        return None
    begun = registry.pod_endings.begin(request.body)
    if begun is None or is_limited(registry, request.namespace):
        return None
    pod, key = begun
    spec = registry.pod_specs.find(key, registry.caches[PRIORITY_CLASSES].last_revision)
    if spec is None or speaks_of_spec(pod):
        return None
    check_type(request.kind, pod, request.body)
    return pod, Likeness(spec, key, shape_of(pod))


def speaks_of_spec(pod: JsonObject) -> bool:
    """Whether the metadata of a parsed pod changes what its specification means, or who owns it."""
    meta = pod.get("metadata")
    if type(meta) is not dict:
        return False
    annotations = meta.get("annotations")
    return "managedFields" in meta or (
        type(annotations) is dict
        and (MIRROR_ANNOTATION in annotations or any("seccomp" in name for name in annotations))
    )


def is_limited(registry: Registry, namespace: str) -> bool:
    """Whether what pods may ask for there is limited."""
    caches = registry.caches
    return bool(
        (caches[LIMIT_RANGES].records and limit_ranges(registry, namespace))
        or (caches[QUOTAS].records and has_quotas(registry, namespace))
    )


def made_alike(
    registry: Registry, request: Request, pod: JsonObject, like: Likeness
) -> tuple[bytes, bytes, bytes, int] | None:
    """Key, header, value and offset of a new pod; None when it must be made in full."""
    spec = like.spec
    if spec is None or like.shape is None or request.name:
        return None
    head = spec.heads.get(like.shape)
    given, namespace = pod["metadata"], request.namespace
    if head is None or given.get("namespace") not in (None, "", namespace):
        return None
    name, base = given.get("name"), ""
    if "generateName" in given:
        base = given["generateName"]
        if type(base) is not str or not base or wrong_with_subdomain(masked_prefix(base)):
            return None
    if not name and base:
        name = base[:GENERATED_BASE_MAX] + registry.names.suffix()
    if type(name) is not str or not is_label(name) or not _is_welcome(registry, namespace, spec):
        return None
    time = rfc3339(registry.now_ns)
    names = {"name": name, "generateName": base} if base else {"name": name}
    meta: JsonObject = {
        **names,
        "namespace": namespace,
        "uid": registry.uids.uuid(),
        "resourceVersion": "",
        **head.rest,
    }
    if head.has_labels:
        meta["labels"] = given["labels"]
    if head.has_annotations:
        meta["annotations"] = given["annotations"]
    meta["creationTimestamp"] = time
    meta["managedFields"] = head.owners(meta, manager_of_request(request), time)
    meta["generation"] = 1
    header, value, offset = spec.encode_ordered(meta, registry.names.suffix(), head.flags)
    return registry.caches["pods"].key(namespace, name), header, value, offset


def _is_welcome(registry: Registry, namespace: str, spec: PodSpec) -> bool:
    """The namespace takes pods, and their account leaves them as they are, as far as the watch
    cache knows."""
    spaces, accounts = registry.caches["namespaces"], registry.caches["serviceaccounts"]
    space = spaces.records.get(spaces.key("", namespace))
    if space is None or space.flags & DELETING:
        return False
    account = accounts.records.get(accounts.key(namespace, spec.account))
    return account is not None and not has_opinions(account)
