"""The watch cache of one resource: its present objects and its recent events.

Objects are kept by key; for listing, their keys lie in an index (see ``keys``), and those of
objects that name a node once more by the node. Recent events answer watches that resume and lists
at an exact revision: the state at revision N is the present state with the events after N undone.
"""

from collections import Counter, deque
from collections.abc import Iterator

from api.calls import ADDED, DELETED, MODIFIED
from api.core import InvariantError
from api.kinds import Kind
from apiserver.fields import NODE_FIELDS
from apiserver.keys import CacheIndex, Keys, keys_for
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
        "_by_node",
        "_index",
        "_keys",
        "_namespaces",
        "_node_field",
        "encoded_bytes",
        "encodes",
        "events",
        "horizon",
        "item_prefix",
        "kind",
        "last_revision",
        "prefix",
        "records",
    )

    def __init__(self, kind: Kind, index: CacheIndex = "btree") -> None:
        self.kind = kind
        self.prefix = f"/registry/{kind.key}/".encode()
        self.item_prefix = item_prefix_length(kind)
        self._index: CacheIndex = index
        self._node_field = NODE_FIELDS.get(kind.key, -1)
        self.encodes = self.encoded_bytes = 0
        """Watch events of this resource that were encoded, and their bytes."""
        self.clear()

    def clear(self) -> None:
        """Forget everything, before a load."""
        self.records: dict[bytes, Record] = {}
        self._keys = keys_for(self._index)
        self._namespaces: Counter[str] = Counter()
        """How many objects each has."""
        self._by_node: dict[str, Keys] = {}
        """Keys of the objects that name a node, or none (""); for ``NODE_FIELDS`` only."""
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
        self._place(record)
        self.last_revision = max(self.last_revision, record.revision)

    def put(self, record: Record, now_ns: int) -> CacheEvent:
        """Apply a write. Events must come in order of revision."""
        previous = self._place(record)
        kind_of_event = ADDED if previous is None else MODIFIED
        return self._happened(
            CacheEvent(kind_of_event, record.revision, record, previous, now_ns), now_ns
        )

    def delete(self, key: bytes, revision: int, now_ns: int) -> CacheEvent | None:
        """Apply a deletion; None when the object was not there."""
        previous = self.records.pop(key, None)
        if previous is None:
            return None
        self._keys.remove(key)
        self._namespaces[previous.namespace] -= 1
        if not self._namespaces[previous.namespace]:
            del self._namespaces[previous.namespace]
        if self._node_field >= 0:
            self._leave_node(previous)
        return self._happened(CacheEvent(DELETED, revision, previous, previous, now_ns), now_ns)

    def _place(self, record: Record) -> Record | None:
        """Put an object where it belongs; what was there before."""
        previous = self.records.get(record.key)
        self.records[record.key] = record
        if previous is None:
            self._keys.add(record.key)
            self._namespaces[record.namespace] += 1
        field = self._node_field
        if field >= 0 and (previous is None or previous.fields[field] != record.fields[field]):
            if previous is not None:
                self._leave_node(previous)
            node = record.fields[field]
            if node not in self._by_node:
                self._by_node[node] = keys_for(self._index)
            self._by_node[node].add(record.key)
        return previous

    def _leave_node(self, record: Record) -> None:
        node = record.fields[self._node_field]
        keys = self._by_node[node]
        keys.remove(record.key)
        if not keys:
            del self._by_node[node]

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
        return self._walk(self._keys, self.space(namespace), after)

    def walk_node(self, node: str, namespace: str, after: bytes = b"") -> Iterator[Record]:
        """The same of those that name a node; only for resources in ``NODE_FIELDS``."""
        keys = self._by_node.get(node)
        return iter(()) if keys is None else self._walk(keys, self.space(namespace), after)

    def walk_name(self, name: str, namespace: str, after: bytes = b"") -> Iterator[Record]:
        """The same of those of one name. Cost: a look into each namespace."""
        spaces = [namespace]
        if not namespace and self.kind.namespaced:
            spaces = sorted(self._namespaces, key=lambda space: space + "/")
        for space in spaces:
            record = self.records.get(self.key(space, name))
            if record is not None and record.key > after:
                yield record

    def space(self, namespace: str) -> bytes:
        """What the keys of a namespace, or of all (""), begin with; it ends with a slash."""
        return self.prefix + f"{namespace}/".encode() if namespace else self.prefix

    def _walk(self, keys: Keys, space: bytes, after: bytes) -> Iterator[Record]:
        for piece in keys.pieces(max(space, after + b"\0"), space[:-1] + b"0"):
            yield from map(self.records.__getitem__, piece)

    def count_after(self, namespace: str, after: bytes) -> int:
        """How many objects ``walk`` would give."""
        space = self.space(namespace)
        return self._keys.count(max(space, after + b"\0"), space[:-1] + b"0")

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

    def check(self) -> None:
        counts = [len(self._keys), sum(self._namespaces.values())]
        if self._node_field >= 0:
            counts.append(sum(len(keys) for keys in self._by_node.values()))
        if any(count != len(self.records) for count in counts):
            raise InvariantError(f"indexes of {self.kind.key} hold {counts} keys of its objects")
        revisions = [event.revision for event in self.events]
        if revisions != sorted(revisions):
            raise InvariantError(f"events of {self.kind.key} are out of order")
