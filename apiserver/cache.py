"""The watch cache of one resource: its present objects and its recent events.

Objects are kept by key and, for listing, as one sorted list of keys for each namespace. Recent
events answer watches that resume and lists at an exact revision: the state at revision N is the
present state with the events after N undone.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator

from api.calls import ADDED, DELETED, MODIFIED
from api.core import InvariantError
from api.kinds import Kind
from apiserver.records import Record, item_prefix_length

EVENTS_MAX = 100_000
WINDOW_NS = 120 * 10**9
"""How long recent events are kept. Source: the watch cache of kube-apiserver keeps at least 75 s
(pkg/storage/cacher/watch_cache.go, eventFreshDuration)."""


Told = tuple[int, int, bytes]
"""What a watcher is told of an event: type, revision, bytes."""


class CacheEvent:
    """One change of one object, and what has been encoded of it so far."""

    __slots__ = ("arrived_ns", "encoded", "previous", "record", "revision", "type")

    def __init__(
        self,
        kind_of_event: int,
        revision: int,
        record: Record,
        previous: Record | None,
        now_ns: int,
    ) -> None:
        self.type = kind_of_event
        self.revision = revision
        self.record = record
        """The new state; for DELETED the last one."""
        self.previous = previous
        self.arrived_ns = now_ns
        self.encoded: dict[tuple[str, int], Told] = {}
        """By form and type: shared by all watchers of that form."""


class ResourceCache:
    """All objects of one resource, as far as the merged events of its shards have come."""

    __slots__ = (
        "_keys",
        "_namespaces",
        "events",
        "horizon",
        "item_prefix",
        "kind",
        "last_revision",
        "prefix",
        "records",
    )

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.prefix = f"/registry/{kind.key}/".encode()
        self.item_prefix = item_prefix_length(kind)
        self.clear()

    def clear(self) -> None:
        """Forget everything, before a load."""
        self.records: dict[bytes, Record] = {}
        self._keys: dict[str, list[bytes]] = {}
        self._namespaces: list[str] = []
        self.events: deque[CacheEvent] = deque()
        self.horizon = 0
        """Changes after this revision are all in ``events``."""
        self.last_revision = 0
        """Revision of the newest change."""

    def key(self, namespace: str, name: str) -> bytes:
        if self.kind.namespaced:
            return self.prefix + f"{namespace}/{name}".encode()
        return self.prefix + name.encode()

    def load(self, record: Record) -> None:
        """Put an object without an event: it was there before anyone watched."""
        if record.key not in self.records:
            self._insert(record)
        self.records[record.key] = record
        self.last_revision = max(self.last_revision, record.revision)

    def put(self, record: Record, now_ns: int) -> CacheEvent:
        """Apply a write. Events must come in order of revision."""
        previous = self.records.get(record.key)
        if previous is None:
            self._insert(record)
        self.records[record.key] = record
        kind_of_event = ADDED if previous is None else MODIFIED
        return self._happened(
            CacheEvent(kind_of_event, record.revision, record, previous, now_ns), now_ns
        )

    def delete(self, key: bytes, revision: int, now_ns: int) -> CacheEvent | None:
        """Apply a deletion; None when the object was not there."""
        previous = self.records.pop(key, None)
        if previous is None:
            return None
        keys = self._keys[previous.namespace]
        del keys[bisect_left(keys, key)]
        if not keys:
            del self._keys[previous.namespace]
            self._namespaces.remove(previous.namespace + "/")
        return self._happened(CacheEvent(DELETED, revision, previous, previous, now_ns), now_ns)

    def _insert(self, record: Record) -> None:
        keys = self._keys.get(record.namespace)
        if keys is None:
            keys = self._keys[record.namespace] = []
            insort(self._namespaces, record.namespace + "/")
        insort(keys, record.key)

    def _happened(self, event: CacheEvent, now_ns: int) -> CacheEvent:
        events = self.events
        events.append(event)
        self.last_revision = event.revision
        oldest_ns = now_ns - WINDOW_NS
        while len(events) > EVENTS_MAX or events[0].arrived_ns < oldest_ns:
            self.horizon = max(self.horizon, events.popleft().revision)
        return event

    def forget(self, revision: int) -> None:
        """Events up to ``revision`` are no longer to be had."""
        while self.events and self.events[0].revision <= revision:
            self.events.popleft()
        self.horizon = max(self.horizon, revision)

    def walk(self, namespace: str, after: bytes = b"") -> Iterator[Record]:
        """The present objects in order of key, of one namespace or of all (""), after a key."""
        spaces = [namespace] if namespace else [space[:-1] for space in self._namespaces]
        for space in spaces:
            keys = self._keys.get(space)
            if keys is None or keys[-1] <= after:
                continue
            for key in keys[bisect_right(keys, after) :]:
                yield self.records[key]

    def undone_after(self, revision: int) -> dict[bytes, Record | None]:
        """For each key that changed after ``revision``, its object then (None: there was none).

        ``revision`` must not be older than ``horizon``. Cost: one step for each later event."""
        assert revision >= self.horizon
        then: dict[bytes, Record | None] = {}
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            then[event.record.key] = event.previous
        return then

    def events_after(self, revision: int) -> list[CacheEvent]:
        """The events after ``revision``, oldest first."""
        out: list[CacheEvent] = []
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            out.append(event)
        out.reverse()
        return out

    def count(self, namespace: str) -> int:
        """How many objects a namespace (or "": the cluster) has."""
        return len(self._keys.get(namespace, ())) if namespace else len(self.records)

    def check(self) -> None:
        if sum(len(keys) for keys in self._keys.values()) != len(self.records):
            raise InvariantError(f"lists and records of {self.kind.key} differ")
        revisions = [event.revision for event in self.events]
        if revisions != sorted(revisions):
            raise InvariantError(f"events of {self.kind.key} are out of order")
