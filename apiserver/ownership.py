"""Who owns which fields of what is written, as far as requests and stored objects tell."""

from api.apply import Writer, manager_of
from api.core import JsonObject
from api.times import rfc3339
from apiserver.registry import Registry, Request


def writer_of(registry: Registry, request: Request) -> Writer:
    """The manager that managedFields name for this request."""
    manager = manager_of(request.options.get("fieldManager", ""), request.user_agent)
    return Writer(manager, rfc3339(registry.now_ns), request.subresource)


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
