"""The truth: what the disks hold, in order. Other checkers compare against it.

Promise checked here: what a disk has reported as persisted is found again by every recovery, and
no shard ever logs a change at or below a watermark that it has told.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from api.calls import ADDED, DELETED, MODIFIED
from api.core import JsonObject
from sim.topics import Topics, Violation
from store.messages import OP_DELETE, OP_PUT, LogRecord

Word = tuple[int, tuple[object, ...]]
"""A log record that can be compared: (revision, ops)."""


class Selectable(NamedTuple):
    """What a selector of the API looks at."""

    namespace: str
    labels: dict[str, str]
    fields: dict[str, str]
    """Those that components of this house ask for."""


class Object:
    """One version of one object, parsed when asked. A parsed object is thirty times its text: one
    that was replaced keeps only what selectors look at."""

    __slots__ = ("_parsed", "_selectable", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self._parsed: JsonObject | None = None
        self._selectable: Selectable | None = None

    @property
    def json(self) -> JsonObject:
        """Kept until the object is replaced."""
        if self._parsed is None:
            self._parsed = orjson.loads(self.value)
        return self._parsed

    def glance(self) -> JsonObject:
        """The same for one look: nothing new is kept."""
        if self._parsed is not None:
            return self._parsed
        parsed: JsonObject = orjson.loads(self.value)
        return parsed

    @property
    def selectable(self) -> Selectable:
        if self._selectable is None:
            item = self.glance()
            meta, spec, status = (item.get(name) or {} for name in ("metadata", "spec", "status"))
            fields = {
                "metadata.name": meta.get("name", ""),
                "metadata.namespace": meta.get("namespace", ""),
                "spec.nodeName": spec.get("nodeName", ""),
                "status.phase": status.get("phase", ""),
            }
            labels = meta.get("labels") or {}
            self._selectable = Selectable(meta.get("namespace", ""), labels, fields)
        return self._selectable

    def replaced(self) -> None:
        """Another version has taken its place."""
        if self._parsed is not None:
            assert self.selectable
            self._parsed = None


class Change(NamedTuple):
    """One write of one key that is on disk."""

    revision: int
    kind: int
    """ADDED, MODIFIED or DELETED."""
    key: bytes
    new: Object | None
    old: Object | None
    at_ns: int
    """Virtual time at which it was known to be on disk."""


@lru_cache(maxsize=4096)
def resource_of(key: bytes) -> str:
    """``/registry/apps/deployments/default/web`` is of ``apps/deployments``."""
    parts = key.decode().split("/")
    grouped = parts[2] == "apps" or "." in parts[2]
    return "/".join(parts[2 : 4 if grouped else 3])


class History:
    """All changes by shard and by resource."""

    def __init__(self, topics: Topics, shards: int, clock: Callable[[], int]) -> None:
        self.logs: list[list[Word]] = [[] for _ in range(shards)]
        """By shard; position i is log index i + 1."""
        self.by_shard: list[list[Change]] = [[] for _ in range(shards)]
        self.by_resource: dict[str, list[Change]] = {}
        """In order of revision."""
        self.objects: dict[bytes, Object] = {}
        """What exists now."""
        self.written: dict[tuple[int, int], dict[bytes, Change]] = {}
        """(shard, revision) to what happened there."""
        self._clock = clock
        self.told = [0] * shards
        """The greatest watermark that each shard has told anybody."""
        topics.persisted.append(self._persisted)
        topics.recovered.append(self._recovered)
        topics.store_watched.append(self._watched)
        self.changed: list[Callable[[Change], None]] = []
        """Told of each change when it is on disk."""

    def after(self, resource: str, revision: int) -> int:
        """Position in ``by_resource`` of the first change after ``revision``."""
        changes = self.by_resource.get(resource, ())
        if changes and changes[-1].revision <= revision:
            return len(changes)
        return bisect_right(changes, revision, key=_revision)

    def live(self, resource: str) -> list[JsonObject]:
        """The objects of a resource that exist now, in order of their keys."""
        prefix = f"/registry/{resource}/".encode()
        return [self.objects[key].json for key in sorted(self.objects) if key.startswith(prefix)]

    def state(self, shard: int, revision: int, start: bytes, end: bytes) -> dict[bytes, Change]:
        """What is in [start, end) of a shard at a revision: the newest change of each key."""
        state: dict[bytes, Change] = {}
        for change in self.by_shard[shard]:
            if change.revision > revision:
                break
            if start <= change.key < end:
                if change.new is None:
                    state.pop(change.key, None)
                else:
                    state[change.key] = change
        return state

    def forget(self) -> None:
        """Free what it holds. Listeners and what they listen to hold each other, and Python's
        collector would undo that knot at ten times the price, object by object."""
        self.changed.clear()
        self.objects.clear()
        self.by_resource.clear()
        self.written.clear()
        for lists in (self.logs, self.by_shard):
            for one in lists:
                one.clear()

    def _persisted(self, shard: int, first_index: int, records: Sequence[LogRecord]) -> None:
        if first_index != len(self.logs[shard]) + 1:
            message = f"shard {shard} logs {first_index} behind {len(self.logs[shard])}"
            raise Violation("durability", message)
        for record in records:
            self._add(shard, record)

    def _recovered(
        self, shard: int, first_index: int, records: Sequence[LogRecord], snapshot: int
    ) -> None:
        log = self.logs[shard]
        last = first_index + len(records) - 1
        if last < len(log):
            message = f"shard {shard} had persisted {len(log)} records and recovered {last}"
            raise Violation("durability", message)
        for offset, record in enumerate(records):
            place = first_index - 1 + offset
            if place >= len(log):
                self._add(shard, record)
            elif log[place] != _word(record):
                message = f"shard {shard}: record {place + 1} is not the one that was persisted"
                raise Violation("durability", message)

    def _add(self, shard: int, record: LogRecord) -> None:
        self.logs[shard].append(_word(record))
        revision, ops = record
        for op in ops:
            if op[0] == OP_PUT or op[0] == OP_DELETE:
                if revision <= self.told[shard]:
                    message = f"shard {shard} logs {op[1]!r} at {revision}, below what it has told"
                    raise Violation("watermarks", message)
                self._change(shard, revision, op[1], op[3] if op[0] == OP_PUT else None)

    def _change(self, shard: int, revision: int, key: bytes, value: bytes | None) -> None:
        old = self.objects.get(key)
        if value is None:
            change = Change(revision, DELETED, key, None, old, self._clock())
            self.objects.pop(key, None)
        else:
            new = self.objects[key] = Object(value)
            kind = ADDED if old is None else MODIFIED
            change = Change(revision, kind, key, new, old, self._clock())
        self.by_shard[shard].append(change)
        self.written.setdefault((shard, revision), {})[key] = change
        changes = self.by_resource.setdefault(resource_of(key), [])
        place = len(changes)
        if changes and changes[-1].revision > revision:
            place = bisect_right(changes, revision, key=_revision)
        changes.insert(place, change)
        for changed in self.changed:
            changed(change)
        if old is not None:
            old.replaced()

    def _watched(self, name: str, shard: int, events: Sequence[object], watermark: int) -> None:
        if watermark > self.told[shard]:
            self.told[shard] = watermark


def _revision(change: Change) -> int:
    return change.revision


def _word(record: LogRecord) -> Word:
    revision, ops = record
    return revision, tuple(tuple(op) for op in ops)
