"""What claims, volumes and storage classes say, as their controllers read them.

Source: component-helpers/storage/volume/pv_helpers.go, pkg/apis/core/v1/helper, v1.36.
"""

from collections.abc import Iterable
from typing import Final

from api.core import JsonObject
from api.quantity import whole_value
from api.selectors import label_selector_of
from controllers.records import CLAIMS, VOLUMES, Record
from controllers.view import Change

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
STORAGE_PROVISIONER_BETA: Final = "volume.beta.kubernetes.io/storage-provisioner"
CLASS_BETA: Final = "volume.beta.kubernetes.io/storage-class"
HOME: Final = "storage"
"""Claims and volumes concern each other across namespaces: one shard has them all."""


def claim_key(namespace: str, name: str) -> str:
    return f"claim {namespace}/{name}"


def volume_key(name: str) -> str:
    return f"volume {name}"


def keys_of(change: Change) -> list[str]:
    """The claim or volume that changed, and its partner."""
    found: list[str] = []
    if change.resource == CLAIMS:
        found.append(claim_key(change.any.namespace, change.any.name))
        name = whole_of(change.any)["spec"].get("volumeName")
        if name:
            found.append(volume_key(name))
    elif change.resource == VOLUMES:
        found.append(volume_key(change.any.name))
        reference = whole_of(change.any)["spec"].get("claimRef")
        if reference:
            found.append(claim_key(reference.get("namespace", ""), reference.get("name", "")))
    return found


def whole_of(row: Record) -> JsonObject:
    """The object of a row that carries it."""
    whole: JsonObject | None = getattr(row, "whole", None)
    assert whole is not None, row.resource
    return whole


def notes_of(item: JsonObject) -> dict[str, str]:
    """A copy of its annotations."""
    return dict(item["metadata"].get("annotations") or {})


def with_notes(item: JsonObject, notes: dict[str, str]) -> JsonObject:
    return {**item, "metadata": {**item["metadata"], "annotations": notes}}


def class_of(item: JsonObject) -> str:
    """The old annotation comes first, also when it is empty: then there is no class."""
    notes = notes_of(item)
    return notes[CLASS_BETA] if CLASS_BETA in notes else item["spec"].get("storageClassName") or ""


def is_meant_for(volume: JsonObject, claim: JsonObject) -> bool:
    """Its claimRef names the claim, by uid or before it had one."""
    reference, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    named = (reference.get("namespace"), reference.get("name"))
    uid = reference.get("uid")
    same = named == (meta["namespace"], meta["name"])
    return same and (not uid or bool(uid == meta["uid"]))


def mismatch(volume: JsonObject, claim: JsonObject) -> str:
    """Why a volume cannot serve a claim that names it; empty when it can."""
    if "deletionTimestamp" in volume["metadata"]:
        return "the volume is marked for deletion"
    if _size_of(volume) < _request_of(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _is_block(volume) != _is_block(claim):
        return "incompatible volumeMode"
    modes = volume["spec"].get("accessModes") or ()
    if any(mode not in modes for mode in claim["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def best_volume(
    claim: JsonObject, volumes: Iterable[JsonObject], only_meant: bool
) -> JsonObject | None:
    """The one that is meant for the claim, or else the smallest free one that serves it.
    ``only_meant``: the claim waits for a pod, and the scheduler chooses among the free ones."""
    selector = claim["spec"].get("selector")
    wanted = None if selector is None else label_selector_of(selector)
    best: tuple[int, JsonObject] | None = None
    for volume in volumes:
        if mismatch(volume, claim):
            continue
        if volume["spec"].get("claimRef"):
            if is_meant_for(volume, claim):
                return volume
            continue
        if only_meant or (volume.get("status") or {}).get("phase") != "Available":
            continue
        if wanted is not None and not wanted.matches(volume["metadata"].get("labels") or {}):
            continue
        size = _size_of(volume)
        if best is None or size < best[0]:
            best = (size, volume)
    return None if best is None else best[1]


def reference_to(claim: JsonObject) -> JsonObject:
    """A claimRef."""
    meta = claim["metadata"]
    return {
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": "v1",
        "resourceVersion": str(meta["resourceVersion"]),
    }


def _size_of(volume: JsonObject) -> int:
    return whole_value(str((volume["spec"].get("capacity") or {}).get("storage", "0")))


def _request_of(claim: JsonObject) -> int:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return whole_value(str(requests.get("storage", "0")))


def _is_block(item: JsonObject) -> bool:
    return bool(item["spec"].get("volumeMode") == "Block")
