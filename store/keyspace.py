"""The persisted state of a shard: every kept version of every key, and the changes in order.

Worked example. put a, put b, put a, delete b, put c at revisions 10, 20, 30, 40, 50 leave

    latest    a -> version 2 (30)      b -> tombstone (40)     c -> version 1 (50)
    older     a -> [version 1 (10)]    b -> [version 1 (20)]
    changes   a (10)  b (20)  a (30)  b (40)  c (50)

A read at 35 takes a from ``latest`` (30 <= 35) and b from ``older``. Compaction to 35 drops the
changes up to 30 and with each of them the version that it replaced: a has no older one left, b
still has its version of 20, which is what b was at 35. Compaction to 41 removes b altogether; at 40
its tombstone is kept, because a watch may begin with the change of the compacted revision.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter
from zlib import crc32

from api.core import InvariantError
from api.sorted_keys import SortedKeys
from store.change_log import ChangeLog
from store.messages import CREATE, HEADER, KEY, MOD, VALUE, VERSION, Record, WatchEvent
from store.segments import MASK, Segments

Change = tuple[Record, Record | None]
"""What was written and what it replaced; None when the key was absent."""

SHORT = 64
"""Versions of a key that are cheaper moved up one by one than counted first."""
RECORD_BYTES = 64
"""What the quota counts for a version besides key, header and value."""
_mod_revision = itemgetter(MOD)


def size_of(record: Record) -> int:
    """What a version counts against the quota."""
    return RECORD_BYTES + len(record[KEY]) + len(record[HEADER]) + len(record[VALUE])


def tombstone(key: bytes, revision: int) -> Record:
    return (key, 0, revision, 0, b"", b"", 0)


class Keyspace:
    """Multi-version index of one shard. One writer: ``apply``, in order of revision."""

    __slots__ = (
        "changes",
        "compact_revision",
        "dead",
        "kept_after",
        "keys",
        "largest",
        "latest",
        "live",
        "older",
        "size",
    )

    def __init__(self) -> None:
        self.latest: dict[bytes, Record] = {}
        self.older: Segments[list[Record]] = Segments()
        """The versions that the latest one of a key replaced, in order, if any are kept."""
        self.keys = SortedKeys()
        """Every key of ``latest``, tombstones too."""
        self.dead = SortedKeys()
        """The keys of the tombstones in ``latest``."""
        self.changes = ChangeLog()
        """Every version written since, in order; what one replaced is in ``older``."""
        self.compact_revision = 0
        """Reads below this revision are answered COMPACTED."""
        self.kept_after = 0
        """Every change above it is kept, so a watch may begin there."""
        self.live = 0
        """Number of keys that exist."""
        self.largest = 0
        """No version ever had a greater size."""
        self.size = 0
        """Bytes of all kept versions, as the quota counts them."""

    def apply(self, records: Sequence[Record]) -> list[Change]:
        """Make writes visible, in order. The revision of each is above all before it, or that of
        its own transaction. Cost: about 0.6 µs a write, 2 µs for a new key."""
        latest, older = self.latest, self.older.parts
        changes: list[Change] = []
        fresh: list[bytes] = []
        size = 0
        for record in records:
            key, _, _, version, header, value, _ = record
            weight = RECORD_BYTES + len(key) + len(header) + len(value)
            size += weight
            if weight > self.largest:
                self.largest = weight
            previous = latest.get(key)
            latest[key] = record
            if previous is None:
                fresh.append(key)
            else:
                part = older[crc32(key) & MASK]
                versions = part.get(key)
                if versions is None:
                    part[key] = [previous]
                else:
                    versions.append(previous)
                if not previous[VERSION]:
                    previous = None
                    self.dead.remove(key)
                    self.live += 1
                elif not version:
                    self.dead.add(key)
                    self.live -= 1
            changes.append((record, previous))
        if fresh:
            self.keys.add_all(fresh)
            self.live += len(fresh)
        self.size += size
        self.changes.extend(records)
        return changes

    def compact(self, revision: int) -> None:
        """Nothing before ``revision`` can be asked for any more; ``trim`` frees it."""
        self.compact_revision = max(self.compact_revision, revision)
        self.kept_after = max(self.kept_after, revision - 1)

    def load(self, rows: Sequence[Record]) -> None:
        """Take rows of a snapshot into an empty history."""
        for record in rows:
            key = record[KEY]
            assert key not in self.latest, key
            self.latest[key] = record
            self.size += size_of(record)
            self.largest = max(self.largest, size_of(record))
        self.keys.add_all([record[KEY] for record in rows])
        self.live += len(rows)

    def current(self, key: bytes) -> Record | None:
        """The record of a key that exists."""
        record = self.latest.get(key)
        return record if record is not None and record[VERSION] else None

    def at(self, key: bytes, revision: int) -> Record | None:
        """The record of a key as it was at ``revision``, which is not compacted."""
        record = self.latest.get(key)
        if record is not None and record[MOD] > revision:
            versions = self.older.of(key).get(key, ())
            place = bisect_right(versions, revision, key=_mod_revision)
            record = versions[place - 1] if place else None
        return record if record is not None and record[VERSION] else None

    def count(self, start: bytes, end: bytes, revision: int) -> int | None:
        """How many keys in [start, end) existed at ``revision``; None if more has changed since
        than there are keys to look at. Cost: that of SortedKeys.count, and the changes since."""
        known = self.keys.count(start, end)
        since = self.changes.count_after(revision)
        if since > known:
            return None
        found = known - self.dead.count(start, end)
        changed = dict.fromkeys([record[KEY] for record in self.changes.after(revision, since)])
        for key in changed:
            if start <= key and (not end or key < end):
                found += (self.at(key, revision) is not None) - (self.current(key) is not None)
        return found

    def many_at(self, keys: Sequence[bytes], revision: int) -> list[Record]:
        """The records of those of ``keys`` that exist at ``revision``; every key was here once.
        Cost: 0.2 µs a key, and a search in the history of those that changed since."""
        latest = self.latest
        records = [latest[key] for key in keys]
        written_since = self.changes.newest > revision
        if written_since and max(map(_mod_revision, records), default=0) > revision:
            older = [self.at(record[KEY], revision) for record in records]
            return [record for record in older if record is not None]
        if len(self.dead):
            return [record for record in records if record[VERSION]]
        return records

    def changes_after(self, revision: int, limit: int) -> list[Change]:
        """Up to ``limit`` changes above ``revision`` in order; a transaction is not split, so
        there may be a few more."""
        return [
            (record, self._replaced_by(record)) for record in self.changes.after(revision, limit)
        ]

    def _replaced_by(self, record: Record) -> Record | None:
        """The version of a key that existed when ``record``, whose change is kept, was written."""
        versions = self.older.of(record[KEY]).get(record[KEY], ())
        place = bisect_left(versions, record[MOD], key=_mod_revision)
        before = versions[place - 1] if place else None
        return before if before is not None and before[VERSION] else None

    def trim(self, revision: int, limit: int) -> bool:
        """Free at most ``limit`` changes up to ``revision`` and the versions they replaced.
        True when there are no more. Cost: that of ``limit``, however many changes there are."""
        assert revision <= self.compact_revision
        freed, done = self.changes.take(revision, limit)
        parts = self.older.parts
        replaced: dict[bytes, int] = {}
        size = 0
        for record in freed:
            key, mod = record[KEY], record[MOD]
            part = parts[crc32(key) & MASK]
            versions = part.get(key)
            if versions is None:
                pass
            elif len(versions) <= SHORT:
                _, _, oldest, _, header, value, _ = versions[0]
                if oldest < mod:
                    size += RECORD_BYTES + len(key) + len(header) + len(value)
                    del versions[0]
                    if not versions:
                        del part[key]
            else:
                # A long list is cut once, however many of its versions go.
                count = replaced.get(key, 0)
                if count < len(versions) and versions[count][MOD] < mod:
                    replaced[key] = count + 1
            if not record[VERSION] and self.latest.get(key) is record:
                del self.latest[key]
                self.keys.remove(key)
                self.dead.remove(key)
                size += size_of(record)
        for key, count in replaced.items():
            part = self.older.of(key)
            size += sum(map(size_of, part[key][:count]))
            del part[key][:count]
            if not part[key]:
                del part[key]
        self.size -= size
        return done

    def check(self) -> None:
        """Raise InvariantError if the index contradicts itself. Cost: linear."""
        self.keys.check()
        self.dead.check()
        dead = [key for key, record in self.latest.items() if not record[VERSION]]
        if self.dead.between(b"", b"", len(dead) + 1) != sorted(dead):
            raise InvariantError("the dead keys are not those of the tombstones")
        live = len(self.latest) - len(dead)
        if live != self.live or len(self.latest) != len(self.keys):
            raise InvariantError(f"{live} live of {len(self.latest)}, counted {self.live}")
        kept = list(self.latest.values())
        for key, versions in self.older.items():
            kept += versions
            revisions = [record[MOD] for record in versions] + [self.latest[key][MOD]]
            if revisions != sorted(set(revisions)):
                raise InvariantError(f"versions of {key!r} out of order: {revisions}")
        size = sum([len(key) + len(header) + len(value) for key, _, _, _, header, value, _ in kept])
        if size + RECORD_BYTES * len(kept) != self.size:
            raise InvariantError(f"the versions kept are not {self.size} bytes")
        order = [record[MOD] for record in self.changes]
        if order != sorted(order):
            raise InvariantError("changes out of order")


def put_events(changes: Sequence[Change]) -> Sequence[WatchEvent] | None:
    """``watch_event`` of each, without the previous; None when one of them is a delete."""
    events: list[WatchEvent] = [
        (0, key, mod, create, version, header, value, None)
        for (key, create, mod, version, header, value, _), _ in changes
        if version
    ]
    return events if len(events) == len(changes) else None


def watch_event(change: Change, want_previous: bool) -> WatchEvent:
    """One change as watchers see it: a delete shows the last state."""
    record, previous = change
    before = previous if want_previous else None
    if record[VERSION]:
        key, create, mod, version, header, value, _ = record
        return (0, key, mod, create, version, header, value, before)
    assert previous is not None
    return (
        1,
        record[KEY],
        record[MOD],
        previous[CREATE],
        previous[VERSION],
        previous[HEADER],
        previous[VALUE],
        before,
    )
