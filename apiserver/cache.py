"""The watch cache of one resource: its present objects and its recent events.

Objects are kept by key; for listing, their keys lie in an index (see ``keys``), and those of
objects that name a node once more by the node. Recent events answer watches that resume and lists
at an exact revision: the state at revision N is the present state with the events after N undone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from api.calls import ADDED, DELETED, MODIFIED
from api.core import InvariantError
from api.kinds import Kind
from api.merge import StoreEvent
from apiserver.fields import NODE_FIELDS
from apiserver.keys import CacheIndex, Keys, keys_for
from apiserver.recent import CacheEvent, RecentEvents
from apiserver.records import Record, item_prefix_length

_BEATING = ("coordination.k8s.io/leases", "nodes")
"""Most changes of their objects are heartbeats, which leave the header as it is: it is kept, and
what it says not read again."""


class ResourceCache:
    """All objects of one resource, as far as the merged events of its shards have come."""

    __slots__ = (
        "_beating",
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
        self._beating = kind.key in _BEATING
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
        self.events = RecentEvents()
        self.horizon = 0
        """Changes after this revision are all in ``events``."""
        self.last_revision = 0
        """Revision of the newest change."""

    def key(self, namespace: str, name: str) -> bytes:
        """Under which the store holds the object so named."""
        if self.kind.namespaced:
            return self.prefix + f"{namespace}/{name}".encode()
        return self.prefix + name.encode()

    def load(self, record: Record) -> None:
        """Put an object without an event: it was there before anyone watched."""
        self._place(record)
        self.last_revision = max(self.last_revision, record.revision)

    def take(self, events: Sequence[StoreEvent], now_ns: int) -> list[CacheEvent]:
        """Apply changes that came together, in order of revision. What has changed by them: a
        deletion of what was not there has changed nothing."""
        records, no_node, beating = self.records, self._node_field < 0, self._beating
        changes: list[CacheEvent] = []
        for gone, key, revision, created, _version, header, value, _previous in events:
            previous = records.get(key)
            if gone:
                if previous is not None:
                    self._remove(previous)
                    changes.append(CacheEvent(DELETED, revision, previous, previous))
                continue
            if previous is not None and beating and previous.header == header:
                record = previous.again(value, revision, created)
            else:
                record = Record(key, header, value, revision, created)
                if beating:
                    record.header = header
            if no_node and previous is not None:
                records[key] = record
            else:
                self._place(record)
            kind_of_event = ADDED if previous is None else MODIFIED
            changes.append(CacheEvent(kind_of_event, revision, record, previous))
        if changes:
            self.last_revision = changes[-1].revision
            self.horizon = max(self.horizon, self.events.add(changes, now_ns))
        return changes

    def _remove(self, record: Record) -> None:
        """Take out an object that is there."""
        del self.records[record.key]
        self._keys.remove(record.key)
        self._namespaces[record.namespace] -= 1
        if not self._namespaces[record.namespace]:
            del self._namespaces[record.namespace]
        if self._node_field >= 0:
            self._leave_node(record)

    def _place(self, record: Record) -> None:
        """Put an object where it belongs."""
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

    def _leave_node(self, record: Record) -> None:
        node = record.fields[self._node_field]
        keys = self._by_node[node]
        keys.remove(record.key)
        if not keys:
            del self._by_node[node]

    def forget(self, revision: int) -> None:
        """Events up to ``revision`` are no longer to be had."""
        self.events.forget(revision)
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
        for event in reversed(self.events.after(revision)):
            then[event.record.key] = event.previous
        return then

    def check(self) -> None:
        """Raises InvariantError if an index does not hold what the cache holds."""
        counts = [len(self._keys), sum(self._namespaces.values())]
        if self._node_field >= 0:
            counts.append(sum(len(keys) for keys in self._by_node.values()))
        if any(count != len(self.records) for count in counts):
            raise InvariantError(f"indexes of {self.kind.key} hold {counts} keys of its objects")
        self.events.check()
