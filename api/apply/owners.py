"""metadata.managedFields as a table of owners, and back.

Source: apimachinery/pkg/util/managedfields/internal/managedfields.go at v0.36.3 (identity, order),
conflict.go (texts) and capmanagers.go there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.apply.sets import FieldSet, FieldSetError, ordered, parse, path_text, paths, union
from api.core import JsonObject
from api.errors import Cause, Conflict, shown

APPLY = "Apply"
UPDATE = "Update"
UPDATERS_MAX = 10
"""Update entries kept apart; the oldest beyond are thrown together. Source:
DefaultMaxUpdateManagers."""
_ANCIENT = "ancient-changes"

Identity = tuple[str, str, str, str]
"""Manager, operation, API version (of an Update; an applier is the same in all), subresource."""


class Writer(NamedTuple):
    """Who writes, when and through what."""

    manager: str
    time: str
    """RFC 3339, of now."""
    subresource: str = ""
    """``"status"``, or empty for the object itself."""


class Owner(NamedTuple):
    """One entry of managedFields."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    """RFC 3339; empty: the manager never changed anything."""
    fields: FieldSet
    """Written out in the order in which a server writes field sets: see ``sets``."""

    @property
    def identity(self) -> Identity:
        """What no two entries share: an applier is the same in every version, an updater is not."""
        version = self.api_version if self.operation == UPDATE else ""
        return (self.manager, self.operation, version, self.subresource)


Owners = dict[Identity, Owner]
"""No owner in it owns nothing, except between the steps of an apply."""


def stored_owners(entries: Sequence[JsonObject] | None) -> Owners:
    """The owners of an object of the store, whose entries were made here."""
    owners = [
        Owner(
            entry["manager"],
            entry["operation"],
            entry["apiVersion"],
            entry.get("subresource", ""),
            entry.get("time", ""),
            entry["fieldsV1"],
        )
        for entry in entries or ()
    ]
    return {owner.identity: owner for owner in owners}


def parse_owners(entries: Any) -> Owners:
    """The owners of a list of entries that a client sent. FieldSetError when it is no such list."""
    found: Owners = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise FieldSetError("an entry of managedFields is a JSON object")
        operation = entry.get("operation", "")
        if operation not in (APPLY, UPDATE):
            raise FieldSetError(f"unknown operation {operation!r} in managedFields")
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            raise FieldSetError(f"unsupported fieldsType {entry['fieldsType']!r}")
        fields = ordered(parse(entry.get("fieldsV1") or {}))
        owner = Owner(
            manager=entry.get("manager", ""),
            operation=operation,
            api_version=entry.get("apiVersion", ""),
            subresource=entry.get("subresource", ""),
            time=entry.get("time") or "",
            fields=fields,
        )
        found[owner.identity] = owner
    return found


def entries_of(owners: Owners) -> list[JsonObject]:
    """The entries in the order of a server: appliers first, then by time and name."""
    listed = sorted(
        owners.values(),
        key=lambda owner: (
            owner.operation,
            owner.time,
            owner.manager,
            owner.api_version,
            owner.subresource,
        ),
    )
    return [entry_of(owner) for owner in listed]


def entry_of(owner: Owner) -> JsonObject:
    """One entry, in the key order of a server."""
    entry: JsonObject = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
    }
    if owner.time:
        entry["time"] = owner.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owner.fields
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry


def conflict_of(conflicts: Mapping[Identity, FieldSet]) -> Conflict:
    """The answer to an applier who would change what others own."""
    found = [
        (_shown(identity), path_text(path))
        for identity in sorted(conflicts)
        for path in paths(conflicts[identity])
    ]
    causes = [Cause(path, "FieldManagerConflict", f"conflict with {who}") for who, path in found]
    return Conflict.of_apply(_conflict_message(found), causes)


def _conflict_message(found: Sequence[tuple[str, str]]) -> str:
    if len(found) == 1:
        who, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {who}: {path}"
    lines: list[str] = []
    for who in dict.fromkeys(who for who, _ in found):
        lines.append(f"conflicts with {who}:")
        lines += [f"- {path}" for holder, path in found if holder == who]
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


def _shown(identity: Identity) -> str:
    manager, operation, version, subresource = identity
    text = shown(manager)
    if subresource:
        text += f" with subresource {shown(subresource)}"
    return f"{text} using {version}" if operation == UPDATE else text


def cap_updaters(owners: Owners) -> None:
    """Throw the oldest Update entries of one version together until few enough are left."""
    updaters = sorted(
        (owner for owner in owners.values() if owner.operation == UPDATE),
        key=lambda owner: (owner.time, owner.identity),
    )
    excess = len(updaters) - UPDATERS_MAX
    first: dict[str, Owner] = {}
    for owner in updaters:
        if excess <= 0:
            return
        oldest = first.setdefault(owner.api_version, owner)
        if oldest is owner:
            continue
        bucket = Owner(_ANCIENT, UPDATE, owner.api_version, "", owner.time, oldest.fields)
        owners.pop(oldest.identity, None)
        held = owners.get(bucket.identity, bucket)
        del owners[owner.identity]
        fields = ordered(union(held.fields, owner.fields))
        owners[bucket.identity] = bucket._replace(fields=fields)
        excess -= 1
