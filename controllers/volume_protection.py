"""Claims in use and bound volumes outlive their deletion until they are not.

Source: pkg/controller/volume/pvcprotection and pvprotection, v1.36.
"""

from collections.abc import Sequence
from typing import Final

from api.calls import ApiRequest
from api.core import JsonObject
from controllers.claims import HOME, claim_key, volume_key, whole_of
from controllers.reconciler import Reconciler
from controllers.records import CLAIMS, PODS, VOLUMES
from controllers.sync import DONE, FAILED, Sync, body_of, ok, update
from controllers.view import Change, View

CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"


class VolumeProtection(Reconciler):
    """Reconciles ``claim NAMESPACE/NAME`` and ``volume NAME`` of those on their way out."""

    name = "volume-protection"

    def __init__(self, view: View) -> None:
        self._view = view
        self._leaving: dict[str, dict[str, None]] = {}
        """Namespace to the keys of deleted claims that are still there."""

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        row = change.any
        if change.resource == VOLUMES:
            return (volume_key(row.name),) if change.after and row.deleted_at else ()
        if change.resource == CLAIMS:
            key = claim_key(row.namespace, row.name)
            if change.after is not None and row.deleted_at:
                self._leaving.setdefault(row.namespace, {})[key] = None
                return (key,)
            leaving = self._leaving.get(row.namespace, {})
            leaving.pop(key, None)
            if not leaving:
                self._leaving.pop(row.namespace, None)
            return ()
        if change.resource == PODS and change.after is None:
            return tuple(self._leaving.get(row.namespace, ()))
        return ()

    def all_keys(self) -> list[str]:
        claims = [row for row in self._view.rows(CLAIMS) if row.deleted_at]
        volumes = [row for row in self._view.rows(VOLUMES) if row.deleted_at]
        return [
            *(claim_key(row.namespace, row.name) for row in claims),
            *(volume_key(row.name) for row in volumes),
        ]

    def home(self, key: str) -> str:
        return HOME

    def sync(self, key: str, now_ns: int) -> Sync:
        kind, _, name = key.partition(" ")
        resource = CLAIMS if kind == "claim" else VOLUMES
        row = self._view.get(resource, name)
        finalizer = CLAIM_FINALIZER if kind == "claim" else VOLUME_FINALIZER
        if row is None or not row.deleted_at or finalizer not in row.finalizers:
            return DONE
        item = whole_of(row)
        if resource == VOLUMES:
            if (item.get("status") or {}).get("phase") == "Bound":
                return DONE
        else:
            listed = (yield [ApiRequest(0, "list", PODS, row.namespace)])[0]
            if not ok(listed):
                return FAILED
            if any(_uses(pod, row.name) for pod in body_of(listed).get("items") or ()):
                return DONE
        others = [one for one in row.finalizers if one != finalizer]
        body = {**item, "metadata": {**item["metadata"], "finalizers": others}}
        reply = (yield [update(resource, body)])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED


def _uses(pod: JsonObject, claim: str) -> bool:
    """A pod without a node will find the claim on its way out."""
    return bool(pod["spec"].get("nodeName")) and any(
        (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim
        or ("ephemeral" in volume and f"{pod['metadata']['name']}-{volume['name']}" == claim)
        for volume in pod["spec"].get("volumes") or ()
    )
