"""The Cluster and Maintenance services: one member, its state, its snapshot."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from zlib import crc32

import msgpack

from actors.etcd.shards import Shards
from api.storage import ALARM, RANGE
from store.etcd.codec import decoded, encoded
from store.etcd.errors import UNIMPLEMENTED, EtcdError, checked
from store.etcd.keys import Identity
from store.journal import SNAPSHOT_MAGIC, encoded_header, encoded_record
from store.messages import KEY, Record

VERSION: Final = "3.6.0"
"""Of the API that is spoken: clients decide by it what they may ask."""
MEMBER_NAME: Final = "default"
CHUNK_KEYS: Final = 1000
NO_ALARM, NOSPACE = 0, 1
NEVER_COMPACTED: Final = -1
"""Source: etcd server/storage/mvcc/kvstore.go, NewStore."""
BLOB_BYTES: Final = 32 << 10
SECTOR: Final = 512
"""A snapshot is padded to sectors; by the 32 bytes behind them clients know the checksum.
Source: etcd etcdutl/snapshot/v3_snapshot.go, hasChecksum."""


class MaintenanceService:
    def __init__(self, shards: Shards, identity: Identity, address: Callable[[], str]) -> None:
        self._shards = shards
        self._identity = identity
        self._address = address

    async def member_list(self, data: bytes) -> bytes:
        decoded("MemberListRequest", data)
        member = {
            "ID": self._identity.member_id,
            "name": MEMBER_NAME,
            "peerURLs": [],
            "clientURLs": [f"http://{self._address()}"],
        }
        return self._identity.header(0) + encoded("MemberListResponse", {"members": [member]})

    async def status(self, data: bytes) -> bytes:
        decoded("StatusRequest", data)
        cores = [shard.core for shard in self._shards.all]
        index = sum(core.ledger.persisted_index for core in cores)
        size = sum(core.log_bytes for core in cores)
        return self._response(
            "StatusResponse",
            version=VERSION,
            dbSize=size,
            dbSizeInUse=size,
            leader=self._identity.member_id,
            raftIndex=index,
            raftAppliedIndex=index,
            raftTerm=Identity.RAFT_TERM,
            dbSizeQuota=sum(core.settings.quota_bytes for core in cores),
            errors=["NOSPACE"] if any(core.ledger.quota.raised for core in cores) else [],
        )

    async def alarm(self, data: bytes) -> bytes:
        message = decoded("AlarmRequest", data)
        action = message.get("action", 0)
        if message.get("alarm", 0) not in (NO_ALARM, NOSPACE):
            if action == 1:
                raise EtcdError(UNIMPLEMENTED, "hollowfleet: the only alarm is NOSPACE")
            return self._response("AlarmResponse")
        _, before = checked(await self._shards.ask((ALARM, 0)))
        if action and before != (action == 1):
            checked(await self._shards.ask((ALARM, action)))
        # Who clears an alarm is told which one that was.
        shown = action == 1 or before
        alarms = [{"memberID": self._identity.member_id, "alarm": NOSPACE}] if shown else []
        return self._response("AlarmResponse", alarms=alarms)

    async def defragment(self, data: bytes) -> bytes:
        """A log has no holes that could be closed: there is nothing to do. The answer is empty.
        Source: etcd server/etcdserver/api/v3rpc/maintenance.go, as for an alarm's header."""
        decoded("DefragmentRequest", data)
        return b""

    async def hash(self, data: bytes) -> bytes:
        decoded("HashRequest", data)
        return self._response("HashResponse", hash=await self._hash(await self._shards.present()))

    async def hash_kv(self, data: bytes) -> bytes:
        """Of the keys as they were at a revision. The number is our own: equal states have equal
        ones, but etcd hashes its own file."""
        asked = decoded("HashKVRequest", data).get("revision", 0)
        revision = asked or await self._shards.present()
        return self._response(
            "HashKVResponse",
            hash=await self._hash(revision),
            compact_revision=self._shards.compact_revision or NEVER_COMPACTED,
            hash_revision=revision,
        )

    async def snapshot(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        """The state at the present revision in our own format, padded, and its SHA-256."""
        decoded("SnapshotRequest", data)
        revision = await self._shards.present()
        with tempfile.TemporaryFile() as file:
            size = await self._write_snapshot(file, revision)
            file.seek(0)
            left = size
            while left:
                blob = file.read(BLOB_BYTES)
                left -= len(blob)
                yield self._response(
                    "SnapshotResponse", remaining_bytes=left, blob=blob, version=VERSION
                )

    async def _write_snapshot(self, file: Any, revision: int) -> int:
        """Write the whole file; returns its length."""
        digest = hashlib.sha256()
        size = 0

        def add(part: bytes) -> None:
            nonlocal size
            file.write(part)
            digest.update(part)
            size += len(part)

        granted = [(*shard.core.leases.granted.items(),) for shard in self._shards.all]
        leases = [(lease, held.ttl_s) for part in granted for lease, held in part if held.ttl_s]
        add(encoded_header(SNAPSHOT_MAGIC, 0, revision))
        alarm = any(shard.core.ledger.quota.raised for shard in self._shards.all)
        add(encoded_record(1, revision, msgpack.packb((leases, alarm))))
        number = 2
        async for rows in self._rows(revision):
            add(encoded_record(number, revision, msgpack.packb(rows)))
            number += 1
        add(encoded_record(number, revision, msgpack.packb(())))
        add(bytes(-size % SECTOR))
        file.write(digest.digest())
        return size + digest.digest_size

    async def _hash(self, revision: int) -> int:
        found = crc32(b"")
        async for rows in self._rows(revision):
            found = crc32(msgpack.packb(rows), found)
        return found

    async def _rows(self, revision: int) -> AsyncIterator[list[Record]]:
        """Every record as it was at ``revision``, in chunks. EtcdError when that is compacted."""
        start = b"\x00"
        while True:
            request = (RANGE, start, b"", revision, CHUNK_KEYS, 3)
            _, _, more, rows, _ = checked(await self._shards.ask(request))
            if rows:
                yield rows
            if not more:
                return
            start = rows[-1][KEY] + b"\x00"

    def _response(self, name: str, **fields: Any) -> bytes:
        return self._identity.header(self._shards.revision) + encoded(name, fields)
