"""Server-side apply: the object that comes of a patch, and who owns what of it then.

Source: Apply and prune in merge/update.go of structured-merge-diff v6; structuredmerge.go,
versioncheck.go, skipnonapplied.go and managedfieldsupdater.go of
apimachinery/pkg/util/managedfields/internal at v0.36.3; tests/golden/api/patches.jsonl, ssa-*.
"""

from functools import reduce

import orjson

from api.apply.lastapplied import KUBECTL, applied_by_client, note_last_applied
from api.apply.merge import merge, remove_items
from api.apply.owners import (
    APPLY,
    Identity,
    Owner,
    Owners,
    Writer,
    conflict_of,
    entries_of,
    stored_owners,
)
from api.apply.schema import Atom, kind_atom
from api.apply.sets import (
    EMPTY,
    FieldSet,
    difference,
    intersection,
    ordered,
    union,
)
from api.apply.stripped import SYSTEM_FIELDS, ownable
from api.apply.tracking import settle, take, zero_object
from api.apply.typed import misfit
from api.apply.walk import Comparison, compare, field_set, with_named_fields
from api.core import JsonObject
from api.errors import BadRequest, PlainError
from api.kinds import Kind

FIRST_WRITER = "before-first-apply"
"""Owner of all that an object without managedFields holds when it is first applied."""


def apply_patch(
    kind: Kind, live: JsonObject | None, patch: JsonObject, writer: Writer, force: bool
) -> JsonObject:
    """The object after an apply, a fresh copy with managedFields, neither canonical nor defaulted.

    ``live``: the stored object, None when there is none. BadRequest for another kind or version,
    PlainError (500) for a patch that does not fit the schema, Conflict with the owners of what it
    would change unless ``force``. The stored object as it was, but for managedFields, when nothing
    changes.
    """
    _check_type(kind, patch)
    atom = kind_atom(kind)
    wrong = misfit(atom, patch)
    if wrong is not None:
        raise PlainError(f"failed to create typed patch object ({_named(kind, patch)}): {wrong}")
    base = zero_object(kind) if live is None else live
    owners = _owners_of(kind, live, writer)
    wished = ownable(kind, writer.subresource, field_set(atom, patch))
    applier = Owner(writer.manager, APPLY, kind.api_version, writer.subresource, "", wished)
    before = owners.pop(applier.identity, None)
    merged = merge(atom, base, patch)
    if before is not None:
        claimed = reduce(union, (owner.fields for owner in owners.values()), wished)
        merged = _pruned(atom, merged, claimed, before.fields)
    compared = compare(atom, base, merged).of(kind, writer.subresource)
    conflicts = _conflicts(owners, compared)
    if not force and writer.manager == KUBECTL:
        conflicts = _without(conflicts, applied_by_client(kind, base) if conflicts else EMPTY)
    if conflicts and not force:
        raise conflict_of(conflicts)
    settle(owners, compared)
    changed = merged != base
    owned = difference(wished, SYSTEM_FIELDS)
    if owned:
        time = writer.time if changed else before.time if before is not None else ""
        owners[applier.identity] = applier._replace(fields=ordered(owned), time=time)
    new: JsonObject = orjson.loads(orjson.dumps(merged if changed else base))
    if writer.manager == KUBECTL:
        note_last_applied(new, patch)
    new["metadata"]["managedFields"] = entries_of(owners)
    return new


def _check_type(kind: Kind, patch: JsonObject) -> None:
    version, named = patch.get("apiVersion"), patch.get("kind")
    if version != kind.api_version or named != kind.kind:
        version = version if isinstance(version, str) and version else "/"
        named = named if isinstance(named, str) else ""
        raise BadRequest(f"invalid object type: {_type_text(version, named)}")
    meta = patch.get("metadata")
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")


def _type_text(api_version: str, named: str) -> str:
    group = api_version if "/" in api_version else f"/{api_version}"
    return f"{group}, Kind={named}"


def _named(kind: Kind, patch: JsonObject) -> str:
    meta = patch.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    name = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}"
    return f"{name}; {_type_text(kind.api_version, kind.kind)}"


def _owners_of(kind: Kind, live: JsonObject | None, writer: Writer) -> Owners:
    """The owners before the apply. An object without gets one who owns all that it holds."""
    if live is None:
        return {}
    owners = stored_owners(live["metadata"].get("managedFields"))
    if not owners:
        compared = compare(kind_atom(kind), zero_object(kind), live)
        compared = compared.of(kind, writer.subresource)
        take(kind, owners, compared, writer._replace(manager=FIRST_WRITER))
    return owners


def _pruned(atom: Atom, merged: JsonObject, claimed: FieldSet, last: FieldSet) -> JsonObject:
    """``merged`` without what the applier owned before (``last``) and nobody claims now.

    All that he owned goes first, with whatever is below; what somebody claims comes back, and so
    does what he never owned, unless it lies below something that is gone.
    """
    last = with_named_fields(atom, last)
    present = with_named_fields(atom, field_set(atom, merged))
    rest: JsonObject = remove_items(atom, merged, last) or {}
    kept = with_named_fields(atom, field_set(atom, rest))
    kept = union(kept, with_named_fields(atom, claimed))
    rest = remove_items(atom, merged, difference(present, kept)) or {}
    gone = difference(present, with_named_fields(atom, field_set(atom, rest)))
    pruned: JsonObject = remove_items(atom, merged, intersection(gone, last)) or {}
    return pruned


def _conflicts(owners: Owners, compared: Comparison) -> dict[Identity, FieldSet]:
    """What others own of that which would change."""
    taken = compared.taken
    found = {identity: intersection(owner.fields, taken) for identity, owner in owners.items()}
    return {identity: fields for identity, fields in found.items() if fields}


def _without(conflicts: dict[Identity, FieldSet], allowed: FieldSet) -> dict[Identity, FieldSet]:
    found = {identity: difference(fields, allowed) for identity, fields in conflicts.items()}
    return {identity: fields for identity, fields in found.items() if fields}
