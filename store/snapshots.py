"""When to write a snapshot, and its rows: the state at the compact revision, chunk by chunk.

The log has to keep only what is newer than the snapshot. Because it shows the state at the compact
revision and not the newest, the history that watches may still ask for survives a restart. While a
snapshot is written nothing newer than its revision is freed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from store.keyspace import Keyspace
from store.leases import Leases
from store.messages import HEADER, KEY, VALUE, Record, WriteSnapshot
from store.quota import Quota

CHUNK_KEYS = 500
"""Rows lie anywhere in memory: to gather and encode so many of 1 KB takes 2 ms, and who writes
meanwhile waits for it."""
CHUNK_BYTES = 1 << 20
"""At this size of headers and values a chunk ends, whatever its keys."""
LOG_BYTES_MIN = 64 << 20
"""A shorter log is not worth a snapshot, unless ``Snapshots.log_bytes_min`` says so."""
GROWTH = 2
"""The log must have grown by this factor since the last snapshot."""


@dataclass(slots=True)
class Snapshots:
    """At most one snapshot under way; the next chunk waits for the disk's answer to the last."""

    keyspace: Keyspace
    leases: Leases
    quota: Quota
    revision: int = 0
    """Of the snapshot under way, 0 when there is none."""
    written_revision: int = 0
    """Of the newest complete snapshot."""
    log_bytes_kept: int = 0
    """Length of the log after it."""
    log_bytes_min: int = LOG_BYTES_MIN
    _cursor: bytes | None = b""

    def due(self, log_bytes: int) -> bool:
        return (
            not self.revision
            and self.keyspace.compact_revision > self.written_revision
            and log_bytes > max(self.log_bytes_min, GROWTH * self.log_bytes_kept)
        )

    def begin(self) -> WriteSnapshot:
        self.revision = self.keyspace.compact_revision
        self._cursor = b""
        granted = self.leases.granted.items()
        return self._chunk(tuple((lease, held.ttl_s) for lease, held in granted), True)

    def written(self, revision: int, log_bytes: int) -> WriteSnapshot | None:
        """The disk took the last chunk: the next one, or None when that was all."""
        assert revision == self.revision
        if self._cursor is not None:
            return self._chunk((), False)
        self.revision, self.written_revision = 0, revision
        self.log_bytes_kept = log_bytes
        return None

    def failed(self, revision: int) -> None:
        assert revision == self.revision
        self.revision = 0

    def _chunk(self, leases: tuple[tuple[int, int], ...], first: bool) -> WriteSnapshot:
        assert self._cursor is not None
        keys = self.keyspace.keys.between(self._cursor, b"", CHUNK_KEYS)
        self._cursor = keys[-1] + b"\x00" if len(keys) == CHUNK_KEYS else None
        rows = self.keyspace.many_at(keys, self.revision)
        fitting = _fitting(rows)
        if fitting < len(rows):
            rows = rows[:fitting]
            self._cursor = rows[-1][KEY] + b"\x00"
        alarm = first and self.quota.raised
        return WriteSnapshot(self.revision, rows, leases, first, self._cursor is None, alarm)


def _fitting(rows: Sequence[Record]) -> int:
    """How many of the rows a chunk takes: up to the one with which it has reached its size."""
    sizes = [len(row[HEADER]) + len(row[VALUE]) for row in rows]
    if sum(sizes) < CHUNK_BYTES:
        return len(rows)
    reached = [total >= CHUNK_BYTES for total in accumulate(sizes)]
    return reached.index(True) + 1
