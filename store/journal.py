"""The format of log and snapshot files, as pure functions from bytes to bytes.

A file starts with HEADER: a magic, the format version, the shard, the file's number (for a log the
index of its first record, for a snapshot its revision) and a CRC-32 of these. Then come records:

    term u32 | index u64 | revision u64 | length u32 | payload crc u32 | head crc u32 | payload

all little-endian, term 0 until there is more than one member. The payload is msgpack: in a log the
ops of the record; in a snapshot first ([[lease, ttl_s], ...], whether the alarm is raised), then
chunks of rows, and an empty one at the end. The head has a checksum of its own,
so a length can be trusted before it is followed, and a cut record is told from a damaged one:

* A record that the file is too short for, with a sound head, or less than a head: a write was cut
  off. It was never acknowledged, because that waits for the whole write. Only the newest file can
  end so; the reader cuts it there.
* Zeros behind the records of a file are room for more: cut off like these in the newest file. In
  another the number of the next one says whether a record is missing.
* A checksum that does not match in a record that is there: damage, and the reader refuses the file
  with name and offset. The one exception is a record in which a 512-byte sector begins that reads
  as zeros, or all that is left of the file does: blocks that were allocated and never written, as
  after a power cut.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgpack

from store.messages import LogRecord

LOG_MAGIC: Final = b"HFLOG\x00\r\n"
SNAPSHOT_MAGIC: Final = b"HFSNAP\r\n"
FORMAT_VERSION: Final = 1
TERM: Final = 0
SECTOR: Final = 512
_ZEROS: Final = bytes(64 << 10)

_HEADER = Struct("<8sIIQ")
_HEAD = Struct("<IQQII")
_HEAD_AND_CRC = Struct("<IQQIII")
_CRC = Struct("<I")
_packer = msgpack.Packer()
"""Kept for its buffer."""
HEADER_BYTES: Final = _HEADER.size + _CRC.size
HEAD_BYTES: Final = _HEAD.size + _CRC.size


class JournalError(Exception):
    """A file that must not be used: the message names it, the offset and the reason."""

    def __init__(self, name: str, offset: int, reason: str) -> None:
        super().__init__(f"{name}: offset {offset}: {reason}")
        self.name = name
        self.offset = offset


class JournalRecord(NamedTuple):
    """One record of a log file, whose checksums held. ``payload`` is a view into the file's
    bytes."""

    log_index: int
    revision: int
    payload: memoryview
    end: int
    """Offset behind the record."""


def encoded_header(magic: bytes, shard: int, number: int) -> bytes:
    header = _HEADER.pack(magic, FORMAT_VERSION, shard, number)
    return header + _CRC.pack(crc32(header))


def decoded_header(name: str, data: bytes | memoryview, magic: bytes) -> tuple[int, int] | None:
    """(shard, number) of a file, or None when the file was cut off before its first record."""
    if len(data) < HEADER_BYTES:
        return None
    header = data[: _HEADER.size]
    found, version, shard, number = _HEADER.unpack(header)
    if not any(data[:HEADER_BYTES]) and len(data) == HEADER_BYTES:
        return None
    if found != magic:
        raise JournalError(name, 0, f"not a file of this kind: it starts with {found!r}")
    if version != FORMAT_VERSION:
        raise JournalError(name, 8, f"format version {version}, this program reads 1")
    if _CRC.unpack_from(data, _HEADER.size)[0] != crc32(header):
        raise JournalError(name, 0, "damaged header")
    return shard, number


def encoded_record(index: int, revision: int, payload: bytes | memoryview) -> bytes:
    head = _HEAD.pack(TERM, index, revision, len(payload), crc32(payload))
    return b"".join((head, _CRC.pack(crc32(head)), payload))


def encoded_chunk(index: int, revision: int, content: object) -> bytes:
    """The record of a snapshot with this content. Cost: 1 µs a row of 1 KB."""
    return encoded_record(index, revision, _packer.pack(content))


def encoded_log(first_index: int, records: Sequence[LogRecord]) -> bytes:
    """Records ready to be written. Cost: about 2 µs for one of 1 KB."""
    parts: list[bytes] = []
    index = first_index
    pack_payload, pack_head, pack_crc = _packer.pack, _HEAD.pack, _CRC.pack
    for revision, ops in records:
        payload = pack_payload(ops)
        head = pack_head(TERM, index, revision, len(payload), crc32(payload))
        parts += (head, pack_crc(crc32(head)), payload)
        index += 1
    return b"".join(parts)


def decoded_ops(payload: bytes | memoryview) -> tuple[tuple[object, ...], ...]:
    ops: tuple[tuple[object, ...], ...] = msgpack.unpackb(payload, use_list=False)
    return ops


def decoded_records(
    name: str, data: bytes | memoryview, first_index: int, newest: bool
) -> Iterator[JournalRecord]:
    """The records of a file behind its header. Stops in front of a cut record if the file is the
    ``newest``, whose end is then the ``end`` of the last record, and of zeros in any. Raises
    JournalError."""
    view = memoryview(data)
    size = len(data)
    offset = HEADER_BYTES
    expected = first_index
    unpack_head, head_bytes, hashed_bytes = _HEAD_AND_CRC.unpack_from, HEAD_BYTES, _HEAD.size
    while offset < size:
        start = offset + head_bytes
        whole = start <= size
        if whole:
            fields = unpack_head(data, offset)
            whole = crc32(view[offset : offset + hashed_bytes]) == fields[-1]
        if not whole:
            cut = start > size or _never_written(data, offset, start)
            if cut and (newest or _all_zeros(data, offset)):
                return
            raise JournalError(name, offset, "cut record" if cut else "damaged record head")
        term, index, revision, length, crc, _ = fields
        if term != TERM or index != expected:
            reason = f"record {index} of term {term} where record {expected} of term 0 belongs"
            raise JournalError(name, offset, reason)
        end = start + length
        payload = view[start:end]
        if end > size or crc32(payload) != crc:
            cut = end > size or _never_written(data, start, end)
            if newest and cut:
                return
            raise JournalError(name, offset, "cut record" if cut else "damaged payload")
        # What the constructor of a NamedTuple adds is a tenth of a restart.
        yield tuple.__new__(JournalRecord, (index, revision, payload, end))
        expected += 1
        offset = end


def _never_written(data: bytes | memoryview, start: int, end: int) -> bool:
    """Whether a sector that begins between ``start`` and ``end`` reads as zeros, as far as the file
    has it, or nothing but zeros follows ``start``."""
    if _all_zeros(data, start):
        return True
    sector = -(-start // SECTOR) * SECTOR
    while sector < min(end, len(data)):
        if not any(data[sector : sector + SECTOR]):
            return True
        sector += SECTOR
    return False


def _all_zeros(data: bytes | memoryview, start: int) -> bool:
    """Whether nothing but zeros is there from ``start`` on, which may be 64 MB of them."""
    view = memoryview(data)
    for at in range(start, len(view), len(_ZEROS)):
        piece = view[at : at + len(_ZEROS)]
        if bytes(piece) != _ZEROS[: len(piece)]:
            return False
    return True
