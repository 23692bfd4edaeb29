"""The controllers' picture of the cluster: rows of the watched objects and the indexes they need.

A row is replaced only by one of a higher revision, so answers to own writes and watch events may
arrive in any order. An object that was seen deleted stays deleted (its uid is remembered).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from api.core import InvariantError, JsonObject
from controllers.records import (
    NODES,
    PODS,
    REPLICA_SETS,
    Node,
    Pod,
    Record,
    Row,
    RowReader,
    controller_of,
)

Outer = TypeVar("Outer")
K = TypeVar("K")
R = TypeVar("R")

GONE_MAX = 50_000
"""So many uids of deleted objects are remembered."""


class Change(NamedTuple):
    """One step of one object. ``before`` or ``after`` is None at its beginning and its end."""

    resource: str
    before: Record | None
    after: Record | None

    @property
    def any(self) -> Record:
        row = self.after if self.after is not None else self.before
        assert row is not None
        return row


class View:
    """Tables by resource; keys are ``namespace/name``, or ``name`` for cluster-scoped ones."""

    def __init__(self, resources: Iterable[str]) -> None:
        self._tables: dict[str, dict[str, Record]] = {resource: {} for resource in resources}
        self._reader = RowReader()
        self._dependents: dict[str, dict[tuple[str, str], Record]] = {}
        self._pods_by_node: dict[str, dict[str, Pod]] = {}
        self._orphans: dict[tuple[str, str], dict[str, Record]] = {}
        self._wholes: dict[tuple[str, str], dict[str, Row]] = {}
        self._namespace_counts: dict[str, int] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._stale: dict[str, dict[str, Record]] = {}
        self._synced: dict[str, bool] = dict.fromkeys(self._tables, False)
        """Whether the first list of a resource is complete; only of resources watched from the
        start."""

    # Reading.

    @property
    def synced(self) -> bool:
        """Every watch has delivered its whole collection at least once."""
        return all(self._synced.values())

    def get(self, resource: str, key: str) -> Record | None:
        table = self._tables.get(resource)
        return table.get(key) if table is not None else None

    def watches(self, resource: str) -> bool:
        return resource in self._tables

    def resources(self) -> list[str]:
        """All that is watched."""
        return list(self._tables)

    def pod(self, key: str) -> Pod | None:
        found = self._tables[PODS].get(key)
        assert found is None or isinstance(found, Pod)
        return found

    def node(self, name: str) -> Node | None:
        found = self._tables[NODES].get(name)
        assert found is None or isinstance(found, Node)
        return found

    def whole(self, resource: str, key: str) -> JsonObject | None:
        """The object itself, of the kinds whose rows carry it."""
        found = self._tables[resource].get(key)
        return found.whole if isinstance(found, Row) else None

    def rows(self, resource: str) -> Iterable[Record]:
        return self._tables[resource].values()

    def count(self, resource: str) -> int:
        return len(self._tables[resource])

    def namespace_count(self, namespace: str) -> int:
        """Watched objects in a namespace."""
        return self._namespace_counts.get(namespace, 0)

    def dependents(self, uid: str) -> list[Record]:
        """Objects with an owner reference to the uid, in the order in which they were seen."""
        return list(self._dependents.get(uid, {}).values())

    def has_dependents(self, uid: str) -> bool:
        return uid in self._dependents

    def pods_of(self, uid: str) -> Iterator[Pod]:
        """Pods controlled by the owner."""
        for row in self._dependents.get(uid, {}).values():
            if isinstance(row, Pod):
                owner = controller_of(row.owners)
                if owner is not None and owner.uid == uid:
                    yield row

    def replica_sets_of(self, uid: str) -> list[JsonObject]:
        """ReplicaSets controlled by the owner, whole."""
        found = []
        for row in self._dependents.get(uid, {}).values():
            if isinstance(row, Row) and row.resource == REPLICA_SETS and row.whole is not None:
                owner = controller_of(row.owners)
                if owner is not None and owner.uid == uid:
                    found.append(row.whole)
        return found

    def orphans(self, resource: str, namespace: str) -> list[Record]:
        """Pods or ReplicaSets of a namespace without a controller."""
        return list(self._orphans.get((resource, namespace), {}).values())

    def wholes_in(self, resource: str, namespace: str) -> list[JsonObject]:
        """The Deployments or ReplicaSets of a namespace, whole."""
        rows = self._wholes.get((resource, namespace), {}).values()
        return [row.whole for row in rows if row.whole is not None]

    def pods_on(self, node: str) -> list[Pod]:
        return list(self._pods_by_node.get(node, {}).values())

    def was_deleted(self, uid: str) -> bool:
        """The object with this uid was seen deleted, not long ago."""
        return uid in self._gone

    # Changing.

    def add(self, resource: str) -> None:
        """A resource is watched from now on; nobody waits for its first list."""
        self._tables.setdefault(resource, {})

    def drop(self, resource: str) -> list[Change]:
        """A resource is watched no more: returns the removal of what was known of it."""
        rows = list(self._tables[resource].values())
        changes = [change for row in rows for change in self._remove(resource, row)]
        del self._tables[resource]
        self._stale.pop(resource, None)
        return changes

    def reset(self, resource: str) -> None:
        """A list begins: what it does not bring is gone."""
        self._stale[resource] = dict(self._tables[resource])
        if resource in self._synced:
            self._synced[resource] = False

    def finish(self, resource: str) -> list[Change]:
        """The list is complete: returns the removal of what it did not bring."""
        if resource in self._synced:
            self._synced[resource] = True
        stale = self._stale.pop(resource, {})
        return [change for row in stale.values() for change in self._remove(resource, row)]

    def seen(self, resource: str, item: JsonObject, revision: int) -> Change | None:
        """An object as it was at a revision; None when that is no news."""
        meta = item["metadata"]
        namespace = meta.get("namespace")
        key = f"{namespace}/{meta['name']}" if namespace else meta["name"]
        stale = self._stale.get(resource)
        if stale is not None:
            stale.pop(key, None)
        before = self._tables[resource].get(key)
        if before is not None and before.revision >= revision:
            return None
        uid = meta.get("uid", "")
        if uid in self._gone:
            return None
        row = self._reader.read(resource, item, revision)
        if before is not None and before.uid != uid:
            self._forget(resource, before)
        self._store(key, before if before is not None and before.uid == uid else None, row)
        return Change(resource, before, row)

    def deleted(self, resource: str, item: JsonObject) -> list[Change]:
        """The object is no more. One that was made since under the same name stays."""
        meta = item["metadata"]
        namespace = meta.get("namespace")
        key = f"{namespace}/{meta['name']}" if namespace else meta["name"]
        row = self._tables[resource].get(key)
        if row is None or row.uid != meta.get("uid", ""):
            self._bury(meta.get("uid", ""))
            return []
        return self._remove(resource, row)

    def _remove(self, resource: str, row: Record) -> list[Change]:
        known = self._tables[resource].get(row.key)
        if known is None or known.uid != row.uid:
            return []
        self._forget(resource, known)
        return [Change(resource, known, None)]

    def _forget(self, resource: str, row: Record) -> None:
        del self._tables[resource][row.key]
        self._unindex(row)
        self._bury(row.uid)
        if row.namespace:
            left = self._namespace_counts[row.namespace] - 1
            if left:
                self._namespace_counts[row.namespace] = left
            else:
                del self._namespace_counts[row.namespace]

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > GONE_MAX:
            self._gone.popitem(last=False)

    def _store(self, key: str, before: Record | None, row: Record) -> None:
        if before is not None:
            self._unindex(before)
        elif row.namespace:
            counts = self._namespace_counts
            counts[row.namespace] = counts.get(row.namespace, 0) + 1
        self._tables[row.resource][key] = row
        for owner in row.owners:
            self._dependents.setdefault(owner.uid, {})[(row.resource, key)] = row
        if row.resource in (PODS, REPLICA_SETS) and controller_of(row.owners) is None:
            self._orphans.setdefault((row.resource, row.namespace), {})[key] = row
        if isinstance(row, Pod) and row.node:
            self._pods_by_node.setdefault(row.node, {})[key] = row
        if isinstance(row, Row) and row.whole is not None and row.namespace:
            self._wholes.setdefault((row.resource, row.namespace), {})[key] = row

    def _unindex(self, row: Record) -> None:
        key = row.key
        for owner in row.owners:
            _drop(self._dependents, owner.uid, (row.resource, key))
        if row.resource in (PODS, REPLICA_SETS) and controller_of(row.owners) is None:
            _drop(self._orphans, (row.resource, row.namespace), key)
        if isinstance(row, Pod) and row.node:
            _drop(self._pods_by_node, row.node, key)
        if isinstance(row, Row) and row.whole is not None and row.namespace:
            _drop(self._wholes, (row.resource, row.namespace), key)

    def check(self) -> None:
        """Raise InvariantError when an index disagrees with the tables."""
        indexed = sum(len(pods) for pods in self._pods_by_node.values())
        bound = sum(1 for row in self._tables[PODS].values() if isinstance(row, Pod) and row.node)
        if indexed != bound:
            raise InvariantError(f"{indexed} pods in the index by node, {bound} bound ones")
        namespaced = sum(
            len(table) for name, table in self._tables.items() if _is_namespaced(table)
        )
        if namespaced != sum(self._namespace_counts.values()):
            raise InvariantError("counts by namespace disagree with the tables")


def _is_namespaced(table: Mapping[str, Record]) -> bool:
    return any(row.namespace for row in table.values())


def _drop(index: dict[Outer, dict[K, R]], outer: Outer, key: K) -> None:
    inner = index.get(outer)
    if inner is None:
        return
    inner.pop(key, None)
    if not inner:
        del index[outer]
