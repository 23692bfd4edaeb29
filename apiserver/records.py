"""How an object lies in the store and in the watch cache.

The value is the object's compact JSON with an empty ``metadata.resourceVersion``; the header says
where its digits go. An answer is therefore two slices and the digits: nothing is parsed to be read.
The first three keys are kind, apiVersion, metadata, so that what precedes the digits is short and
so that list items (which carry neither kind nor apiVersion) are the value without a fixed prefix.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgpack
import orjson

from api.core import JsonObject
from api.kinds import Kind
from apiserver.fields import fields_of

DELETING = 1
"""Flag of a record: metadata.deletionTimestamp is set."""
FINALIZERS = 2
"""Flag of a record: metadata.finalizers is not empty."""

SHARED_MAX = 16_384
"""Different labels, and different values of fields, that are shared between records."""

_bare = object.__new__
_packer = msgpack.Packer()
"""Kept for its buffer, as in api/frames.py."""
_MARK = b'"resourceVersion":"'
_FIRST_META = ("name", "generateName", "namespace", "uid")


@lru_cache(maxsize=SHARED_MAX)
def _labels(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One map for all objects with these labels: most pods have those of a few templates."""
    return dict(items)


@lru_cache(maxsize=SHARED_MAX)
def _fields(values: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all objects with these values."""
    return values


class Record:
    """One stored object at one revision. Immutable."""

    __slots__ = (
        "create_revision",
        "fields",
        "flags",
        "header",
        "key",
        "labels",
        "name",
        "namespace",
        "offset",
        "revision",
        "uid",
        "value",
    )

    def __init__(
        self, key: bytes, header: bytes, value: bytes, revision: int, create_revision: int
    ) -> None:
        content: tuple[Any, ...] = msgpack.unpackb(header, use_list=False)
        self.header = b""
        """What it was made from, where that is kept: for objects whose headers stay as they are."""
        self.key = key
        self.value = value
        self.revision = revision
        self.create_revision = create_revision
        self.offset: int = content[0]
        self.namespace: str = content[1]
        self.name: str = content[2]
        self.uid: str = content[3]
        labels = content[4]
        self.labels: Mapping[str, str] | None = labels and _labels(tuple(labels.items()))
        self.fields: tuple[str, ...] = _fields(content[5])
        self.flags: int = content[6]

    def again(self, value: bytes, revision: int, create_revision: int) -> "Record":
        """What ``Record`` would make of a change under the same key with the same header."""
        record: Record = _bare(Record)
        record.header, record.key = self.header, self.key
        record.value, record.revision = value, revision
        record.create_revision = create_revision
        record.offset, record.namespace, record.name = self.offset, self.namespace, self.name
        record.uid, record.labels = self.uid, self.labels
        record.fields, record.flags = self.fields, self.flags
        return record

    def json(self, revision: int = 0) -> bytes:
        """The object as JSON, with ``revision`` or its own as resourceVersion."""
        offset = self.offset
        return b"%b%d%b" % (self.value[:offset], revision or self.revision, self.value[offset:])

    def item(self, prefix_length: int) -> bytes:
        """The object as an item of a list: without kind and apiVersion."""
        offset = self.offset
        return b"{%b%d%b" % (
            self.value[prefix_length:offset],
            self.revision,
            self.value[offset:],
        )

    def object(self) -> JsonObject:
        """The object parsed, with its resourceVersion. A fresh copy."""
        obj: JsonObject = orjson.loads(self.value)
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return obj

    def parsed(self, kind: Kind) -> JsonObject:
        """What an update of this object in the version ``kind`` starts from: as stored, with an
        empty resourceVersion. A fresh copy."""
        obj: JsonObject = orjson.loads(self.value)
        if kind.custom is not None and not kind.custom.uniform:
            return kind.custom.from_stored(obj)
        return obj


def item_prefix_length(kind: Kind) -> int:
    """Length of what a list item leaves out at the start of a value, its ``{`` included."""
    return len(f'{{"kind":"{kind.kind}","apiVersion":"{kind.api_version}",')


def ordered_metadata(given: JsonObject) -> JsonObject:
    """Metadata in the order of storage, with an empty resourceVersion."""
    meta: JsonObject = {}
    for name in _FIRST_META:
        if name in given:
            meta[name] = given[name]
    meta["resourceVersion"] = ""
    for name in given:
        if name not in meta:
            meta[name] = given[name]
    return meta


def offset_of(value: bytes) -> int:
    """Offset in a stored value at which the digits of the resourceVersion are inserted."""
    return value.index(_MARK) + len(_MARK)


def header_of(record: Record) -> bytes:
    """The header from which a record was made."""
    if record.header:
        return record.header
    labels = None if record.labels is None else dict(record.labels)
    content = (record.offset, record.namespace, record.name, record.uid, labels)
    header: bytes = _packer.pack((*content, record.fields, record.flags))
    return header


def compact(obj: JsonObject) -> bytes:
    """``obj`` as JSON that may be kept: what orjson gives has the whole buffer it was written in
    behind it, 8 KiB for 1.3 (orjson 3.13, by resident memory of 20,000), and to touch so much new
    memory for each costs three times as much as to write it once more."""
    return b"".join((orjson.dumps(obj), b""))


def encode(kind: Kind, obj: JsonObject) -> tuple[bytes, bytes, int]:
    """``obj`` as (header, value, offset of the resourceVersion's digits). Its metadata is put in
    order and its resourceVersion emptied in place."""
    if kind.custom is not None:
        obj = kind.custom.to_stored(obj)
    meta = obj["metadata"] = ordered_metadata(obj["metadata"])
    value = compact({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta, **obj})
    offset = offset_of(value)
    flags = (DELETING if "deletionTimestamp" in meta else 0) | (
        FINALIZERS if meta.get("finalizers") else 0
    )
    header: bytes = _packer.pack(
        (
            offset,
            meta.get("namespace", ""),
            meta["name"],
            meta.get("uid", ""),
            meta.get("labels"),
            fields_of(kind.key, obj),
            flags,
        )
    )
    return header, value, offset
