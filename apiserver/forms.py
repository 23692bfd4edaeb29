"""Objects, lists and watch events in the form that a reader asked for, as bytes."""

from collections.abc import Sequence

import orjson

from api.calls import BOOKMARK, WATCH_EVENT_NAMES
from api.canonical import zero_of
from api.core import JsonObject
from api.kinds import Kind
from api.tables import table, to_beta
from apiserver.negotiate import Form
from apiserver.records import Record

INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


def partial_of(obj: JsonObject, version: str) -> JsonObject:
    """The PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def table_of(
    kind: Kind, objects: Sequence[JsonObject], form: Form, include: str, now_ns: int
) -> JsonObject:
    """A Table of parsed objects. ``include``: the includeObject option, empty for its default."""
    document = table(kind, objects, now_ns, include or "Metadata")
    return to_beta(document) if form.version == "v1beta1" else document


def shaped(kind: Kind, obj: JsonObject, form: Form, include: str, now_ns: int) -> JsonObject:
    """One parsed object in a form."""
    if form.view is not None and form.view.whole:
        kind, obj = form.view.kind, form.view.from_stored(obj)
        form = form._replace(view=None)
    if form.kind == "table":
        document = table_of(kind, [obj], form, include, now_ns)
        revision = obj["metadata"].get("resourceVersion")
        document["metadata"] = {"resourceVersion": revision} if revision else {}
        return document
    if form.view is not None:
        return form.view.from_stored(obj)
    return partial_of(obj, form.version) if form.kind == "partial" else obj


def shaped_record(kind: Kind, record: Record, form: Form, include: str, now_ns: int) -> bytes:
    """One stored object in a form; not parsed when it is asked for as it is."""
    if form.kind == "object":
        return record.json()
    return orjson.dumps(shaped(kind, record.object(), form, include, now_ns))


class ListMeta:
    """What a list says about itself."""

    __slots__ = ("proceed", "remaining", "revision")

    def __init__(self, revision: int, proceed: str = "", remaining: int | None = None) -> None:
        self.revision = revision
        self.proceed = proceed
        self.remaining = remaining

    def object(self) -> JsonObject:
        """As JSON; what is empty is left out."""
        meta: JsonObject = {"resourceVersion": str(self.revision)}
        if self.proceed:
            meta["continue"] = self.proceed
        if self.remaining:
            meta["remainingItemCount"] = self.remaining
        return meta


def list_bytes(kind: Kind, records: Sequence[Record], meta: ListMeta, item_prefix: int) -> bytes:
    """A list of objects as they are: joined, never parsed."""
    head = orjson.dumps(
        {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta.object()}
    )
    items = [record.item(item_prefix) for record in records] or [b""]
    # Head and tail go on the ends of the items, so that the whole, often large, is copied once.
    items[0] = b'%b,"items":[%b' % (head[:-1], items[0])
    items[-1] += b"]}"
    return b",".join(items)


def shaped_list(
    kind: Kind, records: Sequence[Record], meta: ListMeta, form: Form, include: str, now_ns: int
) -> bytes:
    """A list in the form of a Table, of a view or of PartialObjectMetadata."""
    objects = [record.object() for record in records]
    if form.view is not None and form.view.whole:
        kind, objects = form.view.kind, [form.view.from_stored(obj) for obj in objects]
        if form.kind == "view":
            head = {"kind": kind.list_kind, "apiVersion": kind.api_version}
            return orjson.dumps({**head, "metadata": meta.object(), "items": objects})
    elif form.view is not None:
        seen = form.view.kind
        items = [_item(form.view.from_stored(obj)) for obj in objects]
        head = {"kind": seen.list_kind, "apiVersion": seen.api_version}
        return orjson.dumps({**head, "metadata": meta.object(), "items": items})
    if form.kind == "table":
        document = table_of(kind, objects, form, include, now_ns)
        document["metadata"] = meta.object()
        return orjson.dumps(document)
    return orjson.dumps(
        {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{form.version}",
            "metadata": meta.object(),
            "items": [partial_of(obj, form.version) for obj in objects],
        }
    )


def _item(obj: JsonObject) -> JsonObject:
    return {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}


def event_line(kind_of_event: int, body: bytes) -> bytes:
    """A watch event as a line of an HTTP body."""
    return b'{"type":"%b","object":%b}\n' % (WATCH_EVENT_NAMES[kind_of_event].encode(), body)


def bookmark_object(kind: Kind, revision: int, initial_end: bool) -> JsonObject:
    """What a bookmark carries. ``initial_end``: it ends the objects that were there before."""
    meta: JsonObject = {"resourceVersion": str(revision)}
    if initial_end:
        meta["annotations"] = INITIAL_EVENTS_END
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}


def bookmark_line(kind: Kind, revision: int, initial_end: bool, form: Form, now_ns: int) -> bytes:
    """A BOOKMARK event. In a Table watch it is a Table with one row for the empty object."""
    if form.view is not None and form.view.whole and form.kind != "view":
        kind, form = form.view.kind, form._replace(view=None)
    if form.view is not None:
        bare = bookmark_object(form.view.kind, revision, initial_end)
        return event_line(BOOKMARK, orjson.dumps(bare))
    bare = bookmark_object(kind, revision, initial_end)
    if form.kind != "table":
        return event_line(BOOKMARK, orjson.dumps(shaped(kind, bare, form, "", now_ns)))
    empty = {} if kind.custom is not None else zero_of(kind.type_name)
    metadata = {"name": "", **bare["metadata"]}
    body = shaped(kind, {**empty, **bare, "metadata": metadata}, form, "", now_ns)
    del metadata["name"]
    body["columnDefinitions"] = None
    return event_line(BOOKMARK, orjson.dumps(body))
