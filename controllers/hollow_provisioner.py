"""Makes and unmakes hollow volumes: the external provisioner of one name. A volume is an object and
nothing else.

Source: sigs.k8s.io/sig-storage-lib-external-provisioner (names, annotations and events).
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from controllers.claims import (
    HOME,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    claim_key,
    class_of,
    notes_of,
    reference_to,
    volume_key,
    whole_of,
    with_notes,
)
from controllers.events import NORMAL, EventRecorder, subject_of
from controllers.reconciler import Reconciler
from controllers.records import CLAIMS, NODES, STORAGE_CLASSES, VOLUMES
from controllers.sync import DONE, FAILED, Sync, body_of, create, delete, get, ok, update
from controllers.view import Change, View

PROVISIONER: Final = "volumes.hollowfleet.io"
ZONE: Final = "topology.kubernetes.io/zone"


class HollowProvisioner(Reconciler):
    """Reconciles ``claim NAMESPACE/NAME`` and ``volume NAME`` of its storage classes."""

    name = "hollow-provisioner"

    def __init__(self, view: View) -> None:
        self._view = view
        self._recorder = EventRecorder(PROVISIONER)
        self.recorders: Sequence[EventRecorder] = (self._recorder,)

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        if change.after is None or change.resource not in (CLAIMS, VOLUMES):
            return ()
        row, item = change.after, whole_of(change.after)
        if change.resource == CLAIMS:
            return (claim_key(row.namespace, row.name),) if _asks_us(item) else ()
        return (volume_key(row.name),) if _is_done_with(item) else ()

    def all_keys(self) -> list[str]:
        claims, volumes = self._view.rows(CLAIMS), self._view.rows(VOLUMES)
        return [
            *(claim_key(row.namespace, row.name) for row in claims if _asks_us(whole_of(row))),
            *(volume_key(row.name) for row in volumes if _is_done_with(whole_of(row))),
        ]

    def home(self, key: str) -> str:
        return HOME

    def sync(self, key: str, now_ns: int) -> Sync:
        kind, _, name = key.partition(" ")
        if kind == "claim":
            return (yield from self._provision(self._view.whole(CLAIMS, name), now_ns))
        volume = self._view.whole(VOLUMES, name)
        if volume is None or not _is_done_with(volume):
            return DONE
        reply = (yield [delete(VOLUMES, "", name)])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED

    def _provision(self, claim: JsonObject | None, now_ns: int) -> Sync:
        if claim is None or not _asks_us(claim):
            return DONE
        storage = self._view.whole(STORAGE_CLASSES, class_of(claim))
        node_name = notes_of(claim).get(SELECTED_NODE)
        if storage is None:
            return DONE
        if storage.get("volumeBindingMode") == "WaitForFirstConsumer" and not node_name:
            return DONE
        zone = ""
        if node_name:
            found = (yield [get(NODES, "", node_name)])[0]
            if found.code == 404:
                return (yield from _back_to_the_scheduler(claim))
            if not ok(found):
                return FAILED
            zone = (body_of(found)["metadata"].get("labels") or {}).get(ZONE, "")
        name = f"pvc-{claim['metadata']['uid']}"
        reply = (yield [create(VOLUMES, "", _volume(name, claim, storage, zone))])[0]
        if ok(reply):
            said = f"Successfully provisioned volume {name}"
            subject = subject_of("PersistentVolumeClaim", "v1", claim)
            self._recorder.record(subject, NORMAL, "ProvisioningSucceeded", said, now_ns)
        return DONE if ok(reply) or reply.code == 409 else FAILED


def _asks_us(claim: JsonObject) -> bool:
    ours = notes_of(claim).get(STORAGE_PROVISIONER) == PROVISIONER
    living = "deletionTimestamp" not in claim["metadata"]
    return ours and living and not claim["spec"].get("volumeName")


def _is_done_with(volume: JsonObject) -> bool:
    """Whether this provisioner made the volume, its claim is gone, and its reclaim policy is
    Delete."""
    return (
        notes_of(volume).get(PROVISIONED_BY) == PROVISIONER
        and (volume.get("status") or {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and "deletionTimestamp" not in volume["metadata"]
    )


def _back_to_the_scheduler(claim: JsonObject) -> Sync:
    """Its node is gone: another has to be chosen."""
    notes = notes_of(claim)
    del notes[SELECTED_NODE]
    reply = (yield [update(CLAIMS, with_notes(claim, notes))])[0]
    return DONE if ok(reply) or reply.code == 404 else FAILED


def _volume(name: str, claim: JsonObject, storage: JsonObject, zone: str) -> JsonObject:
    spec: JsonObject = {
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
        "claimRef": reference_to(claim),
        "storageClassName": storage["metadata"]["name"],
        "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy", "Delete"),
        "csi": {"driver": PROVISIONER, "volumeHandle": name},
    }
    if zone:
        there = {"key": ZONE, "operator": "In", "values": [zone]}
        terms = [{"matchExpressions": [there]}]
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    meta = {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec}
