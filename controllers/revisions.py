"""The history of a Deployment as its ReplicaSets tell it: which is new, revisions, annotations.

Source: pkg/controller/deployment/util/deployment_util.go (v1.36).
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from controllers.rolling import max_surge

REVISION: Final = "deployment.kubernetes.io/revision"
HISTORY: Final = "deployment.kubernetes.io/revision-history"
DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"
HASH_LABEL: Final = "pod-template-hash"
HISTORY_CHARS_MAX: Final = 2000
_NOT_COPIED: Final = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
    )
)


def annotations_of(item: JsonObject) -> JsonObject:
    found: JsonObject = item["metadata"].get("annotations") or {}
    return found


def number_at(item: JsonObject, annotation: str) -> int | None:
    """The annotation as a number, None when it is missing or not one."""
    text = annotations_of(item).get(annotation)
    if not isinstance(text, str):
        return None
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() else None


def size_of(item: JsonObject) -> int:
    """Pods that a ReplicaSet or Deployment asks for."""
    count: int = item["spec"].get("replicas", 1)
    return count


def available_of(item: JsonObject) -> int:
    count: int = (item.get("status") or {}).get("availableReplicas", 0)
    return count


def by_age(items: Sequence[JsonObject]) -> list[JsonObject]:
    """Oldest first, equally old ones by name."""
    return sorted(
        items, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])
    )


def same_template(one: JsonObject, other: JsonObject) -> bool:
    """Two pod templates are the same but for the label pod-template-hash."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: JsonObject) -> JsonObject:
    meta = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (meta.pop("labels", None) or {}).items() if k != HASH_LABEL}
    meta.pop("creationTimestamp", None)
    given = {k: v for k, v in meta.items() if v}
    return {**template, "metadata": {**given, "labels": labels}}


def find_new(deployment: JsonObject, sets: Sequence[JsonObject]) -> JsonObject | None:
    """The ReplicaSet with the Deployment's present template, the oldest if there are several."""
    template = deployment["spec"]["template"]
    for item in by_age(sets):
        if same_template(item["spec"]["template"], template):
            return item
    return None


def find_olds(new: JsonObject | None, sets: Sequence[JsonObject]) -> list[JsonObject]:
    """All other ReplicaSets, oldest first."""
    uid = new["metadata"]["uid"] if new is not None else ""
    return [item for item in by_age(sets) if item["metadata"]["uid"] != uid]


def active_of(sets: Sequence[JsonObject]) -> list[JsonObject]:
    return [item for item in sets if size_of(item) > 0]


def max_revision(sets: Sequence[JsonObject]) -> int:
    return max((number_at(item, REVISION) or 0 for item in sets), default=0)


def scale_annotations(deployment: JsonObject) -> JsonObject:
    """What each scaling of a ReplicaSet notes on it."""
    wanted = size_of(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + max_surge(deployment["spec"]))}


def new_set_annotations(
    deployment: JsonObject, known: JsonObject, revision: int, exists: bool
) -> JsonObject:
    """The annotations that the new ReplicaSet should have, given those it has."""
    wanted = dict(known)
    for name, text in annotations_of(deployment).items():
        if name not in _NOT_COPIED:
            wanted[name] = text
    text = known.get(REVISION, "")
    old_revision = int(text) if text.isascii() and text.isdigit() else 0
    if old_revision < revision:
        wanted[REVISION] = str(revision)
        if REVISION in known:
            wanted[HISTORY] = _history(known.get(HISTORY, ""), text)
    if not exists:
        wanted.update(scale_annotations(deployment))
    return wanted


def _history(known: str, revision: str) -> str:
    """Past revisions, oldest dropped while the text is too long."""
    past = known.split(",") if known else []
    past.append(revision)
    while len(past) > 1 and len(",".join(past)) > HISTORY_CHARS_MAX:
        past.pop(0)
    return ",".join(past)


def is_saturated(deployment: JsonObject, item: JsonObject | None) -> bool:
    """The ReplicaSet alone satisfies the Deployment."""
    if item is None:
        return False
    wanted = size_of(deployment)
    return (
        size_of(item) == wanted
        and number_at(item, DESIRED) == wanted
        and available_of(item) == wanted
    )
