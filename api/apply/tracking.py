"""What a writer other than an applier comes to own.

Source: Update in merge/update.go of structured-merge-diff v6 (rules); managedfieldsupdater.go,
skipnonapplied.go, fieldmanager.go and scalehandler.go of apimachinery/pkg/util/managedfields at
v0.36.3.
"""

from functools import cache, lru_cache

from api.apply.owners import (
    UPDATE,
    Identity,
    Owner,
    Owners,
    Writer,
    cap_updaters,
    entries_of,
    entry_of,
    parse_owners,
    stored_owners,
)
from api.apply.schema import atom_of, kind_atom
from api.apply.sets import (
    EMPTY,
    FieldSet,
    FieldSetError,
    difference,
    has,
    of_paths,
    ordered,
    union,
)
from api.apply.stripped import SYSTEM_FIELDS, ownable
from api.apply.typed import misfit
from api.apply.walk import Comparison, compare
from api.canonical import zero_of
from api.core import JsonObject
from api.fields import OBJECT_META
from api.kinds import Kind

MANAGER_BYTES_MAX = 128
"""Source: FieldManagerMaxLength, apimachinery/pkg/apis/meta/v1/validation."""
_REPLICAS = ("f:spec", "f:replicas")


@lru_cache(maxsize=1024)
def manager_of(field_manager: str, user_agent: str) -> str:
    """The name under which a write is recorded: the one asked for, or the client's program."""
    if field_manager:
        return field_manager
    name, program = "", user_agent.partition("/")[0]
    if program.isascii() and program.isprintable() and len(program) <= MANAGER_BYTES_MAX:
        return program or "unknown"
    for letter in program:
        if letter.isprintable():
            if len((name + letter).encode()) > MANAGER_BYTES_MAX:
                break
            name += letter
    return name or "unknown"


def track_create(kind: Kind, new: JsonObject, writer: Writer) -> None:
    """Set a new object's managedFields, in place: its creator owns all that it sets.

    ``new`` is defaulted, before admission. Cost: see benchmarks/bench_apply.py.
    """
    if not _fits(kind, new):
        return
    if new["metadata"].get("managedFields"):
        _track(kind, zero_object(kind), new, writer)
        return
    compared = compare(kind_atom(kind), zero_object(kind), new)
    fields = difference(compared.taken, SYSTEM_FIELDS)
    fields = ownable(kind, writer.subresource, fields)
    meta = new["metadata"]
    meta.pop("managedFields", None)
    if fields:
        meta["managedFields"] = [_entry_of_writer(kind, fields, writer)]


def creator_entry(kind: Kind, meta: JsonObject, spec: FieldSet, writer: Writer) -> JsonObject:
    """The entry of who creates an object of this metadata whose specification is known, with what
    ``spec`` holds of it: the node ``f:spec`` of an object made of the same specification."""
    compared = compare(atom_of(OBJECT_META), EMPTY, meta)
    fields = difference({"f:metadata": compared.added}, SYSTEM_FIELDS)
    return _entry_of_writer(kind, {**fields, "f:spec": spec}, writer)


def _entry_of_writer(kind: Kind, fields: FieldSet, writer: Writer) -> JsonObject:
    return entry_of(
        Owner(writer.manager, UPDATE, kind.api_version, writer.subresource, writer.time, fields)
    )


def track_update(kind: Kind, live: JsonObject, new: JsonObject, writer: Writer) -> None:
    """Set managedFields of ``new``, which is to replace ``live``, in place.

    ``new`` is what the client wants, defaulted, before admission and before a registry resets what
    the write cannot change. What the client says of managedFields counts on the object itself;
    ``[{}]`` empties them, and an object without stays so until it is applied.
    """
    _track(kind, live, new, writer)


def track_scale(kind: Kind, live: JsonObject, new: JsonObject, writer: Writer) -> None:
    """The same for a write to the subresource scale, whose Scale shows only owners of replicas."""
    owners = stored_owners(live["metadata"].get("managedFields"))
    owned = any(has(owner.fields, _REPLICAS) for owner in owners.values())
    if not owned or live["spec"].get("replicas") == new["spec"].get("replicas"):
        return
    compared = Comparison(EMPTY, of_paths(_REPLICAS), EMPTY)
    settle(owners, compared)
    take(kind, owners, compared, writer)
    new["metadata"]["managedFields"] = entries_of(owners)


def _fits(kind: Kind, *objects: JsonObject) -> bool:
    """Whether objects have the shape of their kind: custom resources are judged only later.

    What does not fit is recorded as nobody's. Source: UpdateNoErrors in fieldmanager.go.
    """
    if kind.custom is None:
        return True
    atom = kind_atom(kind)
    return all(misfit(atom, obj) is None for obj in objects)


def _track(kind: Kind, live: JsonObject, new: JsonObject, writer: Writer) -> None:
    meta = new["metadata"]
    if not _fits(kind, live, new):
        meta.pop("managedFields", None)
        if "managedFields" in live["metadata"]:
            meta["managedFields"] = live["metadata"]["managedFields"]
        return
    owners = _owners_before(live, new, writer.subresource)
    meta.pop("managedFields", None)
    if not owners:
        return
    compared = compare(kind_atom(kind), live, new).of(kind, writer.subresource)
    mine = (writer.manager, UPDATE, kind.api_version, writer.subresource)
    settle(owners, compared, mine)
    take(kind, owners, compared, writer)
    cap_updaters(owners)
    if owners:
        meta["managedFields"] = entries_of(owners)


def settle(owners: Owners, compared: Comparison, mine: Identity | None = None) -> None:
    """Owners lose what another changed or removed (``mine`` only the latter); one who is left with
    nothing goes."""
    lost = union(compared.taken, compared.removed)
    for identity, owner in list(owners.items()):
        fields = difference(owner.fields, lost if identity != mine else compared.removed)
        if not fields:
            del owners[identity]
        elif fields is not owner.fields:
            owners[identity] = owner._replace(fields=fields)


def take(kind: Kind, owners: Owners, compared: Comparison, writer: Writer) -> None:
    """The writer gets what he changed."""
    fields = difference(compared.taken, SYSTEM_FIELDS)
    if not fields:
        return
    owner = Owner(writer.manager, UPDATE, kind.api_version, writer.subresource, writer.time, fields)
    previous = owners.get(owner.identity)
    if previous is not None:
        missing = difference(fields, previous.fields)
        fields = ordered(union(previous.fields, fields)) if missing else previous.fields
        owner = owner._replace(fields=fields)
    owners[owner.identity] = owner


def _owners_before(live: JsonObject, new: JsonObject, subresource: str) -> Owners:
    """Whose claims an update starts from: the client's list, if it is a good one, or the stored."""
    stored, given = live["metadata"].get("managedFields"), new["metadata"].get("managedFields")
    if subresource or given is None or given == stored:
        return stored_owners(stored)
    if given in ([], [{}]):
        return {}
    try:
        owners = parse_owners(given)
    except FieldSetError:
        # As in the real server: a list that cannot be read counts as none.
        owners = {}
    return owners or stored_owners(stored)


def zero_object(kind: Kind) -> JsonObject:
    """The object of which nothing is set yet. Read only."""
    return _EMPTY if kind.custom is not None else _zero_of_type(kind.type_name)


_EMPTY: JsonObject = {"metadata": {}}


@cache
def _zero_of_type(type_name: str) -> JsonObject:
    return {"metadata": {}, **zero_of(type_name)}
