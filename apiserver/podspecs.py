"""Pods of one template: what the server makes of a specification, it makes once.

A ReplicaSet's pods differ in their metadata only. Structure, defaults, admission and validation of
a specification are functions of the specification, of its service account having no opinions and
of the priority classes, so the outcome is kept, encoded, under the specification's own JSON. What
is new in each pod, the name of its token's volume, is put in where it belongs. Metadata of one
template differs in names and in values of labels and annotations, which are looked at one by one;
the rest, with the keys of both, is its *shape*: what was found of it once is kept as its *head*.

Bound: ``SPECS_MAX`` specifications; one is kept when it is seen for the second time. ``HEADS_MAX``
heads of each.
"""

from typing import Any

import msgpack
import orjson

from api.admission import TOKEN_VOLUME_PREFIX
from api.apply import Writer, creator_entry
from api.apply.sets import FieldSet
from api.core import JsonObject
from api.kinds import kind_of
from api.names import wrong_with_label_value
from api.validation.metadata import ANNOTATIONS_BYTES_MAX
from apiserver.fields import fields_of
from apiserver.records import FINALIZERS, offset_of, ordered_metadata

SPECS_MAX = 1024
SPEC_BYTES_MAX = 16 * 1024
HEADS_MAX = 16
HEAD_BYTES_MAX = 1024
"""Bytes of a shape (keys of labels and annotations, and values that must be equal) above which the
metadata of a pod is not remembered."""
OWNERS_MAX = 16
"""Texts of managedFields kept with one head, 1 KB each."""
ANNOTATIONS_LETTERS_MAX = ANNOTATIONS_BYTES_MAX // 8
"""Characters in all annotation values up to which their bytes need no counting, as UTF-8 takes at
most four a character."""
_packer = msgpack.Packer()
_PODS = kind_of("pods")
_TYPED = ("kind", "apiVersion", "metadata")
_FREE = ("name", "generateName", "namespace", "labels", "annotations")
"""Metadata whose values are each pod's own."""
_STAMPED = frozenset(("name", "generateName", "namespace", "uid", "generation", "managedFields"))
"""The same, or set anew; labels and annotations are replaced where they stand."""
_OWN_STATUS = ("phase", "qosClass")
_TEXTS = frozenset((str,))

Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bytes]
"""Of a pod without its specification: keys of metadata, of labels, of annotations; all that is
neither in them nor a name, as JSON, mostly empty."""


def shape_of(pod: JsonObject) -> Shape | None:
    """Of a parsed pod, whatever its specification; None when values in it must be looked at.

    What it looks at itself: the values of labels, and the types and size of those of annotations.
    """
    meta = pod.get("metadata")
    if type(meta) is not dict:
        return None
    own = ("name" in meta) + ("generateName" in meta) + ("namespace" in meta)
    labels = annotations = ()
    given = meta.get("labels")
    if given is not None:
        if (
            type(given) is not dict
            or not _TEXTS.issuperset(map(type, given.values()))
            or any(map(wrong_with_label_value, given.values()))
        ):
            return None
        labels, own = tuple(given), own + 1
    given = meta.get("annotations")
    if given is not None:
        if (
            type(given) is not dict
            or not _TEXTS.issuperset(map(type, given.values()))
            or sum(map(len, given.values())) > ANNOTATIONS_LETTERS_MAX
        ):
            return None
        annotations, own = tuple(given), own + 1
    others = b""
    if own != len(meta) or len(pod) != len(_TYPED) + ("spec" in pod):
        # A null is as if it were not there.
        rest = [
            [(key, value) for key, value in of.items() if key not in but and value is not None]
            for of, but in ((pod, (*_TYPED, "spec")), (meta, _FREE))
        ]
        others = orjson.dumps(rest) if any(rest) else b""
    return tuple(meta), labels, annotations, others


class Head:
    """Metadata that was found right, for all pods of its shape and specification."""

    __slots__ = ("_owned", "_texts", "flags", "has_annotations", "has_labels", "rest")

    def __init__(self, meta: JsonObject, owned: FieldSet) -> None:
        """``meta``: canonical. ``owned``: what the creator owns of the specification."""
        self.rest: JsonObject = {name: meta[name] for name in meta if name not in _STAMPED}
        """What is stored of it besides names and stamps; labels and annotations are of the first
        pod and stand for where those of others go."""
        self.has_labels, self.has_annotations = "labels" in meta, "annotations" in meta
        self.flags = FINALIZERS if meta.get("finalizers") else 0
        self._owned = owned
        self._texts: dict[tuple[str, str], orjson.Fragment] = {}

    def owners(self, meta: JsonObject, manager: str, time: str) -> orjson.Fragment:
        """The managedFields of a new pod with such metadata: the same text for all that one manager
        creates in a second."""
        text = self._texts.get((manager, time))
        if text is None:
            entry = creator_entry(_PODS, meta, self._owned, Writer(manager, time))
            _bound(self._texts, OWNERS_MAX)
            text = self._texts[manager, time] = orjson.Fragment(orjson.dumps([entry]))
        return text


class PodSpec:
    """A specification as it is stored, and what depends on it."""

    __slots__ = ("_pieces", "_status", "account", "fields", "heads", "owned")

    def __init__(self, pod: JsonObject, pieces: list[bytes]) -> None:
        self.account: str = pod["spec"]["serviceAccountName"]
        """Name of the service account."""
        self._pieces = pieces
        """Its JSON, cut at each place where the name of the token's volume stands."""
        self._status = orjson.dumps(pod["status"])
        self.fields = fields_of("pods", pod)
        self.owned: FieldSet = pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
        """What its creator owns of it."""
        self.heads: dict[Shape, Head] = {}

    def learn_head(self, shape: Shape, meta: JsonObject) -> None:
        """Keep metadata of that shape that was found right and is canonical."""
        if sum(map(len, (*shape[1], *shape[2], shape[3]))) <= HEAD_BYTES_MAX:
            _bound(self.heads, HEADS_MAX)
            self.heads[shape] = Head(meta, self.owned)

    def encode(self, meta: JsonObject, suffix: str) -> tuple[bytes, bytes, int]:
        """As ``records.encode``, of a pod with this metadata."""
        return self.encode_ordered(
            ordered_metadata(meta), suffix, FINALIZERS if meta.get("finalizers") else 0
        )

    def encode_ordered(self, meta: JsonObject, suffix: str, flags: int) -> tuple[bytes, bytes, int]:
        """The same of metadata in the order of storage. ``flags``: of its record."""
        pieces = self._pieces
        spec = (
            (TOKEN_VOLUME_PREFIX + suffix).encode().join(pieces) if len(pieces) > 1 else pieces[0]
        )
        value = b'{"kind":"Pod","apiVersion":"v1","metadata":%b,"spec":%b,"status":%b}' % (
            orjson.dumps(meta),
            spec,
            self._status,
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
                flags,
            )
        )
        return header, value, offset


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
        if (
            key in self._known
            or len(key) > SPEC_BYTES_MAX
            or not set(pod["status"]).issubset(_OWN_STATUS)
        ):
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
