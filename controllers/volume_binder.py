"""Binds claims to volumes, orders provisioning, and says what became of both.

A claim whose class waits for a pod is bound here only to a volume that is meant for it: free ones
are the scheduler's choice, and so is the node for which a volume is provisioned.

Source: pkg/controller/volume/persistentvolume/pv_controller.go, v1.36.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from api.core import JsonObject
from controllers.claims import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    HOME,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    best_volume,
    claim_key,
    class_of,
    is_meant_for,
    keys_of,
    mismatch,
    notes_of,
    reference_to,
    volume_key,
    whole_of,
    with_notes,
)
from controllers.events import NORMAL, WARNING, EventRecorder, subject_of
from controllers.reconciler import Reconciler
from controllers.records import CLAIMS, STORAGE_CLASSES, VOLUMES
from controllers.sync import DONE, FAILED, Sync, Trying, Writing, body_of, delete, get, ok, update
from controllers.view import Change, View

IN_TREE: Final = "kubernetes.io/"
NO_VOLUME: Final = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
NO_NAME: Final = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
MISBOUND: Final = "Two claims are bound to the same volume, this one is bound incorrectly"
NO_CLASS: Final = "no persistent volumes available for this claim and no storage class is set"
WAITS: Final = "waiting for first consumer to be created before binding"


class VolumeBinder(Reconciler):
    """Reconciles ``claim NAMESPACE/NAME`` and ``volume NAME``."""

    name = "persistent-volume-binder"

    def __init__(self, view: View) -> None:
        self._view = view
        self._recorder = EventRecorder("persistentvolume-controller")
        self.recorders: Sequence[EventRecorder] = (self._recorder,)

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        found = keys_of(change)
        if change.resource == STORAGE_CLASSES and change.after is not None:
            found += self._unbound(change.after.name)
        elif change.resource == VOLUMES and change.after is not None and len(found) == 1:
            found += self._unbound(class_of(whole_of(change.after)))
        return found

    def _unbound(self, class_name: str) -> Iterator[str]:
        """Claims without a volume that may want one of this class."""
        for row in self._view.rows(CLAIMS):
            claim = whole_of(row)
            if not claim["spec"].get("volumeName") and class_of(claim) == class_name:
                yield claim_key(row.namespace, row.name)

    def all_keys(self) -> list[str]:
        claims = [claim_key(row.namespace, row.name) for row in self._view.rows(CLAIMS)]
        return claims + [volume_key(row.name) for row in self._view.rows(VOLUMES)]

    def home(self, key: str) -> str:
        return HOME

    def sync(self, key: str, now_ns: int) -> Sync:
        kind, _, name = key.partition(" ")
        item = self._view.whole(CLAIMS if kind == "claim" else VOLUMES, name)
        if item is None:
            return DONE
        if kind == "volume":
            return (yield from self._sync_volume(item, now_ns))
        if BIND_COMPLETED in notes_of(item):
            return (yield from self._sync_bound(item, now_ns))
        return (yield from self._sync_unbound(item, now_ns))

    # Claims.

    def _sync_unbound(self, claim: JsonObject, now_ns: int) -> Sync:
        name = claim["spec"].get("volumeName")
        if not name:
            volumes = [whole_of(row) for row in self._view.rows(VOLUMES)]
            found = best_volume(claim, volumes, self._waits(claim))
            if found is not None:
                return (yield from self._bind(found, claim))
            return (yield from self._order(claim, now_ns))
        volume = self._view.whole(VOLUMES, name)
        if volume is None:
            return DONE
        if volume["spec"].get("claimRef"):
            if is_meant_for(volume, claim):
                return (yield from self._bind(volume, claim))
            if BOUND_BY_CONTROLLER not in notes_of(claim):
                taken = f'volume "{name}" already bound to a different claim.'
                self._tell(claim, WARNING, "FailedBinding", taken, now_ns)
            return DONE
        if wrong := mismatch(volume, claim):
            said = f'Cannot bind to requested volume "{name}": {wrong}'
            self._tell(claim, WARNING, "VolumeMismatch", said, now_ns)
            return DONE
        return (yield from self._bind(volume, claim))

    def _sync_bound(self, claim: JsonObject, now_ns: int) -> Sync:
        name = claim["spec"].get("volumeName")
        volume = self._view.whole(VOLUMES, name) if name else None
        if volume is None:
            return (
                yield from self._lose(claim, "ClaimLost", NO_VOLUME if name else NO_NAME, now_ns)
            )
        reference = volume["spec"].get("claimRef")
        if not reference or reference.get("uid") in ("", None, claim["metadata"]["uid"]):
            return (yield from self._bind(volume, claim))
        return (yield from self._lose(claim, "ClaimMisbound", MISBOUND, now_ns))

    def _waits(self, claim: JsonObject) -> bool:
        storage = self._view.whole(STORAGE_CLASSES, class_of(claim))
        return storage is not None and storage.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _order(self, claim: JsonObject, now_ns: int) -> Sync:
        """No volume fits the claim: order one from its provisioner, or write an event that says
        what the claim waits for."""
        notes, class_name = notes_of(claim), class_of(claim)
        if self._waits(claim) and SELECTED_NODE not in notes:
            self._tell(claim, NORMAL, "WaitForFirstConsumer", WAITS, now_ns)
            return DONE
        if not class_name:
            self._tell(claim, NORMAL, "FailedBinding", NO_CLASS, now_ns)
            return DONE
        storage = self._view.whole(STORAGE_CLASSES, class_name)
        provisioner = "" if storage is None else storage["provisioner"]
        if storage is None or provisioner.startswith(IN_TREE):
            said = f'storageclass.storage.k8s.io "{class_name}" not found'
            if storage is not None:
                said = f"no volume plugin matched name: {provisioner}"
            self._tell(claim, WARNING, "ProvisioningFailed", said, now_ns)
            return DONE
        told = {STORAGE_PROVISIONER: provisioner, STORAGE_PROVISIONER_BETA: provisioner}
        if told.items() - notes.items():
            written = yield from _written(CLAIMS, with_notes(claim, notes | told))
            if written is None:
                return FAILED
        said = (
            "Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is "
            "delayed, please verify that the provisioner is running and correctly registered."
        )
        self._tell(claim, NORMAL, "ExternalProvisioning", said, now_ns)
        return DONE

    def _lose(self, claim: JsonObject, reason: str, said: str, now_ns: int) -> Sync:
        if (claim.get("status") or {}).get("phase") == "Lost":
            return DONE
        lost = yield from _written(CLAIMS, {**claim, "status": {"phase": "Lost"}}, "status")
        if lost is None:
            return FAILED
        self._tell(claim, WARNING, reason, said, now_ns)
        return DONE

    def _bind(self, volume: JsonObject, claim: JsonObject) -> Sync:
        """Four writes at most, and each is left out where it is done."""
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            changed = {**volume, "spec": {**volume["spec"], "claimRef": reference_to(claim)}}
            if not reference:
                changed = with_notes(changed, notes_of(volume) | {BOUND_BY_CONTROLLER: "yes"})
            bound = yield from _written(VOLUMES, changed)
            if bound is None:
                return FAILED
            volume = bound
        if not (yield from _in_phase(volume, "Bound")):
            return FAILED
        name, notes = volume["metadata"]["name"], notes_of(claim)
        if claim["spec"].get("volumeName") != name or BIND_COMPLETED not in notes:
            notes[BIND_COMPLETED] = "yes"
            if claim["spec"].get("volumeName") != name:
                notes[BOUND_BY_CONTROLLER] = "yes"
            changed = {**claim, "spec": {**claim["spec"], "volumeName": name}}
            bound = yield from _written(CLAIMS, with_notes(changed, notes))
            if bound is None:
                return FAILED
            claim = bound
        spec, status = volume["spec"], claim.get("status") or {}
        wanted = {
            **status,
            "phase": "Bound",
            "accessModes": spec.get("accessModes"),
            "capacity": status.get("capacity") or spec.get("capacity"),
        }
        if wanted != status:
            bound = yield from _written(CLAIMS, {**claim, "status": wanted}, "status")
            return DONE if bound is not None else FAILED
        return DONE

    # Volumes.

    def _sync_volume(self, volume: JsonObject, now_ns: int) -> Sync:
        reference = volume["spec"].get("claimRef") or {}
        if not reference.get("uid"):
            return DONE if (yield from _in_phase(volume, "Available")) else FAILED
        key = f"{reference['namespace']}/{reference['name']}"
        claim = self._view.whole(CLAIMS, key)
        if claim is None or claim["metadata"]["uid"] != reference["uid"]:
            # The watch may be behind: the claim itself is asked for.
            reply = (yield [get(CLAIMS, reference["namespace"], reference["name"])])[0]
            if not ok(reply) and reply.code != 404:
                return FAILED
            if ok(reply) and body_of(reply)["metadata"]["uid"] == reference["uid"]:
                return DONE
            return (yield from self._release(volume, now_ns))
        named = claim["spec"].get("volumeName")
        if not named:
            return DONE
        if named == volume["metadata"]["name"]:
            return DONE if (yield from _in_phase(volume, "Bound")) else FAILED
        return (yield from self._let_go(volume, now_ns))

    def _let_go(self, volume: JsonObject, now_ns: int) -> Sync:
        """Its claim is bound to another volume."""
        notes, spec = notes_of(volume), volume["spec"]
        if PROVISIONED_BY in notes and spec.get("persistentVolumeReclaimPolicy") == "Delete":
            return (yield from self._release(volume, now_ns))
        free = {name: value for name, value in spec.items() if name != "claimRef"}
        if notes.pop(BOUND_BY_CONTROLLER, None) is None:
            reference = {k: v for k, v in spec["claimRef"].items() if k != "uid"}
            free = {**spec, "claimRef": reference}
        written = yield from _written(VOLUMES, with_notes({**volume, "spec": free}, notes))
        if written is None or not (yield from _in_phase(written, "Available")):
            return FAILED
        return DONE

    def _release(self, volume: JsonObject, now_ns: int) -> Sync:
        """Its claim is gone."""
        spec = volume["spec"]
        told = (volume.get("status") or {}).get("phase") in ("Released", "Failed")
        if not told and not (yield from _in_phase(volume, "Released")):
            return FAILED
        if spec.get("persistentVolumeReclaimPolicy") != "Delete":
            return DONE
        if "deletionTimestamp" in volume["metadata"] or PROVISIONED_BY in notes_of(volume):
            # Whoever made it takes it away.
            return DONE
        name = volume["metadata"]["name"]
        if ((spec.get("hostPath") or {}).get("path") or "").startswith("/tmp/"):
            reply = (yield [delete(VOLUMES, "", name)])[0]
            return DONE if ok(reply) or reply.code == 404 else FAILED
        said = f'error getting deleter volume plugin for volume "{name}": no volume plugin matched'
        if (volume.get("status") or {}).get("phase") != "Failed":
            self._tell(volume, WARNING, "VolumeFailedDelete", said, now_ns)
        return DONE if (yield from _in_phase(volume, "Failed", said)) else FAILED

    def _tell(self, item: JsonObject, kind: str, reason: str, message: str, now_ns: int) -> None:
        what = "PersistentVolumeClaim" if "namespace" in item["metadata"] else "PersistentVolume"
        self._recorder.record(subject_of(what, "v1", item), kind, reason, message, now_ns)


def _written(resource: str, item: JsonObject, subresource: str = "") -> Writing:
    reply = (yield [update(resource, item, subresource)])[0]
    return body_of(reply) if ok(reply) else None


def _in_phase(volume: JsonObject, phase: str, message: str = "") -> Trying:
    """See to it that the volume says so."""
    status = volume.get("status") or {}
    if status.get("phase") == phase:
        return True
    status = {k: v for k, v in status.items() if k != "message"} | {"phase": phase}
    if message:
        status["message"] = message
    return (yield from _written(VOLUMES, {**volume, "status": status}, "status")) is not None
