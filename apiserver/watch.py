"""Open watches: who is told of which event, and in which words.

A watch with a selector follows a moving set: an object that starts to match is ADDED, one that
stops is DELETED with its old content and the revision of the change.

Watchers are found by what they are interested in: a name, a node, a namespace, or everything. So a
pod's event costs as much as there are watchers that may care, not as many as there are.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from api.calls import ADDED, BOOKMARK, DELETED, MODIFIED
from api.core import InvariantError
from api.selectors import LabelSelector
from apiserver.cache import ResourceCache
from apiserver.fields import NODE_FIELDS
from apiserver.forms import bookmark_line, event_line, shaped
from apiserver.negotiate import FRAME, Form
from apiserver.recent import CacheEvent, Told
from apiserver.records import Record

FieldTest = tuple[int, bool, str]
"""(index into a record's fields, must be equal, value)."""

Bucket = tuple[str, str]
ALL: Bucket = ("all", "")


class Selection:
    """Which objects of a resource are meant: namespace, name, labels, fields."""

    __slots__ = (
        "bucket",
        "fields",
        "impossible",
        "labels",
        "name",
        "namespace",
        "not_names",
        "not_namespaces",
        "read",
    )

    def __init__(self, namespace: str, labels: LabelSelector | None) -> None:
        self.namespace = namespace
        self.name = ""
        self.not_names: tuple[str, ...] = ()
        self.not_namespaces: tuple[str, ...] = ()
        self.labels = labels
        self.fields: list[FieldTest] = []
        self.read: Callable[[Record], tuple[str, ...]] | None = None
        """Makes the fields of a record that does not keep them."""
        self.impossible = False
        """Two terms contradict each other: nothing matches."""
        self.bucket: Bucket = ("namespace", namespace) if namespace else ALL
        """The one bucket in which every object that this selection may match is listed; an object
        is listed in several (by name, node, namespace, all)."""

    @property
    def everything(self) -> bool:
        """No condition beyond the namespace."""
        return not (
            self.name
            or self.not_names
            or self.not_namespaces
            or self.labels is not None
            or self.fields
            or self.impossible
        )

    def matches(self, record: Record) -> bool:
        """Whether the watch shows this object, by its place, name, fields and labels."""
        if self.impossible or (self.namespace and record.namespace != self.namespace):
            return False
        if (self.name and record.name != self.name) or record.name in self.not_names:
            return False
        if record.namespace in self.not_namespaces:
            return False
        fields = record.fields if self.read is None or not self.fields else self.read(record)
        for index, equal, value in self.fields:
            if (fields[index] == value) is not equal:
                return False
        return self.labels is None or self.labels.matches(record.labels)

    def walk(self, cache: ResourceCache, after: bytes = b"") -> Iterator[Record]:
        """The present objects that are meant, in order of key, after a key. Cost: that of the
        objects of the bucket."""
        if self.impossible:
            return iter(())
        by, value = self.bucket
        if by == "name":
            found = cache.walk_name(value, self.namespace, after)
        elif by == "node":
            found = cache.walk_node(value, self.namespace, after)
        else:
            found = cache.walk(self.namespace, after)
        return found if self.everything else filter(self.matches, found)


class Watcher:
    """One open watch."""

    __slots__ = (
        "_as_is",
        "_everything",
        "_word",
        "bookmarks",
        "cache",
        "form",
        "id",
        "include",
        "pending",
        "selection",
        "since",
        "started",
        "user",
    )

    def __init__(
        self, watch_id: int, cache: ResourceCache, selection: Selection, form: Form
    ) -> None:
        self.id = watch_id
        self.cache = cache
        self.selection = selection
        self._everything = selection.everything
        self.form = form
        self._as_is = form is FRAME and self._everything
        self.bookmarks = False
        self.include = ""
        self.since = 0
        """Events up to this revision are not for it."""
        self.started = False
        """A Table was sent: the next ones leave out their columns."""
        self.pending: list[Told] = []
        """Events that the shell has not been given yet; emptied at the end of each step."""
        self._word = ""
        """What its form and options are called in ``CacheEvent.encoded``."""

    def tell(self, events: Sequence[CacheEvent], now_ns: int) -> bool:
        """Queue what this watch is told of events. True when it was idle before."""
        pending, since = self.pending, self.since
        before = len(pending)
        if self._as_is:
            self._tell_as_is(events)
            return not before and bool(pending)
        for event in events:
            if event.revision <= since:
                continue
            kind_of_event, record = event.type, event.record
            if not self._everything:
                seen = self._selected(event)
                if seen is None:
                    continue
                kind_of_event, record = seen
            told = event.encoded.get((self._word, kind_of_event)) if self.started else None
            pending.append(told or self._encoded(event, kind_of_event, record, now_ns))
        return not before and bool(pending)

    def _tell_as_is(self, events: Sequence[CacheEvent]) -> None:
        """The same for a component that follows all objects."""
        pending, since = self.pending, self.since
        encodes = size = 0
        for event in events:
            revision = event.revision
            if revision <= since:
                continue
            told = event.told
            if told is None:
                body = event.record.json(revision)
                told = event.told = (event.type, revision, body)
                encodes += 1
                size += len(body)
            pending.append(told)
        self.cache.encodes += encodes
        self.cache.encoded_bytes += size

    def _selected(self, event: CacheEvent) -> tuple[int, Record] | None:
        """What an event is for a watch that means some objects only, and its object."""
        selection, record, previous = self.selection, event.record, event.previous
        matched = previous is not None and selection.matches(previous)
        if event.type != DELETED and selection.matches(record):
            return MODIFIED if matched else ADDED, record
        if matched:
            assert previous is not None
            return DELETED, previous
        return None

    def _encoded(self, event: CacheEvent, kind_of_event: int, record: Record, now_ns: int) -> Told:
        form = self.form
        columns = form.kind == "table" and not self.started
        self.started = True
        if not self._word:
            seen = form.view.kind.version if form.view is not None else ""
            self._word = f"{form.kind}/{form.version}/{seen}/{self.include}"
        word = f"{self._word}/columns" if columns else self._word
        told = event.encoded.get((word, kind_of_event))
        if told is not None:
            return told
        if form.kind in ("object", "frame"):
            body = record.json(event.revision)
        else:
            obj = record.object()
            obj["metadata"]["resourceVersion"] = str(event.revision)
            document = shaped(self.cache.kind, obj, form, self.include, now_ns)
            if form.kind == "table" and not columns:
                document["columnDefinitions"] = None
            body = orjson.dumps(document)
        if form is not FRAME:
            body = event_line(kind_of_event, body)
        self.cache.encodes += 1
        self.cache.encoded_bytes += len(body)
        told = event.encoded[word, kind_of_event] = (kind_of_event, event.revision, body)
        return told

    def bookmark(self, revision: int, initial_end: bool, now_ns: int) -> bool:
        """Queue a bookmark. True when it was idle before."""
        body = (
            b""
            if self.form is FRAME
            else bookmark_line(self.cache.kind, revision, initial_end, self.form, now_ns)
        )
        self.pending.append((BOOKMARK, revision, body))
        return len(self.pending) == 1


@dataclass(slots=True)
class OpenedWatch:
    """What a watch request came to."""

    watcher: Watcher
    initial: deque[Record] = field(default_factory=deque)
    """The state to be sent first."""
    replay: Sequence[CacheEvent] = ()
    """Or the events to be sent first."""
    initial_end: int = 0
    """Revision of the bookmark that ends the initial state; 0: none is sent."""
    synced: int = 0
    """The same for a frame watch."""
    ends_ns: int = 0
    """When it ends by itself; 0: never."""
    failure: bytes = b""
    """A Status that is sent as the only event."""
    over_frames: bool = False
    content_type: str = "application/json"
    held: list[Told] = field(default_factory=list)
    """What happened while the initial state was being sent."""


class Watchers:
    """All open watches, by resource and by interest."""

    __slots__ = ("_by_bucket", "_by_id", "_encode_once", "crashed")

    def __init__(self, encode_once: bool = True) -> None:
        self._encode_once = encode_once
        self._by_id: dict[int, Watcher] = {}
        self._by_bucket: dict[str, dict[Bucket, dict[int, Watcher]]] = {}
        """By resource."""
        self.crashed: list[tuple[Watcher, Exception]] = []
        """Watches that met a bug of ours, to be ended by the owner."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Watcher]:
        return iter(list(self._by_id.values()))

    def get(self, watch_id: int) -> Watcher | None:
        """None where there is none of this id."""
        return self._by_id.get(watch_id)

    def add(self, watcher: Watcher) -> None:
        """From now on it is told of what it selects."""
        assert watcher.id not in self._by_id
        self._by_id[watcher.id] = watcher
        buckets = self._by_bucket.setdefault(watcher.cache.kind.key, {})
        buckets.setdefault(watcher.selection.bucket, {})[watcher.id] = watcher

    def remove(self, watch_id: int) -> Watcher | None:
        """None where it is gone already."""
        watcher = self._by_id.pop(watch_id, None)
        if watcher is not None:
            resource, bucket = watcher.cache.kind.key, watcher.selection.bucket
            buckets = self._by_bucket[resource]
            del buckets[bucket][watch_id]
            if not buckets[bucket]:
                del buckets[bucket]
            if not buckets:
                del self._by_bucket[resource]
        return watcher

    def tell(
        self,
        resource: str,
        events: Sequence[CacheEvent],
        now_ns: int,
        woken: Callable[[Watcher], None],
    ) -> None:
        """Queue events of one resource with everyone who may care; ``woken`` is called for those
        idle before."""
        buckets = self._by_bucket.get(resource)
        if not buckets:
            return
        for watcher in buckets.get(ALL, {}).values():
            self._tell(watcher, events, now_ns, woken)
        if len(buckets) == 1 and ALL in buckets:
            return
        for event in events:
            for bucket in _buckets(resource, event.record, event.previous):
                for watcher in buckets.get(bucket, {}).values():
                    self._tell(watcher, (event,), now_ns, woken)

    def _tell(
        self,
        watcher: Watcher,
        events: Sequence[CacheEvent],
        now_ns: int,
        woken: Callable[[Watcher], None],
    ) -> None:
        if not self._encode_once:
            for event in events:
                event.forget_encoded()
        try:
            if watcher.tell(events, now_ns):
                woken(watcher)
        except Exception as bug:
            # The supervisor of watches: one form that cannot be made ends the watches
            # that asked for it, not the stream of events of everybody else.
            self.crashed.append((watcher, bug))

    def check(self) -> None:
        """Raises InvariantError if a watcher is missing from its bucket, or is there twice."""
        indexed = sum(
            len(watchers) for buckets in self._by_bucket.values() for watchers in buckets.values()
        )
        if indexed != len(self._by_id):
            raise InvariantError(f"{indexed} watchers indexed, {len(self._by_id)} open")


def _buckets(resource: str, record: Record, previous: Record | None) -> Sequence[Bucket]:
    """Where a change of an object is looked for besides ``ALL``."""
    buckets = [("namespace", record.namespace), ("name", record.name)]
    field = NODE_FIELDS.get(resource)
    if field is not None:
        node = record.fields[field]
        buckets.append(("node", node))
        if previous is not None and previous.fields[field] != node:
            buckets.append(("node", previous.fields[field]))
    return buckets
