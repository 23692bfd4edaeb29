"""A data directory made of a snapshot that ``etcdctl snapshot save`` fetched from a door.

The snapshot is that of all keys at one revision, so it can be restored to any number of shards.
History begins with it. The directory gets a new cluster id: clients of the old one are not to mix
them up. Source: etcdutl snapshot restore.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from actors.disk import DirectoryError, LogDirectory
from actors.disk.aligned_file import write_all
from actors.disk.directory import decoded_snapshot
from actors.disk.snapshot_file import SnapshotFile
from actors.etcd.identity import new_identity
from actors.etcd.maintenance import SECTOR
from api.storage import MAX_SHARDS
from store.etcd.spread import home_of, shard_of
from store.journal import LOG_MAGIC, JournalError, encoded_header
from store.leases import ADOPTED_TTL_S
from store.messages import KEY, Record, WriteSnapshot

DIGEST_BYTES: Final = hashlib.sha256().digest_size
UNDER_WAY: Final = ".restoring"
"""Ending of the directory until it is whole."""


def restore(file: Path, directory: Path, shards: int) -> int:
    """Make ``directory``, which must be new or empty, of the snapshot; returns its revision.
    DirectoryError, JournalError."""
    try:
        if directory.exists() and any(directory.iterdir()):
            raise DirectoryError(f"{directory} is not empty: a snapshot is restored to a new one")
        data = _checked(file)
        under_way = directory.with_name(directory.name + UNDER_WAY)
        shutil.rmtree(under_way, ignore_errors=True)
        under_way.mkdir(mode=0o700, parents=True)
        revision = _write(file, data, under_way, shards)
        under_way.replace(directory)
    except OSError as error:
        raise DirectoryError(f"cannot restore {file} to {directory}: {error}") from error
    return revision


def _checked(file: Path) -> bytes:
    """The content without its checksum. JournalError."""
    data = file.read_bytes()
    if len(data) % SECTOR != DIGEST_BYTES:
        reason = "not a snapshot that was saved: it does not end with a checksum"
        raise JournalError(str(file), len(data), reason)
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise JournalError(str(file), 0, "damaged: the checksum at its end is that of other bytes")
    return content


def _write(file: Path, data: bytes, directory: Path, shards: int) -> int:
    content = decoded_snapshot(file, data, 0)
    homes: list[list[tuple[int, int]]] = [[] for _ in range(shards)]
    for lease, ttl_s in content.leases:
        for shard in range(shards):
            own = home_of(lease, shards) == shard
            homes[shard].append((lease, ttl_s if own else ADOPTED_TTL_S))
    parts = [
        _Part(directory / f"shard-{shard}", shard, content.revision) for shard in range(shards)
    ]
    try:
        for part, leases in zip(parts, homes, strict=True):
            part.add((), leases=leases, first=True, alarm=content.alarm)
        for rows in content.rows:
            split: list[list[Record]] = [[] for _ in range(shards)]
            for row in rows:
                split[shard_of(row[KEY], shards)].append(row)
            for part, mine in zip(parts, split, strict=True):
                part.add(mine)
        for part in parts:
            part.add((), last=True)
    finally:
        for part in parts:
            part.close()
    # The clock of several shards goes on where the revisions of the snapshot are.
    created_ns = time.time_ns() - content.revision // MAX_SHARDS * 1000
    new_identity(directory, shards, created_ns)
    return content.revision


class _Part:
    """The directory of one shard: its snapshot and an empty log behind it."""

    def __init__(self, path: Path, shard: int, revision: int) -> None:
        self._directory = LogDirectory.open(str(path), shard)
        self._file = SnapshotFile(self._directory)
        self._revision = revision
        with (path / f"log-{1:020d}").open("wb", buffering=0) as log:
            write_all(log.fileno(), encoded_header(LOG_MAGIC, shard, 1))

    def add(
        self,
        rows: Sequence[Record],
        leases: Sequence[tuple[int, int]] = (),
        *,
        first: bool = False,
        last: bool = False,
        alarm: bool = False,
    ) -> None:
        if rows or first or last:
            chunk = WriteSnapshot(self._revision, rows, leases, first, last, alarm)
            self._file.write(self._file.encoded(chunk))

    def close(self) -> None:
        self._file.abandon()
        self._directory.close()
