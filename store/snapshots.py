"""When to write a snapshot, and its rows: the state at the compact revision, chunk by chunk.

The log has to keep only what is newer than the snapshot. Because it shows the state at the compact
revision and not the newest, the history that watches may still ask for survives a restart. While a
snapshot is written nothing newer than its revision is freed.
"""

from dataclasses import dataclass

from store.keyspace import Keyspace
from store.leases import Leases
from store.messages import HEADER, VALUE, Record, WriteSnapshot
from store.quota import Quota

CHUNK_KEYS = 1000
CHUNK_BYTES = 1 << 20
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
        rows: list[Record] = []
        size = 0
        keys = self.keyspace.keys.between(self._cursor, b"", CHUNK_KEYS)
        self._cursor = keys[-1] + b"\x00" if len(keys) == CHUNK_KEYS else None
        for key in keys:
            record = self.keyspace.at(key, self.revision)
            if record is not None:
                rows.append(record)
                size += len(record[HEADER]) + len(record[VALUE])
            if size >= CHUNK_BYTES:
                self._cursor = key + b"\x00"
                break
        alarm = first and self.quota.raised
        return WriteSnapshot(self.revision, rows, leases, first, self._cursor is None, alarm)
