"""Deletes what has lost its owners, and carries out foreground and orphaning deletion.

A key names one object by resource, namespace, name and uid. An object is looked at when it gains
owners, when an owner ends or begins to wait for it, and when a finalizer of ours appears on it.

- Owners all gone: delete it. Some left: drop the references to the others.
- ``foregroundDeletion``: its dependents are deleted first, then the finalizer is removed.
- ``orphan``: the references of its dependents to it are removed, then the finalizer.

An owner that was not seen is looked up in the API before it counts as gone.
Source: pkg/controller/garbagecollector (v1.36).
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.kinds import UnknownKindError, kind_by_gvk, split_api_version
from controllers.customs import CustomResources
from controllers.reconciler import Reconciler
from controllers.records import FOREGROUND, LEASES, ORPHAN, Owner, Record
from controllers.sync import (
    DONE,
    FAILED,
    Sync,
    body_of,
    delete,
    get,
    merge_patch,
    ok,
    strategic_patch,
)
from controllers.view import Change, View

_Looking = Generator[Sequence[ApiRequest], Sequence[ApiReply], "_Owners | None"]


class _Owners(NamedTuple):
    """The owner references of an object by what has become of the owners."""

    solid: list[Owner]
    gone: list[Owner]
    waiting: list[Owner]
    """Being deleted in the foreground: they wait for their dependents."""


class GarbageCollector(Reconciler):
    """Reconciles keys ``resource|namespace|name|uid``. ``reads_first``: GET before DELETE."""

    name = "garbage-collector"

    def __init__(self, view: View, customs: CustomResources, reads_first: bool) -> None:
        self._view = view
        self._customs = customs
        self._reads_first = reads_first

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        before, after = change.before, change.after
        if before is not None and (after is None or after.uid != before.uid):
            keys = [_key_of(row) for row in self._view.dependents(before.uid)]
            return [*keys, *self._waiting_owners(before)] if before.owners else keys
        assert after is not None
        if before is None:
            if after.owners and self._is_suspect(after):
                return (_key_of(after),)
            return (_key_of(after),) if _is_ours(after) else ()
        if before.owners != after.owners:
            return (_key_of(after), *self._waiting_owners(before))
        began = bool(after.deleted_at) and not before.deleted_at
        if _is_ours(after) and (began or before.finalizers != after.finalizers):
            # Its dependents are judged each by its own key, side by side.
            dependents = self._view.dependents(after.uid) if _is_foreground(after) else ()
            return (_key_of(after), *(_key_of(row) for row in dependents))
        return ()

    def _is_suspect(self, row: Record) -> bool:
        """An owner is not known, or waits for its dependents."""
        for owner in row.owners:
            found = self._known(row, owner)
            if found is None or _is_foreground(found):
                return True
        return False

    def _waiting_owners(self, row: Record) -> list[str]:
        found = []
        for owner in row.owners:
            known = self._known(row, owner)
            if known is not None and _is_foreground(known):
                found.append(_key_of(known))
        return found

    def all_keys(self) -> list[str]:
        return [
            _key_of(row)
            for resource in self._view.resources()
            for row in self._view.rows(resource)
            if _is_ours(row) or (row.owners and self._is_suspect(row))
        ]

    def home(self, key: str) -> str:
        _, namespace, name, _ = key.split("|")
        return namespace or name

    def sync(self, key: str, now_ns: int) -> Sync:
        resource, namespace, name, uid = key.split("|")
        row = self._view.get(resource, f"{namespace}/{name}" if namespace else name)
        if row is None or row.uid != uid:
            return DONE
        if row.deleted_at:
            if ORPHAN in row.finalizers:
                return (yield from self._orphan(row))
            if FOREGROUND in row.finalizers:
                return (yield from self._wait_for_dependents(row))
            return DONE
        if not row.owners:
            return DONE
        return (yield from self._judge(row))

    def _judge(self, row: Record) -> Sync:
        owners = yield from self._look_at_owners(row)
        if owners is None:
            return FAILED
        if self._reads_first and (not owners.solid or owners.gone or owners.waiting):
            reply = (yield [get(row.resource, row.namespace, row.name)])[0]
            if reply.code == 404:
                return DONE
            if not ok(reply):
                return FAILED
        if owners.solid:
            lost = [*owners.gone, *owners.waiting]
            return (yield from self._disown(row, lost)) if lost else DONE
        policy = "Background"
        if (owners.waiting and self._view.has_dependents(row.uid)) or FOREGROUND in row.finalizers:
            policy = "Foreground"
        elif ORPHAN in row.finalizers:
            policy = "Orphan"
        preconditions: JsonObject = {"uid": row.uid}
        if row.resource != LEASES:
            # Heartbeats move a Lease on without our reading it, so its version is not known.
            preconditions["resourceVersion"] = str(row.revision)
        options = {"preconditions": preconditions, "propagationPolicy": policy}
        reply = (yield [delete(row.resource, row.namespace, row.name, options)])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED

    def _look_at_owners(self, row: Record) -> _Looking:
        owners = _Owners([], [], [])
        for owner in row.owners:
            known = self._known(row, owner)
            if known is not None:
                (owners.waiting if _is_foreground(known) else owners.solid).append(owner)
                continue
            if self._view.was_deleted(owner.uid):
                owners.gone.append(owner)
                continue
            place = self._place_of(row, owner)
            if place is None:
                # Not a kind of this API, or one that cannot own this object: never touch it.
                owners.solid.append(owner)
                continue
            reply = (yield [get(*place)])[0]
            if reply.code == 404 or (ok(reply) and body_of(reply)["metadata"]["uid"] != owner.uid):
                owners.gone.append(owner)
            elif ok(reply):
                owners.solid.append(owner)
            else:
                return None
        return owners

    def _known(self, row: Record, owner: Owner) -> Record | None:
        place = self._place_of(row, owner)
        if place is None or not self._view.watches(place[0]):
            return None
        resource, namespace, name = place
        found = self._view.get(resource, f"{namespace}/{name}" if namespace else name)
        return found if found is not None and found.uid == owner.uid else None

    def _disown(self, row: Record, owners: Sequence[Owner]) -> Sync:
        reply = (yield [self._drop_owners(row, [owner.uid for owner in owners])])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED

    def _place_of(self, row: Record, owner: Owner) -> tuple[str, str, str] | None:
        """Resource, namespace and name of an owner; None when it cannot own this object."""
        group, version = split_api_version(owner.api_version)
        custom = self._customs.of_kind(group, owner.kind)
        if custom is not None:
            key, namespaced = custom.key, custom.namespaced
        else:
            try:
                kind = kind_by_gvk(group, version, owner.kind)
            except UnknownKindError:
                return None
            if not kind.resource:
                return None
            key, namespaced = kind.key, kind.namespaced
        if namespaced and not row.namespace:
            return None
        return key, row.namespace if namespaced else "", owner.name

    def _drop_owners(self, row: Record, uids: Sequence[str]) -> ApiRequest:
        """Remove references. No strategy is known of custom resources: their list is written."""
        if self._customs.is_custom(row.resource):
            left = [_reference(owner) for owner in row.owners if owner.uid not in uids]
            version = {"uid": row.uid, "resourceVersion": str(row.revision)}
            body = {"metadata": {**version, "ownerReferences": left or None}}
            return merge_patch(row.resource, row.namespace, row.name, body)
        references = [{"$patch": "delete", "uid": uid} for uid in uids]
        body = {"metadata": {"uid": row.uid, "ownerReferences": references}}
        return strategic_patch(row.resource, row.namespace, row.name, body)

    def _orphan(self, row: Record) -> Sync:
        dependents = self._view.dependents(row.uid)
        if dependents:
            replies = yield [self._drop_owners(dependent, [row.uid]) for dependent in dependents]
            if not all(ok(reply) or reply.code in (404, 422) for reply in replies):
                return FAILED
        return (yield from self._remove_finalizer(row, ORPHAN))

    def _wait_for_dependents(self, row: Record) -> Sync:
        blocking = [
            dependent
            for dependent in self._view.dependents(row.uid)
            if any(owner.uid == row.uid and owner.blocks for owner in dependent.owners)
        ]
        if blocking:
            return DONE
        return (yield from self._remove_finalizer(row, FOREGROUND))

    def _remove_finalizer(self, row: Record, finalizer: str) -> Sync:
        left = [name for name in row.finalizers if name != finalizer]
        body = {"metadata": {"resourceVersion": str(row.revision), "finalizers": left or None}}
        reply = (yield [merge_patch(row.resource, row.namespace, row.name, body)])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED


def _key_of(row: Record) -> str:
    return f"{row.resource}|{row.namespace}|{row.name}|{row.uid}"


def _is_ours(row: Record) -> bool:
    """Whether it is being deleted and has a finalizer that only the collector removes."""
    return bool(row.deleted_at) and (ORPHAN in row.finalizers or FOREGROUND in row.finalizers)


def _is_foreground(row: Record) -> bool:
    return bool(row.deleted_at) and FOREGROUND in row.finalizers


def _reference(owner: Owner) -> JsonObject:
    """An owner as an object names it."""
    reference: JsonObject = {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
    }
    if owner.controller:
        reference["controller"] = True
    if owner.blocks:
        reference["blockOwnerDeletion"] = True
    return reference
