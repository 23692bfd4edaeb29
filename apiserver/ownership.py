"""Who owns which fields of what is written, as far as requests and stored objects tell."""

from api.apply import Writer, apply_patch, manager_of, track_create, track_update
from api.conversion import View
from api.core import JsonObject
from api.kinds import Kind
from api.times import rfc3339
from apiserver.registry import Registry, Request


def writer_of(registry: Registry, request: Request) -> Writer:
    """The manager that managedFields name for this request."""
    return Writer(manager_of_request(request), rfc3339(registry.now_ns), request.subresource)


def manager_of_request(request: Request) -> str:
    """Who owns what the request writes: as it says, or the first part of its User-Agent."""
    return manager_of(request.options.get("fieldManager", ""), request.user_agent)


def own_new(kind: Kind, view: View | None, new: JsonObject, writer: Writer) -> None:
    """Set managedFields of a new object, in place, in the words of the form in which its creator
    wrote it."""
    if view is None:
        track_create(kind, new, writer)
        return
    seen = view.from_stored(new)
    track_create(view.kind, seen, writer)
    _take_owners(new, seen)


def own_changed(
    kind: Kind, view: View | None, old: JsonObject, new: JsonObject, writer: Writer
) -> None:
    """The same for ``new``, which is to replace ``old``. What others own in fields that the two
    forms call otherwise stays theirs."""
    if view is None:
        track_update(kind, old, new, writer)
        return
    seen = view.from_stored(new)
    track_update(view.kind, view.from_stored(old), seen, writer)
    _take_owners(new, seen)


def applied(
    request: Request, live: JsonObject | None, wish: JsonObject, writer: Writer, force: bool
) -> JsonObject:
    """``api.apply.apply_patch`` in the form that the client writes; stored forms go in and out."""
    view = request.view
    if view is None:
        return apply_patch(request.kind, live, wish, writer, force)
    seen = None if live is None else view.from_stored(live)
    return view.to_stored(apply_patch(view.kind, seen, wish, writer, force))


def _take_owners(new: JsonObject, seen: JsonObject) -> None:
    owners, meta = seen["metadata"].get("managedFields"), new["metadata"]
    meta.pop("managedFields", None)
    if owners:
        meta["managedFields"] = owners


def keep_times(new: JsonObject, old: JsonObject) -> None:
    """Take the old managedFields again, in place, when nothing but their times is new.

    So a write that changes nothing stores nothing. Source: equality.go of
    apiserver/pkg/endpoints/handlers/fieldmanager (IgnoreManagedFieldsTimestampsTransformer).
    """
    mine, theirs = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if not mine or not theirs or mine == theirs or _timeless(mine) != _timeless(theirs):
        return
    revision = old["metadata"].get("resourceVersion")
    meta = {**new["metadata"], "managedFields": theirs, "resourceVersion": revision}
    if {**new, "metadata": meta} == old:
        new["metadata"]["managedFields"] = theirs


def _timeless(entries: list[JsonObject]) -> list[JsonObject]:
    return [{name: entry[name] for name in entry if name != "time"} for entry in entries]
