"""Pods of one template: what the server makes of a specification, it makes once.

A ReplicaSet's pods differ in their metadata only. Structure, defaults, admission and validation of
a specification are functions of the specification, of its service account having no opinions and
of the priority classes, so the outcome is kept, encoded, under the specification's own JSON. What
is new in each pod, the name of its token's volume, is put in where it belongs. Metadata is the same
in pods of one template, too, but for names: once checked, the rest is kept as its *head*.

Bound: ``SPECS_MAX`` specifications; one is kept when it is seen for the second time. ``HEADS_MAX``
heads of each.
"""

from collections.abc import Hashable
from typing import Any

import msgpack
import orjson

from api.admission import TOKEN_VOLUME_PREFIX
from api.apply import Writer, creator_entry, metadata_shape
from api.apply.sets import FieldSet
from api.core import JsonObject
from api.kinds import Kind
from apiserver.fields import fields_of
from apiserver.records import FINALIZERS, offset_of, ordered_metadata

SPECS_MAX = 1024
SPEC_BYTES_MAX = 16 * 1024
HEADS_MAX = 16
HEAD_BYTES_MAX = 1024
OWNERS_MAX = 16
"""Texts of managedFields kept with one specification, 1 KB each."""
_packer = msgpack.Packer()
_NAMES = ("name", "generateName", "namespace")
_STAMPED = frozenset((*_NAMES, "uid", "generation", "managedFields"))
"""Metadata that is each pod's own, or set anew."""
_OWN_STATUS = ("phase", "qosClass")


class PodSpec:
    """A specification as it is stored, and what depends on it."""

    __slots__ = ("_heads", "_owners", "account", "fields", "owned", "pieces", "status")

    def __init__(self, pod: JsonObject, pieces: list[bytes]) -> None:
        self.account: str = pod["spec"]["serviceAccountName"]
        """Name of the service account."""
        self.pieces = pieces
        """Its JSON, cut at each place where the name of the token's volume stands."""
        self.status = orjson.dumps(pod["status"])
        self.fields = fields_of("pods", pod)
        self.owned: FieldSet = pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
        """What its creator owns of it."""
        self._owners: dict[tuple[Hashable, Writer], orjson.Fragment] = {}
        self._heads: dict[bytes, JsonObject] = {}

    def metadata(self, key: bytes, given: JsonObject) -> JsonObject | None:
        """``given``, whose ``head_key`` this is, as canonical metadata with the names to be checked
        and the rest right; None when it must be looked at."""
        head = self._heads.get(key)
        if head is None:
            return None
        return {**{name: given[name] for name in _NAMES if given.get(name)}, **head}

    def learn_head(self, key: bytes, meta: JsonObject) -> None:
        """Keep metadata that was found right and is canonical."""
        if key and len(key) <= HEAD_BYTES_MAX:
            _bound(self._heads, HEADS_MAX)
            self._heads[key] = {name: meta[name] for name in meta if name not in _STAMPED}

    def owners(self, kind: Kind, meta: JsonObject, writer: Writer) -> orjson.Fragment:
        """The managedFields of a new pod with this metadata: the same text for all that one writer
        creates in a second, whose metadata has the same shape."""
        key = (metadata_shape(meta), writer)
        owners = self._owners.get(key)
        if owners is None:
            entry = creator_entry(kind, meta, self.owned, writer)
            _bound(self._owners, OWNERS_MAX)
            owners = self._owners[key] = orjson.Fragment(orjson.dumps([entry]))
        return owners

    def encode(self, meta: JsonObject, suffix: str) -> tuple[bytes, bytes, int]:
        """As ``records.encode``, of a pod with this metadata."""
        meta = ordered_metadata(meta)
        pieces = self.pieces
        spec = (
            (TOKEN_VOLUME_PREFIX + suffix).encode().join(pieces) if len(pieces) > 1 else pieces[0]
        )
        value = b'{"kind":"Pod","apiVersion":"v1","metadata":%b,"spec":%b,"status":%b}' % (
            orjson.dumps(meta),
            spec,
            self.status,
        )
        offset = offset_of(value)
        header: bytes = _packer.pack(
            (
                offset,
                meta["namespace"],
                meta["name"],
                meta["uid"],
                meta.get("labels"),
                self.fields,
                FINALIZERS if meta.get("finalizers") else 0,
            )
        )
        return header, value, offset


def head_key(pod: JsonObject) -> bytes:
    """What a parsed pod without its specification says besides its names, as JSON; empty when the
    names are not what they mostly are."""
    meta = pod.get("metadata")
    if type(meta) is not dict:
        return b""
    # A null is as if it were not there.
    rest = {name: value for name, value in meta.items() if value is not None}
    for name in _NAMES:
        text = rest.pop(name, "-")
        if type(text) is not str or not text:
            return b""
    return orjson.dumps({**pod, "metadata": rest})


class PodSpecs:
    """The specifications seen lately."""

    __slots__ = ("_classes_revision", "_known", "_seen")

    def __init__(self) -> None:
        self._known: dict[bytes, PodSpec] = {}
        self._seen: dict[bytes, None] = {}
        self._classes_revision = 0

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: bytes, classes_revision: int) -> PodSpec | None:
        """What is known of a specification. ``key``: its JSON as orjson writes it;
        ``classes_revision``: when the priority classes changed last."""
        if classes_revision != self._classes_revision:
            self._classes_revision = classes_revision
            self._known.clear()
        return self._known.get(key)

    def learn(self, key: bytes, pod: JsonObject) -> None:
        """Keep what became of it. ``pod``: admitted and valid, under an account without opinions,
        no mirror of a static pod, owned by its creator alone."""
        if len(key) > SPEC_BYTES_MAX or not set(pod["status"]).issubset(_OWN_STATUS):
            return
        if key not in self._seen:
            _bound(self._seen, SPECS_MAX)
            self._seen[key] = None
            return
        spec = pod["spec"]
        whole = orjson.dumps(spec)
        pieces = [whole]
        if TOKEN_VOLUME_PREFIX.encode() in key:
            return
        for volume in spec.get("volumes", ()):
            if volume["name"].startswith(TOKEN_VOLUME_PREFIX):
                pieces = whole.split(volume["name"].encode())
        del self._seen[key]
        _bound(self._known, SPECS_MAX)
        self._known[key] = PodSpec(pod, pieces)


def _bound(table: dict[Any, Any], most: int) -> None:
    if len(table) >= most:
        del table[next(iter(table))]
