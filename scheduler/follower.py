"""Keeps the scheduler's picture up to date by its watches: pods, nodes and what surrounds them."""

from collections.abc import Sequence
from typing import NamedTuple

from api.calls import ADDED, DELETED, MODIFIED, WatchSpec
from api.core import JsonObject
from api.quantity import QuantityError
from scheduler import surroundings
from scheduler.hints import Change, node_changes
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.pod_book import PodBook
from scheduler.surroundings import Surroundings

PODS, NODES = "pods", "nodes"
WATCHES = (
    WatchSpec(PODS, "pods", field_selector="status.phase!=Succeeded,status.phase!=Failed"),
    WatchSpec(NODES, "nodes"),
    *surroundings.WATCHES,
)


class Seen(NamedTuple):
    """What one event of a watch came to."""

    key: str
    changes: Sequence[Change] = ()
    """Beside those of pods, which the book tells."""


class Follower:
    """Applies events to the node table, the pod book and the surroundings."""

    def __init__(self, table: NodeTable, book: PodBook, around: Surroundings) -> None:
        self._table = table
        self._book = book
        self._surroundings = around
        self._listing: dict[str, dict[str, None]] = {watch.name: {} for watch in WATCHES}
        """Watches that are not synced, and what their list has named so far."""

    @property
    def synced(self) -> bool:
        """All lists are complete."""
        return not self._listing

    def begin_list(self, watch: str) -> None:
        self._listing[watch] = {}

    def see(self, watch: str, kind: int, item: JsonObject) -> Seen:
        assert kind in (ADDED, MODIFIED, DELETED), kind
        changes: Sequence[Change] = ()
        if watch == PODS:
            key = self._see_pod(kind, item)
        elif watch == NODES:
            key = item["metadata"]["name"]
            if kind == DELETED:
                self._table.remove_node(key)
                changes = (Change("node gone"),)
            else:
                changes = self._put_node(key, item)
        else:
            key = self._surroundings.see(watch, kind, item)
            changes = (Change("object", resource=watch, key=key),)
        listing = self._listing.get(watch)
        if listing is not None:
            listing[key] = None
        return Seen(key, changes)

    def end_list(self, watch: str) -> None:
        """What the list did not name is gone."""
        seen = self._listing.pop(watch, None)
        if seen is None:
            return
        if watch == PODS:
            self._book.keep_only(seen)
        elif watch != NODES:
            self._surroundings.keep_only(watch, seen)
        else:
            for name in [name for name in self._table.row_of if name not in seen]:
                self._table.remove_node(name)

    def _see_pod(self, kind: int, item: JsonObject) -> str:
        if kind != DELETED:
            return self._book.see(item)
        meta = item["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        self._book.forget(key)
        return key

    def _put_node(self, name: str, node: JsonObject) -> Sequence[Change]:
        """A node whose quantities cannot be read is as good as absent."""
        try:
            facts = node_facts(node)
        except QuantityError:
            self._table.remove_node(name)
            return (Change("node gone"),)
        row = self._table.row_of.get(name)
        before = None if row is None else self._table.known_facts(row)
        if not self._table.put_node(facts):
            return ()
        return node_changes(self._table.row_of[name], before, facts)
